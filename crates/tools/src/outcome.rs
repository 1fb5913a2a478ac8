//! Outcomes, shortly.

use gorgon_core::call::{Failure, FailureClass, Family, Metering, Outcome, Request};
use gorgon_core::payload::Payload;

pub(crate) fn succeeded(value: Payload) -> Outcome {
    Outcome::Succeeded { value, metering: Metering::None }
}

pub(crate) fn failed(failure: Failure) -> Outcome {
    Outcome::Failed { failure, metering: Metering::None }
}

pub(crate) fn in_doubt(evidence: impl Into<String>) -> Outcome {
    Outcome::InDoubt { evidence: evidence.into() }
}

pub(crate) fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(FailureClass::Invalid, message)
}

pub(crate) fn refused(message: impl Into<String>) -> Failure {
    Failure::new(FailureClass::Refused, message)
}

pub(crate) fn denied(message: impl Into<String>) -> Failure {
    Failure::new(FailureClass::Denied, message)
}

/// A call came to the wrong executor: a mistake of whoever wired them, told as a failure because an executor always answers.
pub(crate) fn misdirected(request: &Request, family: Family) -> Outcome {
    failed(invalid(format!("a call of the family {:?} was given to the executor of the family {family:?}", request.family())))
}
