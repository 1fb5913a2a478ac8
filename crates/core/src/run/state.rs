//! The state itself, and the questions that the engine asks it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::{ItemState, OpenCall, RunStatus, StepState};
use crate::budget::Balance;
use crate::call::Request;
use crate::event::{Event, HaltReason, RunCreated};
use crate::ids::CallId;
use crate::money::{Amounts, Meter};
use crate::payload::Payload;
use crate::plan::{NodeIx, Program};
use crate::time::Timestamp;

/// How a run stands.
#[derive(Clone)]
pub struct RunState {
    /// What it runs.
    pub program: Arc<Program>,
    /// What it is pinned to; absent before its first event.
    pub created: Option<Arc<RunCreated>>,
    /// In a word.
    pub status: RunStatus,
    /// Its steps, by their place in the program.
    pub steps: Vec<StepState>,
    /// Calls that were ordered and have not ended.
    pub open: BTreeMap<CallId, OpenCall>,
    /// What could start now if there is room for it.
    pub work: BTreeSet<Work>,
    /// When something has to be looked at again.
    pub timers: BTreeSet<(Timestamp, NodeIx, u32, TimerKind)>,
    /// Signals that came and were not used up.
    pub signals: VecDeque<(String, Payload)>,
    /// Why nothing new starts.
    pub halt: Option<HaltReason>,
    /// Whether somebody paused it; with whether it was an interrupt.
    pub paused: Option<bool>,
    /// How many top-level steps have not ended.
    pub open_steps: u32,
    /// Whether it went on past a failure.
    pub went_past_failure: bool,
    /// Rounds of loops that have begun.
    pub rounds: u64,
    /// What was charged.
    pub charged: Amounts,
    /// What was charged beyond holds.
    pub overage: Amounts,
    /// The run's own budget, by meter.
    pub budget: BTreeMap<Meter, Balance>,
    /// What came out, once it has ended.
    pub outputs: Option<Payload>,
    /// Why it failed, once it has.
    pub failure: Option<crate::call::Failure>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Since when it has been active; absent while it waits or is paused.
    pub active_since: Option<Timestamp>,
    /// How long it was active before, in milliseconds.
    pub active_ms: u64,
    /// The time of its last event.
    pub last_at: Timestamp,
    /// How many events it has.
    pub events: u64,
    pub(super) inputs: OnceLock<Arc<BTreeMap<String, Value>>>,
}

/// Something that could start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Work {
    /// The step.
    pub node: NodeIx,
    /// The element, for all but `Step` and `Items`.
    pub item: u32,
    /// What.
    pub kind: WorkKind,
}

/// What could start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorkKind {
    /// The step: its condition is judged, then it starts.
    Step,
    /// Further elements of a fan-out.
    Items,
    /// What a settled call or an ended wait leads to.
    Continue,
    /// The next attempt of an item.
    Attempt,
    /// A call that has to be made again.
    Redo,
}

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimerKind {
    /// A wait ends.
    Wait,
    /// The next attempt starts.
    Retry,
}

impl RunState {
    /// A run of this program, before its first event.
    #[must_use]
    pub fn new(program: Arc<Program>) -> Self {
        let steps = program
            .nodes
            .iter()
            .map(|node| StepState {
                waits_for: u32::try_from(node.after.len()).unwrap_or(u32::MAX) + u32::from(node.parent.is_some()),
                ..StepState::default()
            })
            .collect();
        Self {
            program,
            created: None,
            status: RunStatus::Queued,
            steps,
            open: BTreeMap::new(),
            work: BTreeSet::new(),
            timers: BTreeSet::new(),
            signals: VecDeque::new(),
            halt: None,
            paused: None,
            open_steps: 0,
            went_past_failure: false,
            rounds: 0,
            charged: Amounts::ZERO,
            overage: Amounts::ZERO,
            budget: BTreeMap::new(),
            outputs: None,
            failure: None,
            created_at: Timestamp(0),
            ended_at: None,
            active_since: None,
            active_ms: 0,
            last_at: Timestamp(0),
            events: 0,
            inputs: OnceLock::new(),
        }
    }

    /// The run that these events make.
    #[must_use]
    pub fn replay<'a>(program: Arc<Program>, events: impl IntoIterator<Item = (Timestamp, &'a Event)>) -> Self {
        let mut state = Self::new(program);
        for (at, event) in events {
            state.evolve(at, event);
        }
        state
    }

    /// The calls that should be in flight now. What is in flight and not among them is to be stopped.
    pub fn due(&self) -> impl Iterator<Item = &OpenCall> {
        let stopped = self.halt.as_ref().is_some_and(HaltReason::stops_calls) || self.status.is_terminal();
        self.open.values().filter(move |_| !stopped)
    }

    /// What a call asks, whole: a request that follows in a conversation stands in the log without what was said before it.
    #[must_use]
    pub fn whole_request(&self, call: &OpenCall) -> Arc<Request> {
        let Request::Model(model) = &*call.request else { return Arc::clone(&call.request) };
        let talk = self.program.find(&call.id.step).and_then(|ix| self.item(ix, call.id.item)?.talk.as_ref());
        match talk {
            Some(talk) if model.follows => Arc::new(Request::Model(talk.whole(model))),
            _ => Arc::clone(&call.request),
        }
    }

    /// When the run wants to be asked again, if nothing happens before.
    #[must_use]
    pub fn wake(&self) -> Option<Timestamp> {
        if self.status.is_terminal() {
            return None;
        }
        let ending = self.halt.as_ref().is_some_and(HaltReason::stops_calls);
        let timer = self.timers.first().map(|(at, ..)| *at).filter(|_| self.paused.is_none() && !ending);
        match (timer, self.run_deadline()) {
            (Some(timer), Some(deadline)) => Some(timer.min(deadline)),
            (timer, deadline) => timer.or(deadline),
        }
    }

    /// When the run has been active for as long as it may, if it goes on being active.
    #[must_use]
    pub fn run_deadline(&self) -> Option<Timestamp> {
        let limit = self.program.definition.timeout_ms?;
        if self.halt.is_some() {
            return None;
        }
        Some(self.active_since?.plus_ms(limit.saturating_sub(self.active_ms)))
    }

    /// Whether calls are in flight.
    #[must_use]
    pub fn has_open_calls(&self) -> bool {
        !self.open.is_empty()
    }

    /// The item of a call or wait.
    #[must_use]
    pub fn item(&self, node: NodeIx, item: u32) -> Option<&ItemState> {
        self.steps.get(node)?.items.get(item as usize)
    }

    pub(super) fn item_mut(&mut self, node: NodeIx, item: u32) -> &mut ItemState {
        let items = &mut self.steps[node].items;
        let place = item as usize;
        if items.len() <= place {
            items.resize_with(place + 1, ItemState::default);
        }
        &mut items[place]
    }

    /// Whether a step runs once for each element of a list.
    #[must_use]
    pub fn is_fan_out(&self, node: NodeIx) -> bool {
        self.program.nodes[node].items.is_some()
    }
}
