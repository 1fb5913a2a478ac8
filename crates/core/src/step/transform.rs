//! `transform`: values computed from values.

use serde_json::{Map, Value};

use super::{Next, Param, ParamType, StepCx, StepKind, Syntax, map_outputs};
use crate::call::Outcome;
use crate::definition::{EffectClass, Step};
use crate::diagnostic::{Code, Diagnostic};

pub(super) struct Transform;

const PARAMS: &[Param] = &[
    Param::optional("expression", ParamType::Text, "One expression; its value is the `result`.").read_as(Syntax::Expression),
    Param::optional("set", ParamType::Map, "Expressions by name; their values are results of these names.").read_as(Syntax::Expressions),
    Param::optional("value", ParamType::Any, "A value whose texts are templates; it is the `result`."),
];

impl StepKind for Transform {
    fn name(&self) -> &'static str {
        "transform"
    }

    fn summary(&self) -> &'static str {
        "Computes values from values, without leaving the run."
    }

    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn results(&self) -> &'static [(&'static str, &'static str)] {
        &[("result", "The value of `expression` or `value`.")]
    }

    fn default_effect(&self, _params: &Map<String, Value>) -> EffectClass {
        EffectClass::Pure
    }

    fn is_pure(&self) -> bool {
        true
    }

    fn check(&self, step: &Step, problems: &mut Vec<Diagnostic>) {
        let said = ["expression", "set", "value"].iter().filter(|key| step.params.contains_key(**key)).count();
        if said != 1 {
            problems.push(
                Diagnostic::error(Code::BadValue, "params", format!("step `{}` must say exactly one of `expression`, `set` and `value`", step.id))
                    .help("for example `expression: steps.count.stdout | int + 1`"),
            );
        }
    }

    fn next(&self, cx: &StepCx<'_>, _journal: &[Outcome]) -> Next {
        let result = match cx.params.get("set") {
            Some(Value::Object(set)) => set.clone(),
            _ => {
                let value = cx.params.get("expression").or_else(|| cx.params.get("value")).cloned().unwrap_or_default();
                Map::from_iter([("result".to_owned(), value)])
            }
        };
        match map_outputs(cx.outputs, Some("result"), result) {
            Ok(outputs) => Next::Done(outputs),
            Err(failure) => Next::Fail(failure),
        }
    }
}
