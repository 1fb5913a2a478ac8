//! `Retry`: failed steps are opened again. What succeeded stays, and is not paid for again, but for what ran on past a failure: it runs again after it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Rejection;
use super::decider::Decider;
use crate::budget::Scope;
use crate::definition::EffectClass;
use crate::event::{Event, HaltReason, Instead, SkipReason};
use crate::ids::StepId;
use crate::plan::{NodeIx, Program};
use crate::run::{ItemPhase, ItemState, RunState, RunStatus, StepStatus};

impl Decider<'_> {
    pub(super) fn retry(&mut self, step: Option<StepId>, by: String) -> Result<(), Rejection> {
        if !matches!(self.state.status, RunStatus::Failed | RunStatus::Partial) {
            let rejection = Rejection::state(format!("the run is {}; only a failed or partial run has steps to retry", self.state.status.word()));
            return Err(rejection.help("`gorgon resume` goes on with a paused or interrupted one"));
        }
        if let Some(HaltReason::Budget { key, .. }) = &self.state.halt {
            let help = match key.scope {
                Scope::Run => "`gorgon resume RUN --budget-usd N` goes on with more",
                Scope::Tenant(_) | Scope::Project(_) => "raise the limit under `[budget]` in gorgon.toml, then `gorgon resume RUN`",
            };
            return Err(Rejection::state(format!("no step failed: the budget of the {key} was exhausted")).help(help));
        }
        let program = Arc::clone(&self.state.program);
        let roots = match step {
            Some(step) => self.state.to_retry(self.named(&program, &step)?),
            None => self.state.all_to_retry(),
        };
        if roots.is_empty() {
            if !self.state.went_past_failure {
                return Err(Rejection::state("no step of the run failed"));
            }
            let rejection = Rejection::state("what failed in the run, failed in rounds of a loop that have ended");
            return Err(rejection.help("`gorgon fork RUN --from LOOP` runs that loop again, and keeps what came before it"));
        }
        let (reset, keep) = self.state.reach(&roots);
        let names = |set: &BTreeSet<NodeIx>| set.iter().map(|ix| program.nodes[*ix].step.id.clone()).collect::<Vec<_>>();
        self.emit(Event::Reopened { steps: names(&reset), keep: names(&keep), by });
        Ok(())
    }

    fn named(&self, program: &Program, step: &StepId) -> Result<NodeIx, Rejection> {
        let Some(ix) = program.find(step) else {
            return Err(Rejection::new(crate::diagnostic::Code::UnknownStep, format!("the run has no step `{step}`")));
        };
        let replaced = self.state.steps[ix].instead.as_ref().is_some_and(|instead| !matches!(instead, Instead::Resolved));
        if self.state.stands_in(ix) {
            return Err(
                Rejection::state(format!("step `{step}` stands in for another one")).help("retry that one: what stands in runs again with it")
            );
        }
        if self.state.steps[ix].status != StepStatus::Failed && !replaced {
            return Err(Rejection::state(format!("step `{step}` is {}; only a failed step can be retried", self.state.steps[ix].status.word())));
        }
        let top = |ix: NodeIx| groups_around(program, ix).last().unwrap_or(ix);
        let failed_too = (0..program.nodes.len()).find(|&other| {
            program.nodes[other].parent.is_none()
                && other != top(ix)
                && self.state.wants_retry(other)
                && !self.state.steps[other].tolerated
                && self.state.steps[other].status == StepStatus::Failed
        });
        if let Some(other) = failed_too {
            let other = &program.nodes[other].step.id;
            return Err(Rejection::state(format!("step `{other}` failed, too: the run cannot go on with `{step}` alone"))
                .help("retry without naming a step: all that failed are opened again"));
        }
        Ok(ix)
    }
}

impl RunState {
    /// Whether a `Retry` finds a step to open again: one that failed, and whose place nothing took.
    #[must_use]
    pub fn can_be_retried(&self) -> bool {
        let ended = matches!(self.status, RunStatus::Failed | RunStatus::Partial) && !matches!(self.halt, Some(HaltReason::Budget { .. }));
        ended && !self.all_to_retry().is_empty()
    }

    /// What had succeeded, whole or in part, and yet runs again from its start if this step is retried, or without a name all that failed: it ran on past a
    /// failure, or has nothing to go on with. Of a loop that begins anew the loop alone is named.
    #[must_use]
    pub fn repeated_by_retry(&self, step: Option<&StepId>) -> Vec<StepId> {
        if !self.can_be_retried() {
            return Vec::new();
        }
        let roots = match step.map(|step| self.program.find(step)) {
            Some(Some(ix)) => self.to_retry(ix),
            Some(None) => return Vec::new(),
            None => self.all_to_retry(),
        };
        let (reset, keep) = self.reach(&roots);
        let has_rounds = |ix: NodeIx| self.steps[ix].rounds.as_ref().is_some_and(|rounds| !rounds.ended.is_empty());
        let in_loop = |ix: NodeIx| groups_around(&self.program, ix).any(|group| has_rounds(group) && reset.contains(&group));
        let did = |ix: NodeIx| has_rounds(ix) || self.program.nodes[ix].children.is_empty() && self.steps[ix].did_something();
        let again = reset.iter().copied().filter(|&ix| did(ix) && !in_loop(ix));
        // An element of a fan-out that goes on may begin anew all the same.
        let stays = |item: &ItemState| matches!(item.phase, ItemPhase::Succeeded | ItemPhase::InDoubt(_)) || item.can_talk_on();
        let begins_anew = |item: &ItemState| item.did_something() && !stays(item);
        let in_part = keep.iter().copied().filter(|&ix| self.steps[ix].list.is_some() && self.steps[ix].items.iter().any(begins_anew));
        let again: BTreeSet<NodeIx> = again.chain(in_part).collect();
        again.into_iter().map(|ix| self.program.nodes[ix].step.id.clone()).collect()
    }

