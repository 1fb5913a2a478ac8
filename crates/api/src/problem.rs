//! What is answered when something cannot be done: the problem details of RFC 9457.

use gorgon_core::command::Rejection;
use gorgon_core::diagnostic::{Code, Diagnostic};
use serde::{Deserialize, Serialize};

/// Why a request was not carried out. Nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Names the kind of problem: the page of its code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in a few words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong: a sentence that reads alone.
    pub detail: String,
    /// Stable code, such as `GOR0401`.
    pub code: Code,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Everything that is wrong with what was sent, if that is more than one thing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<Diagnostic>,
}

impl Problem {
    /// The problem of a code.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:gorgon:error:{code}"),
            title: code.title().to_owned(),
            status: status_of(code),
            detail: detail.into(),
            code,
            help: None,
            diagnostics: Vec::new(),
        }
    }

    /// The same with a cure.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What is wrong with a definition, its inputs or its budget.
    #[must_use]
    pub fn of_diagnostics(diagnostics: Vec<Diagnostic>) -> Self {
        let first = diagnostics.iter().find(|problem| problem.is_error()).or(diagnostics.first());
        let (code, detail) = first.map_or((Code::Internal, "no reason was given"), |first| (first.code, first.message.as_str()));
        let mut problem = Self::new(code, detail);
        problem.help = first.and_then(|first| first.help.clone());
        problem.diagnostics = diagnostics;
        problem
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let Rejection { code, message, help } = rejection;
        Self { help, ..Self::new(code, message) }
    }
}

/// The HTTP status of a code: chosen here and nowhere else.
#[must_use]
pub fn status_of(code: Code) -> u16 {
    match code {
        Code::UnknownRun | Code::UnknownWorkflow => 404,
        Code::NotInThisState | Code::StaleApproval | Code::AmbiguousRun => 409,
        Code::StoreUnavailable | Code::StoreHeld | Code::StoreFull => 503,
        Code::StoreDamaged | Code::StoreTooNew | Code::Internal => 500,
        _ => 422,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_goes_over_the_wire_and_back() {
        let problem = Problem::new(Code::NotInThisState, "the run is completed").help("start a new one");
        let text = serde_json::to_string(&problem).unwrap();
        assert_eq!(
            text,
            r#"{"type":"urn:gorgon:error:GOR0403","title":"the run is in a state in which that cannot be done","status":409,"detail":"the run is completed","code":"GOR0403","help":"start a new one"}"#
        );
        assert_eq!(serde_json::from_str::<Problem>(&text).unwrap(), problem);
    }

    #[test]
    fn of_many_problems_the_first_error_leads() {
        let warning = Diagnostic::warning(Code::ShellQuoting, "steps[0]", "quote it");
        let error = Diagnostic::error(Code::MissingInput, "inputs.n", "n is missing").help("give it");
        let problem = Problem::of_diagnostics(vec![warning, error]);
        assert_eq!((problem.code, problem.status, problem.help.as_deref()), (Code::MissingInput, 422, Some("give it")));
        assert_eq!(problem.diagnostics.len(), 2);
    }
}
