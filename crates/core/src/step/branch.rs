//! `branch`: one of several ways on.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Next, Param, ParamType, Shape, StepCx, StepKind, Syntax, read};
use crate::call::Outcome;
use crate::definition::{EffectClass, Step};
use crate::diagnostic::{Code, Diagnostic};

pub(super) struct Branch;

const PARAMS: &[Param] = &[
    Param::required("if", ParamType::Text, "An expression.").read_as(Syntax::Expression),
    Param::required("then", ParamType::Texts, "Steps that run if it is true.").read_as(Syntax::Raw),
    Param::optional("else", ParamType::Texts, "Steps that run if it is not.").read_as(Syntax::Raw).or("[]"),
];

#[derive(Deserialize)]
struct Params {
    #[serde(rename = "if")]
    condition: Value,
    then: Vec<String>,
    #[serde(rename = "else", default)]
    otherwise: Vec<String>,
}

/// The steps that a branch names: those of `then`, those of `else`.
pub(crate) fn arms(step: &Step) -> [Vec<&str>; 2] {
    ["then", "else"].map(|key| step.params.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect())
}

impl StepKind for Branch {
    fn name(&self) -> &'static str {
        "branch"
    }

    fn summary(&self) -> &'static str {
        "Chooses which of the steps that it names run. Steps that depend only on steps left out are left out too; a join runs."
    }

    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn results(&self) -> &'static [(&'static str, &'static str)] {
        &[("taken", "The steps that were chosen.")]
    }

    fn default_effect(&self, _params: &Map<String, Value>) -> EffectClass {
        EffectClass::Pure
    }

    fn is_pure(&self) -> bool {
        true
    }

    fn shape(&self) -> Shape {
        Shape::Branch
    }

    fn check(&self, step: &Step, problems: &mut Vec<Diagnostic>) {
        let [then, otherwise] = arms(step);
        for id in then.iter().filter(|id| otherwise.contains(id)) {
            problems.push(Diagnostic::error(Code::BadValue, "params.else", format!("step `{id}` stands in both arms of branch `{}`", step.id)));
        }
    }

    fn next(&self, cx: &StepCx<'_>, _journal: &[Outcome]) -> Next {
        match read::<Params>(cx.params) {
            Ok(params) => Next::Choose(if is_true(&params.condition) { params.then } else { params.otherwise }),
            Err(failure) => Next::Fail(failure),
        }
    }
}

/// Truth as expressions have it: nothing, zero and the empty are false.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(b) => *b,
        Value::Number(n) => n.as_f64() != Some(0.0),
        Value::String(s) => !s.is_empty(),
        Value::Array(a) => !a.is_empty(),
        Value::Object(o) => !o.is_empty(),
    }
}
