//! `POST /v1/runs/{id}/commands/{name}`: one body for each command.

use gorgon_core::budget::Limits;
use gorgon_core::command::{self, Command, Decision, ResolveVerdict};
use gorgon_core::ids::{ContentHash, StepId};
use gorgon_core::payload::Payload;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The commands that a run takes from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandName {
    /// Go on; body [`Resume`].
    Resume,
    /// Open failed steps again; body [`Retry`].
    Retry,
    /// End it; body [`Cancel`].
    Cancel,
    /// Start nothing new; body [`Pause`].
    Pause,
    /// Agree; body [`Decide`].
    Approve,
    /// Do not agree; body [`Decide`].
    Reject,
    /// A signal from outside; body [`Signal`].
    Signal,
    /// Say what became of a call in doubt; body [`Resolve`].
    Resolve,
}

impl CommandName {
    /// All of them.
    pub const ALL: [Self; 8] = [Self::Resume, Self::Retry, Self::Cancel, Self::Pause, Self::Approve, Self::Reject, Self::Signal, Self::Resolve];

    /// The last part of its address.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Resume => "resume",
            Self::Retry => "retry",
            Self::Cancel => "cancel",
            Self::Pause => "pause",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Signal => "signal",
            Self::Resolve => "resolve",
        }
    }

    /// The command of this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.word() == word)
    }
}

/// Go on, perhaps with more money.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// New limits of the run's budget.
    #[serde(default)]
    pub limits: Limits,
    /// Who asks, where the server does not know better.
    #[serde(default)]
    pub by: String,
}

/// Open failed steps again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Which; all that failed if none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepId>,
    /// Who asks, where the server does not know better.
    #[serde(default)]
    pub by: String,
}

/// End a run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who asks, where the server does not know better.
    #[serde(default)]
    pub by: String,
}

/// Start nothing new.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// Whether it is the interrupt of the command that runs it.
    #[serde(default)]
    pub interrupt: bool,
    /// Who asks, where the server does not know better.
    #[serde(default)]
    pub by: String,
}

/// A decision on an approval; whether it is a yes stands in the address.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decide {
    /// Which step; may be left out if only one waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepId>,
    /// Which element of a fan-out that asks for each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<u32>,
    /// The hash of what was seen. If it is given, the decision counts only for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<ContentHash>,
    /// What they say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Who decides, where the server does not know better.
    #[serde(default)]
    pub by: String,
}

/// A signal from outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    /// Its name.
    pub name: String,
    /// What comes with it.
    #[serde(default)]
    pub payload: Value,
}

/// What became of a call in doubt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolve {
    /// Which step; may be left out if only one is in doubt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepId>,
    /// Which element of a fan-out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<u32>,
    /// What they say.
    pub verdict: Verdict,
    /// With `done`: the outputs of the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Who says it, where the server does not know better.
    #[serde(default)]
    pub by: String,
}

/// What somebody says became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Do it again.
    Redo,
    /// It was done.
    Done,
    /// It failed.
    Fail,
}

impl Decide {
    /// The command of the core.
    #[must_use]
    pub fn into_command(self, approved: bool) -> Command {
        let Self { step, item, hash, comment, by } = self;
        Command::Approve(Decision { step, item, hash, approved, by, comment })
    }
}

impl From<Resume> for Command {
    fn from(Resume { limits, by }: Resume) -> Self {
        Self::Resume(command::Resume { limits, by })
    }
}

impl From<Retry> for Command {
    fn from(Retry { step, by }: Retry) -> Self {
        Self::Retry { step, by }
    }
}

impl From<Cancel> for Command {
    fn from(Cancel { reason, by }: Cancel) -> Self {
        Self::Cancel { by, reason }
    }
}

impl From<Pause> for Command {
    fn from(Pause { interrupt, by }: Pause) -> Self {
        Self::Pause { by, interrupt }
    }
}

impl From<Signal> for Command {
    fn from(Signal { name, payload }: Signal) -> Self {
        Self::Signal { name, payload: Payload::of(&payload) }
    }
}

impl From<Resolve> for Command {
    fn from(Resolve { step, item, verdict, output, by }: Resolve) -> Self {
        let verdict = match verdict {
            Verdict::Redo => ResolveVerdict::Redo,
            Verdict::Done => ResolveVerdict::Done(output),
            Verdict::Fail => ResolveVerdict::Fail,
        };
        Self::Resolve(command::Resolve { step, item, verdict, by })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_its_word() {
        for name in CommandName::ALL {
            assert_eq!(CommandName::from_word(name.word()), Some(name));
        }
        assert_eq!(CommandName::from_word("explode"), None);
    }

    #[test]
    fn a_body_with_more_than_is_known_is_refused() {
        assert!(serde_json::from_str::<Resume>("{}").is_ok());
        assert!(serde_json::from_str::<Resume>(r#"{"limit": 1}"#).is_err());
    }
}
