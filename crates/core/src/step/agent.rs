//! `agent`: a conversation with a language model: one question and one answer, or as many turns as its tools need.
//!
//! Every turn and every tool is a call of its own in the journal, so a crash in turn 14 goes on in turn 14.

mod tools;
mod turns;

use serde::Deserialize;
use serde_json::{Map, Value};

use self::tools::{Tool, invalid};
use self::turns::Turn;
use super::{Next, Param, ParamType, StepCx, StepKind, map_outputs, read};
use crate::call::{Failure, FailureClass, Message, Metering, ModelAnswer, ModelRequest, Outcome, Request};
use crate::definition::{EffectClass, Step};
use crate::diagnostic::{Code, Diagnostic};

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
    Param::optional("effort", ParamType::Text, "How hard it thinks, where the model takes such a word: `low`, `medium`, `high`."),
    Param::optional(
        "tools",
        ParamType::Texts,
        "What it may do: `files.read`, `files.write`, `files.append`, `files.list`, `files.glob` (or `files` for all five), `shell`, `http`, `script`.",
    ),
    Param::optional("max_turns", ParamType::Integer(1, 10_000), "Most answers of the model; without a last one by then the step fails.").or("25"),
    Param::optional("max_total_tokens", ParamType::Integer(1, 1_000_000_000), "Most tokens of all turns together; no turn begins beyond it."),
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
    effort: Option<String>,
    #[serde(default)]
    tools: Vec<String>,
    max_turns: Option<u32>,
    max_total_tokens: Option<u64>,
}

/// Most answers, for runs whose definition is older than the parameter.
const TURNS_DEFAULT: u32 = 25;

impl StepKind for Agent {
    fn name(&self) -> &'static str {
        "agent"
    }

    fn summary(&self) -> &'static str {
        "Asks a language model, which may use tools. In files of the predecessors `claude_code` and `openai` are this type with that provider."
    }

    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn results(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("response", "The text of the last answer."),
            ("model", "The model that answered, as it calls itself."),
            ("finish_reason", "Why the answer ended: `stop`, `length` …"),
            ("turns", "How many answers it took."),
        ]
    }

    fn default_effect(&self, _params: &Map<String, Value>) -> EffectClass {
        EffectClass::Repeatable
    }

    fn default_timeout_ms(&self) -> u64 {
        600_000
    }

    fn check(&self, step: &Step, problems: &mut Vec<Diagnostic>) {
        let Some(list) = step.params.get("tools").and_then(Value::as_array) else { return };
        for (place, tool) in list.iter().enumerate() {
            // A name that is computed is checked when the step starts.
            let Some(name) = tool.as_str().filter(|name| !name.contains("${") && !name.contains("{{")) else { continue };
            if tools::chosen(&[name.to_owned()]).is_err() {
                let known: Vec<&str> = tools::TOOLS.iter().map(|tool| tool.name).collect();
                problems.push(
                    Diagnostic::error(Code::BadValue, format!("params.tools[{place}]"), format!("there is no tool `{name}`"))
                        .help(format!("the tools are: {}; `files` stands for all that begin with it", known.join(", "))),
                );
            }
        }
    }

    fn next(&self, cx: &StepCx<'_>, journal: &[Outcome]) -> Next {
        let params: Params = match read(cx.params) {
            Ok(params) => params,
            Err(failure) => return Next::Fail(failure),
        };
        let tools = match tools::chosen(&params.tools) {
            Ok(tools) => tools,
            Err(name) => return Next::Fail(invalid(format!("there is no tool `{name}`"))),
        };
        match turns::look(cx.asked, journal, &tools) {
            Turn::Opening => opening(cx, &params, &tools).map_or_else(Next::Fail, |request| Next::Call(Request::Model(request))),
            Turn::NoAnswer(failure) => Next::Fail(failure),
            Turn::Failed(failure, tries) => Next::TryAgain(failure, tries),
            Turn::Tool(request, class) => Next::Act(*request, class),
            Turn::Ask(messages) => follow(cx, &params, journal, messages),
            Turn::Answered(answer) => finish(cx, journal, answer),
            Turn::Unreadable(why) => Next::FailForGood(invalid(format!("the model left no readable answer: {why}"))),
        }
    }
}

