//! What a run waits for, and what is in doubt.

use gorgon_core::definition::EffectClass;
use gorgon_core::ids::{CallId, ContentHash, StepId};
use gorgon_core::run::{ItemPhase, PendingApproval, RunState, WaitingFor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Time, time};

/// One thing that a run waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "snake_case")]
pub enum Waiting {
    /// Somebody to agree.
    Approval {
        /// The step.
        step: StepId,
        /// Which element; 0 for a plain step.
        item: u32,
        /// What is asked.
        prompt: String,
        /// What is agreed to.
        preview: Value,
        /// The hash of exactly what is agreed to.
        hash: ContentHash,
        /// When the question lapses.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Time>,
    },
    /// A signal.
    Signal {
        /// The step.
        step: StepId,
        /// Its name.
        name: String,
        /// When the wait ends by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Time>,
    },
    /// Time.
    Timer {
        /// The step.
        step: StepId,
        /// When.
        until: Time,
    },
    /// The next attempt.
    Retry {
        /// The step.
        step: StepId,
        /// When.
        until: Time,
    },
    /// Somebody to say what became of a call.
    Doubt {
        /// The step.
        step: StepId,
        /// Which element; 0 for a plain step.
        item: u32,
        /// What was asked for, in a line.
        request: String,
        /// What is known.
        evidence: String,
    },
    /// Somebody to raise a limit.
    Budget {
        /// Which, in words.
        budget: String,
    },
}

impl Waiting {
    /// Whether only somebody outside can end it.
    #[must_use]
    pub fn needs_somebody(&self) -> bool {
        match self {
            Self::Approval { .. } | Self::Signal { .. } | Self::Doubt { .. } | Self::Budget { .. } => true,
            Self::Timer { .. } | Self::Retry { .. } => false,
        }
    }
}

impl From<WaitingFor> for Waiting {
    fn from(waiting: WaitingFor) -> Self {
        match waiting {
            WaitingFor::Approval(PendingApproval { step, item, prompt, preview, hash, until }) => {
                Self::Approval { step, item, prompt, preview, hash, until: until.map(time) }
            }
            WaitingFor::Signal { step, name, until } => Self::Signal { step, name, until: until.map(time) },
            WaitingFor::Timer { step, until } => Self::Timer { step, until: time(until) },
            WaitingFor::Retry { step, until } => Self::Retry { step, until: time(until) },
            WaitingFor::Doubt { step, item, request, evidence } => Self::Doubt { step, item, request, evidence },
            WaitingFor::Budget { budget } => Self::Budget { budget },
        }
    }
}

/// A call that was in flight when a process died.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InDoubt {
    /// The step.
    pub step: StepId,
    /// Which element; 0 for a plain step.
    pub item: u32,
    /// The call.
    pub call: CallId,
    /// What was asked for, in a line.
    pub request: String,
    /// What a second execution would do.
    pub class: EffectClass,
    /// What is known.
    pub evidence: String,
    /// Whether it waits for somebody to say; otherwise it is made again.
    pub asks: bool,
}

impl InDoubt {
    /// The calls of a run that are in doubt now.
    pub(crate) fn all(state: &RunState) -> Vec<Self> {
        let mut found = Vec::new();
        for (node, step) in state.program.nodes.iter().zip(&state.steps) {
            for (n, item) in (0_u32..).zip(&step.items) {
                let (doubt, asks) = match &item.phase {
                    ItemPhase::InDoubt(doubt) => (doubt, true),
                    ItemPhase::Redo(doubt) => (doubt, false),
                    _ => continue,
                };
                let (call, class, evidence) = (doubt.call.clone(), doubt.class, doubt.evidence.clone());
                let request = doubt.request.in_words();
                found.push(Self { step: node.step.id.clone(), item: n, call, request, class, evidence, asks });
            }
        }
        found
    }
}
