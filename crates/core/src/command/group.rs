//! Groups: opening one, and closing it when everything inside of it has ended.

use serde_json::{Map, Value};

use super::advance::{Taken, unresolved};
use super::decider::Decider;
use crate::call::{Failure, FailureClass};
use crate::event::{Event, SkipReason};
use crate::payload::Payload;
use crate::plan::{Node, NodeIx};
use crate::run::{RunScope, StepStatus};
use crate::step::{Shape, sub_workflow};

impl Decider<'_> {
    /// Whether a step inside of a group may not start any more: the group stops at its first failure, or what the step depends on failed. Outside of
    /// groups such a failure halts the run.
    pub(super) fn group_has_failed(&self, ix: NodeIx) -> bool {
        let program = &self.state.program;
        let failed = |place: NodeIx| {
            let step = &self.state.steps[place];
            step.status == StepStatus::Failed && !step.tolerated && program.nodes[place].fallback_of.is_none()
        };
        let fast = program.nodes[ix]
            .parent
            .is_some_and(|parent| program.nodes[parent].fail_fast && program.nodes[parent].children.iter().any(|&child| failed(child)));
        fast || program.nodes[ix].after.iter().any(|&(from, _)| failed(from) || self.state.steps[from].skipped == Some(SkipReason::GroupFailed))
    }

    pub(super) fn open_group(&mut self, ix: NodeIx) -> Taken {
        let program = std::sync::Arc::clone(&self.state.program);
        let node = &program.nodes[ix];
        if node.step.approval.is_some() && !self.state.steps[ix].approved {
            let steps: Vec<&str> = node.step.steps.iter().flat_map(crate::definition::Step::with_nested).map(|step| step.id.as_str()).collect();
            return self.ask(ix, 0, None, serde_json::json!({ "steps": steps }));
        }
        if node.shape == Shape::Loop {
            return self.open_loop(ix);
        }
        let over = match self.given(ix, node) {
            Ok(given) => given.as_ref().map(Payload::of),
            Err(failure) => return self.fail_whole(ix, failure),
        };
        self.emit(Event::GroupOpened { step: node.step.id.clone(), over });
        self.close_group(ix);
        Taken::Yes
    }

    /// The inputs of a workflow that is a step, checked, its defaults filled in.
    fn given(&self, ix: NodeIx, node: &Node) -> Result<Option<Map<String, Value>>, Failure> {
        if node.kind.name() != sub_workflow::WORKFLOW {
            return Ok(None);
        }
        let invalid = |message: String| Failure::new(FailureClass::Invalid, message);
        let params = node.code.template.render(&RunScope::new(self.state, ix, None)).map_err(|error| unresolved(&error))?;
        let mut given = params.get("inputs").and_then(Value::as_object).cloned().unwrap_or_default();
        for (name, spec) in sub_workflow::declared(&node.step) {
            match (given.get(&name), spec.default) {
                (Some(value), _) => {
                    spec.ty.check(&format!("the input `{name}` of `{}`", node.step.id), value).map_err(|error| invalid(error.to_string()))?
                }
                (None, Some(default)) => drop(given.insert(name, default)),
                (None, None) => {}
            }
        }
        Ok(Some(given))
    }

    /// Closes a group in which every step has ended.
    pub(super) fn close_group(&mut self, parent: NodeIx) {
        let program = std::sync::Arc::clone(&self.state.program);
        let group = &self.state.steps[parent];
        if group.open > 0 || group.status.is_terminal() || !group.opened {
            return;
        }
        let failed = program.nodes[parent].children.iter().find(|child| {
            let step = &self.state.steps[**child];
            step.status == StepStatus::Failed && !step.tolerated && program.nodes[**child].fallback_of.is_none()
        });
        match failed {
            None if program.nodes[parent].shape == Shape::Loop => self.end_round(parent),
            None => {
                self.emit(Event::StepSucceeded { step: program.nodes[parent].step.id.clone(), outputs: None, instead: None });
                self.after_end(parent);
            }
            Some(&child) => {
                let inner = self.state.steps[child].failure.clone();
                let round = group.rounds.as_ref().map_or_else(String::new, |rounds| format!(" in round {}", rounds.number() + 1));
                let why = inner.as_ref().map_or("", |f| f.message.as_str());
                let message = format!("step `{}` inside of it failed{round}: {why}", program.nodes[child].step.id);
                self.route(parent, Failure { message, ..inner.unwrap_or_else(|| Failure::new(FailureClass::Refused, "")) });
            }
        }
    }
}
