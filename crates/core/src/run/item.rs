//! How a step and its elements stand.

use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::call::{Failure, Family, Metering, Outcome, Request};
use crate::definition::EffectClass;
use crate::event::{Hold, Instead, SkipReason};
use crate::ids::{CallId, ContentHash};
use crate::money::Amounts;
use crate::payload::Payload;
use crate::run::{Rounds, StepStatus, Talk};
use crate::step::{HOP, OPENED_AGAIN, Wait, can_go_on};
use crate::time::Timestamp;

/// How a step stands. A plain step has one item; a fan-out one for each element; a group none.
#[derive(Debug, Clone, Default)]
pub struct StepState {
    /// In a word.
    pub status: StepStatus,
    /// Its elements.
    pub items: Vec<ItemState>,
    /// For a fan-out that knows its elements: the list.
    pub list: Option<Payload>,
    /// How many things before it are not done.
    pub waits_for: u32,
    /// It has ended, and what it waits for has not: a branch left it out, or a fork kept it. What comes after it waits until that is over.
    pub held: bool,
    /// How many of its elements, or of the steps inside of it, have not ended.
    pub open: u32,
    /// How many calls of it, or of the steps inside of it, are in flight.
    pub in_flight: u32,
    /// How many elements failed.
    pub failed_items: u32,
    /// The last attempt of any of its elements before the step was opened again: those after it count on from there.
    pub attempts_before: u32,
    /// First element that was never started.
    pub next_item: u32,
    /// What it gave.
    pub outputs: Option<Payload>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// Whether the run goes on past its failure.
    pub tolerated: bool,
    /// What took its place.
    pub instead: Option<Instead>,
    /// Why it was left out.
    pub skipped: Option<SkipReason>,
    /// For a group: the steps inside of it may start.
    pub opened: bool,
    /// For a workflow that is a step, once it has opened: its inputs.
    pub given: Option<Payload>,
    /// For a loop that has opened: its rounds.
    pub rounds: Option<Box<Rounds>>,
    /// Its result was kept of another run.
    pub kept: bool,
    /// Somebody agreed to all of it.
    pub approved: bool,
    /// When it first started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What its calls were charged.
    pub charged: Amounts,
    /// How many of them had no known price: what they cost is not in it.
    pub unpriced: u64,
    /// How many of them were charged their whole hold, as nobody knows what was used.
    pub assumed: u64,
    /// Whether the simulator was asked for it.
    pub simulated: bool,
    /// The outputs, parsed when somebody first looks at them.
    pub(super) parsed: OnceLock<Arc<Value>>,
    /// The inputs, parsed when somebody first looks at them.
    pub(super) parsed_given: OnceLock<Arc<Value>>,
    /// The elements of the list, parsed when somebody first looks at them.
    pub(super) parsed_list: OnceLock<Arc<Vec<Value>>>,
}

/// How one execution of a step stands.
#[derive(Debug, Clone, Default)]
pub struct ItemState {
    /// Where it is.
    pub phase: ItemPhase,
    /// The last attempt that was started; 0 before the first.
    pub attempt: u32,
    /// Failures that count against the number of attempts. Starts anew when the step is opened again.
    pub failures: u32,
    /// Who is asked: 0 for the first that the step names.
    pub hop: u32,
    /// The rendered parameters of the attempt; absent if the definition holds them literally.
    pub input: Option<Payload>,
    /// The settled calls of the attempt.
    pub journal: Vec<Outcome>,
    /// Whom each of them was asked of; `None` for a wait. Kept from the first call of a model on: nobody else makes several calls, and a wide fan-out of
    /// anything else is spared the list.
    pub asked: Vec<Option<Family>>,
    /// The conversation of the attempt, if a model was asked.
    pub talk: Option<Box<Talk>>,
    /// What an element gave.
    pub outputs: Option<Payload>,
    /// Why it failed, or why its last attempt did.
    pub failure: Option<Failure>,
    /// When it first started.
    pub started_at: Option<Timestamp>,
}

impl StepState {
    /// Whether nothing waits for it any more.
    pub(super) fn is_over(&self) -> bool {
        self.status.is_terminal() && !self.held
    }

