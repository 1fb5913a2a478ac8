//! `fan_in`: one value out of many.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Next, Param, ParamType, StepCx, StepKind, map_outputs, read};
use crate::call::{Failure, FailureClass, Outcome};
use crate::definition::EffectClass;

pub(super) struct FanIn;

const PARAMS: &[Param] = &[
    Param::required("input", ParamType::Any, "The list to bring together."),
    Param::optional("aggregation", ParamType::Word(&["concat", "list", "sum", "count"]), "How.").or("\"concat\""),
    Param::optional("separator", ParamType::Text, "What stands between the parts of `concat`.").or("\"\\n\""),
];

#[derive(Deserialize)]
struct Params {
    input: Value,
    aggregation: String,
    separator: String,
}

impl StepKind for FanIn {
    fn name(&self) -> &'static str {
        "fan_in"
    }

    fn summary(&self) -> &'static str {
        "Brings the elements of a list together. To ask a model about them, use an `agent` step that refers to the list."
    }

    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn results(&self) -> &'static [(&'static str, &'static str)] {
        &[("response", "The result."), ("item_count", "How many elements there were; `null` elements, those that failed, are left out.")]
    }

    fn default_effect(&self, _params: &Map<String, Value>) -> EffectClass {
        EffectClass::Pure
    }

    fn is_pure(&self) -> bool {
        true
    }

    fn next(&self, cx: &StepCx<'_>, _journal: &[Outcome]) -> Next {
        let params: Params = match read(cx.params) {
            Ok(params) => params,
            Err(failure) => return Next::Fail(failure),
        };
        let Value::Array(input) = params.input else {
            return Next::Fail(Failure::new(FailureClass::Invalid, "`input` of a fan_in must be a list"));
        };
        let items: Vec<Value> = input.into_iter().filter(|item| !item.is_null()).collect();
        let count = items.len();
        let response = match params.aggregation.as_str() {
            "list" => Value::Array(items),
            "count" => count.into(),
            "sum" => match sum(&items) {
                Ok(sum) => sum,
                Err(failure) => return Next::Fail(failure),
            },
            _ => Value::String(items.iter().map(text_of).collect::<Vec<_>>().join(&params.separator)),
        };
        let result = Map::from_iter([("response".to_owned(), response), ("item_count".to_owned(), count.into())]);
        match map_outputs(cx.outputs, Some("response"), result) {
            Ok(outputs) => Next::Done(outputs),
            Err(failure) => Next::Fail(failure),
        }
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn sum(items: &[Value]) -> Result<Value, Failure> {
    let refuse = |item: &Value| Failure::new(FailureClass::Invalid, format!("`sum` takes numbers, but one element is {item}"));
    let mut whole: i64 = 0;
    let mut fraction: Option<f64> = None;
    for item in items {
        match (item.as_i64(), item.as_f64()) {
            (Some(n), _) => whole = whole.checked_add(n).ok_or_else(|| Failure::new(FailureClass::Invalid, "the sum is too large"))?,
            (None, Some(f)) => fraction = Some(fraction.unwrap_or(0.0) + f),
            (None, None) => return Err(refuse(item)),
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a sum with fractions is a float, as in JSON")]
    Ok(match fraction {
        Some(f) => (f + whole as f64).into(),
        None => whole.into(),
    })
}
