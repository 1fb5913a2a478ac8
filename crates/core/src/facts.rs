//! What the core has to be told about the world before it decides.

use std::collections::BTreeMap;

use crate::budget::BudgetKey;
use crate::call::Family;
use crate::money::PriceTable;
use crate::time::Timestamp;

/// The world, as far as a decision depends on it. Whatever fact mattered is written into the event.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// Now.
    pub now: Timestamp,
    /// Randomness, for jitter.
    pub seed: u64,
    /// The epoch of the owner.
    pub epoch: u64,
    /// The prices in force.
    pub prices: &'a PriceTable,
    /// How many calls of each family may start now. A family that is not named may not start at all.
    pub permits: BTreeMap<Family, u32>,
    /// Whether a budget above the run limits dollars: then a model without a known price may not be asked.
    pub dollars_limited: bool,
    /// Budgets above the run that just refused a hold, with what they can grant. Others are believed to grant everything.
    pub refused: BTreeMap<BudgetKey, Refused>,
}

/// What a budget that refused can grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Now.
    pub available: u64,
    /// If every open hold were given back.
    pub available_at_rest: u64,
    /// Whether it is frozen.
    pub frozen: bool,
}