/// Who answers.
fn model_of(cx: &StepCx<'_>) -> Result<(String, String), Failure> {
    let nobody = |what: &str| {
        invalid(format!("step `{}` names no {what}, and the settings have none: name one in the file, in `gorgon.toml`, or by `--{what}`", cx.id))
    };
    let provider = cx.models.provider(cx.params).ok_or_else(|| nobody("provider"))?.to_owned();
    let model = match cx.models.model(cx.params) {
        Some(model) => model.to_owned(),
        // The simulator answers under its own name if nobody names a model.
        None if provider == "simulated" => "simulated".to_owned(),
        None => return Err(nobody("model")),
    };
    Ok((provider, model))
}

fn opening(cx: &StepCx<'_>, params: &Params, tools: &[&'static Tool]) -> Result<ModelRequest, Failure> {
    let (provider, model) = model_of(cx)?;
    let system = params.system_prompt.clone().or_else(|| params.role.as_ref().map(|role| format!("You are the {role} of this workflow.")));
    Ok(ModelRequest {
        provider,
        model,
        system,
        prompt: params.prompt.clone(),
        tools: tools.iter().map(|tool| tool.spec()).collect(),
        output_tokens_max: params.max_tokens,
        temperature: params.temperature,
        effort: params.effort.clone(),
        ..ModelRequest::default()
    })
}

/// The next turn, if there may be one.
fn follow(cx: &StepCx<'_>, params: &Params, journal: &[Outcome], messages: Vec<Message>) -> Next {
    let turns = turns::answers(cx.asked, journal);
    let most = params.max_turns.unwrap_or(TURNS_DEFAULT);
    if turns >= most {
        let message = format!("the model came to no end within {most} turns: raise `max_turns`, or say more clearly when it is done");
        return Next::FailForGood(Failure::new(FailureClass::Refused, message));
    }
    let used = journal.iter().filter_map(reported).fold(0_u64, u64::saturating_add);
    if let Some(most) = params.max_total_tokens.filter(|most| used >= *most) {
        let message = format!("the conversation has used {used} tokens of its {most}: raise `max_total_tokens`");
        return Next::FailForGood(Failure::new(FailureClass::Budget, message));
    }
    match model_of(cx) {
        Ok((provider, model)) => Next::Call(Request::Model(ModelRequest {
            provider,
            model,
            messages: messages.into_iter().map(std::sync::Arc::new).collect(),
            output_tokens_max: params.max_tokens,
            temperature: params.temperature,
            effort: params.effort.clone(),
            follows: true,
            ..ModelRequest::default()
        })),
        Err(failure) => Next::FailForGood(failure),
    }
}

/// Tokens of a call, as far as its provider told.
fn reported(outcome: &Outcome) -> Option<u64> {
    match outcome {
        Outcome::Succeeded { metering: Metering::Reported(usage), .. } | Outcome::Failed { metering: Metering::Reported(usage), .. } => {
            Some(usage.counted())
        }
        Outcome::Succeeded { .. } | Outcome::Failed { .. } | Outcome::InDoubt { .. } => None,
    }
}

fn finish(cx: &StepCx<'_>, journal: &[Outcome], answer: ModelAnswer) -> Next {
    if answer.finish_reason == "refusal" {
        let said = if answer.text.is_empty() { "it gave no reason".to_owned() } else { answer.text };
        return Next::FailForGood(Failure {
            detail: Some(said),
            ..Failure::new(FailureClass::Refused, format!("the model `{}` refused to answer", answer.model))
        });
    }
    let mut result = Map::new();
    result.insert("response".to_owned(), answer.text.into());
    result.insert("model".to_owned(), answer.model.into());
    result.insert("finish_reason".to_owned(), answer.finish_reason.into());
    result.insert("turns".to_owned(), turns::answers(cx.asked, journal).into());
    match map_outputs(cx.outputs, Some("response"), result) {
        Ok(outputs) => Next::Done(outputs),
        Err(failure) => Next::FailForGood(failure),
    }
}
