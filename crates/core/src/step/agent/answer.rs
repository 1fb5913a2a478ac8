//! What becomes of the last answer: outputs, another question, or a failure.

use serde_json::{Map, Value};

use super::turns::{answers, in_a_row};
use super::{Agent, Params, follow};
use crate::call::{Failure, FailureClass, Message, ModelAnswer, Outcome, Request, ScriptRequest};
use crate::contract::{Broken, Contract, Problem, Reading, ask_again};
use crate::definition::EffectClass;
use crate::step::{Next, StepCx, StepKind, map_outputs};

/// Questions for a corrected answer, for runs whose definition is older than the parameter.
const REASKS_DEFAULT: u32 = 2;

/// Most memory of a script that judges an answer, in bytes.
const SCRIPT_BYTES_MAX: u64 = 64 << 20;

/// What an answer has to be, if that is anything.
pub(super) enum Wanted {
    /// Any text.
    Text,
    /// What the file says.
    Said(Value),
    /// An object with the outputs that the step declares.
    Outputs(Value),
}

/// The outputs of a step that only its answer can give: with several of them, the answer is an object that has them.
fn of_the_answer(outputs: &[String]) -> Vec<&str> {
    let known = |name: &str| Agent.results().iter().any(|(result, _)| *result == name);
    outputs.iter().map(String::as_str).filter(|name| !known(name)).collect()
}

pub(super) fn wanted(outputs: &[String], schema: Option<&Value>, rules: &[String]) -> Wanted {
    if let Some(schema) = schema {
        return Wanted::Said(schema.clone());
    }
    let named = of_the_answer(outputs);
    match named.len() {
        0 | 1 if rules.is_empty() => Wanted::Text,
        0 | 1 => Wanted::Said(Value::Bool(true)),
        _ => Wanted::Outputs(Contract::schema_of(&named)),
    }
}

impl Wanted {
    fn schema(self) -> Option<Value> {
        match self {
            Self::Text => None,
            Self::Said(schema) | Self::Outputs(schema) => Some(schema),
        }
    }

    /// What the model is told of it beside its instructions, where no schema goes out with the question.
    pub(super) fn instruction(&self) -> Option<String> {
        let Self::Outputs(schema) = self else { return None };
        let names: Vec<String> = schema.get("required")?.as_array()?.iter().filter_map(Value::as_str).map(|name| format!("\"{name}\"")).collect();
        Some(format!("Your last answer has to be one JSON object with the keys {} and nothing else.", names.join(", ")))
    }
}

/// Judges the last answer.
pub(super) fn finish(cx: &StepCx<'_>, params: &Params, journal: &[Outcome], answer: ModelAnswer, verdicts: &[Outcome]) -> Next {
    if answer.finish_reason == "refusal" {
        let said = if answer.text.is_empty() { "it gave no reason".to_owned() } else { answer.text };
        let failure = Failure::new(FailureClass::Refused, format!("the model `{}` refused to answer", answer.model));
        return Next::FailForGood(Failure { detail: Some(said), ..failure });
    }
    let mut result = Map::new();
    let mut primary = "response";
    if let Some(schema) = wanted(cx.outputs, params.output_schema.as_ref(), &params.rules).schema() {
        let contract = match Contract::new(schema, &params.rules) {
            Ok(contract) => contract,
            Err(why) => return Next::FailForGood(Failure::new(FailureClass::Invalid, why)),
        };
        match contract.read(&answer.text, &answer.finish_reason) {
            Reading::Holds { value, mends } => {
                match judged(&contract, &value, verdicts) {
                    Judged::Holds => {}
                    Judged::Next(request) => return Next::Act(Request::Script(request), EffectClass::Pure),
                    Judged::Breaks(problems) => return broken(cx, params, journal, &answer, Broken::Shape, &problems),
                    Judged::Unknown(failure) => return Next::FailForGood(failure),
                }
                if let Value::Object(map) = &value {
                    result.extend(map.iter().map(|(name, value)| (name.clone(), value.clone())));
                }
                result.insert("value".to_owned(), value);
                result.insert("mends".to_owned(), serde_json::to_value(mends).unwrap_or_default());
                primary = "value";
            }
            Reading::Fails { why, problems } => return broken(cx, params, journal, &answer, why, &problems),
        }
    }
    // Last, so that no key of the answer takes the place of what is known of it.
    result.insert("response".to_owned(), answer.text.clone().into());
    result.insert("model".to_owned(), answer.model.clone().into());
    result.insert("finish_reason".to_owned(), answer.finish_reason.clone().into());
    result.insert("turns".to_owned(), answers(cx.asked, journal).into());
    match map_outputs(cx.outputs, Some(primary), result) {
        Ok(outputs) => Next::Done(outputs),
        Err(failure) => Next::FailForGood(failure),
    }
}

