//! How a run stands after everything that it could do by itself, and its end.

use serde_json::{Map, Value};

use super::decider::Decider;
use crate::call::{Failure, FailureClass};
use crate::definition::OnExhausted;
use crate::event::{Event, HaltReason, SkipReason};
use crate::payload::Payload;
use crate::run::{RunStatus, StepStatus};

impl Decider<'_> {
    pub(super) fn finish_or_say_status(&mut self) {
        let idle = self.state.open.is_empty();
        let on_exhausted = self.state.created.as_ref().map(|created| created.on_exhausted).unwrap_or_default();
        let status = match &self.state.halt {
            Some(HaltReason::Budget { .. }) if on_exhausted == OnExhausted::Ask && idle => RunStatus::Waiting,
            Some(HaltReason::Budget { .. }) if on_exhausted == OnExhausted::Pause && idle => RunStatus::Paused,
            Some(halt) if idle => {
                let (status, failure) = halted(halt);
                return self.finish(status, Some(failure));
            }
            None if idle && self.state.open_steps == 0 => {
                let status = if self.state.went_past_failure { RunStatus::Partial } else { RunStatus::Completed };
                return self.finish(status, None);
            }
            Some(HaltReason::Cancelled { .. } | HaltReason::TimedOut { .. }) => RunStatus::Cancelling,
            _ if self.state.paused.is_some() => RunStatus::Paused,
            _ if !idle || !self.blocked.is_empty() => RunStatus::Running,
            _ => RunStatus::Waiting,
        };
        if status != self.state.status {
            self.emit(Event::StatusChanged { status });
        }
    }

    fn finish(&mut self, status: RunStatus, failure: Option<Failure>) {
        let program = std::sync::Arc::clone(&self.state.program);
        if matches!(status, RunStatus::Completed | RunStatus::Partial) {
            for ix in (0..program.nodes.len()).filter(|&ix| program.nodes[ix].fallback_of.is_some()) {
                if self.state.steps[ix].status == StepStatus::Pending {
                    self.emit(Event::StepSkipped { step: program.nodes[ix].step.id.clone(), reason: SkipReason::NotNeeded });
                }
            }
        }
        let outputs = self.outputs();
        self.emit(Event::RunFinished { status, outputs: Payload::of(&outputs), failure });
    }

    /// The outputs of the run: each declared one, null where its step did not give it.
    fn outputs(&self) -> Map<String, Value> {
        let program = &self.state.program;
        let own: Vec<_> = program.of_workflow(None).filter(|ix| self.state.steps[*ix].status == StepStatus::Succeeded).collect();
        let value = |name: &str| -> Value {
            let giver = own.iter().find_map(|&ix| {
                let gives = program.nodes[ix].step.outputs.iter().any(|output| output == name);
                gives.then(|| self.state.step_value(ix).get(name).cloned()).flatten()
            });
            let of_step = || {
                let ix = program.find_str(name).filter(|ix| self.state.steps[*ix].status == StepStatus::Succeeded)?;
                Some(self.state.step_value(ix).clone())
            };
            giver.or_else(of_step).unwrap_or_default()
        };
        program.definition.outputs.keys().map(|name| (name.clone(), value(name))).collect()
    }
}

fn halted(halt: &HaltReason) -> (RunStatus, Failure) {
    match halt {
        HaltReason::StepFailed { step, failure } => {
            (RunStatus::Failed, Failure { message: format!("step `{step}` failed: {}", failure.message), ..failure.clone() })
        }
        HaltReason::Budget { key, step, needed, available, frozen } => {
            let shown = |amount: u64| key.meter.shown(amount);
            let message = if *frozen {
                format!("the budget of the {key} is frozen, because a provider charged more than it could; a call of step `{step}` was not made")
            } else {
                format!(
                    "the budget of the {key} is exhausted: step `{step}` would have to hold {}, and {} is left",
                    shown(*needed),
                    shown(*available)
                )
            };
            (RunStatus::Failed, Failure::new(FailureClass::Budget, message))
        }
        HaltReason::TimedOut { limit_ms } => (
            RunStatus::Failed,
            Failure::new(FailureClass::TimedOut, format!("the run was active for longer than its {} s", crate::time::show_seconds(*limit_ms))),
        ),
        HaltReason::Cancelled { by, reason } => {
            let why = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            (RunStatus::Cancelled, Failure::new(FailureClass::Cancelled, format!("cancelled by {by}{why}")))
        }
    }
}
