//! Rounds of a loop: whether there is another one.

use std::sync::Arc;

use serde_json::Value;

use super::advance::{Taken, shown, unresolved};
use super::decider::Decider;
use crate::call::{Failure, FailureClass};
use crate::event::{Event, SkipReason};
use crate::payload::Payload;
use crate::plan::{Node, NodeIx};
use crate::run::{RunScope, StepStatus};
use crate::step::{ROUNDS_MAX, ROUNDS_OF_RUN_MAX, most_rounds};

impl Decider<'_> {
    /// A loop opens: what it goes over is known from here on.
    pub(super) fn open_loop(&mut self, ix: NodeIx) -> Taken {
        let program = Arc::clone(&self.state.program);
        match self.over(ix, &program.nodes[ix]) {
            Ok(over) => {
                self.emit(Event::GroupOpened { step: program.nodes[ix].step.id.clone(), over: over.as_ref().map(Payload::of) });
                self.next_round(ix);
                Taken::Yes
            }
            Err(failure) => self.fail_whole(ix, failure),
        }
    }

    fn over(&self, ix: NodeIx, node: &Node) -> Result<Option<Value>, Failure> {
        let params = node.code.template.render(&RunScope::new(self.state, ix, None)).map_err(|error| unresolved(&error))?;
        let invalid = |message: String| Failure::new(FailureClass::Invalid, message);
        let id = &node.step.id;
        let (over, rounds) = match (params.get("for_each"), params.get("count")) {
            (Some(Value::Array(list)), _) => (Value::from(list.clone()), list.len() as u64),
            (Some(other), _) => return Err(invalid(format!("`for_each` of loop `{id}` is not a list but {}", shown(other)))),
            (None, Some(count)) => {
                let number = count.as_u64().or_else(|| count.as_str().and_then(|text| text.trim().parse().ok()));
                let Some(number) = number.filter(|number| *number <= ROUNDS_MAX) else {
                    return Err(invalid(format!("`count` of loop `{id}` is {count}, and not a whole number up to {ROUNDS_MAX}")));
                };
                (number.into(), number)
            }
            (None, None) => return Ok(None),
        };
        let most = most_rounds(&node.step.params);
        if rounds > most && !stops_at_most(node) {
            return Err(invalid(format!("loop `{id}` would have {rounds} rounds, and `max_iterations` allows {most}")));
        }
        Ok(Some(over))
    }

    /// Every step of a round has ended.
    pub(super) fn end_round(&mut self, ix: NodeIx) {
        let program = Arc::clone(&self.state.program);
        let Some(rounds) = self.state.steps[ix].rounds.as_ref().filter(|rounds| rounds.under_way) else { return };
        self.emit(Event::RoundEnded { step: program.nodes[ix].step.id.clone(), round: rounds.number(), results: None, went_past_failure: false });
        self.next_round(ix);
    }

    /// Begins another round, or ends the loop.
    fn next_round(&mut self, ix: NodeIx) {
        let program = Arc::clone(&self.state.program);
        let node = &program.nodes[ix];
        let round = self.state.steps[ix].rounds.as_ref().map_or(0, |rounds| rounds.number());
        let wanted = match self.wants_another(ix, node) {
            Ok(wanted) => wanted,
            Err(failure) => {
                self.fail_whole(ix, failure);
                return;
            }
        };
        let most = most_rounds(&node.step.params);
        match wanted {
            true if self.state.rounds >= ROUNDS_OF_RUN_MAX => {
                let message = format!(
                    "the loops of this run have begun {ROUNDS_OF_RUN_MAX} rounds together, and loop `{}` wants more: split the work into several runs",
                    node.step.id
                );
                self.fail_whole(ix, Failure::new(FailureClass::Refused, message));
            }
            true if u64::from(round) < most => self.emit(Event::RoundStarted { step: node.step.id.clone(), round }),
            true if !stops_at_most(node) => {
                let message = format!("loop `{}` is not done after {most} rounds: raise `max_iterations`, or say `at_max: stop`", node.step.id);
                self.fail_whole(ix, Failure::new(FailureClass::Refused, message));
            }
            _ => {
                self.emit(Event::StepSucceeded { step: node.step.id.clone(), outputs: None, instead: None });
                // Of a loop without a round nothing inside ever starts.
                for &child in &node.children {
                    if self.state.steps[child].status == StepStatus::Pending && program.nodes[child].fallback_of.is_none() {
                        self.emit(Event::StepSkipped { step: program.nodes[child].step.id.clone(), reason: SkipReason::NoRound });
                    }
                }
                self.after_end(ix);
            }
        }
    }

    fn wants_another(&self, ix: NodeIx, node: &Node) -> Result<bool, Failure> {
        let Some(rounds) = &self.state.steps[ix].rounds else { return Ok(false) };
        let bounded = match &rounds.over {
            Value::Array(list) => rounds.ended.len() < list.len(),
            Value::Number(count) => (rounds.ended.len() as u64) < count.as_u64().unwrap_or(0),
            _ => true,
        };
        let holds = |name: &str, scope: RunScope<'_>| -> Result<Option<bool>, Failure> {
            let Some((_, expression)) = node.code.expression.iter().find(|(known, _)| *known == name) else { return Ok(None) };
            let told = |why: String| Failure::new(FailureClass::Invalid, format!("`{name}` of loop `{}`: {why}", node.step.id));
            expression.evaluate_bool(&scope).map(Some).map_err(|error| told(error.to_string()))
        };
        if !bounded || (!rounds.ended.is_empty() && holds("until", RunScope::after_round(self.state, ix))? == Some(true)) {
            return Ok(false);
        }
        Ok(holds("while", RunScope::before_round(self.state, ix))? != Some(false))
    }
}

fn stops_at_most(node: &Node) -> bool {
    node.step.params.get("at_max").and_then(Value::as_str) == Some("stop")
}
