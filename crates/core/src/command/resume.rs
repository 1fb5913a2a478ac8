//! `Resume`: go on with a stopped run, perhaps with more money.

use super::decider::Decider;
use super::{Rejection, Resume};
use crate::event::{Event, HaltReason};
use crate::money::Meter;

impl Decider<'_> {
    pub(super) fn resume(&mut self, resume: Resume) -> Result<(), Rejection> {
        let out_of_budget = matches!(self.state.halt, Some(HaltReason::Budget { .. }));
        if self.state.status.is_terminal() && !out_of_budget {
            let word = self.state.status.word();
            let rejection = Rejection::state(format!("the run is {word}; there is nothing to go on with"));
            return Err(match self.state.status {
                crate::run::RunStatus::Failed | crate::run::RunStatus::Partial => rejection.help("`gorgon retry` opens its failed steps again"),
                _ => rejection.help("`gorgon run` starts a new one"),
            });
        }
        if self.state.halt.as_ref().is_some_and(HaltReason::stops_calls) {
            return Err(Rejection::state("the run is ending"));
        }
        for meter in Meter::ALL {
            let spent = self.state.charged.of(meter);
            if let Some(limit) = resume.limits.of(meter).filter(|limit| *limit < spent) {
                return Err(Rejection::new(
                    crate::diagnostic::Code::BadInput,
                    format!("a limit of {} is below the {} that are spent", meter.shown(limit), meter.shown(spent)),
                ));
            }
        }
        for meter in Meter::ALL {
            if let Some(limit) = resume.limits.of(meter) {
                let (spent, reserved) = (self.state.charged.of(meter), self.state.held().of(meter));
                self.emit(Event::LimitSet { meter, limit, spent, reserved, by: resume.by.clone() });
            }
        }
        if self.state.paused.is_some() || out_of_budget {
            self.emit(Event::Resumed { by: resume.by });
        }
        Ok(())
    }
}
