//! Requests to a run, and what becomes of them.
//!
//! [`decide`] judges a command against the state and answers with events, or with a [`Rejection`] and no event. One file per command; this one is
//! only the `match`. After every command the run goes on as far as it can without the world: [`advance`] says how.

mod advance;
mod approve;
mod call;
mod cancel;
mod context;
mod create;
mod decider;
mod failure;
mod finish;
mod group;
mod pause;
mod recover;
mod resolve;
mod resume;
mod retry;
mod rounds;
mod settle;
mod signal;
mod tick;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use self::context::CONTEXT_BYTES_MAX;
pub use self::create::{NewRun, Providers, Unready, key_variable, new_run};
use self::decider::Decider;
pub use self::decider::{Blocked, Decided};
use crate::call::Outcome;
use crate::diagnostic::Code;
use crate::event::{Event, RunCreated};
use crate::facts::Facts;
use crate::ids::{CallId, ContentHash, StepId};
use crate::payload::Payload;
use crate::run::RunState;

/// A request to a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Begin.
    Create {
        /// What the run is pinned to.
        created: Box<RunCreated>,
        /// The events that bring in what it keeps of another run.
        kept: Vec<Event>,
    },
    /// A call has ended.
    CompleteCall {
        /// Which.
        call: CallId,
        /// What became of it.
        outcome: Outcome,
    },
    /// Time has passed.
    Tick,
    /// A new owner has taken the run over: calls ordered under earlier epochs are in doubt.
    Recover,
    /// Nothing new starts until it is resumed.
    Pause {
        /// Who asks.
        by: String,
        /// Whether it is the interrupt of the command that runs it.
        interrupt: bool,
    },
    /// Go on.
    Resume(Resume),
    /// Open failed steps again.
    Retry {
        /// Which step; all that failed if none is named.
        step: Option<StepId>,
        /// Who asks.
        by: String,
    },
    /// End it.
    Cancel {
        /// Who asks.
        by: String,
        /// Why.
        reason: Option<String>,
    },
    /// Decide on an approval.
    Approve(Decision),
    /// A signal from outside.
    Signal {
        /// Its name.
        name: String,
        /// What comes with it.
        payload: Payload,
    },
    /// Say what became of a call in doubt.
    Resolve(Resolve),
}

/// Go on, perhaps with more money.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Resume {
    /// New limits of the run's budget.
    #[serde(default)]
    pub limits: crate::budget::Limits,
    /// Who asks.
    pub by: String,
}

/// A decision on an approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Which step; may be left out if only one waits.
    #[serde(default)]
    pub step: Option<StepId>,
    /// Which element of a fan-out that asks for each.
    #[serde(default)]
    pub item: Option<u32>,
    /// The hash of what was seen. If it is given, the decision counts only for that.
    #[serde(default)]
    pub hash: Option<ContentHash>,
    /// Whether they agree.
    pub approved: bool,
    /// Who decides.
    pub by: String,
    /// What they say.
    #[serde(default)]
    pub comment: Option<String>,
}

/// What became of a call in doubt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resolve {
    /// Which step; may be left out if only one is in doubt.
    #[serde(default)]
    pub step: Option<StepId>,
    /// Which element of a fan-out.
    #[serde(default)]
    pub item: Option<u32>,
    /// What they say.
    pub verdict: ResolveVerdict,
    /// Who says it.
    pub by: String,
}

/// What somebody says became of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResolveVerdict {
    /// Do it again.
    Redo,
    /// It was done; with the outputs of the step.
    Done(Option<Value>),
    /// It failed.
    Fail,
}

/// The core says no. Nothing happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct Rejection {
    /// Stable code.
    pub code: Code,
    /// A sentence that reads alone.
    pub message: String,
    /// What to do instead.
    pub help: Option<String>,
}

impl Rejection {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None }
    }

    pub(crate) fn state(message: impl Into<String>) -> Self {
        Self::new(Code::NotInThisState, message)
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Judges a command.
///
/// # Errors
/// Why it is not done. Then nothing of it was.
pub fn decide(state: &RunState, command: Command, facts: &Facts<'_>) -> Result<Decided, Rejection> {
    decide_in_place(&mut state.clone(), command, facts)
}

/// As [`decide`], and applies the events to the state at once: for the owner of a run, who would have to do both. After a rejection the state is as it was.
///
/// # Errors
/// Why it is not done.
pub fn decide_in_place(state: &mut RunState, command: Command, facts: &Facts<'_>) -> Result<Decided, Rejection> {
    if state.created.is_none() && !matches!(command, Command::Create { .. }) {
        return Err(Rejection::state("the run does not exist yet"));
    }
    let mut decider = Decider::new(state, facts);
    match command {
        Command::Create { created, kept } => decider.create(*created, kept)?,
        Command::CompleteCall { call, outcome } => decider.complete_call(&call, outcome)?,
        Command::Tick => decider.tick()?,
        Command::Recover => decider.recover()?,
        Command::Pause { by, interrupt } => decider.pause(by, interrupt)?,
        Command::Resume(resume) => decider.resume(resume)?,
        Command::Retry { step, by } => decider.retry(step, by)?,
        Command::Cancel { by, reason } => decider.cancel(by, reason)?,
        Command::Approve(decision) => decider.approve(decision)?,
        Command::Signal { name, payload } => decider.signal(name, payload)?,
        Command::Resolve(resolve) => decider.resolve(resolve)?,
    }
    decider.advance();
    Ok(decider.decided())
}

/// Inputs by name, as a map that templates and bounds read.
pub type Inputs = BTreeMap<String, Value>;
