//! `script`: a small program in an embedded language.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Next, Param, ParamType, StepCx, StepKind, Syntax, map_outputs, read};
use crate::call::{Failure, FailureClass, Outcome, Request, ScriptRequest};
use crate::definition::EffectClass;

pub(super) struct Script;

const PARAMS: &[Param] = &[
    Param::required("script", ParamType::Text, "The source. It sees `inputs` as locals and returns a table with the outputs, or one value.")
        .read_as(Syntax::Raw),
    Param::optional("language", ParamType::Word(&["lua"]), "The language.").or("\"lua\""),
    Param::optional("inputs", ParamType::Map, "Values that the script sees, by name."),
    Param::optional("memory_bytes_max", ParamType::Integer(65_536, 1 << 30), "Most memory in bytes.").or("67108864"),
];

#[derive(Deserialize)]
struct Params {
    script: String,
    language: String,
    #[serde(default)]
    inputs: Map<String, Value>,
    memory_bytes_max: u64,
}

impl StepKind for Script {
    fn name(&self) -> &'static str {
        "script"
    }

    fn summary(&self) -> &'static str {
        "Runs a Lua script with bounded time and memory, without files or network."
    }

    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn results(&self) -> &'static [(&'static str, &'static str)] {
        &[("result", "What the script returned, if it was not a table with keys; a table's keys are results of their own.")]
    }

    fn default_effect(&self, _params: &Map<String, Value>) -> EffectClass {
        EffectClass::Pure
    }

    fn default_timeout_ms(&self) -> u64 {
        30_000
    }

    fn next(&self, cx: &StepCx<'_>, journal: &[Outcome]) -> Next {
        match journal.first() {
            None => match read::<Params>(cx.params) {
                Ok(p) => Next::Call(Request::Script(ScriptRequest {
                    language: p.language,
                    source: p.script,
                    inputs: p.inputs,
                    memory_bytes_max: p.memory_bytes_max,
                })),
                Err(failure) => Next::Fail(failure),
            },
            Some(Outcome::Succeeded { value, .. }) => {
                let result = match value.value() {
                    Value::Object(map) => map,
                    other => Map::from_iter([("result".to_owned(), other)]),
                };
                match map_outputs(cx.outputs, Some("result"), result) {
                    Ok(outputs) => Next::Done(outputs),
                    Err(failure) => Next::Fail(failure),
                }
            }
            Some(Outcome::Failed { failure, .. }) => Next::Fail(failure.clone()),
            Some(Outcome::InDoubt { evidence }) => Next::Fail(Failure::new(FailureClass::Rejected, evidence.clone())),
        }
    }
}
