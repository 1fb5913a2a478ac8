//! `checkpoint`: a place with a name. Every step is durable anyway; this one is for people who read the history.

use serde_json::{Map, Value};

use super::{Next, Param, ParamType, StepCx, StepKind, map_outputs};
use crate::call::Outcome;
use crate::definition::EffectClass;

pub(super) struct Checkpoint;

const PARAMS: &[Param] = &[Param::optional("message", ParamType::Text, "What has been reached.")];

impl StepKind for Checkpoint {
    fn name(&self) -> &'static str {
        "checkpoint"
    }

    fn summary(&self) -> &'static str {
        "Marks a place in the history; what comes after it in the file waits for what comes before."
    }

    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn results(&self) -> &'static [(&'static str, &'static str)] {
        &[("checkpoint", "The id of the step."), ("message", "The message.")]
    }

    fn default_effect(&self, _params: &Map<String, Value>) -> EffectClass {
        EffectClass::Pure
    }

    fn is_pure(&self) -> bool {
        true
    }

    fn next(&self, cx: &StepCx<'_>, _journal: &[Outcome]) -> Next {
        let mut result = Map::from_iter([("checkpoint".to_owned(), Value::String(cx.id.to_string()))]);
        if let Some(message) = cx.params.get("message") {
            result.insert("message".to_owned(), message.clone());
        }
        match map_outputs(cx.outputs, Some("checkpoint"), result) {
            Ok(outputs) => Next::Done(outputs),
            Err(failure) => Next::Fail(failure),
        }
    }
}
