//! Facts of a run. They live for ever: a released event is never changed, only added to with defaults, or given a new variant.
//!
//! What an event says was computed before it was written. Applying it evaluates nothing.

mod call;
mod created;
mod reason;

use serde::{Deserialize, Serialize};

pub use self::call::{CallStarted, ChargeSource, Hold, Settlement};
pub use self::created::{RunCreated, Start};
pub use self::reason::{DoubtVerdict, HaltReason, Instead, Resolution, SkipReason};
use crate::budget::LedgerOp;
use crate::call::{Failure, Outcome};
use crate::ids::{CallId, ContentHash, StepId};
use crate::money::Meter;
use crate::payload::Payload;
use crate::run::RunStatus;
use crate::step::Wait;
use crate::time::Timestamp;

/// The edition of the core that this release gives to new runs. A run keeps the edition that created it.
pub const EDITION: u16 = 1;

/// Something that happened to a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The run exists: with everything it is pinned to.
    RunCreated(Box<RunCreated>),
    /// The status changed in a way that is not the end. Leads from any status that is not terminal.
    StatusChanged {
        /// The new status.
        status: RunStatus,
    },
    /// A step is left out. Leads from `pending` or `ready` to `skipped`.
    StepSkipped {
        /// The step.
        step: StepId,
        /// Why.
        reason: SkipReason,
    },
    /// A group opened: the steps inside of it may start. Leads from `ready` to `running`.
    GroupOpened {
        /// The step.
        step: StepId,
        /// What a loop goes over: a list, or a number of rounds. For a `workflow` step: what its inputs were given. Absent for every other group, and where only a condition ends the loop.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        over: Option<Payload>,
    },
    /// Who was asked failed as often as it may: the step goes on with the next one that it names.
    Hopped {
        /// Which.
        at: ItemRef,
        /// The place of the next one among those that the step names, from 1. In a fork, 0 stands where a retry opened the conversation again.
        hop: u32,
        /// Why.
        failure: Failure,
    },
    /// A round of a loop began: everything inside of it may start, as if it had never run.
    RoundStarted {
        /// The loop.
        step: StepId,
        /// The round, from 0.
        round: u32,
    },
    /// A round of a loop has ended. What it gave is what its steps gave.
    RoundEnded {
        /// The loop.
        step: StepId,
        /// The round, from 0.
        round: u32,
        /// Results of the steps of a round that a fork brings, by their ids: the events of those steps stay with the old run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        results: Option<Payload>,
        /// Whether a round that a fork brings went on past a failure.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        went_past_failure: bool,
    },
    /// A fan-out knows its elements. Leads from `ready` to `running`.
    FannedOut {
        /// The step.
        step: StepId,
        /// The list.
        items: Payload,
        /// Its length.
        count: u32,
    },
    /// An attempt began, with these parameters. Leads from `ready` or `waiting` to `running`.
    AttemptStarted {
        /// Which.
        at: ItemRef,
        /// The attempt, from 1.
        attempt: u32,
        /// The rendered parameters; absent if the definition holds them literally.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        input: Option<Payload>,
    },
    /// A call was ordered. It is made only when this is on disk.
    CallStarted(Box<CallStarted>),
    /// A call has ended, and its hold with it.
    CallSettled {
        /// Which.
        call: CallId,
        /// What became of it.
        outcome: Outcome,
        /// What was charged; absent for calls that held nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        settlement: Option<Settlement>,
    },
    /// A call was in flight when its process died, or could not be stopped: charged in full until better is known.
    CallDoubted {
        /// Which.
        call: CallId,
        /// What is known.
        evidence: String,
        /// What happens with it.
        verdict: DoubtVerdict,
        /// What was charged; absent for calls that held nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        settlement: Option<Settlement>,
    },
    /// Somebody said what to do with a call in doubt. Leads from `in_doubt`.
    DoubtResolved {
        /// Which.
        at: ItemRef,
        /// What they said.
        resolution: Resolution,
        /// Who.
        by: String,
    },
    /// A step or item waits. Leads from `ready` or `running` to `waiting`.
    WaitStarted {
        /// Which.
        at: ItemRef,
        /// The attempt that waits, or will start when the wait ends.
        attempt: u32,
        /// What for.
        wait: Wait,
        /// When it ends by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// For approvals: the hash of exactly what is agreed to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hash: Option<ContentHash>,
        /// The rendered parameters that run when it is agreed to, or that the waiting step was given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        input: Option<Payload>,
        /// Whether the wait stands before the step (`approval:` on a step) instead of being the step.
        #[serde(default, skip_serializing_if = "is_false")]
        gate: bool,
        /// Whether it is a pause within an attempt, whose settled calls and parameters stay.
        #[serde(default, skip_serializing_if = "is_false")]
        within: bool,
    },
    /// Somebody decided on an approval.
    ApprovalDecided {
        /// Which.
        at: ItemRef,
        /// The hash of what was decided on.
        hash: ContentHash,
        /// Whether they agreed.
        approved: bool,
        /// Who.
        by: String,
        /// What they said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        comment: Option<String>,
    },
    /// A signal came.
    SignalReceived {
        /// Its name.
        name: String,
        /// What came with it.
        payload: Payload,
    },
    /// A wait ended. Leads from `waiting` to `running`.
    WaitEnded {
        /// Which.
        at: ItemRef,
        /// What ended it, as the step sees it.
        outcome: Outcome,
        /// The signal that was used up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<String>,
    },
    /// An attempt failed. With a time: it is tried again then. Without: it was the last one.
    AttemptFailed {
        /// Which.
        at: ItemRef,
        /// The attempt.
        attempt: u32,
        /// Why.
        failure: Failure,
        /// When the next one starts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<Timestamp>,
    },
    /// The delay before the next attempt is over.
    BackoffEnded {
        /// Which.
        at: ItemRef,
    },
    /// An element of a fan-out gave its outputs.
    ItemSucceeded {
        /// The step.
        step: StepId,
        /// Which element.
        item: u32,
        /// Its outputs.
        outputs: Payload,
    },
    /// An element of a fan-out failed for good.
    ItemFailed {
        /// The step.
        step: StepId,
        /// Which element.
        item: u32,
        /// Why.
        failure: Failure,
    },
    /// A step gave its outputs. Leads to `succeeded`.
    StepSucceeded {
        /// The step.
        step: StepId,
        /// Its outputs; absent where they are the outputs of its elements or of the steps inside of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        outputs: Option<Payload>,
        /// What took its place, if something did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instead: Option<Instead>,
    },
    /// A step failed for good. Leads to `failed`.
    StepFailed {
        /// The step.
        step: StepId,
        /// Why.
        failure: Failure,
        /// Whether the run goes on without it.
        #[serde(default, skip_serializing_if = "is_false")]
        tolerated: bool,
    },
    /// A failed step hands over to the step that is its fallback, which becomes `ready`.
    FallbackChosen {
        /// The failed step.
        step: StepId,
        /// What takes its place.
        fallback: StepId,
        /// Why the step failed.
        failure: Failure,
    },
    /// Nothing new starts. What is in flight is let finish, or stopped.
    Halted {
        /// Why.
        reason: HaltReason,
    },
    /// Somebody paused the run.
    Paused {
        /// Who.
        by: String,
        /// Whether it was an interrupt of the command that runs it.
        #[serde(default, skip_serializing_if = "is_false")]
        interrupt: bool,
    },
    /// A new owner took the run over that an earlier one had left in its work: written where there is a limit on time, against which what passed since then
    /// does not count.
    TakenOver {
        /// How long it is since the last thing that was recorded, in milliseconds. How much of that the process that died still worked, nobody knows.
        idle_ms: u64,
    },
    /// Somebody let it go on.
    Resumed {
        /// Who.
        by: String,
    },
    /// Somebody set a limit of the run's budget.
    LimitSet {
        /// Which meter.
        meter: Meter,
        /// The limit.
        limit: u64,
        /// What was spent by then.
        #[serde(default)]
        spent: u64,
        /// What open calls held.
        #[serde(default)]
        reserved: u64,
        /// Who.
        by: String,
    },
    /// Failed steps may be tried again; everything that depended on them is as if it had never run.
    Reopened {
        /// The steps that start anew.
        steps: Vec<StepId>,
        /// Failed fan-outs and groups that go on where they are: what succeeded inside of them stays.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        keep: Vec<StepId>,
        /// Who.
        by: String,
    },
    /// The run has ended.
    RunFinished {
        /// How.
        status: RunStatus,
        /// Its outputs by name.
        outputs: Payload,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if hands out a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if hands out a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A step, or one element of its fan-out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ItemRef {
    /// The step.
    pub step: StepId,
    /// The element, from 0; 0 for a plain step.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub item: u32,
}

/// One list for [`Event::name`] and [`Event::NAMES`]: the compiler wants every variant in it.
macro_rules! names {
    ($($variant:pat => $name:literal,)+) => {
        /// The name of its type, as in its JSON.
        #[must_use]
        pub fn name(&self) -> &'static str {
            match self { $($variant => $name,)+ }
        }

        /// The names of all types that this release knows.
        pub const NAMES: [&'static str; [$($name),+].len()] = [$($name),+];
    };
}

impl Event {
    names! {
        Self::RunCreated(_) => "run_created",
        Self::StatusChanged { .. } => "status_changed",
        Self::StepSkipped { .. } => "step_skipped",
        Self::GroupOpened { .. } => "group_opened",
        Self::Hopped { .. } => "hopped",
        Self::RoundStarted { .. } => "round_started",
        Self::RoundEnded { .. } => "round_ended",
        Self::FannedOut { .. } => "fanned_out",
        Self::AttemptStarted { .. } => "attempt_started",
        Self::CallStarted(_) => "call_started",
        Self::CallSettled { .. } => "call_settled",
        Self::CallDoubted { .. } => "call_doubted",
        Self::DoubtResolved { .. } => "doubt_resolved",
        Self::WaitStarted { .. } => "wait_started",
        Self::ApprovalDecided { .. } => "approval_decided",
        Self::SignalReceived { .. } => "signal_received",
        Self::WaitEnded { .. } => "wait_ended",
        Self::AttemptFailed { .. } => "attempt_failed",
        Self::BackoffEnded { .. } => "backoff_ended",
        Self::ItemSucceeded { .. } => "item_succeeded",
        Self::ItemFailed { .. } => "item_failed",
        Self::StepSucceeded { .. } => "step_succeeded",
        Self::StepFailed { .. } => "step_failed",
        Self::FallbackChosen { .. } => "fallback_chosen",
        Self::Halted { .. } => "halted",
        Self::Paused { .. } => "paused",
        Self::TakenOver { .. } => "taken_over",
        Self::Resumed { .. } => "resumed",
        Self::LimitSet { .. } => "limit_set",
        Self::Reopened { .. } => "reopened",
        Self::RunFinished { .. } => "run_finished",
    }

    /// What it moves in the ledger.
    #[must_use]
    pub fn ledger_op(&self) -> Option<LedgerOp> {
        match self {
            Self::RunCreated(created) => (!created.limits.is_empty()).then_some(LedgerOp::OpenRun { limits: created.limits }),
            Self::CallStarted(started) => started.hold.map(|hold| LedgerOp::Hold { amounts: hold.amounts }),
            Self::CallSettled { settlement, .. } | Self::CallDoubted { settlement, .. } => {
                settlement.map(|s| LedgerOp::Settle { held: s.held, charged: s.charged })
            }
            Self::LimitSet { meter, limit, spent, reserved, .. } => {
                Some(LedgerOp::SetRunLimit { meter: *meter, limit: *limit, spent: *spent, reserved: *reserved })
            }
            _ => None,
        }
    }

    /// Every payload in it, to be put elsewhere or filled in by whoever reads and writes the log.
    pub fn for_each_payload(&mut self, mut visit: impl FnMut(&mut Payload)) {
        fn outcome(outcome: &mut Outcome, visit: &mut impl FnMut(&mut Payload)) {
            if let Outcome::Succeeded { value, .. } = outcome {
                visit(value);
            }
        }
        match self {
            Self::RunCreated(created) => visit(&mut created.inputs),
            Self::FannedOut { items, .. } => visit(items),
            Self::AttemptStarted { input: Some(input), .. } | Self::WaitStarted { input: Some(input), .. } => visit(input),
            Self::CallSettled { outcome: o, .. } | Self::WaitEnded { outcome: o, .. } => outcome(o, &mut visit),
            Self::DoubtResolved { resolution: Resolution::Done { outputs }, .. }
            | Self::ItemSucceeded { outputs, .. }
            | Self::StepSucceeded { outputs: Some(outputs), .. }
            | Self::RunFinished { outputs, .. } => visit(outputs),
            Self::SignalReceived { payload, .. } => visit(payload),
            _ => {}
        }
    }
}
