//! A decision under way: the state as far as it is decided, and the events so far.

use std::collections::{BTreeMap, BTreeSet};

use super::Rejection;
use crate::budget::BudgetKey;
use crate::call::Family;
use crate::event::{Event, HaltReason, ItemRef};
use crate::facts::{Facts, Refused};
use crate::plan::NodeIx;
use crate::run::RunState;
use crate::time::Timestamp;

pub(super) struct Decider<'a> {
    pub(super) state: &'a mut RunState,
    pub(super) facts: &'a Facts<'a>,
    /// Never before the last recorded time, whatever the clock says.
    pub(super) now: Timestamp,
    /// What is left of the permits.
    pub(super) permits: BTreeMap<Family, u32>,
    /// What is left of the budgets that refused.
    pub(super) refused: BTreeMap<BudgetKey, Refused>,
    pub(super) blocked: Blocked,
    events: Vec<Event>,
}

/// What keeps work from starting although the run itself would let it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Blocked {
    /// No permit of these families was left.
    pub families: BTreeSet<Family>,
    /// These budgets would have to give back open holds first.
    pub budgets: BTreeSet<BudgetKey>,
}

impl Blocked {
    /// Whether nothing is kept from starting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.families.is_empty() && self.budgets.is_empty()
    }
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decided {
    /// What happened.
    pub events: Vec<Event>,
    /// What could not start for want of permits or money.
    pub blocked: Blocked,
}

impl<'a> Decider<'a> {
    pub(super) fn new(state: &'a mut RunState, facts: &'a Facts<'a>) -> Self {
        let now = facts.now.max(state.last_at);
        Self { state, facts, now, permits: facts.permits.clone(), refused: facts.refused.clone(), blocked: Blocked::default(), events: Vec::new() }
    }

    /// Decides on an event: from here on the state has it.
    pub(super) fn emit(&mut self, event: Event) {
        self.state.evolve(self.now, &event);
        self.events.push(event);
    }

    pub(super) fn decided(self) -> Decided {
        Decided { events: self.events, blocked: self.blocked }
    }

    /// Says no if the run has ended or is ending; `what` names what cannot be done any more.
    pub(super) fn must_go_on(&self, what: &str) -> Result<(), Rejection> {
        if self.state.status.is_terminal() {
            return Err(Rejection::state(format!("the run is {}; {what}", self.state.status.word())));
        }
        if self.state.halt.as_ref().is_some_and(HaltReason::stops_calls) {
            return Err(Rejection::state(format!("the run is ending; {what}")));
        }
        Ok(())
    }

    /// The name of an item in events.
    pub(super) fn item_ref(&self, ix: NodeIx, item: u32) -> ItemRef {
        ItemRef { step: self.state.program.nodes[ix].step.id.clone(), item }
    }
}
