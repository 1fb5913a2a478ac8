//! A call as it was ordered, and the money that it holds and costs.

use serde::{Deserialize, Serialize};

use crate::call::Request;
use crate::definition::EffectClass;
use crate::ids::{CallId, ContentHash};
use crate::money::{Amounts, ModelPrice};

/// A call that was ordered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallStarted {
    /// Which.
    pub call: CallId,
    /// What is asked, exactly.
    pub request: Request,
    /// What a second execution would do.
    pub class: EffectClass,
    /// The epoch of the owner that ordered it.
    pub epoch: u64,
    /// How long it may take, in milliseconds.
    pub timeout_ms: u64,
    /// What the other side recognises a repetition by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The money that is held for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
}

/// Money held for one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The most that the call may use.
    pub amounts: Amounts,
    /// The prices by which it is settled; absent where no price is known and no dollars are limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<ModelPrice>,
    /// The price table that they stand in.
    pub table: ContentHash,
}

/// What a call cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// What was held.
    pub held: Amounts,
    /// What is charged.
    pub charged: Amounts,
    /// On what grounds.
    pub source: ChargeSource,
}

/// On what grounds a call was charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeSource {
    /// The provider told what was used.
    Reported,
    /// Nobody knows what was used: the hold is charged in full.
    AssumedMax,
    /// Nothing was used.
    Nothing,
}
