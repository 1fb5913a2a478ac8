//! What holds a running script: it looks here at every call and every turn of a loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use gorgon_core::call::Failure;

use crate::outcome::refused;
use crate::stop::Stop;

const RUNNING: u8 = 0;
const DEADLINE: u8 = 1;
const CANCELLED: u8 = 2;
const FUEL: u8 = 3;

/// Whether a script may go on.
#[derive(Debug)]
pub(super) struct Leash {
    state: AtomicU8,
    raised: AtomicBool,
    used: AtomicU64,
    fuel_max: u64,
}

impl Leash {
    pub(super) fn new(fuel_max: u64) -> Arc<Self> {
        Arc::new(Self { state: AtomicU8::new(RUNNING), raised: AtomicBool::new(false), used: AtomicU64::new(0), fuel_max })
    }

    /// Makes the script stop.
    pub(super) fn stop(&self, why: Stop) {
        self.set(match why {
            Stop::Deadline => DEADLINE,
            Stop::Cancelled => CANCELLED,
        });
    }

    /// Takes one step; `false` if the script has to stop.
    pub(super) fn step(&self) -> bool {
        // Only the thread of the script counts, so the sum needs no atomic addition.
        let used = self.used.load(Ordering::Relaxed) + 1;
        self.used.store(used, Ordering::Relaxed);
        if used > self.fuel_max {
            self.set(FUEL);
        }
        let goes_on = self.state.load(Ordering::Relaxed) == RUNNING;
        if !goes_on {
            self.raised.store(true, Ordering::Relaxed);
        }
        goes_on
    }

    /// Why the script was stopped, if it was before it was done.
    pub(super) fn raised(&self) -> Option<Failure> {
        if !self.raised.load(Ordering::Relaxed) {
            return None;
        }
        match self.state.load(Ordering::Relaxed) {
            DEADLINE => Some(Stop::Deadline.failure("the script")),
            CANCELLED => Some(Stop::Cancelled.failure("the script")),
            _ => Some(refused(format!("the script did more than {} steps of work and was ended", self.fuel_max))),
        }
    }

    /// The first reason stays.
    fn set(&self, state: u8) {
        let _ = self.state.compare_exchange(RUNNING, state, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// Stops the script when it is dropped.
pub(super) struct Slipped(pub(super) Arc<Leash>);

impl Drop for Slipped {
    fn drop(&mut self) {
        self.0.stop(Stop::Cancelled);
    }
}
