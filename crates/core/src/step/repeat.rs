//! `loop`: steps one round after the other.

use serde_json::{Map, Value};

use super::{Next, Param, ParamType, Shape, StepCx, StepKind, Syntax};
use crate::call::Outcome;
use crate::definition::{EffectClass, Step};
use crate::diagnostic::{Code, Diagnostic};

pub(super) struct Loop;

/// Most rounds of a loop, whatever a file allows.
pub const ROUNDS_MAX: u64 = 10_000;

/// Most rounds of all loops of a run: those that stand in one another multiply, and where nothing but computations is inside, one decision takes them all.
pub const ROUNDS_OF_RUN_MAX: u64 = 100_000;

/// Most rounds of a loop that only a condition ends, if the file does not say: each may cost.
const CONDITION_ROUNDS_MAX: u64 = 10;

const PARAMS: &[Param] = &[
    Param::optional("count", ParamType::Integer(0, ROUNDS_MAX), "How many rounds."),
    Param::optional("for_each", ParamType::List, "One round for each element of this list, in order: `item` inside."),
    Param::optional("while", ParamType::Text, "An expression: as long as it holds before a round, there is one.").read_as(Syntax::Expression),
    Param::optional("until", ParamType::Text, "An expression: if it holds after a round, that was the last one. `index` and `item` are those of that round, `previous` is what it gave.").read_as(Syntax::Expression),
    Param::optional("as", ParamType::Text, "Another name for `item`, for loops and fan-outs inside of this one.").read_as(Syntax::Raw),
    Param::optional(
        "max_iterations",
        ParamType::Integer(1, ROUNDS_MAX),
        "Most rounds: 10 where only a condition ends the loop, else 10000, if the file does not say. All loops of a run have at most 100000 together.",
    )
    .read_as(Syntax::Raw),
    Param::optional(
        "at_max",
        ParamType::Word(&["fail", "stop"]),
        "What a loop comes to that is not done after its most rounds: it fails, or it ends with what it has.",
    )
    .read_as(Syntax::Raw)
    .or("\"fail\""),
    Param::optional("max_workers", ParamType::Integer(1, 10_000), "Most steps of a round in flight at once, where they do not wait for one another.")
        .read_as(Syntax::Raw),
    Param::optional("fail_fast", ParamType::Boolean, "Whether the first failed step keeps the others of its round from starting.")
        .read_as(Syntax::Raw)
        .or("false"),
];

impl StepKind for Loop {
    fn name(&self) -> &'static str {
        "loop"
    }

    fn summary(&self) -> &'static str {
        "Runs the steps inside of it, in the order of their file, again and again: so many times, for each element of a list, while or until a condition holds. Inside, \
         `index` is the number of the round from 0, `item` the element, and `previous` what each step of the round before gave, by its id; `null` at first."
    }

    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn results(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("results", "The main result of the last step of each round that was not left out; `null` where it failed and was allowed to."),
            ("rounds", "The results of each step of each round, by its id."),
            ("last", "The main result of the last round; `null` if there was none."),
            ("iterations", "How many rounds there were."),
        ]
    }

    fn default_effect(&self, _params: &Map<String, Value>) -> EffectClass {
        EffectClass::Pure
    }

    fn is_pure(&self) -> bool {
        true
    }

    fn shape(&self) -> Shape {
        Shape::Loop
    }

    fn check(&self, step: &Step, problems: &mut Vec<Diagnostic>) {
        let mut problem = |path: &str, message: String, help: &str| {
            problems.push(Diagnostic::error(Code::BadValue, format!("params.{path}"), message).help(help));
        };
        if step.steps.is_empty() {
            problem("steps", format!("loop `{}` has no steps to run", step.id), "list them under `params.steps`");
        }
        let says = |name: &str| step.params.contains_key(name);
        let bounds: Vec<&str> = ["count", "for_each", "while"].into_iter().filter(|name| says(name)).collect();
        if let [_, second, ..] = bounds.as_slice() {
            let message = format!("loop `{}` says `{}`", step.id, bounds.join("` and `"));
            problem(second, message, "keep one of `count`, `for_each` and `while`; `until` may stand beside each of them");
        }
        if bounds.is_empty() && !says("until") {
            problem("count", format!("nothing ends loop `{}`", step.id), "add `count`, `for_each`, `while` or `until`");
        }
        if let Some(name) = step.params.get("as").and_then(Value::as_str) {
            let is_word =
                name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !is_word || ["item", "index", "previous", "inputs", "steps", "run", "env", "secrets"].contains(&name) {
                problem(
                    "as",
                    format!("`{name}` cannot be the name of an element"),
                    "use letters, digits and `_`, and none of the names that mean something",
                );
            }
        }
        let max = most_rounds(&step.params);
        if let Some(count) = step.params.get("count").and_then(Value::as_u64).filter(|count| *count > max) {
            problem("count", format!("loop `{}` has {count} rounds, and `max_iterations` allows {max}", step.id), "raise `max_iterations`");
        }
    }

    fn next(&self, _cx: &StepCx<'_>, _journal: &[Outcome]) -> Next {
        // The run machine counts the rounds; nothing is computed here.
        Next::Done(Map::new())
    }
}

/// Most rounds of the loop with these parameters.
pub(crate) fn most_rounds(params: &Map<String, Value>) -> u64 {
    let bounded = params.contains_key("count") || params.contains_key("for_each");
    params.get("max_iterations").and_then(Value::as_u64).unwrap_or(if bounded { ROUNDS_MAX } else { CONDITION_ROUNDS_MAX })
}
