//! A step of a run.

use gorgon_core::call::Failure;
use gorgon_core::event::{Instead, SkipReason};
use gorgon_core::ids::StepId;
use gorgon_core::payload::Payload;
use gorgon_core::plan::NodeIx;
use gorgon_core::run::{ItemPhase, ItemState, Round, Rounds, RunState, StepState, StepStatus};
use serde::{Deserialize, Serialize};

use crate::{Time, time};

/// How a step of a run stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunStep {
    /// Its id.
    pub id: StepId,
    /// Its type; of a fan-out, that of the step that each element runs.
    pub kind: String,
    /// The group that it stands in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<StepId>,
    /// How it stands.
    pub status: StepStatus,
    /// How many attempts were started, over all elements; inside of a loop, in the round at hand.
    pub attempts: u32,
    /// For a loop: how many rounds have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounds: Option<u32>,
    /// For a loop: the failures that its rounds went on past, those that a fork kept of another run not among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past_failures: Vec<RoundFailure>,
    /// What its calls were charged.
    pub cost_nano_usd: u64,
    /// The tokens of its calls that count.
    pub tokens: u64,
    /// Its calls that may cost money.
    pub calls: u64,
    /// How many of them had no known price: what they cost is not in what it was charged.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unpriced: u64,
    /// How many of them were charged all that was held for them, as nobody knows what was used.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub assumed: u64,
    /// Whether the simulator answered for it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub simulated: bool,
    /// Whether its result was kept of another run, and cost nothing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub kept: bool,
    /// Its elements, if it runs once for each of a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Items>,
    /// What it gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Payload>,
    /// Why it failed, or why its last attempt did.
    pub error: Option<Failure>,
    /// Whether the run went on past its failure.
    #[serde(default, skip_serializing_if = "is_false")]
    pub tolerated: bool,
    /// Why it was left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<SkipReason>,
    /// What took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead: Option<Instead>,
    /// When it first started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
}

/// A failure inside of a round of a loop that the round went on past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundFailure {
    /// Which round, from 1.
    pub round: u32,
    /// The step that failed.
    pub step: StepId,
    /// How.
    pub message: String,
}

/// The elements of a fan-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Items {
    /// How many there are.
    pub total: u32,
    /// How many are under way or wait.
    pub running: u32,
    /// How many ended well.
    pub succeeded: u32,
    /// How many failed.
    pub failed: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if hands out a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if hands out a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl RunStep {
    /// The steps of a run, in file order, parents before the steps inside of them.
    pub(crate) fn all(state: &RunState) -> Vec<Self> {
        (0..state.steps.len()).map(|ix| Self::of(state, ix)).collect()
    }

    fn of(state: &RunState, ix: NodeIx) -> Self {
        let (node, step) = (&state.program.nodes[ix], &state.steps[ix]);
        // What elements, rounds and steps inside gave is gathered once it is complete.
        let gathered = || (step.status == StepStatus::Succeeded).then(|| Payload::of(state.step_value(ix)));
        let parent = node.parent.map(|parent| state.program.nodes[parent].step.id.clone());
        let in_loop = std::iter::successors(node.parent, |&group| state.program.nodes[group].parent).any(|group| state.steps[group].rounds.is_some());
        let before = if in_loop { step.attempts_before } else { 0 };
        let plain = || step.items.first().and_then(|item| item.failure.clone());
        Self {
            id: node.step.id.clone(),
            kind: node.step.kind.clone(),
            parent,
            status: step.status.shown_in(state.status),
            attempts: step.items.iter().map(|item| item.attempt.saturating_sub(before)).sum(),
            rounds: step.rounds.as_ref().map(|rounds| u32::try_from(rounds.ended.len()).unwrap_or(u32::MAX)),
            past_failures: step.rounds.as_deref().map(RoundFailure::all).unwrap_or_default(),
            cost_nano_usd: step.charged.cost_nano_usd,
            tokens: step.charged.tokens,
            calls: step.charged.calls,
            unpriced: step.unpriced,
            assumed: step.assumed,
            simulated: step.simulated,
            kept: step.kept,
            items: node.items.is_some().then(|| Items::of(step)),
            outputs: step.outputs.clone().or_else(gathered),
            error: step.failure.clone().or_else(|| if node.items.is_none() && step.status != StepStatus::Succeeded { plain() } else { None }),
            tolerated: step.tolerated,
            skipped: step.skipped,
            instead: step.instead.clone(),
            started_at: step.started_at.map(time),
            ended_at: step.ended_at.or(state.ended_at.filter(|_| step.started_at.is_some())).map(time),
        }
    }
}

impl RoundFailure {
    fn all(rounds: &Rounds) -> Vec<Self> {
        let numbered = (1_u32..).zip(&rounds.ended);
        let of_round = |(round, ended): (u32, &Round)| -> Vec<Self> {
            ended.failures.iter().map(|failure| Self { round, step: failure.step.clone(), message: failure.why.clone() }).collect()
        };
        numbered.flat_map(of_round).collect()
    }
}

impl Items {
    fn of(step: &StepState) -> Self {
        let total = step.list.as_ref().map_or(0, |_| u32::try_from(step.items.len()).unwrap_or(u32::MAX));
        let mut items = Self { total, ..Self::default() };
        for item in &step.items {
            items.count(item);
        }
        items
    }

    fn count(&mut self, item: &ItemState) {
        match item.phase {
            ItemPhase::Succeeded => self.succeeded += 1,
            ItemPhase::Failed => self.failed += 1,
            ItemPhase::Running | ItemPhase::Waiting(_) | ItemPhase::Backoff(_) | ItemPhase::Redo(_) | ItemPhase::InDoubt(_) => self.running += 1,
            ItemPhase::Idle | ItemPhase::Cancelled => {}
        }
    }
}
