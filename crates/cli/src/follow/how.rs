//! How a run is followed, and how that ended.

use gorgon_api::{Run, Time};

use crate::exit::Exit;
use crate::session::Session;
use crate::view::View;

/// How a run is followed.
pub(crate) struct Follow {
    pub(crate) view: View,
    /// Whether the run belongs to this command: an interrupt pauses it.
    pub(crate) owned: bool,
    /// Whether to stay when nothing moves without somebody.
    pub(crate) stays: bool,
    /// Whether there is somebody to ask.
    pub(crate) asks: bool,
    /// What is not told again.
    pub(crate) told: Told,
}

/// What happened before this command, and is not told again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Told {
    Nothing,
    /// So many events.
    Events(u64),
    /// Everything before this time: for the process that holds the store, in which the run may have gone on before it was asked.
    Before(Time),
}

impl Told {
    /// What was told before a session touched this run.
    pub(crate) fn before(session: &Session<'_>, run: &Run) -> Self {
        if session.is_holder() { Self::Before(session.opened_at) } else { Self::Events(run.events) }
    }

    pub(super) fn covers(self, number: u64, at: Time) -> bool {
        match self {
            Self::Nothing => false,
            Self::Events(told) => number <= told,
            Self::Before(time) => at < time,
        }
    }
}

/// How following ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The run has ended.
    Ended,
    /// Nothing moves without somebody.
    Waiting,
    /// This command was interrupted.
    Interrupted,
    /// Nobody reads what is told of a run that goes on elsewhere.
    Unread,
}

impl End {
    /// What the process ends with.
    pub(crate) fn exit(self, run: &Run) -> Exit {
        match self {
            Self::Ended => Exit::of_status(run.status),
            Self::Waiting => Exit::Waiting,
            Self::Interrupted => Exit::Interrupted,
            Self::Unread => Exit::Done,
        }
    }
}
