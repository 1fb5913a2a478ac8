//! What a failure leads to: another attempt, another way, or the end.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::advance::Taken;
use super::decider::Decider;
use crate::call::{Failure, FailureClass};
use crate::definition::{Fallback, OnFailure};
use crate::event::{Event, HaltReason, Instead};
use crate::payload::Payload;
use crate::plan::NodeIx;
use crate::policy::{backoff, retry};
use crate::run::StepStatus;
use crate::step::map_outputs;

impl Decider<'_> {
    /// An attempt failed, or could not begin: it is tried again, or the step has failed.
    pub(super) fn fail_attempt(&mut self, ix: NodeIx, n: u32, failure: Failure) -> Taken {
        let program = Arc::clone(&self.state.program);
        let step = &program.nodes[ix].step;
        let item = self.state.item(ix, n);
        let failures = item.map_or(0, |item| item.failures) + 1;
        let began = item.is_some_and(|item| item.attempt > 0);
        if began && retry::tries_again(step, failures, &failure) {
            let attempt = item.map_or(0, |item| item.attempt);
            let seed = self.facts.seed ^ (ix as u64) << 32 ^ u64::from(n) << 8 ^ u64::from(attempt);
            let retry_at = self.now.plus_ms(backoff::delay_ms(&step.retry, failures, &failure, seed));
            let too_late =
                step.total_timeout_ms.zip(item.and_then(|item| item.started_at)).is_some_and(|(total, since)| retry_at >= since.plus_ms(total));
            if !too_late {
                let at = self.item_ref(ix, n);
                self.emit(Event::AttemptFailed { at, attempt, failure, retry_at: Some(retry_at) });
                return Taken::Yes;
            }
        }
        self.hop_or_fail(ix, n, failure)
    }

    /// Nothing more is to be had of who was asked: the next one is, if the step names one.
    pub(super) fn hop_or_fail(&mut self, ix: NodeIx, n: u32, failure: Failure) -> Taken {
        let program = Arc::clone(&self.state.program);
        let node = &program.nodes[ix];
        let hop = self.state.item(ix, n).filter(|item| item.attempt > 0).map(|item| item.hop + 1);
        // A question that makes no sense makes none elsewhere, and a no of ours is a no.
        let elsewhere = !matches!(failure.class, FailureClass::Invalid | FailureClass::Budget | FailureClass::Rejected | FailureClass::Cancelled);
        let models = self.state.created.as_ref().map(|created| created.start.models.clone()).unwrap_or_default();
        match hop.filter(|hop| elsewhere && *hop <= node.kind.hops(&node.step.params, &models)) {
            Some(hop) => {
                let at = self.item_ref(ix, n);
                self.emit(Event::Hopped { at, hop, failure });
                Taken::Yes
            }
            None => self.fail_item(ix, n, failure),
        }
    }

    /// A call within an attempt failed, for so many times in a row. What was settled before it was paid for: only this call is made again, after a delay.
    pub(super) fn try_again(&mut self, ix: NodeIx, n: u32, failure: Failure, tries: u32) -> Taken {
        let program = Arc::clone(&self.state.program);
        let step = &program.nodes[ix].step;
        let item = self.state.item(ix, n);
        let attempt = item.map_or(0, |item| item.attempt);
        let seed = self.facts.seed ^ (ix as u64) << 32 ^ u64::from(n) << 8 ^ u64::from(tries);
        let ms = backoff::delay_ms(&step.retry, tries, &failure, seed);
        let until = self.now.plus_ms(ms);
        let too_late = step.total_timeout_ms.zip(item.and_then(|item| item.started_at)).is_some_and(|(total, since)| until >= since.plus_ms(total));
        if too_late || !retry::tries_again(step, tries, &failure) {
            return self.hop_or_fail(ix, n, failure);
        }
        let at = self.item_ref(ix, n);
        let wait = crate::step::Wait::Timer { ms };
        self.emit(Event::WaitStarted { at, attempt, wait, until: Some(until), hash: None, input: None, gate: false, within: true });
        Taken::Yes
    }

    /// A step or element has failed for good.
    pub(super) fn fail_item(&mut self, ix: NodeIx, n: u32, failure: Failure) -> Taken {
        let program = Arc::clone(&self.state.program);
        let node = &program.nodes[ix];
        let in_element = node.items.is_some() && self.state.steps[ix].list.is_some();
        if in_element {
            self.emit(Event::ItemFailed { step: node.step.id.clone(), item: n, failure });
            self.close_fan_out(ix);
        } else {
            self.route(ix, failure);
        }
        Taken::Yes
    }

    /// A step failed before it had elements.
    pub(super) fn fail_whole(&mut self, ix: NodeIx, failure: Failure) -> Taken {
        self.route(ix, failure);
        Taken::Yes
    }

    /// The way on that the file names for a failed step.
    pub(super) fn route(&mut self, ix: NodeIx, failure: Failure) {
        let program = Arc::clone(&self.state.program);
        let node = &program.nodes[ix];
        let step = node.step.id.clone();
        match &node.step.on_failure {
            OnFailure::Abort | OnFailure::Retry => {
                self.fail_step(ix, failure);
            }
            OnFailure::Skip => {
                self.emit(Event::StepFailed { step, failure, tolerated: true });
                self.after_end(ix);
            }
            OnFailure::Fallback(Fallback::Value(value)) => {
                let outputs = shaped(value, &node.step.outputs, node.kind.results().first().map_or("result", |(name, _)| name));
                self.emit(Event::StepSucceeded { step, outputs: Some(Payload::of(&outputs)), instead: Some(Instead::FallbackValue { failure }) });
                self.after_end(ix);
            }
            OnFailure::Fallback(Fallback::Step(_)) => match node.fallback {
                Some(fallback) => {
                    let fallback = program.nodes[fallback].step.id.clone();
                    self.emit(Event::FallbackChosen { step, fallback, failure });
                }
                None => self.fail_step(ix, failure),
            },
            OnFailure::ContinueWithDefault(outputs) => {
                self.emit(Event::StepSucceeded { step, outputs: Some(Payload::of(outputs)), instead: Some(Instead::DefaultOutput { failure }) });
                self.after_end(ix);
            }
        }
    }

    /// A step has failed, and nothing takes its place.
    fn fail_step(&mut self, ix: NodeIx, failure: Failure) {
        let program = Arc::clone(&self.state.program);
        let node = &program.nodes[ix];
        self.emit(Event::StepFailed { step: node.step.id.clone(), failure: failure.clone(), tolerated: false });
        if node.fallback_of.is_none() && node.parent.is_none() {
            self.halt_for(ix, failure);
        } else {
            self.after_end(ix);
        }
    }

    /// The fallback of a step has ended: its outputs are the step's, its failure is, too.
    pub(super) fn take_fallback(&mut self, primary: NodeIx, fallback: NodeIx) {
        let program = Arc::clone(&self.state.program);
        let (node, by) = (&program.nodes[primary], &program.nodes[fallback]);
        let ended = &self.state.steps[fallback];
        // A fallback that nobody chose yet may have been left out by a branch.
        let chosen = !self.state.steps[primary].status.is_terminal() && self.state.steps[primary].failure.is_some();
        if !chosen {
            return;
        }
        let given = match ended.status {
            StepStatus::Succeeded => {
                let main = Some(program.main_result(fallback));
                let outputs = if let Value::Object(map) = self.state.step_value(fallback) { map.clone() } else { Map::new() };
                map_outputs(&node.step.outputs, main, outputs)
            }
            _ => Err(ended.failure.clone().unwrap_or_else(|| {
                let why = ended.skipped.map_or("it did not run", crate::event::SkipReason::sentence);
                Failure::new(FailureClass::Refused, format!("it was left out: {why}"))
            })),
        };
        match given {
            Ok(outputs) => {
                let instead = Some(Instead::FallbackStep { step: by.step.id.clone() });
                self.emit(Event::StepSucceeded { step: node.step.id.clone(), outputs: Some(Payload::of(&outputs)), instead });
                self.after_end(primary);
            }
            Err(failure) => {
                let first = self.state.steps[primary].failure.as_ref().map_or(String::new(), |f| f.message.clone());
                let message = format!("{first}; then its fallback `{}` failed: {}", by.step.id, failure.message);
                self.fail_step(primary, Failure { message, ..failure });
            }
        }
    }

    fn halt_for(&mut self, ix: NodeIx, failure: Failure) {
        // A run that was stopped for money has now failed: more money does not mend that.
        if self.state.halt.as_ref().is_some_and(|halt| !matches!(halt, HaltReason::Budget { .. })) {
            return;
        }
        let step = self.state.program.nodes[ix].step.id.clone();
        self.emit(Event::Halted { reason: HaltReason::StepFailed { step, failure } });
    }

    /// Fails a step because somebody said no.
    pub(super) fn reject_item(&mut self, ix: NodeIx, n: u32, message: String) {
        self.fail_item(ix, n, Failure::new(FailureClass::Rejected, message));
    }
}

/// A fallback value as outputs: an object that has one of the names is taken as it is, anything else is the first output.
fn shaped(value: &Value, declared: &[String], primary: &str) -> Map<String, Value> {
    match value {
        Value::Object(map) if declared.iter().any(|name| map.contains_key(name)) || declared.is_empty() => map.clone(),
        value => Map::from_iter([(declared.first().map_or(primary, String::as_str).to_owned(), value.clone())]),
    }
}
