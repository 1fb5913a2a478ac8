//! What the engine is given.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use gorgon_core::budget::Scope;
use gorgon_core::call::Family;
use gorgon_core::command::Providers;
use gorgon_core::money::PriceTable;
use gorgon_ports::{Clock, Entropy, Executor, Journal, Ledger, Runs};

/// Everything that the engine needs from outside.
pub struct Options {
    /// The log.
    pub journal: Arc<dyn Journal>,
    /// The read side of runs.
    pub runs: Arc<dyn Runs>,
    /// The read side of budgets.
    pub ledger: Arc<dyn Ledger>,
    /// Who performs calls; one for each family.
    pub executors: Vec<Arc<dyn Executor>>,
    /// The prices in force.
    pub prices: PriceTable,
    /// The providers that are configured.
    pub providers: Providers,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Where logs of steps go; without it they are only shown live.
    pub log_dir: Option<PathBuf>,
    /// Whose runs these are.
    pub tenant: String,
    /// Budgets above the runs that they draw on.
    pub scopes: Vec<Scope>,
    /// How many calls of each family may be in flight at once.
    pub permits: Permits,
    /// Whether runs go on. Without it commands are recorded and nothing is started.
    pub run: bool,
}

/// How many calls of each family may be in flight at once, over all runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permits(pub BTreeMap<Family, u32>);

impl Permits {
    /// The limits if the settings say nothing: generous for what waits, tight for what computes.
    #[must_use]
    pub fn defaults() -> Self {
        let limit = |family| match family {
            // Nothing is shared, so nothing is limited; the concurrency of the run still is.
            Family::Noop => u32::MAX,
            Family::Process => 32,
            Family::Http | Family::Model => 128,
            Family::Script => 8,
            Family::File => 32,
        };
        Self(Family::ALL.into_iter().map(|family| (family, limit(family))).collect())
    }
}

impl Default for Permits {
    fn default() -> Self {
        Self::defaults()
    }
}
