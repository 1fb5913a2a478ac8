//! `agent`: a question to a language model.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Next, Param, ParamType, StepCx, StepKind, map_outputs, read};
use crate::call::{Failure, FailureClass, ModelRequest, Outcome, Request};
use crate::definition::EffectClass;

pub(super) struct Agent;

const PARAMS: &[Param] = &[
    Param::required("prompt", ParamType::Text, "What is asked."),
    Param::optional("provider", ParamType::Text, "Who answers: a provider of the settings, or `simulated`."),
    Param::optional("model", ParamType::Text, "Which model answers."),
    Param::optional("role", ParamType::Text, "The role in which it answers; a line of its instructions."),
    Param::optional("system_prompt", ParamType::Text, "Instructions that take the place of the role's."),
    Param::optional(
        "max_tokens",
        ParamType::Integer(1, 10_000_000),
        "Most tokens of the answer, reasoning included. Always sent, and held for before the call.",
    )
    .or("4096"),
    Param::optional("temperature", ParamType::Number, "Sampling temperature, where the model takes one."),
    Param::optional("use_memory", ParamType::Boolean, "Read for the predecessors' files; there is no memory across runs in this release."),
    Param::optional("estimated_tokens", ParamType::Integer(0, 100_000_000), "Read for the predecessors' files; bounds are computed, not estimated."),
];

#[derive(Deserialize)]
struct Params {
    prompt: String,
    role: Option<String>,
    system_prompt: Option<String>,
    max_tokens: u64,
    temperature: Option<f64>,
}

impl StepKind for Agent {
    fn name(&self) -> &'static str {
        "agent"
    }

    fn summary(&self) -> &'static str {
        "Asks a language model. In files of the predecessors `claude_code` and `openai` are this type with that provider."
    }

    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn results(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("response", "The text of the answer."),
            ("model", "The model that answered, as it calls itself."),
            ("finish_reason", "Why the answer ended: `stop`, `length` …"),
        ]
    }

    fn default_effect(&self, _params: &Map<String, Value>) -> EffectClass {
        EffectClass::Repeatable
    }

    fn default_timeout_ms(&self) -> u64 {
        600_000
    }

    fn next(&self, cx: &StepCx<'_>, journal: &[Outcome]) -> Next {
        match journal.first() {
            None => match request(cx) {
                Ok(request) => Next::Call(Request::Model(request)),
                Err(failure) => Next::Fail(failure),
            },
            Some(Outcome::Succeeded { value, .. }) => {
                let Value::Object(mut result) = value.value() else {
                    return Next::Fail(Failure::new(FailureClass::Invalid, "the model left no readable answer"));
                };
                if let Some(text) = result.remove("text") {
                    result.insert("response".to_owned(), text);
                }
                match map_outputs(cx.outputs, Some("response"), result) {
                    Ok(outputs) => Next::Done(outputs),
                    Err(failure) => Next::Fail(failure),
                }
            }
            Some(Outcome::Failed { failure, .. }) => Next::Fail(failure.clone()),
            Some(Outcome::InDoubt { evidence }) => Next::Fail(Failure::new(FailureClass::Rejected, evidence.clone())),
        }
    }
}

fn request(cx: &StepCx<'_>) -> Result<ModelRequest, Failure> {
    let params: Params = read(cx.params)?;
    let nobody = |what: &str| {
        Failure::new(
            FailureClass::Invalid,
            format!("step `{}` names no {what}, and the settings have none: name one in the file, in `gorgon.toml`, or by `--{what}`", cx.id),
        )
    };
    let provider = cx.models.provider(cx.params).ok_or_else(|| nobody("provider"))?.to_owned();
    let model = match cx.models.model(cx.params) {
        Some(model) => model.to_owned(),
        // The simulator answers under its own name if nobody names a model.
        None if provider == "simulated" => "simulated".to_owned(),
        None => return Err(nobody("model")),
    };
    let system = params.system_prompt.or_else(|| params.role.map(|role| format!("You are the {role} of this workflow.")));
    Ok(ModelRequest { provider, model, system, prompt: params.prompt, output_tokens_max: params.max_tokens, temperature: params.temperature })
}
