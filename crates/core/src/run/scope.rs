//! What a template sees of a run.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{ItemPhase, Rounds, RunState, StepState, StepStatus};
use crate::plan::NodeIx;
use crate::step::sub_workflow;
use crate::template::{PREVIOUS, Root, RunField, Scope};

/// The values of a run, as they are at one moment; inside of a fan-out with the element at hand.
pub struct RunScope<'a> {
    state: &'a RunState,
    item: Option<(u32, &'a Value)>,
    /// The innermost group around what is rendered.
    group: Option<NodeIx>,
    /// A loop that is seen as it stood in the round that has just ended.
    ended: Option<NodeIx>,
}

impl<'a> RunScope<'a> {
    /// The scope of a step, or of one element of its fan-out.
    #[must_use]
    pub fn new(state: &'a RunState, step: NodeIx, item: Option<(u32, &'a Value)>) -> Self {
        Self { state, item, group: state.program.nodes[step].parent, ended: None }
    }

    /// The scope of `while` of a loop, which is judged before a round: what is at hand is that of the round to come.
    #[must_use]
    pub fn before_round(state: &'a RunState, ix: NodeIx) -> Self {
        Self { state, item: None, group: Some(ix), ended: None }
    }

    /// The scope of `until` of a loop, which is judged after a round: what is at hand is that of the round that has ended.
    #[must_use]
    pub fn after_round(state: &'a RunState, ix: NodeIx) -> Self {
        Self { ended: Some(ix), ..Self::before_round(state, ix) }
    }

    /// The number of the round that a loop is seen in.
    fn round(&self, (group, rounds): (NodeIx, &Rounds)) -> u32 {
        rounds.number().saturating_sub(u32::from(self.ended == Some(group)))
    }

    /// Its element.
    fn element(&self, (group, rounds): (NodeIx, &Rounds)) -> Value {
        rounds.item(self.round((group, rounds)))
    }

    /// The loops around what is rendered, the innermost first.
    fn loops(&self) -> impl Iterator<Item = (NodeIx, &'a Rounds)> {
        let state = self.state;
        std::iter::successors(self.group, |&group| state.program.nodes[group].parent)
            .filter_map(|group| Some((group, state.steps[group].rounds.as_deref()?)))
    }

    /// A name that a loop gives to something: the round before, or the element at hand.
    fn variable(&self, name: &str) -> Option<Cow<'_, Value>> {
        if name == PREVIOUS {
            let (_, rounds) = self.loops().next()?;
            return Some(rounds.ended.last().map_or(Cow::Owned(Value::Null), |round| Cow::Borrowed(&*round.gave)));
        }
        let named = |group: NodeIx| self.state.program.nodes[group].step.params.get("as").and_then(Value::as_str) == Some(name);
        self.loops().find(|(group, _)| named(*group)).map(|found| Cow::Owned(self.element(found)))
    }

    fn step_field(&self, step: &str, field: &str) -> Option<Cow<'_, Value>> {
        let ix = self.state.program.find_str(step)?;
        let known = &self.state.steps[ix];
        if known.status == StepStatus::Succeeded
            && let Value::Object(map) = self.state.step_value(ix)
            && let Some(value) = map.get(field)
        {
            return Some(Cow::Borrowed(value));
        }
        match field {
            "status" => Some(Cow::Owned(Value::String(known.status.word().to_owned()))),
            "error" => Some(Cow::Owned(known.failure.as_ref().map_or(Value::Null, |failure| Value::String(failure.message.clone())))),
            _ => None,
        }
    }
}

impl Scope for RunScope<'_> {
    fn lookup(&self, root: &Root) -> Option<Cow<'_, Value>> {
        match root {
            Root::Input(name) => self.state.inputs().get(name).map(Cow::Borrowed),
            Root::Given { step, name } => {
                let step = &self.state.steps[self.state.program.find_str(step)?];
                let given = step.parsed_given.get_or_init(|| Arc::new(step.given.as_ref().map(crate::payload::Payload::value).unwrap_or_default()));
                given.get(name).map(Cow::Borrowed)
            }
            Root::Step { step, field } => self.step_field(step, field),
            Root::Output { name, steps } => steps.iter().find_map(|step| self.step_field(step, name)),
            Root::Item => match self.item {
                Some((_, value)) => Some(Cow::Borrowed(value)),
                None => self.loops().next().map(|found| Cow::Owned(self.element(found))),
            },
            Root::Index => match self.item {
                Some((index, _)) => Some(Cow::Owned(index.into())),
                None => self.loops().next().map(|found| Cow::Owned(self.round(found).into())),
            },
            Root::Variable(name) => self.variable(name),
            Root::Run(field) => {
                let created = self.state.created.as_ref()?;
                Some(Cow::Owned(match field {
                    RunField::Id => Value::String(created.id.to_string()),
                    RunField::Name => Value::String(self.state.program.definition.name.clone()),
                    RunField::StartedAt => Value::String(rfc3339(self.state.created_at.0)),
                }))
            }
            Root::Env(name) => self.state.created.as_ref()?.start.env.get(name).map(|value| Cow::Owned(Value::String(value.clone()))),
            Root::Name(_) | Root::Secret(_) => None,
        }
    }
}

fn rfc3339(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |at| at.to_string())
}

