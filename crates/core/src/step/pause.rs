//! `approval`, `wait`, `signal`: steps that wait for somebody or something.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Next, Param, ParamType, StepCx, StepKind, Wait, map_outputs, read};
use crate::call::{Failure, FailureClass, Outcome};
use crate::definition::{EffectClass, Step};
use crate::diagnostic::{Code, Diagnostic};

pub(super) struct Approval;
pub(super) struct WaitStep;
pub(super) struct SignalStep;

const APPROVAL_PARAMS: &[Param] = &[
    Param::required("prompt", ParamType::Text, "What is asked."),
    Param::optional("preview", ParamType::Any, "What is agreed to, for people to see."),
    Param::optional("preview_from", ParamType::Texts, "Steps or outputs whose results are shown."),
    Param::optional("timeout_hours", ParamType::Number, "How long the question stands; then it counts as rejected.").or("24"),
];

#[derive(Deserialize)]
struct ApprovalParams {
    prompt: String,
    preview: Option<Value>,
    timeout_hours: f64,
}

/// What ended a wait, as the machine hands it to the step: the value of the only outcome in its journal.
fn ended(journal: &[Outcome], outputs: &[String], primary: &str) -> Option<Next> {
    Some(match journal.first()? {
        Outcome::Succeeded { value, .. } => {
            let result = match value.value() {
                Value::Object(map) => map,
                other => Map::from_iter([(primary.to_owned(), other)]),
            };
            match map_outputs(outputs, Some(primary), result) {
                Ok(outputs) => Next::Done(outputs),
                Err(failure) => Next::Fail(failure),
            }
        }
        Outcome::Failed { failure, .. } => Next::Fail(failure.clone()),
        Outcome::InDoubt { evidence } => Next::Fail(Failure::new(FailureClass::Rejected, evidence.clone())),
    })
}

/// Milliseconds of a number of hours or seconds; what is not a sensible time is no time.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a range that fits before the cast")]
fn ms(units: f64, unit_ms: f64) -> u64 {
    (units * unit_ms).clamp(0.0, 1e15) as u64
}

impl StepKind for Approval {
    fn name(&self) -> &'static str {
        "approval"
    }

    fn summary(&self) -> &'static str {
        "Waits until somebody agrees. What depends on it does not start; everything else goes on."
    }

    fn params(&self) -> &'static [Param] {
        APPROVAL_PARAMS
    }

    fn results(&self) -> &'static [(&'static str, &'static str)] {
        &[("decision", "`approved`."), ("by", "Who decided."), ("comment", "What they said.")]
    }

    fn default_effect(&self, _params: &Map<String, Value>) -> EffectClass {
        EffectClass::Pure
    }

    fn next(&self, cx: &StepCx<'_>, journal: &[Outcome]) -> Next {
        if let Some(next) = ended(journal, cx.outputs, "decision") {
            return next;
        }
        match read::<ApprovalParams>(cx.params) {
            Ok(p) => Next::Wait(Wait::Approval {
                prompt: p.prompt,
                preview: p.preview.unwrap_or_default(),
                timeout_ms: Some(ms(p.timeout_hours, 3_600_000.0)),
            }),
            Err(failure) => Next::Fail(failure),
        }
    }
}

const WAIT_PARAMS: &[Param] = &[Param::required("seconds", ParamType::Number, "How long; fractions are allowed.")];

#[derive(Deserialize)]
struct WaitParams {
    seconds: f64,
}

impl StepKind for WaitStep {
    fn name(&self) -> &'static str {
        "wait"
    }

    fn summary(&self) -> &'static str {
        "Waits for time to pass. A waiting run costs no thread and survives restarts."
    }

    fn params(&self) -> &'static [Param] {
        WAIT_PARAMS
    }

    fn results(&self) -> &'static [(&'static str, &'static str)] {
        &[("waited_ms", "How long it was to wait, in milliseconds.")]
    }

    fn default_effect(&self, _params: &Map<String, Value>) -> EffectClass {
        EffectClass::Pure
    }

    fn next(&self, cx: &StepCx<'_>, journal: &[Outcome]) -> Next {
        if let Some(next) = ended(journal, cx.outputs, "waited_ms") {
            return next;
        }
        match read::<WaitParams>(cx.params) {
            Ok(p) => Next::Wait(Wait::Timer { ms: ms(p.seconds, 1_000.0) }),
            Err(failure) => Next::Fail(failure),
        }
    }
}

const SIGNAL_PARAMS: &[Param] = &[
    Param::required("name", ParamType::Text, "The name of the signal."),
    Param::optional("wait_seconds", ParamType::Number, "How long to wait for it; then the step fails. Absent: for ever."),
];

#[derive(Deserialize)]
struct SignalParams {
    name: String,
    wait_seconds: Option<f64>,
}

impl StepKind for SignalStep {
    fn name(&self) -> &'static str {
        "signal"
    }

    fn summary(&self) -> &'static str {
        "Waits for a signal from outside and gives what came with it. A signal that came earlier is kept."
    }

    fn params(&self) -> &'static [Param] {
        SIGNAL_PARAMS
    }

    fn results(&self) -> &'static [(&'static str, &'static str)] {
        &[("payload", "What came with the signal.")]
    }

    fn default_effect(&self, _params: &Map<String, Value>) -> EffectClass {
        EffectClass::Pure
    }

    fn check(&self, step: &Step, problems: &mut Vec<Diagnostic>) {
        if step.params.get("name").and_then(Value::as_str).is_some_and(str::is_empty) {
            problems.push(Diagnostic::error(Code::BadValue, "params.name", "a signal needs a name"));
        }
    }

    fn next(&self, cx: &StepCx<'_>, journal: &[Outcome]) -> Next {
        if let Some(next) = ended(journal, cx.outputs, "payload") {
            return next;
        }
        match read::<SignalParams>(cx.params) {
            Ok(p) => Next::Wait(Wait::Signal { name: p.name, timeout_ms: p.wait_seconds.map(|s| ms(s, 1_000.0)) }),
            Err(failure) => Next::Fail(failure),
        }
    }
}