/// What the scripts of a contract say.
enum Judged {
    Holds,
    /// This one has not said anything yet.
    Next(ScriptRequest),
    Breaks(Vec<Problem>),
    Unknown(Failure),
}

fn judged(contract: &Contract, value: &Value, verdicts: &[Outcome]) -> Judged {
    let mut problems = Vec::new();
    let mut verdicts = verdicts.iter();
    for source in contract.scripts() {
        let name = source.lines().next().unwrap_or_default().trim_start_matches("--").trim();
        let message = match verdicts.next() {
            None => {
                let inputs = Map::from_iter([("output".to_owned(), value.clone())]);
                let (language, source) = ("lua".to_owned(), source.to_owned());
                return Judged::Next(ScriptRequest { language, source, inputs, memory_bytes_max: SCRIPT_BYTES_MAX });
            }
            Some(Outcome::Succeeded { value, .. }) => match verdict(&value.value()) {
                Some(Ok(())) => continue,
                Some(Err(why)) => why.unwrap_or_else(|| format!("the rule `{name}` does not hold")),
                None => {
                    let why = format!("the rule `{name}` returned neither true nor false, nor a table with `valid`");
                    return Judged::Unknown(Failure::new(FailureClass::Invalid, why));
                }
            },
            Some(Outcome::Failed { failure, .. }) => {
                return Judged::Unknown(Failure { message: format!("the rule `{name}` cannot be judged: {}", failure.message), ..failure.clone() });
            }
            Some(Outcome::InDoubt { evidence }) => return Judged::Unknown(Failure::new(FailureClass::Rejected, evidence.clone())),
        };
        problems.push(Problem { path: String::new(), message });
    }
    if problems.is_empty() { Judged::Holds } else { Judged::Breaks(problems) }
}

/// What a script returned: that the answer holds, or why not.
fn verdict(value: &Value) -> Option<Result<(), Option<String>>> {
    let value = value.get("result").unwrap_or(value);
    let (valid, message) = match value {
        Value::Bool(valid) => (*valid, None),
        Value::Object(said) => (said.get("valid")?.as_bool()?, said.get("message").and_then(Value::as_str).map(str::to_owned)),
        _ => return None,
    };
    Some(if valid { Ok(()) } else { Err(message) })
}

/// The answer is not what it has to be: the model is told so, if it may be asked again.
fn broken(cx: &StepCx<'_>, params: &Params, journal: &[Outcome], answer: &ModelAnswer, why: Broken, problems: &[Problem]) -> Next {
    let tries = in_a_row(cx.asked, journal);
    let reasks = params.max_reasks.unwrap_or(REASKS_DEFAULT);
    // Asked again, an answer that was too long would be cut off again, and paid for again.
    if why != Broken::CutOff && tries <= reasks {
        return follow(cx, params, journal, vec![Message::user(ask_again(why, problems))]);
    }
    let told: Vec<String> = problems.iter().map(|problem| format!("{} {}", problem.path, problem.message).trim().to_owned()).collect();
    let message = format!("the answer of `{}` is not what it has to be{}: {}", answer.model, times(tries), told.join("; "));
    let shown: String = answer.text.chars().take(2_000).collect();
    Next::FailForGood(Failure { detail: (!shown.is_empty()).then_some(shown), ..Failure::new(FailureClass::Refused, message) })
}

fn times(tries: u32) -> String {
    if tries > 1 { format!(", {tries} times in a row") } else { String::new() }
}
