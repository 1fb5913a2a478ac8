//! What people and the outside want of a run, sensible or not.

use gorgon_core::budget::Limits;
use gorgon_core::command::{Command, Decision, Resolve, ResolveVerdict, Resume};
use gorgon_core::ids::{CallId, StepId};
use gorgon_core::payload::Payload;
use gorgon_core::run::{RunState, RunStatus, WaitingFor};

use super::BAIT;
use super::rng::Rng;

const WHO: &str = "ann";

/// The first call that somebody has to say something about.
pub(crate) fn doubt(state: &RunState) -> Option<(StepId, u32)> {
    state.waiting_for().into_iter().find_map(|wait| if let WaitingFor::Doubt { step, item, .. } = wait { Some((step, item)) } else { None })
}

pub(crate) fn signal() -> Command {
    Command::Signal { name: "go".to_owned(), payload: Payload::of(BAIT) }
}

pub(crate) fn resume(limits: Limits) -> Command {
    Command::Resume(Resume { limits, by: WHO.to_owned() })
}

pub(crate) fn retry() -> Command {
    Command::Retry { step: None, by: WHO.to_owned() }
}

/// Decides on the first question that is open, or on one that is not.
pub(crate) fn decide(state: &RunState, approved: bool) -> Command {
    let pending = state.pending_approvals().into_iter().next();
    let (step, item, hash) =
        pending.map_or((Some(StepId::from("s0")), None, None), |pending| (Some(pending.step), Some(pending.item), Some(pending.hash)));
    Command::Approve(Decision { step, item, hash, approved, by: WHO.to_owned(), comment: None })
}

pub(crate) fn resolve(state: &RunState, verdict: ResolveVerdict) -> Command {
    let (step, item) = doubt(state).unzip();
    Command::Resolve(Resolve { step, item, verdict, by: WHO.to_owned() })
}

/// Whatever somebody might ask for, in whatever state the run is.
pub(crate) fn anything(state: &RunState, rng: &mut Rng) -> Command {
    match rng.below(19) {
        0 | 1 => Command::Pause { by: WHO.to_owned(), interrupt: rng.chance(30) },
        2..=4 => resume(Limits::default()),
        5 => resume(Limits {
            cost_nano_usd: rng.chance(70).then(|| rng.below(6_000_000)),
            tokens: rng.chance(20).then(|| rng.below(9_000)),
            calls: None,
        }),
        6 => retry(),
        7 if rng.chance(if state.status == RunStatus::Cancelling { 100 } else { 25 }) => Command::Cancel { by: WHO.to_owned(), reason: None },
        8..=11 => decide(state, rng.chance(75)),
        12..=14 => resolve(
            state,
            match rng.below(3) {
                0 => ResolveVerdict::Redo,
                1 => ResolveVerdict::Done(None),
                _ => ResolveVerdict::Fail,
            },
        ),
        15 => match state.created.as_ref() {
            Some(created) => Command::Create { created: Box::new(gorgon_core::event::RunCreated::clone(created)), kept: Vec::new() },
            None => Command::Tick,
        },
        16 => Command::CompleteCall {
            call: CallId { step: "s0".into(), item: 0, attempt: 1, call: 0, redo: 77 },
            outcome: gorgon_core::call::Outcome::InDoubt { evidence: "nobody asked".to_owned() },
        },
        17 => Command::Recover,
        _ => signal(),
    }
}
