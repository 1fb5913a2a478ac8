//! What people want to know of a run that does not move.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ItemPhase, RunState, RunStatus};
use crate::event::HaltReason;
use crate::ids::{ContentHash, StepId};
use crate::step::Wait;
use crate::time::Timestamp;

/// One thing that a run waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitingFor {
    /// Somebody to agree.
    Approval(PendingApproval),
    /// A signal.
    Signal {
        /// The step.
        step: StepId,
        /// Its name.
        name: String,
        /// When the wait ends by itself.
        until: Option<Timestamp>,
    },
    /// Time.
    Timer {
        /// The step.
        step: StepId,
        /// When.
        until: Timestamp,
    },
    /// The next attempt.
    Retry {
        /// The step.
        step: StepId,
        /// When.
        until: Timestamp,
    },
    /// Somebody to say what became of a call.
    Doubt {
        /// The step.
        step: StepId,
        /// Which element.
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

/// An approval that nobody has decided on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PendingApproval {
    /// The step.
    pub step: StepId,
    /// Which element; 0 for a plain step.
    pub item: u32,
    /// What is asked.
    pub prompt: String,
    /// What is agreed to.
    pub preview: Value,
    /// The hash of exactly what is agreed to.
    pub hash: ContentHash,
    /// When the question lapses.
    pub until: Option<Timestamp>,
}

impl WaitingFor {
    /// Whether only somebody outside can end it.
    #[must_use]
    pub fn needs_somebody(&self) -> bool {
        matches!(self, Self::Approval(_) | Self::Signal { .. } | Self::Doubt { .. } | Self::Budget { .. })
    }
}

impl RunState {
    /// Whether nothing moves any more without somebody from outside. Timers move by themselves.
    #[must_use]
    pub fn needs_somebody(&self) -> bool {
        match self.status {
            RunStatus::Paused => self.open.is_empty(),
            RunStatus::Waiting => {
                let waits = self.waiting_for();
                !waits.is_empty() && waits.iter().all(WaitingFor::needs_somebody)
            }
            RunStatus::Queued
            | RunStatus::Running
            | RunStatus::Cancelling
            | RunStatus::Compensating
            | RunStatus::Completed
            | RunStatus::Partial
            | RunStatus::Failed
            | RunStatus::Cancelled => false,
        }
    }

    /// Everything that the run waits for, in the order of its steps. A run that has ended waits for nothing.
    #[must_use]
    pub fn waiting_for(&self) -> Vec<WaitingFor> {
        if self.status.is_terminal() {
            return Vec::new();
        }
        let mut waits: Vec<WaitingFor> = Vec::new();
        for (node, step) in self.program.nodes.iter().zip(&self.steps) {
            for (n, item) in (0_u32..).zip(&step.items) {
                waits.extend(waiting_for(&node.step.id, n, &item.phase));
            }
        }
        if let Some(HaltReason::Budget { key, .. }) = &self.halt {
            waits.push(WaitingFor::Budget { budget: key.to_string() });
        }
        waits
    }

    /// The approvals that nobody has decided on.
    #[must_use]
    pub fn pending_approvals(&self) -> Vec<PendingApproval> {
        self.waiting_for().into_iter().filter_map(|wait| if let WaitingFor::Approval(pending) = wait { Some(pending) } else { None }).collect()
    }
}

fn waiting_for(step: &StepId, item: u32, phase: &ItemPhase) -> Option<WaitingFor> {
    match phase {
        ItemPhase::Waiting(state) => Some(match &state.wait {
            Wait::Timer { .. } => WaitingFor::Timer { step: step.clone(), until: state.until? },
            Wait::Signal { name, .. } => WaitingFor::Signal { step: step.clone(), name: name.clone(), until: state.until },
            Wait::Approval { prompt, preview, .. } => WaitingFor::Approval(PendingApproval {
                step: step.clone(),
                item,
                prompt: prompt.clone(),
                preview: preview.clone(),
                hash: state.hash?,
                until: state.until,
            }),
        }),
        ItemPhase::Backoff(until) => Some(WaitingFor::Retry { step: step.clone(), until: *until }),
        ItemPhase::InDoubt(doubt) => {
            Some(WaitingFor::Doubt { step: step.clone(), item, request: doubt.request.in_words(), evidence: doubt.evidence.clone() })
        }
        _ => None,
    }
}