    /// Whether something of it succeeded: all of it, an element, or a call of its attempt.
    pub(crate) fn did_something(&self) -> bool {
        self.status == StepStatus::Succeeded || self.items.iter().any(ItemState::did_something)
    }
}

impl ItemState {
    /// Whether it succeeded, or a call of its attempt did that others followed or could have.
    pub(crate) fn did_something(&self) -> bool {
        let succeeded = |(asked, outcome): (&Option<Family>, &Outcome)| asked.is_some() && matches!(outcome, Outcome::Succeeded { .. });
        self.phase == ItemPhase::Succeeded || self.asked.iter().zip(&self.journal).any(succeeded)
    }

    /// Another attempt begins, or a wait that is one: what was settled before it is history.
    pub(super) fn begin(&mut self, attempt: u32) {
        self.attempt = attempt;
        self.journal.clear();
        self.asked.clear();
        self.talk = None;
    }

    /// Whether there is a conversation in it that can go on where it is, after a bad end or a stop.
    pub(crate) fn can_talk_on(&self) -> bool {
        let is_over = match &self.phase {
            ItemPhase::Failed | ItemPhase::Running | ItemPhase::Cancelled => true,
            ItemPhase::Waiting(wait) => !wait.gate,
            _ => false,
        };
        is_over && self.talk.as_ref().is_some_and(|talk| talk.is_answered(&self.journal)) && can_go_on(&self.asked, &self.journal)
    }

    /// The conversation goes on with this one of those who can be asked: what was answered before was paid for.
    pub(super) fn talk_on(&mut self, hop: u32) {
        let place = Payload::of(&serde_json::json!({ (HOP): hop }));
        self.settled(None, Outcome::Succeeded { value: place, metering: Metering::None });
        self.hop = hop;
        self.phase = ItemPhase::Running;
    }

    /// A conversation of a step that is opened again goes on, with all its limits as at the start.
    pub(super) fn open_talk(&mut self, at: Timestamp) {
        self.talk_on(OPENED_AGAIN);
        (self.failures, self.failure, self.started_at) = (0, None, Some(at));
        if let Some(talk) = &mut self.talk {
            talk.forget_charges();
        }
    }

    /// A call has settled, or a wait has ended.
    pub(super) fn settled(&mut self, asked: Option<Family>, outcome: Outcome) {
        self.journal.push(outcome);
        if asked == Some(Family::Model) || !self.asked.is_empty() {
            self.asked.push(asked);
        }
    }
}

/// Where an item is.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum ItemPhase {
    /// Not started, or to be started again.
    #[default]
    Idle,
    /// An attempt is under way.
    Running,
    /// It waits.
    Waiting(Box<WaitState>),
    /// Its next attempt starts at this time.
    Backoff(Timestamp),
    /// A call of it is to be made again, because its first execution is in doubt.
    Redo(Box<Doubt>),
    /// A call of it is in doubt, and somebody has to say.
    InDoubt(Box<Doubt>),
    /// It ended well.
    Succeeded,
    /// It ended badly.
    Failed,
    /// It was stopped.
    Cancelled,
}

/// What an item waits for.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitState {
    /// What for.
    pub wait: Wait,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// The hash of what is agreed to.
    pub hash: Option<ContentHash>,
    /// Whether the wait stands before the step.
    pub gate: bool,
    /// Since when.
    pub since: Timestamp,
}

/// A call whose fate is not known.
#[derive(Debug, Clone, PartialEq)]
pub struct Doubt {
    /// Which.
    pub call: CallId,
    /// What it asked.
    pub request: Arc<Request>,
    /// Its class.
    pub class: EffectClass,
    /// Its key.
    pub key: Option<String>,
    /// What is known.
    pub evidence: String,
}

/// A call that was ordered and has not ended.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenCall {
    /// Which.
    pub id: CallId,
    /// What it asks.
    pub request: Arc<Request>,
    /// What a second execution would do.
    pub class: EffectClass,
    /// The epoch of the owner that ordered it.
    pub epoch: u64,
    /// How long it may take, in milliseconds.
    pub timeout_ms: u64,
    /// What the other side recognises a repetition by, if the file says.
    pub key: Option<String>,
    /// The money that is held for it.
    pub hold: Option<Hold>,
    /// When it was ordered.
    pub since: Timestamp,
}
