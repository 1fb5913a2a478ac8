//! The fault simulator: random workflows through the real state machine, on a store, a provider and a clock that misbehave in every way they can.
//!
//! Everything that happens follows from one number. After each step the laws are checked against a small reference model; the first one that
//! does not hold ends the simulation with the seed, so that the same run can be looked at again.

#[expect(dead_code, reason = "the tests of the machine build their workflows with the rest of it")]
mod build;
mod check;
mod coverage;
mod crowd;
mod model;
mod owner;
mod planted;
mod program;
mod provider;
mod rng;
mod store;
mod world;

#[cfg(test)]
mod tests;

pub use self::coverage::{Coverage, Fault};
pub use self::planted::Planted;

/// What a value may hold to tempt whoever would expand it again.
const BAIT: &str = "${inputs.yes}";

/// A law that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The seed that shows it again.
    pub seed: u64,
    /// After how many steps.
    pub step: u32,
    /// What did not hold.
    pub law: String,
    /// The history of the run that it was about: an event a line.
    pub history: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "seed {}, step {}: {}\n{}", self.seed, self.step, self.law, self.history)
    }
}

/// What one simulation came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// How many steps it took.
    pub steps: u32,
    /// What it came across.
    pub coverage: Coverage,
}

/// Runs the simulation of this seed to its end.
///
/// # Errors
/// The first law that did not hold.
pub fn simulate(seed: u64) -> Result<Report, Box<Violation>> {
    world::World::new(seed, None).run()
}

/// As [`simulate`], with a bug built in: for the proof that the simulator finds it.
///
/// # Errors
/// The first law that did not hold.
#[cfg(test)]
pub(crate) fn simulate_planted(seed: u64, bug: Planted) -> Result<Report, Box<Violation>> {
    world::World::new(seed, Some(bug)).run()
}
