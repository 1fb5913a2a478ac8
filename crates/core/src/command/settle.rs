//! What a call is charged when it ends. One table, after every way in which it can end.

use crate::call::{Metering, Outcome};
use crate::event::{ChargeSource, Hold, Settlement};
use crate::money::Amounts;

/// What is charged for a call that ended so.
pub(super) fn settlement(hold: &Hold, outcome: &Outcome) -> Settlement {
    let (metering, succeeded) = match outcome {
        Outcome::Succeeded { metering, .. } => (metering, true),
        Outcome::Failed { metering, .. } => (metering, false),
        Outcome::InDoubt { .. } => return in_full(hold),
    };
    match metering {
        Metering::Reported(usage) => {
            let cost_nano_usd = hold.price.map_or(0, |price| price.cost_nano_usd(usage));
            let charged = Amounts { cost_nano_usd, tokens: usage.counted(), calls: 1 };
            Settlement { held: hold.amounts, charged, source: ChargeSource::Reported }
        }
        // An answer without usage was paid for, whatever it cost.
        Metering::None if succeeded => in_full(hold),
        Metering::Unknown => in_full(hold),
        Metering::None => Settlement { held: hold.amounts, charged: Amounts::ZERO, source: ChargeSource::Nothing },
    }
}

/// The whole hold: nobody knows better.
pub(super) fn in_full(hold: &Hold) -> Settlement {
    Settlement { held: hold.amounts, charged: hold.amounts, source: ChargeSource::AssumedMax }
}
