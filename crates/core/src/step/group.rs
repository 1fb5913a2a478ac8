//! `parallel`: steps side by side.

use serde_json::{Map, Value};

use super::{Next, Param, ParamType, Shape, StepCx, StepKind};
use crate::call::Outcome;
use crate::definition::{EffectClass, Step};
use crate::diagnostic::{Code, Diagnostic};

pub(super) struct Parallel;

const PARAMS: &[Param] = &[
    Param::optional("max_workers", ParamType::Integer(1, 10_000), "Most of its steps in flight at once.").or("4"),
    Param::optional("fail_fast", ParamType::Boolean, "Whether the first failed step keeps the others from starting.").or("false"),
    Param::optional(
        "gives",
        ParamType::Word(&["steps", "last"]),
        "`last`: the results of its last step are results of its own, and the first of them its main one. Else `steps`.",
    ),
    Param::optional("strategy", ParamType::Text, "Read for the predecessors' files; steps never share a thread that could block them."),
    Param::optional("rate_limit", ParamType::Boolean, "Read for the predecessors' files."),
    Param::optional("anthropic_concurrent", ParamType::Integer(1, 10_000), "Read for the predecessors' files."),
    Param::optional("openai_concurrent", ParamType::Integer(1, 10_000), "Read for the predecessors' files."),
];

impl StepKind for Parallel {
    fn name(&self) -> &'static str {
        "parallel"
    }

    fn summary(&self) -> &'static str {
        "Runs the steps inside of it side by side, in the order of their `depends_on`."
    }

    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn results(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("parallel_results", "The results of each step, by its id."),
            ("successful", "The ids of the steps that succeeded."),
            ("failed", "The ids of those that failed."),
        ]
    }

    fn default_effect(&self, _params: &Map<String, Value>) -> EffectClass {
        EffectClass::Pure
    }

    fn is_pure(&self) -> bool {
        true
    }

    fn shape(&self) -> Shape {
        Shape::Group
    }

    fn check(&self, step: &Step, problems: &mut Vec<Diagnostic>) {
        if step.steps.is_empty() {
            problems.push(
                Diagnostic::error(Code::MissingKey, "params.steps", format!("step `{}` has no steps to run", step.id))
                    .help("list them under `params.steps`"),
            );
        }
    }

    fn next(&self, _cx: &StepCx<'_>, _journal: &[Outcome]) -> Next {
        // The run machine closes a group when its steps have ended; nothing is computed here.
        Next::Done(Map::new())
    }
}
