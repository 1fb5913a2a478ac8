//! What a run has spent and holds: the fold of its holds and settlements.

use super::RunState;
use crate::event::{ChargeSource, Hold, Settlement};
use crate::money::{Amounts, Meter};
use crate::plan::NodeIx;

impl RunState {
    pub(super) fn take_hold(&mut self, amounts: Amounts) {
        for (meter, balance) in &mut self.budget {
            balance.hold(amounts.of(*meter));
        }
    }

    /// `hold` is that of the call, if it is known.
    pub(super) fn settle(&mut self, node: Option<NodeIx>, settlement: &Settlement, hold: Option<&Hold>) {
        for (meter, balance) in &mut self.budget {
            balance.settle(settlement.held.of(*meter), settlement.charged.of(*meter));
        }
        self.charged = self.charged.plus(settlement.charged);
        self.overage = self.overage.plus(settlement.charged.minus(settlement.held));
        if let Some(node) = node {
            let step = &mut self.steps[node];
            step.charged = step.charged.plus(settlement.charged);
            if hold.is_some_and(|hold| hold.price.is_none()) {
                step.unpriced = step.unpriced.saturating_add(settlement.charged.calls);
            }
            if settlement.source == ChargeSource::AssumedMax {
                step.assumed = step.assumed.saturating_add(settlement.charged.calls);
            }
        }
    }

    /// What is held by calls in flight.
    #[must_use]
    pub fn held(&self) -> Amounts {
        self.open.values().filter_map(|call| call.hold).fold(Amounts::ZERO, |sum, hold| sum.plus(hold.amounts))
    }

    /// The limit of a meter of the run's own budget.
    #[must_use]
    pub fn limit(&self, meter: Meter) -> Option<u64> {
        self.budget.get(&meter).map(|balance| balance.limit)
    }
}
