//! Rounds of a loop.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{ItemState, RunState, StepState, StepStatus};
use crate::event::Instead;
use crate::ids::StepId;
use crate::payload::Payload;
use crate::plan::NodeIx;
use crate::step::Shape;
use crate::time::Timestamp;

/// How a loop stands.
#[derive(Debug, Clone, Default)]
pub struct Rounds {
    /// What it goes over: a list, a number of rounds, or nothing that is known before.
    pub over: Value,
    /// The rounds that have ended.
    pub ended: Vec<Round>,
    /// Whether a round is under way.
    pub under_way: bool,
}

/// A round that has ended.
#[derive(Debug, Clone)]
pub struct Round {
    /// What it gave: the results of its steps, by their ids.
    pub gave: Arc<Value>,
    /// Whether it went on past a failure.
    pub went_past_failure: bool,
    /// Those failures. A fork does not bring them.
    pub failures: Vec<PastFailure>,
}

/// A failure of a step inside of a round that the round went on past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastFailure {
    /// The step.
    pub step: StepId,
    /// How it failed.
    pub why: String,
}

impl Rounds {
    pub(super) fn over(over: Option<&Payload>) -> Self {
        Self { over: over.map(Payload::value).unwrap_or_default(), ..Self::default() }
    }

    /// The number of the round that is under way, or of the one that would be next.
    pub(crate) fn number(&self) -> u32 {
        u32::try_from(self.ended.len()).unwrap_or(u32::MAX)
    }

    /// The element of a round; its number where the loop goes over no list.
    pub(super) fn item(&self, round: u32) -> Value {
        match &self.over {
            Value::Array(list) => list.get(round as usize).cloned().unwrap_or_default(),
            _ => round.into(),
        }
    }
}

impl RunState {
    /// A round of a loop begins: everything inside of it is as if it had never run, but for its attempts, which count on, and its cost.
    pub(super) fn on_round_started(&mut self, ix: NodeIx) {
        let program = Arc::clone(&self.program);
        let mut open: Vec<NodeIx> = program.nodes[ix].children.clone();
        while let Some(inside) = open.pop() {
            let node = &program.nodes[inside];
            // What a fork kept of another run did not run in this one.
            let kept = self.steps[inside].kept && self.steps[inside].status == StepStatus::Pending;
            self.start_anew(inside);
            let step = &mut self.steps[inside];
            step.kept = kept;
            step.waits_for = u32::try_from(node.after.len()).unwrap_or(u32::MAX) + u32::from(node.parent != Some(ix));
            open.extend(&node.children);
        }
        let children: Vec<NodeIx> = program.nodes[ix].children.iter().copied().filter(|&child| program.nodes[child].fallback_of.is_none()).collect();
        self.steps[ix].open = u32::try_from(children.len()).unwrap_or(u32::MAX);
        self.steps[ix].rounds.get_or_insert_default().under_way = true;
        self.rounds += 1;
        for child in children.into_iter().filter(|&child| self.steps[child].waits_for == 0).collect::<Vec<_>>() {
            self.make_ready(child);
        }
    }

    /// A round of a loop has ended. What it gave is gathered from its steps, unless a fork brings it.
    pub(super) fn on_round_ended(&mut self, ix: NodeIx, brought: Option<&Payload>, went_past_failure: bool) {
        let gave = Arc::new(brought.map_or_else(|| self.results_of_round(ix), Payload::value));
        let mut failures = Vec::new();
        self.gather_past_failures(ix, &mut failures);
        let went_past_failure = went_past_failure || self.went_past_failure_inside(ix);
        self.went_past_failure |= went_past_failure;
        let rounds = self.steps[ix].rounds.get_or_insert_default();
        rounds.under_way = false;
        rounds.ended.push(Round { gave, went_past_failure, failures });
    }

    /// A step of the last round of a loop that has ended is opened again: the round goes on.
    pub(super) fn reopen_round(&mut self, ix: NodeIx) {
        if let Some(rounds) = self.steps[ix].rounds.as_mut().filter(|rounds| !rounds.under_way) {
            rounds.ended.pop();
            rounds.under_way = true;
        }
    }

    /// What the steps of a round gave, by their ids: `null` for one that failed and was allowed to; one that was left out has no place among them.
    fn results_of_round(&self, ix: NodeIx) -> Value {
        let mut results = self.results_inside(ix);
        let failed = self.program.nodes[ix].children.iter().filter(|child| self.steps[**child].status == StepStatus::Failed);
        if let Value::Object(results) = &mut results {
            results.extend(failed.map(|child| (self.program.nodes[*child].step.id.to_string(), Value::Null)));
        }
        results
    }

    /// The results of the steps of a group that succeeded, by their ids.
    pub(super) fn results_inside(&self, ix: NodeIx) -> Value {
        let succeeded = self.program.nodes[ix].children.iter().filter(|child| self.steps[**child].status == StepStatus::Succeeded);
        succeeded.map(|child| (self.program.nodes[*child].step.id.to_string(), self.step_value(*child).clone())).collect()
    }

