//! `noop`: a call that does nothing, durably. For benchmarks and for trying out the order of steps.

use serde_json::{Map, Value};

use super::{Next, Param, ParamType, StepCx, StepKind, map_outputs};
use crate::call::{Failure, FailureClass, Outcome, Request};
use crate::definition::EffectClass;

pub(super) struct Noop;

const PARAMS: &[Param] = &[Param::optional("value", ParamType::Any, "What the step gives as its `result`.")];

impl StepKind for Noop {
    fn name(&self) -> &'static str {
        "noop"
    }

    fn summary(&self) -> &'static str {
        "Does nothing, but durably: its start and its end are events."
    }

    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn results(&self) -> &'static [(&'static str, &'static str)] {
        &[("result", "The parameter `value`, or null.")]
    }

    fn default_effect(&self, _params: &Map<String, Value>) -> EffectClass {
        EffectClass::Repeatable
    }

    fn next(&self, cx: &StepCx<'_>, journal: &[Outcome]) -> Next {
        match journal.first() {
            None => return Next::Call(Request::Noop {}),
            Some(Outcome::Succeeded { .. }) => {}
            Some(Outcome::Failed { failure, .. }) => return Next::Fail(failure.clone()),
            Some(Outcome::InDoubt { evidence }) => return Next::Fail(Failure::new(FailureClass::Rejected, evidence.clone())),
        }
        let mut result = Map::new();
        if let Some(value) = cx.params.get("value") {
            result.insert("result".to_owned(), value.clone());
        } else if !cx.outputs.is_empty() {
            result.insert("result".to_owned(), Value::Null);
        }
        match map_outputs(cx.outputs, Some("result"), result) {
            Ok(outputs) => Next::Done(outputs),
            Err(failure) => Next::Fail(failure),
        }
    }
}
