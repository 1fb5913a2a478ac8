//! Facts of a run. They live for ever: a released event is never changed, only added to with defaults, or given a new variant.
//!
//! What an event says was computed before it was written. Applying it evaluates nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::budget::{BudgetKey, LedgerOp, Limits, Scope};
use crate::call::{Failure, Outcome, Request};
use crate::definition::{EffectClass, OnExhausted};
use crate::fork::Fork;
use crate::ids::{CallId, ContentHash, RunId, StepId};
use crate::money::{Amounts, Meter, ModelPrice};
use crate::payload::Payload;
use crate::run::RunStatus;
use crate::step::{ModelChoice, Wait};
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

/// Everything that a run is pinned to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunCreated {
    /// The edition of the core that rules the run.
    pub edition: u16,
    /// The public id.
    pub id: RunId,
    /// The hash of the definition, which lies beside the log.
    pub definition: ContentHash,
    /// The hash of the plan, which lies beside the log.
    pub plan: ContentHash,
    /// The hash of the text that the definition was loaded from, which lies beside the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<ContentHash>,
    /// The inputs, defaults filled in.
    pub inputs: Payload,
    /// Where and with what it was started.
    pub start: Start,
    /// Limits of the run's own budget.
    pub limits: Limits,
    /// What happens when a budget is exhausted.
    #[serde(default)]
    pub on_exhausted: OnExhausted,
    /// Budgets above the run that it draws on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<Scope>,
    /// The run that it was made out of, and what it keeps of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork: Option<Box<Fork>>,
}

/// Where and with what a run was started. Later processes see these, not their own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Start {
    /// Whose run it is.
    pub tenant: String,
    /// Who started it.
    pub by: String,
    /// The starter's folder, absolute.
    pub folder: String,
    /// The file that it was started from, absolute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What the settings let through of the starter's environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Which models answer.
    #[serde(default)]
    pub models: ModelChoice,
}

/// A call that was ordered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallStarted {
    /// Which.
    pub call: CallId,
    /// What is asked, exactly.
    pub request: Request,
    /// What a second execution would do.
    pub class: EffectClass,
    /// The epoch of the owner that ordered it.
    pub epoch: u64,
    /// How long it may take, in milliseconds.
    pub timeout_ms: u64,
    /// What the other side recognises a repetition by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The money that is held for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
}

/// Money held for one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The most that the call may use.
    pub amounts: Amounts,
    /// The prices by which it is settled; absent where no price is known and no dollars are limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<ModelPrice>,
    /// The price table that they stand in.
    pub table: ContentHash,
}

/// What a call cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// What was held.
    pub held: Amounts,
    /// What is charged.
    pub charged: Amounts,
    /// On what grounds.
    pub source: ChargeSource,
}

/// On what grounds a call was charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeSource {
    /// The provider told what was used.
    Reported,
    /// Nobody knows what was used: the hold is charged in full.
    AssumedMax,
    /// Nothing was used.
    Nothing,
}

/// Why a step is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// Its condition is false.
    Condition,
    /// A branch chose another way.
    Branch,
    /// It depends only on steps that a branch left out.
    NotReached,
    /// It was a fallback that was not needed.
    NotNeeded,
    /// The group that it stands in failed before it started.
    GroupFailed,
}

impl SkipReason {
    /// Whether the workflow left it out by itself: not because of a failure, and not at the end because nobody needed it.
    #[must_use]
    pub fn is_a_choice(self) -> bool {
        matches!(self, Self::Condition | Self::Branch | Self::NotReached)
    }

    /// In words.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Condition => "its condition is false",
            Self::Branch => "the branch chose another way",
            Self::NotReached => "everything it depends on was left out by a branch",
            Self::NotNeeded => "a fallback that was not needed",
            Self::GroupFailed => "its group failed before it started",
        }
    }
}

/// What happens with a call in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DoubtVerdict {
    /// It is done again.
    Redo,
    /// Its attempt failed.
    Fail,
    /// Somebody has to say.
    Ask,
    /// Nothing: the run is ending.
    Leave,
}

/// What somebody says about a call in doubt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// Do it again.
    Redo,
    /// It was done, with these outputs.
    Done {
        /// The outputs of the step.
        outputs: Payload,
    },
    /// It failed.
    Fail,
}

/// What took the place of a failed step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Instead {
    /// The value of its `fallback`.
    FallbackValue {
        /// Why the step failed.
        failure: Failure,
    },
    /// The step of its `fallback`.
    FallbackStep {
        /// Which.
        step: StepId,
    },
    /// Its `default_output`; the run ends `partial`.
    DefaultOutput {
        /// Why the step failed.
        failure: Failure,
    },
    /// Elements failed and were allowed to; the run ends `partial`.
    FailedItems {
        /// How many.
        failed: u32,
    },
    /// Somebody said what it gave.
    Resolved,
}

/// Why nothing new starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HaltReason {
    /// A step failed and its failure is not tolerated. What is in flight is let finish: it is paid for.
    StepFailed {
        /// Which.
        step: StepId,
        /// Why.
        failure: Failure,
    },
    /// A budget is exhausted or frozen. What is in flight is let finish.
    Budget {
        /// Which.
        key: BudgetKey,
        /// The step that wanted more.
        step: StepId,
        /// What its call would have needed.
        needed: u64,
        /// What the budget could still give.
        available: u64,
        /// Whether it is frozen.
        frozen: bool,
    },
    /// The run took too long. What is in flight is stopped.
    TimedOut {
        /// The limit in milliseconds.
        limit_ms: u64,
    },
    /// Somebody ended it. What is in flight is stopped.
    Cancelled {
        /// Who.
        by: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
}

impl HaltReason {
    /// Whether what is in flight is stopped.
    #[must_use]
    pub fn stops_calls(&self) -> bool {
        matches!(self, Self::TimedOut { .. } | Self::Cancelled { .. })
    }
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