    /// The failures that a step of a group, or one further inside, went on past.
    fn gather_past_failures(&self, ix: NodeIx, failures: &mut Vec<PastFailure>) {
        for &inside in &self.program.nodes[ix].children {
            let step = &self.steps[inside];
            if let Some(why) = past_failure(step) {
                failures.push(PastFailure { step: self.program.nodes[inside].step.id.clone(), why });
            }
            match &step.rounds {
                // The rounds of a loop inside have gathered theirs, those of the last one as well.
                Some(rounds) => failures.extend(rounds.ended.iter().flat_map(|round| &round.failures).cloned()),
                None => self.gather_past_failures(inside, failures),
            }
        }
    }

    /// Whether what stands inside of a group went on past a failure, in rounds of which only that is known as well.
    fn went_past_failure_inside(&self, ix: NodeIx) -> bool {
        self.program.nodes[ix].children.iter().any(|&inside| went_past_failure(&self.steps[inside]) || self.went_past_failure_inside(inside))
    }

    /// A step is as if it had never run. Attempts keep counting, so no call id is ever used twice; what they failed by does not.
    pub(super) fn start_anew(&mut self, ix: NodeIx) {
        let old = std::mem::take(&mut self.steps[ix]);
        let last = old.items.iter().map(|item| item.attempt).max().unwrap_or(0).max(old.attempts_before);
        let fans_out = self.program.nodes[ix].items.is_some();
        let items = if fans_out || old.items.is_empty() { Vec::new() } else { vec![ItemState { attempt: last, ..ItemState::default() }] };
        self.steps[ix] = StepState {
            items,
            attempts_before: last,
            charged: old.charged,
            unpriced: old.unpriced,
            assumed: old.assumed,
            simulated: old.simulated,
            ..StepState::default()
        };
    }

    /// What a loop gives.
    pub(super) fn gather_rounds(&self, ix: NodeIx, rounds: &Rounds) -> Map<String, Value> {
        let node = &self.program.nodes[ix];
        let main = |round: &Value| -> Value {
            let last = node.children.iter().rev().find_map(|child| Some((child, round.get(self.program.nodes[*child].step.id.as_str())?)));
            let Some((child, gave)) = last else { return Value::Null };
            gave.get(self.program.main_result(*child)).unwrap_or(gave).clone()
        };
        let results: Vec<Value> = rounds.ended.iter().map(|round| main(&round.gave)).collect();
        let mut gathered = Map::new();
        if let Some(first) = node.step.outputs.first() {
            gathered.insert(first.clone(), results.clone().into());
        }
        gathered.insert("last".to_owned(), results.last().cloned().unwrap_or_default());
        gathered.insert("results".to_owned(), results.into());
        gathered.insert("rounds".to_owned(), rounds.ended.iter().map(|round| (*round.gave).clone()).collect());
        gathered.insert("iterations".to_owned(), rounds.number().into());
        gathered
    }

    /// The rounds of the loops that a step stands in, the outermost first: what makes the same call of the same step another one.
    #[must_use]
    pub fn rounds_around(&self, ix: NodeIx) -> Vec<u32> {
        let around = std::iter::successors(self.program.nodes[ix].parent, |&group| self.program.nodes[group].parent);
        let mut rounds: Vec<u32> = around.filter_map(|group| self.steps[group].rounds.as_ref()).map(|rounds| rounds.number()).collect();
        rounds.reverse();
        rounds
    }

    /// As [`rounds_around`](Self::rounds_around), by the step's id.
    #[must_use]
    pub fn rounds_of(&self, step: &StepId) -> Vec<u32> {
        self.program.find(step).map(|ix| self.rounds_around(ix)).unwrap_or_default()
    }

    pub(super) fn is_loop(&self, ix: NodeIx) -> bool {
        self.program.nodes[ix].shape == Shape::Loop
    }

    pub(super) fn open_loop(&mut self, at: Timestamp, ix: NodeIx, over: Option<&Payload>) {
        self.start_step(at, ix);
        self.steps[ix].opened = true;
        self.steps[ix].rounds = Some(Box::new(Rounds::over(over)));
    }
}

/// Whether a run goes on past what this step came to.
pub(super) fn went_past_failure(step: &StepState) -> bool {
    past_failure(step).is_some() || step.rounds.as_ref().is_some_and(|rounds| rounds.ended.iter().any(|round| round.went_past_failure))
}

/// How the step itself failed, where a run goes on past it.
fn past_failure(step: &StepState) -> Option<String> {
    match &step.instead {
        Some(Instead::DefaultOutput { failure }) => Some(failure.message.clone()),
        Some(Instead::FailedItems { failed }) => Some(format!("{failed} of its elements failed")),
        _ if step.tolerated => Some(step.failure.as_ref().map_or_else(String::new, |failure| failure.message.clone())),
        _ => None,
    }
}