impl RunState {
    /// The inputs, defaults filled in.
    #[must_use]
    pub fn inputs(&self) -> &BTreeMap<String, Value> {
        self.inputs.get_or_init(|| Arc::new(self.created.as_ref().and_then(|created| created.inputs.parse().ok()).unwrap_or_default()))
    }

    /// The elements of a fan-out.
    #[must_use]
    pub fn list(&self, ix: NodeIx) -> &[Value] {
        let step = &self.steps[ix];
        step.parsed_list.get_or_init(|| Arc::new(step.list.as_ref().and_then(|list| list.parse().ok()).unwrap_or_default()))
    }

    /// What a step gave, as an object of its outputs. Elements of a fan-out and steps of a group are gathered where they lie.
    #[must_use]
    pub fn step_value(&self, ix: NodeIx) -> &Value {
        self.steps[ix].parsed.get_or_init(|| Arc::new(self.gather(ix)))
    }

    fn gather(&self, ix: NodeIx) -> Value {
        let step = &self.steps[ix];
        let node = &self.program.nodes[ix];
        if let Some(outputs) = &step.outputs {
            return outputs.value();
        }
        let mut gathered = Map::new();
        if node.items.is_some() {
            let primary = node.owed_outputs().first().map(String::as_str).or(node.kind.results().first().map(|(name, _)| *name)).unwrap_or("result");
            let (results, errors): (Vec<Value>, Vec<Value>) = (0_u32..).zip(&step.items).map(|(n, item)| element(n, item, primary)).unzip();
            let errors: Vec<Value> = errors.into_iter().filter(|error| !error.is_null()).collect();
            let failed = errors.len();
            gathered.insert("successful".to_owned(), (results.len() - failed).into());
            gathered.insert("failed".to_owned(), failed.into());
            gathered.insert("errors".to_owned(), Value::Array(errors));
            let results = Value::Array(results);
            if let Some(first) = node.step.outputs.first().filter(|first| *first != "results") {
                gathered.insert(first.clone(), results.clone());
            }
            gathered.insert("results".to_owned(), results);
        } else if let Some(rounds) = &step.rounds {
            gathered = self.gather_rounds(ix, rounds);
        } else if node.kind.name() == sub_workflow::WORKFLOW {
            gathered = self.outputs_inside(ix);
        } else if !node.children.is_empty() {
            let child_ids = |wanted: fn(&StepState) -> bool| -> Value {
                node.children
                    .iter()
                    .filter(|child| wanted(&self.steps[**child]))
                    .map(|child| Value::String(self.program.nodes[*child].step.id.to_string()))
                    .collect()
            };
            let results = self.results_inside(ix);
            let of_last = node.gives_last().and_then(|last| Some((last, results.get(self.program.nodes[last].step.id.as_str())?.as_object()?)));
            let main = match of_last {
                Some((last, gave)) => {
                    gathered.extend(gave.clone());
                    gave.get(self.program.main_result(last)).cloned().unwrap_or_default()
                }
                None => results.clone(),
            };
            if let Some(first) = node.step.outputs.first().filter(|first| *first != "parallel_results") {
                gathered.insert(first.clone(), main);
            }
            gathered.insert("successful".to_owned(), child_ids(|step| step.status == StepStatus::Succeeded));
            gathered.insert("failed".to_owned(), child_ids(|step| step.status == StepStatus::Failed));
            gathered.insert("parallel_results".to_owned(), results);
        }
        Value::Object(gathered)
    }
}

impl RunState {
    /// The outputs of a workflow that is a step: each from the step inside of it that gives it, or is called so.
    fn outputs_inside(&self, ix: NodeIx) -> Map<String, Value> {
        let node = &self.program.nodes[ix];
        let prefix = sub_workflow::prefix_of(&node.step);
        let succeeded: Vec<NodeIx> =
            self.program.of_workflow(Some(ix)).filter(|&inside| self.steps[inside].status == StepStatus::Succeeded).collect();
        let value = |name: &str| -> Value {
            let giver = succeeded.iter().find(|&&inside| self.program.nodes[inside].step.outputs.iter().any(|output| output == name));
            let of_giver = giver.and_then(|&inside| self.step_value(inside).get(name).cloned());
            let called = || self.program.find_str(&format!("{prefix}{name}")).filter(|inside| succeeded.contains(inside));
            of_giver.or_else(|| called().map(|inside| self.step_value(inside).clone())).unwrap_or_default()
        };
        let mut outputs: Map<String, Value> = sub_workflow::gives(&node.step).map(|name| (name.to_owned(), value(name))).collect();
        let main = sub_workflow::gives(&node.step).next().and_then(|first| outputs.get(first).cloned());
        if let (Some(first), Some(main)) = (node.step.outputs.first().filter(|first| !outputs.contains_key(*first)), main) {
            outputs.insert(first.clone(), main);
        }
        outputs
    }
}

/// The main result of an element and null, or null and what went wrong.
fn element(n: u32, item: &super::ItemState, primary: &str) -> (Value, Value) {
    match (&item.phase, &item.outputs) {
        (ItemPhase::Succeeded, Some(outputs)) => {
            let value = match outputs.value() {
                Value::Object(mut map) => map.remove(primary).unwrap_or(Value::Object(map)),
                other => other,
            };
            (value, Value::Null)
        }
        _ => {
            let message = item.failure.as_ref().map_or("it did not run", |failure| failure.message.as_str());
            (Value::Null, serde_json::json!({ "index": n, "error": message }))
        }
    }
}
