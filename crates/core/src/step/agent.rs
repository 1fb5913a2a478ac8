//! `agent`: a conversation with a language model: one question and one answer, or as many turns as its tools need.
//!
//! Every turn and every tool is a call of its own in the journal, so a crash in turn 14 goes on in turn 14.

mod answer;
mod tools;
mod turns;

pub(crate) use self::turns::can_go_on;

use serde::Deserialize;
use serde_json::{Map, Value};

use self::tools::{Tool, invalid};
use self::turns::Turn;
use super::{ModelChoice, Next, Param, ParamType, StepCx, StepKind, Syntax, read};
use crate::call::{AnswerSchema, Failure, FailureClass, Message, ModelRequest, Outcome, Request};
use crate::contract::Contract;
use crate::definition::{EffectClass, Step};
use crate::diagnostic::{Code, Diagnostic};
use crate::money::SIMULATED;

pub(super) struct Agent;

const PARAMS: &[Param] = &[
    Param::required("prompt", ParamType::Text, "What is asked."),
    Param::optional(
        "context",
        ParamType::Word(&["auto", "none"]),
        "`auto`: the results of the steps in `depends_on` that no reference names stand before the prompt, labelled, at most 32 KiB, where the longest are cut first; `none`: they do not.",
    )
    .or("\"auto\""),
    Param::optional("provider", ParamType::Text, "Who answers: a provider of the settings, or `simulated`."),
    Param::optional("model", ParamType::Text, "Which model answers."),
    Param::optional(
        "fallbacks",
        ParamType::Texts,
        "Who is asked, one after the other, where who was asked before failed as often as `retry` allows: `PROVIDER/MODEL` each. An answer that does not hold is no \
         reason to ask another one. `--provider` and `--model` take the place of all of them.",
    )
    .read_as(Syntax::Raw),
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
    Param::optional("max_total_tokens", ParamType::Integer(1, 1_000_000_000), "Most tokens of all turns together, as they are charged; no turn begins beyond it."),
    Param::optional(
        "output_schema",
        ParamType::Map,
        "The JSON Schema (2020-12) that the last answer has to meet; sent with the question, and checked here.",
    )
    .read_as(Syntax::Raw),
    Param::optional(
        "rules",
        ParamType::Texts,
        "What else has to hold of it: an expression such as `output.confidence > 0.8`, `range: score min:0 max:1`, `type: list`, `format: email`, `script: LUA` that returns \
         whether it does, or `custom: NAME` for one in `rules/NAME.lua`.",
    )
    .read_as(Syntax::Raw),
    Param::optional(
        "contract",
        ParamType::Word(&["role"]),
        "`role`: its answer has to be what its role's contract says, as far as `output_schema` and `rules` do not say otherwise.",
    )
    .read_as(Syntax::Raw),
    Param::optional("max_reasks", ParamType::Integer(0, 10), "How often the model is asked to correct an answer that does not hold.").or("2"),
    Param::optional("use_memory", ParamType::Boolean, "Read for the predecessors' files; there is no memory across runs in this release."),
    Param::optional("estimated_tokens", ParamType::Integer(0, 100_000_000), "Read for the predecessors' files; bounds are computed, not estimated."),
];

#[derive(Deserialize)]
struct Params {
    prompt: String,
    context_block: Option<String>,
    role: Option<String>,
    system_prompt: Option<String>,
    max_tokens: u64,
    temperature: Option<f64>,
    effort: Option<String>,
    #[serde(default)]
    tools: Vec<String>,
    max_turns: Option<u32>,
    max_total_tokens: Option<u64>,
    output_schema: Option<Value>,
    #[serde(default)]
    rules: Vec<String>,
    max_reasks: Option<u32>,
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
            (
                "value",
                "With `output_schema`, `rules` or several outputs: the answer as JSON. Its keys, if it is an object, are results of their own where `outputs` names them. With `rules` alone, and no script among them, a text that they hold for is one as it is.",
            ),
            ("mends", "What was done to the answer to make it hold: `{path, what}` of each."),
        ]
    }

    fn default_effect(&self, _params: &Map<String, Value>) -> EffectClass {
        EffectClass::Repeatable
    }

    fn hops(&self, params: &Map<String, Value>, models: &ModelChoice) -> u32 {
        u32::try_from(hops(params, models).len()).unwrap_or(u32::MAX)
    }

    fn takes_context(&self) -> bool {
        true
    }

    fn default_timeout_ms(&self) -> u64 {
        600_000
    }

    fn check(&self, step: &Step, problems: &mut Vec<Diagnostic>) {
        let schema = step.params.get("output_schema").cloned().unwrap_or(Value::Bool(true));
        let rules: Vec<String> = step.params.get("rules").and_then(|rules| serde_json::from_value(rules.clone()).ok()).unwrap_or_default();
        if let Err(why) = Contract::new(schema, &[]) {
            problems.push(Diagnostic::error(Code::BadValue, "params.output_schema", why));
        }
        for name in step.params.get("output_schema").and_then(|schema| schema.get("properties")?.as_object()).into_iter().flat_map(Map::keys) {
            if self.results().iter().any(|(result, _)| result == name) {
                let message = format!("`{name}` is a result of every agent: that of the answer is read as `${{{}.value.{name}}}`", step.id);
                problems.push(Diagnostic::warning(Code::AmbiguousReference, format!("params.output_schema.properties.{name}"), message));
            }
        }
        for rule in rules {
            if let Err(why) = Contract::new(Value::Bool(true), &[rule]) {
                let help = "write an expression over `output`, or `range:`, `type:`, `format:` or `schema:`";
                problems.push(Diagnostic::error(Code::BadValue, "params.rules", why).help(help));
            }
        }
        for (place, fallback) in step.params.get("fallbacks").and_then(Value::as_array).into_iter().flatten().enumerate() {
            if fallback.as_str().is_none_or(|text| pair(text).is_none()) {
                let path = format!("params.fallbacks[{place}]");
                problems.push(
                    Diagnostic::error(Code::BadValue, path, format!("{fallback} names nobody who could answer")).help("write `PROVIDER/MODEL`"),
                );
            }
        }
        let Some(list) = step.params.get("tools").and_then(Value::as_array) else { return };
        for (place, tool) in list.iter().enumerate() {
            // A name that is computed is checked when the step starts.
            let Some(name) = tool.as_str().filter(|name| !crate::template::is_computed(name)) else { continue };
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
            Turn::Answered(answer, verdicts) => answer::finish(cx, &params, journal, answer, &verdicts),
            Turn::CutOff(why) => Next::FailForGood(Failure::new(FailureClass::Refused, why)),
            Turn::Unreadable(why) => Next::FailForGood(invalid(format!("the model left no readable answer: {why}"))),
        }
    }
}