    /// The steps that a retry without a name opens.
    fn all_to_retry(&self) -> BTreeSet<NodeIx> {
        (0..self.steps.len()).filter(|&ix| self.wants_retry(ix) || self.was_stopped(ix)).collect()
    }

    /// The steps that a retry of this one opens: what failed inside of it goes on, and what was stopped with the run.
    fn to_retry(&self, ix: NodeIx) -> BTreeSet<NodeIx> {
        let failed = |child: NodeIx| self.steps[child].status == StepStatus::Failed && self.program.nodes[child].fallback_of.is_none();
        let inside = |child: NodeIx| groups_around(&self.program, child).any(|group| group == ix) && failed(child);
        (0..self.steps.len()).filter(|&child| child == ix || inside(child) || self.was_stopped(child)).collect()
    }

    /// Whether a step was stopped with the run: it has to go on whatever else is opened.
    fn was_stopped(&self, ix: NodeIx) -> bool {
        self.steps[ix].status == StepStatus::Cancelled && !self.stands_in(ix)
    }

    /// The steps that start anew, and those that go on where they are.
    fn reach(&self, roots: &BTreeSet<NodeIx>) -> (BTreeSet<NodeIx>, BTreeSet<NodeIx>) {
        let program = &*self.program;
        // What ran on in spite of a failure, and what was left out because of it, is as if it had never run.
        let mut reset = BTreeSet::new();
        let mut open: Vec<NodeIx> = roots.iter().flat_map(|&ix| std::iter::once(ix).chain(groups_around(program, ix))).collect();
        while let Some(ix) = open.pop() {
            let after = program.nodes[ix].before.iter().map(|(to, _)| *to);
            let with_group = program.nodes[ix].children.iter().copied().filter(|&child| self.steps[child].skipped == Some(SkipReason::GroupFailed));
            for next in after.chain(with_group) {
                if self.steps[next].status != StepStatus::Pending && reset.insert(next) {
                    open.push(next);
                }
            }
        }
        let mut keep = BTreeSet::new();
        // What a fork kept as a whole, somebody agreed to for the other run: where something of it is to be done again, they are asked, and it begins anew.
        let unasked = |ix: &NodeIx| {
            let step = &self.steps[*ix];
            step.kept && !step.approved && program.nodes[*ix].step.approval.as_ref().is_some_and(|approval| !approval.per_item)
        };
        for &ix in roots {
            if let Some(anew) = std::iter::once(ix).chain(groups_around(program, ix)).filter(unasked).last() {
                reset.insert(anew);
                keep.extend(groups_around(program, anew));
                continue;
            }
            if reset.contains(&ix) || groups_around(program, ix).any(|group| reset.contains(&group)) {
                continue;
            }
            let step = &self.steps[ix];
            let goes_on = step.list.is_some() || step.opened || self.has_doubt(ix) || step.items.iter().any(ItemState::can_talk_on);
            // A loop that failed by itself and not by a step inside of it has nowhere to go on.
            let between_rounds = self.steps[ix].rounds.as_ref().is_some_and(|rounds| !rounds.under_way);
            let goes_on = goes_on && !between_rounds;
            if goes_on { &mut keep } else { &mut reset }.insert(ix);
            keep.extend(groups_around(program, ix));
        }
        // A group that starts anew takes along what is inside of it; a step, what may stand in for it.
        let mut open: Vec<NodeIx> = reset.iter().copied().collect();
        let stand_ins = |ix: NodeIx| program.nodes[ix].fallback.filter(|&fallback| self.steps[fallback].status != StepStatus::Pending);
        open.extend(keep.iter().filter_map(|&ix| stand_ins(ix)));
        while let Some(ix) = open.pop() {
            reset.insert(ix);
            open.extend(program.nodes[ix].children.iter().copied().filter(|child| !reset.contains(child)));
            open.extend(stand_ins(ix).filter(|fallback| !reset.contains(fallback)));
        }
        (reset, keep)
    }

    /// Whether a call of the step that may do harm a second time is in doubt: somebody has to say first.
    fn has_doubt(&self, ix: NodeIx) -> bool {
        let harmful = |phase: &ItemPhase| matches!(phase, ItemPhase::InDoubt(doubt) if doubt.class >= EffectClass::AtMostOnce);
        self.steps[ix].items.iter().any(|item| harmful(&item.phase))
    }

    /// Whether a step is what made the run failed or partial.
    fn wants_retry(&self, ix: NodeIx) -> bool {
        let program = &self.program;
        let step = &self.steps[ix];
        let past = matches!(step.instead, Some(Instead::DefaultOutput { .. } | Instead::FailedItems { .. }));
        // Inside of a group whose fallback gave a value nothing is left to mend.
        let mended = |group: NodeIx| matches!(self.steps[group].instead, Some(Instead::FallbackValue { .. } | Instead::FallbackStep { .. }));
        (step.status == StepStatus::Failed || past) && !self.stands_in(ix) && !groups_around(program, ix).any(mended)
    }

    /// Whether a step, or a group around it, stands in for another one: then it is that one which is opened.
    fn stands_in(&self, ix: NodeIx) -> bool {
        let program = &self.program;
        std::iter::once(ix).chain(groups_around(program, ix)).any(|place| program.nodes[place].fallback_of.is_some())
    }
}

/// The groups that a step stands in, the innermost first.
fn groups_around(program: &Program, ix: NodeIx) -> impl Iterator<Item = NodeIx> {
    std::iter::successors(program.nodes[ix].parent, |&group| program.nodes[group].parent)
}
