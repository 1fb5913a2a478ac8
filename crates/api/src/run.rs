//! `GET /v1/runs/{id}`.

use gorgon_core::budget::{Balance, BudgetKey};
use gorgon_core::call::FailureClass;
use gorgon_core::diagnostic::Code;
use gorgon_core::event::HaltReason;
use gorgon_core::fork::Fork;
use gorgon_core::ids::{ContentHash, RunId, StepId};
use gorgon_core::money::{Amounts, Meter};
use gorgon_core::payload::Payload;
use gorgon_core::run::{RunState, RunStatus};
use serde::{Deserialize, Serialize};

use crate::{InDoubt, RunStep, Time, Waiting, time};

/// A run, as every surface shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// How it stands.
    pub status: RunStatus,
    /// The name of its workflow.
    pub workflow: String,
    /// What came out, by name; empty before the end.
    pub outputs: Payload,
    /// Its steps, in file order, parents before the steps inside of them.
    pub steps: Vec<RunStep>,
    /// What was charged.
    pub cost_nano_usd: u64,
    /// The tokens that count.
    pub tokens: u64,
    /// The calls that may cost money.
    pub calls: u64,
    /// How many calls are in flight.
    pub in_flight: u32,
    /// How many events it has.
    pub events: u64,
    /// What is held for calls in flight.
    pub held: Amounts,
    /// What was charged beyond holds.
    pub overage: Amounts,
    /// Whether the simulator answered for one of its steps.
    pub simulated: bool,
    /// Why it failed.
    pub error: Option<RunError>,
    /// The budget that stopped it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<BudgetKey>,
    /// Whether it ended with a step that can be tried again.
    #[serde(default)]
    pub retryable: bool,
    /// The steps that had succeeded, whole or in part, and that a retry runs again from their start: they ran on past a failure, or have nothing to go on with.
    /// Of a retry of all that failed, unless a [`RunView`] names a step.
    #[serde(default)]
    pub retry_repeats: Vec<StepId>,
    /// What it waits for.
    pub waiting_for: Vec<Waiting>,
    /// Its calls in doubt.
    pub in_doubt: Vec<InDoubt>,
    /// Whether it stands still because the command that ran it was interrupted.
    pub interrupted: bool,
    /// Its own budget, by meter; a meter without a limit has no row.
    pub budget: Vec<BudgetRow>,
    /// The inputs, defaults filled in.
    pub inputs: Payload,
    /// The hash of the definition that it is pinned to.
    pub definition: Option<ContentHash>,
    /// The hash of the text that the definition was loaded from.
    pub source: Option<ContentHash>,
    /// The run that it was made out of, and what it keeps of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork: Option<Fork>,
    /// The file that it was started from, absolute.
    pub file: Option<String>,
    /// The folder in which it was started.
    pub folder: String,
    /// Who started it.
    pub by: String,
    /// When it was created.
    pub created_at: Time,
    /// When it ended.
    pub ended_at: Option<Time>,
    /// When the last thing happened to it.
    pub last_at: Time,
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunError {
    /// Stable code.
    pub code: Code,
    /// A sentence that reads alone.
    pub message: String,
    /// The step that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepId>,
    /// The last attempt of that step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// More to see, such as the end of standard error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// One meter of a run's budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetRow {
    /// Which meter.
    pub meter: Meter,
    /// The limit.
    pub limit: u64,
    /// Charged.
    pub spent: u64,
    /// Held by calls in flight.
    pub reserved: u64,
    /// What could still be held.
    pub available: u64,
    /// Charged beyond holds.
    pub overage: u64,
    /// Whether it grants nothing until an operator thaws it.
    pub frozen: bool,
}

/// How a run is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunView {
    /// The step that is to be retried: `retry_repeats` is of a retry of this one. A step that cannot be retried repeats nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<StepId>,
}

impl Run {
    /// The run that this state is.
    #[must_use]
    pub fn of(state: &RunState, id: RunId) -> Self {
        Self::seen(state, id, &RunView::default())
    }

