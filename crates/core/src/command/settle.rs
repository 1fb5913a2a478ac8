//! What a call is charged when it ends. One table, after every way in which it can end.

use serde::Deserialize;

use crate::call::{Metering, Outcome, Request};
use crate::event::{ChargeSource, Hold, Settlement};
use crate::money::{Amounts, ModelPrice, PriceTable};

/// The price of the model that says it answered, where that is another one than was asked: gateways have fallbacks of their own.
pub(super) fn price_of_answer(request: &Request, outcome: &Outcome, prices: &PriceTable) -> Option<ModelPrice> {
    #[derive(Deserialize)]
    struct Answered {
        model: String,
    }
    let (Request::Model(asked), Outcome::Succeeded { value, .. }) = (request, outcome) else { return None };
    let Answered { model } = value.parse().ok()?;
    if model == asked.model { None } else { prices.find(&asked.provider, &model)?.price }
}

/// What is charged for a call that ended so. If another model answered, the dearer of both prices counts.
pub(super) fn settlement(hold: &Hold, outcome: &Outcome, answered: Option<ModelPrice>) -> Settlement {
    let (metering, succeeded) = match outcome {
        Outcome::Succeeded { metering, .. } => (metering, true),
        Outcome::Failed { metering, .. } => (metering, false),
        Outcome::InDoubt { .. } => return in_full(hold),
    };
    match metering {
        Metering::Reported(usage) => {
            let prices = hold.price.into_iter().chain(answered.filter(|_| hold.price.is_some()));
            let cost_nano_usd = prices.map(|price| price.cost_nano_usd(usage)).max().unwrap_or(0);
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