/// The key of the entry in a journal by which a conversation goes on with another one, or with the first one when its step is opened again.
pub(crate) const HOP: &str = "hop";
/// Its value where the step was opened again. What a fallback is asked for is counted from 1.
pub(crate) const OPENED_AGAIN: u32 = 0;

/// Provider and model of a fallback.
fn pair(text: &str) -> Option<(&str, &str)> {
    text.split_once('/').filter(|(provider, model)| !provider.is_empty() && !model.is_empty())
}

/// Those who are asked after the first one. Whoever says on the command line who answers means it.
pub(crate) fn hops<'p>(params: &'p Map<String, Value>, models: &ModelChoice) -> Vec<(&'p str, &'p str)> {
    if models.provider_override.is_some() || models.model_override.is_some() {
        return Vec::new();
    }
    params.get("fallbacks").and_then(Value::as_array).into_iter().flatten().filter_map(|text| pair(text.as_str()?)).collect()
}

/// Who answers.
fn model_of(cx: &StepCx<'_>) -> Result<(String, String), Failure> {
    if let Some((provider, model)) = usize::try_from(cx.hop).ok().and_then(|hop| hops(cx.params, cx.models).get(hop.checked_sub(1)?).copied()) {
        return Ok((provider.to_owned(), model.to_owned()));
    }
    let nobody = |what: &str| {
        invalid(format!("step `{}` names no {what}, and the settings have none: name one in the file, in `gorgon.toml`, or by `--{what}`", cx.id))
    };
    let provider = cx.models.provider(cx.params).ok_or_else(|| nobody("provider"))?.to_owned();
    let model = match cx.models.model(cx.params) {
        Some(model) => model.to_owned(),
        // The simulator answers under its own name if nobody names a model.
        None if provider == SIMULATED => SIMULATED.to_owned(),
        None => return Err(nobody("model")),
    };
    Ok((provider, model))
}

fn opening(cx: &StepCx<'_>, params: &Params, tools: &[&'static Tool]) -> Result<ModelRequest, Failure> {
    let (provider, model) = model_of(cx)?;
    let system = params.system_prompt.clone().or_else(|| params.role.as_ref().map(|role| format!("You are the {role} of this workflow.")));
    let wanted = answer::wanted(cx.outputs, params.output_schema.as_ref(), &params.rules);
    let system = match (system, wanted.instruction()) {
        (Some(system), Some(instruction)) => Some(format!("{system}\n\n{instruction}")),
        (system, instruction) => system.or(instruction),
    };
    Ok(ModelRequest {
        provider,
        model,
        system,
        prompt: match &params.context_block {
            Some(block) => format!("Results of the steps before this one:\n\n{block}---\n\n{}", params.prompt),
            None => params.prompt.clone(),
        },
        tools: tools.iter().map(|tool| tool.spec()).collect(),
        answer: params.output_schema.clone().map(|schema| AnswerSchema { name: wire_name(cx.id.as_str()), schema }),
        output_tokens_max: params.max_tokens,
        temperature: params.temperature,
        effort: params.effort.clone(),
        ..ModelRequest::default()
    })
}

/// A name that every wire takes.
fn wire_name(id: &str) -> String {
    const LONGEST: usize = 64;
    id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).take(LONGEST).collect()
}

/// The next turn, if there may be one.
fn follow(cx: &StepCx<'_>, params: &Params, journal: &[Outcome], messages: Vec<Message>) -> Next {
    let turns = turns::answers_since_opened(cx.asked, journal);
    let most = params.max_turns.unwrap_or(TURNS_DEFAULT);
    if turns >= most {
        let message = format!("the model came to no end within {most} turns: raise `max_turns`, or say more clearly when it is done");
        return Next::FailForGood(Failure::new(FailureClass::Refused, message));
    }
    let used = cx.charged_tokens;
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
