//! `workflow`: the steps of another file, as steps of this run.
//!
//! The loader puts them inside of the step, under the step's id and a dot: `build.test` is the step `test` of the workflow that the step `build` names. They
//! share the run with the steps around them, its log, its budget and its commits. They see the inputs that the step gives them and one another, nothing else.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::{Next, Param, ParamType, Shape, StepCx, StepKind, Syntax};
use crate::call::Outcome;
use crate::definition::{Definition, EffectClass, Fallback, InputSpec, OnFailure, Order, Step};
use crate::diagnostic::Code;
use crate::ids::StepId;
use crate::template::TemplateValue;

pub(super) struct SubWorkflow;

/// The kind's name.
pub(crate) const WORKFLOW: &str = "workflow";

/// Parameters that the loader writes, and no file.
const DECLARED: &str = "declared";
const GIVES: &str = "gives";
const ORDER: &str = "order";

const PARAMS: &[Param] = &[
    Param::required("workflow", ParamType::Text, "The file, looked for beside this one, or in the folder that the run is started in.")
        .read_as(Syntax::Raw),
    Param::optional("inputs", ParamType::Map, "Its inputs, by name."),
];

impl StepKind for SubWorkflow {
    fn name(&self) -> &'static str {
        WORKFLOW
    }

    fn summary(&self) -> &'static str {
        "Runs the steps of another workflow as part of this run, under this run's budget. Its results are the outputs of that workflow."
    }

    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn results(&self) -> &'static [(&'static str, &'static str)] {
        &[]
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

    fn next(&self, _cx: &StepCx<'_>, _journal: &[Outcome]) -> Next {
        // The run machine closes a group when its steps have ended; nothing is computed here.
        Next::Done(Map::new())
    }
}

/// Why a workflow cannot be a step.
pub type Misfit = (Code, String, Option<String>);

/// Puts the steps of a workflow inside of the step that names it.
///
/// # Errors
/// What of the step does not fit the workflow: an input that it does not declare, one that is required and not given, an output that it does not give.
pub fn put_inside(step: &mut Step, child: Definition) -> Result<(), Misfit> {
    let given: Vec<&str> = step.params.get("inputs").and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let declared: Vec<&str> = child.inputs.keys().map(String::as_str).collect();
    if let Some(unknown) = given.iter().find(|name| !declared.contains(name)) {
        let help = if declared.is_empty() { "it declares no inputs".to_owned() } else { format!("its inputs are: {}", declared.join(", ")) };
        return Err((Code::UnknownInput, format!("the workflow `{}` has no input `{unknown}`", child.name), Some(help)));
    }
    let missing = child.inputs.iter().find(|(name, spec)| spec.required && spec.default.is_none() && !given.contains(&name.as_str()));
    if let Some((missing, _)) = missing {
        let message = format!("the workflow `{}` needs its input `{missing}`", child.name);
        return Err((Code::MissingInput, message, Some(format!("give it under `inputs`: `{missing}: …`"))));
    }
    for (name, value) in step.params.get("inputs").and_then(Value::as_object).into_iter().flatten() {
        // What is computed is checked when it is.
        let Some(spec) = child.inputs.get(name).filter(|_| TemplateValue::parse(value).is_ok_and(|value| value.is_literal())) else { continue };
        if let Err(error) = spec.ty.check(&format!("the input `{name}` of the workflow `{}`", child.name), value) {
            return Err((Code::BadInput, error.to_string(), None));
        }
    }
    let gives: Vec<&str> = child.outputs.keys().map(String::as_str).collect();
    // The first output of a step may have any name, where there is something to call so.
    if let Some(unknown) = step.outputs.iter().enumerate().find(|(at, name)| !gives.contains(&name.as_str()) && (*at > 0 || gives.is_empty())) {
        let help = if gives.is_empty() { "it declares no outputs".to_owned() } else { format!("its outputs are: {}", gives.join(", ")) };
        return Err((Code::BadValue, format!("the workflow `{}` gives no `{}`", child.name, unknown.1), Some(help)));
    }
    step.params.insert(GIVES.to_owned(), gives.into());
    step.params.insert(ORDER.to_owned(), serde_json::to_value(child.order).unwrap_or_default());
    step.params.insert(DECLARED.to_owned(), serde_json::to_value(&child.inputs).unwrap_or_default());
    step.params.insert("max_workers".to_owned(), child.concurrency.into());
    let prefix = prefix_of(step);
    step.steps = child.steps;
    step.steps.iter_mut().for_each(|inside| put_under(&prefix, inside));
    Ok(())
}

/// The ids of a step and of what it names, as they are inside of another workflow.
fn put_under(prefix: &str, step: &mut Step) {
    let under = |id: &StepId| StepId::from(format!("{prefix}{id}").as_str());
    step.id = under(&step.id);
    if let Some(before) = &mut step.depends_on {
        before.iter_mut().for_each(|id| *id = under(id));
    }
    if let OnFailure::Fallback(Fallback::Step(id)) = &mut step.on_failure {
        *id = under(id);
    }
    if step.kind == "branch" {
        for arm in ["then", "else"] {
            for id in step.params.get_mut(arm).and_then(Value::as_array_mut).into_iter().flatten() {
                if let Value::String(id) = id {
                    id.insert_str(0, prefix);
                }
            }
        }
    }
    step.steps.iter_mut().for_each(|inside| put_under(prefix, inside));
}

/// What stands before the ids of the steps inside of a `workflow`.
pub(crate) fn prefix_of(step: &Step) -> String {
    format!("{}.", step.id)
}

/// The names of its outputs.
pub fn gives(step: &Step) -> impl Iterator<Item = &str> {
    step.params.get(GIVES).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// What orders the steps inside of it.
pub(crate) fn order_of(step: &Step) -> Order {
    step.params.get(ORDER).and_then(|order| serde_json::from_value(order.clone()).ok()).unwrap_or(Order::EdgesOnly)
}

/// The inputs that it declares.
pub(crate) fn declared(step: &Step) -> IndexMap<String, InputSpec> {
    step.params.get(DECLARED).and_then(|declared| serde_json::from_value(declared.clone()).ok()).unwrap_or_default()
}
