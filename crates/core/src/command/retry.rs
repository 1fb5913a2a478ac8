//! `Retry`: failed steps are opened again. What succeeded stays, and is not paid for again.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::decider::Decider;
use super::Rejection;
use crate::event::{Event, HaltReason};
use crate::ids::StepId;
use crate::plan::{NodeIx, Program};
use crate::run::{RunStatus, StepStatus};

impl Decider<'_> {
    pub(super) fn retry(&mut self, step: Option<StepId>, by: String) -> Result<(), Rejection> {
        if !matches!(self.state.status, RunStatus::Failed | RunStatus::Partial) {
            let rejection = Rejection::state(format!("the run is {}; only a failed or partial run has steps to retry", self.state.status.word()));
            return Err(rejection.help("`gorgon resume` goes on with a paused or interrupted one"));
        }
        if matches!(self.state.halt, Some(HaltReason::Budget { .. })) {
            return Err(Rejection::state("no step failed: the budget was exhausted").help("`gorgon resume RUN --budget-usd N` goes on with more"));
        }
        let program = Arc::clone(&self.state.program);
        let failed: Vec<NodeIx> = match step {
            Some(step) => vec![self.failed_step(&program, &step)?],
            None => (0..program.nodes.len()).filter(|&ix| self.is_failed(ix) || self.state.steps[ix].status == StepStatus::Cancelled).collect(),
        };
        if failed.is_empty() {
            return Err(Rejection::state("no step of the run failed"));
        }
        let mut keep = BTreeSet::new();
        let mut reset = BTreeSet::new();
        for &ix in &failed {
            let has_list = self.state.steps[ix].list.is_some();
            if has_list || !program.nodes[ix].children.is_empty() {
                keep.insert(ix);
            } else {
                reset.insert(ix);
            }
            let mut parent = program.nodes[ix].parent;
            while let Some(group) = parent {
                keep.insert(group);
                parent = program.nodes[group].parent;
            }
        }
        // What ran on in spite of the failure, and what was left out because of it, is as if it had never run.
        let mut open: Vec<NodeIx> = keep.iter().chain(&reset).copied().collect();
        while let Some(ix) = open.pop() {
            let after = program.nodes[ix].before.iter().map(|(to, _)| *to);
            let inside = program.nodes[ix].children.iter().copied().filter(|child| self.state.steps[*child].status == StepStatus::Skipped);
            for next in after.chain(inside.collect::<Vec<_>>()) {
                if self.state.steps[next].status.is_terminal() && !keep.contains(&next) && reset.insert(next) {
                    reset.extend(program.nodes[next].children.iter().copied());
                    open.push(next);
                }
            }
            reset.extend(program.nodes[ix].fallback.filter(|fallback| self.state.steps[*fallback].status.is_terminal()));
        }
        let names = |set: &BTreeSet<NodeIx>| set.iter().map(|ix| program.nodes[*ix].step.id.clone()).collect::<Vec<_>>();
        self.emit(Event::Reopened { steps: names(&reset), keep: names(&keep), by });
        Ok(())
    }

    fn is_failed(&self, ix: NodeIx) -> bool {
        self.state.steps[ix].status == StepStatus::Failed && self.state.program.nodes[ix].fallback_of.is_none()
    }

    fn failed_step(&self, program: &Program, step: &StepId) -> Result<NodeIx, Rejection> {
        let Some(ix) = program.find(step) else {
            return Err(Rejection::new(crate::diagnostic::Code::UnknownStep, format!("the run has no step `{step}`")));
        };
        let past_failure = self.state.steps[ix].instead.is_some();
        if self.is_failed(ix) || past_failure {
            return Ok(ix);
        }
        Err(Rejection::state(format!("step `{step}` is {}; only a failed step can be retried", self.state.steps[ix].status.word())))
    }
}