    /// The run that this state is, looked at like this.
    #[must_use]
    pub fn seen(state: &RunState, id: RunId, view: &RunView) -> Self {
        let created = state.created.as_deref();
        let start = created.map(|created| &created.start);
        let steps = RunStep::all(state);
        let empty = || Payload::of(&serde_json::Map::new());
        Self {
            id,
            status: state.status,
            workflow: state.program.definition.name.clone(),
            outputs: state.outputs.clone().unwrap_or_else(empty),
            cost_nano_usd: state.charged.cost_nano_usd,
            tokens: state.charged.tokens,
            calls: state.charged.calls,
            in_flight: u32::try_from(state.open.len()).unwrap_or(u32::MAX),
            events: state.events,
            held: state.held(),
            overage: state.overage,
            simulated: steps.iter().any(|step| step.simulated && step.calls > 0),
            error: RunError::of(state, &steps),
            stopped_by: if let Some(HaltReason::Budget { key, .. }) = &state.halt { Some(key.clone()) } else { None },
            retryable: state.can_be_retried(),
            retry_repeats: state.repeated_by_retry(view.retry.as_ref()),
            steps,
            waiting_for: if state.status.is_terminal() { Vec::new() } else { state.waiting_for().into_iter().map(Waiting::from).collect() },
            in_doubt: InDoubt::all(state),
            interrupted: state.paused == Some(true),
            budget: state.budget.iter().map(|(meter, balance)| BudgetRow::of(*meter, balance)).collect(),
            inputs: created.map_or_else(empty, |created| created.inputs.clone()),
            definition: created.map(|created| created.definition),
            source: created.and_then(|created| created.source),
            fork: created.and_then(|created| created.fork.as_deref().cloned()),
            file: start.and_then(|start| start.file.clone()),
            folder: start.map(|start| start.folder.clone()).unwrap_or_default(),
            by: start.map(|start| start.by.clone()).unwrap_or_default(),
            created_at: time(state.created_at),
            ended_at: state.ended_at.map(time),
            last_at: time(state.last_at),
        }
    }

    /// Whether nothing moves any more without somebody from outside: an approval, a signal, a doubt, a budget, a pause. Timers move by themselves.
    #[must_use]
    pub fn needs_somebody(&self) -> bool {
        match self.status {
            RunStatus::Paused => self.in_flight == 0,
            RunStatus::Waiting => !self.waiting_for.is_empty() && self.waiting_for.iter().all(Waiting::needs_somebody),
            RunStatus::Queued | RunStatus::Running | RunStatus::Cancelling | RunStatus::Compensating => false,
            RunStatus::Completed | RunStatus::Partial | RunStatus::Failed | RunStatus::Cancelled => false,
        }
    }

    /// Whether it failed because a budget was exhausted: then a higher limit lets it go on.
    #[must_use]
    pub fn is_out_of_budget(&self) -> bool {
        self.stopped_by.is_some() || self.waiting_for.iter().any(|waiting| matches!(waiting, Waiting::Budget { .. }))
    }
}

impl BudgetRow {
    fn of(meter: Meter, balance: &Balance) -> Self {
        let Balance { limit, spent, reserved, overage, frozen, .. } = *balance;
        Self { meter, limit, spent, reserved, available: balance.available(), overage, frozen }
    }
}

impl RunError {
    fn of(state: &RunState, steps: &[RunStep]) -> Option<Self> {
        let (code, step) = match &state.halt {
            Some(HaltReason::StepFailed { step, failure }) => (code_of(failure.class), Some(step.clone())),
            Some(HaltReason::Budget { step, frozen, .. }) => (if *frozen { Code::BudgetFrozen } else { Code::BudgetExhausted }, Some(step.clone())),
            Some(HaltReason::TimedOut { .. }) => (Code::RunTimedOut, None),
            Some(HaltReason::Cancelled { .. }) => return None,
            None => (state.failure.as_ref().map_or(Code::StepFailed, |failure| code_of(failure.class)), None),
        };
        let failure = match (&state.failure, &state.halt) {
            (Some(failure), _) | (None, Some(HaltReason::StepFailed { failure, .. })) => failure,
            _ => return None,
        };
        let attempt =
            step.as_ref().and_then(|id| steps.iter().find(|step| step.id == *id)).filter(|step| step.items.is_none()).map(|step| step.attempts);
        Some(Self { code, message: failure.message.clone(), step, attempt, detail: failure.detail.clone() })
    }
}

fn code_of(class: FailureClass) -> Code {
    match class {
        FailureClass::TimedOut => Code::StepTimedOut,
        FailureClass::Budget => Code::BudgetExhausted,
        FailureClass::Transport
        | FailureClass::RateLimited
        | FailureClass::Overloaded
        | FailureClass::Refused
        | FailureClass::Invalid
        | FailureClass::Denied
        | FailureClass::Rejected
        | FailureClass::Cancelled => Code::StepFailed,
    }
}
