//! The ledger's algebra: budgets, holds, settlements, and what one append moves.
//!
//! A budget row is in order when `spent + reserved <= ceiling`. A hold raises `reserved` by the worst case of a call before the call starts; its
//! settlement takes the hold back and raises `spent` by what was charged. What a provider charges beyond the hold goes to `overage` and freezes the
//! row until somebody thaws it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::money::{Amounts, Meter};

/// Whose money a budget limits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Everything that one tenant spends.
    Tenant(String),
    /// Everything that one project of a tenant spends.
    Project(String),
    /// One run, its sub-workflows included.
    Run,
}

/// Names one row of the ledger as seen from a run: whose money, in which meter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BudgetKey {
    /// Whose money.
    pub scope: Scope,
    /// Which meter.
    pub meter: Meter,
}

impl fmt::Display for BudgetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            Scope::Tenant(name) => write!(f, "tenant {name}")?,
            Scope::Project(name) => write!(f, "project {name}")?,
            Scope::Run => f.write_str("run")?,
        }
        write!(f, " ({})", self.meter.word())
    }
}

/// What a row of the ledger says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Balance {
    /// What was asked for as the limit.
    pub limit: u64,
    /// The limit, or what was committed when the limit was set lower.
    pub ceiling: u64,
    /// Charged.
    pub spent: u64,
    /// Held by calls that are not settled.
    pub reserved: u64,
    /// Charged beyond a hold.
    pub overage: u64,
    /// Grants nothing until an operator thaws it.
    pub frozen: bool,
}

/// Why a hold was not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoHold {
    /// It would fit once open holds are given back: wait in line.
    Wait,
    /// It would not fit even then.
    Exhausted,
    /// A provider charged more than it could: an operator has to look first.
    Frozen,
}

impl Balance {
    /// The largest amount that a row holds: databases count in signed 64 bits. Nine thousand million dollars; a higher limit is this one.
    pub const AMOUNT_MAX: u64 = i64::MAX as u64;

    /// A row with this limit and nothing spent.
    #[must_use]
    pub fn with_limit(limit: u64) -> Self {
        let limit = limit.min(Self::AMOUNT_MAX);
        Self { limit, ceiling: limit, ..Self::default() }
    }

    /// A row that begins in mid-run, before its limit is set.
    #[must_use]
    pub fn begun(spent: u64, reserved: u64) -> Self {
        let spent = spent.min(Self::AMOUNT_MAX);
        Self { spent, reserved: reserved.min(Self::AMOUNT_MAX - spent), ..Self::default() }
    }

    /// Whether a limit was set below what was committed: grants nothing until it is raised.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.limit < self.ceiling
    }

    /// Whether it limits anything: a limit that was lifted leaves its row, with the highest one.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.limit < Self::AMOUNT_MAX
    }

    /// All that was charged.
    #[must_use]
    pub fn charged(&self) -> u64 {
        self.spent.saturating_add(self.overage)
    }

    /// What a hold may take now. What was charged beyond holds counts: whoever set the limit set it for all that is paid.
    #[must_use]
    pub fn available(&self) -> u64 {
        if self.frozen || self.is_closed() { 0 } else { self.ceiling.saturating_sub(self.charged()).saturating_sub(self.reserved) }
    }

    /// Judges a hold.
    ///
    /// # Errors
    /// Why it is not granted.
    pub fn judge(&self, amount: u64) -> Result<(), NoHold> {
        if amount == 0 || amount <= self.available() {
            return Ok(());
        }
        if self.frozen {
            return Err(NoHold::Frozen);
        }
        let fits_later = !self.is_closed() && amount <= self.ceiling.saturating_sub(self.charged());
        Err(if fits_later { NoHold::Wait } else { NoHold::Exhausted })
    }

    /// Grants a hold that was judged.
    pub fn hold(&mut self, amount: u64) {
        self.reserved = self.reserved.saturating_add(amount);
    }

    /// Settles a hold: takes back `held`, charges `charged`. What is beyond the hold, or has no room below the ceiling because the row is younger
    /// than the hold, is overage: so a row that is in order stays in order whatever is settled, and nothing is clipped.
    pub fn settle(&mut self, held: u64, charged: u64) {
        self.reserved = self.reserved.saturating_sub(held);
        let room = self.ceiling.saturating_sub(self.spent).saturating_sub(self.reserved);
        let within = charged.min(held).min(room);
        self.spent = self.spent.saturating_add(within);
        let beyond = charged.saturating_sub(within);
        if beyond > 0 {
            self.overage = self.overage.saturating_add(beyond).min(Self::AMOUNT_MAX);
            // A limit that was lifted limits nothing: there is nothing to stop for.
            self.frozen |= self.is_limited();
        }
    }

    /// Somebody who answers for it sets the limit: what froze the row was looked at. Never below what is committed: then the ceiling stays there, and the row
    /// is closed.
    pub fn set_limit(&mut self, limit: u64) {
        let limit = limit.min(Self::AMOUNT_MAX);
        self.limit = limit;
        self.ceiling = limit.max(self.spent.saturating_add(self.reserved));
        self.frozen = false;
    }

    /// The rule that the database enforces as well.
    #[must_use]
    pub fn is_in_order(&self) -> bool {
        self.spent.checked_add(self.reserved).is_some_and(|committed| committed <= self.ceiling)
    }
}

/// What one event moves in the ledger. Derived from the event, so money and history cannot disagree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LedgerOp {
    /// Opens the rows of a run with these limits; a meter without a limit has no row.
    OpenRun {
        /// Limit of each meter.
        limits: Limits,
    },
    /// Takes a hold in every row of the chain that exists.
    Hold {
        /// Worst case of the call.
        amounts: Amounts,
    },
    /// Gives a hold back and charges.
    Settle {
        /// What was held.
        held: Amounts,
        /// What is charged; may exceed the hold.
        charged: Amounts,
    },
    /// Sets a limit of the run.
    SetRunLimit {
        /// Which meter.
        meter: Meter,
        /// The new limit.
        limit: u64,
        /// What the run had spent; a row that is made now begins with it.
        spent: u64,
        /// What its open calls held; a row that is made now begins with it.
        reserved: u64,
    },
}

/// A limit for each meter; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limits {
    /// Nano-USD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_nano_usd: Option<u64>,
    /// Tokens that count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Calls that may cost money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
}

impl Limits {
    /// The limit of one meter.
    #[must_use]
    pub fn of(&self, meter: Meter) -> Option<u64> {
        match meter {
            Meter::Usd => self.cost_nano_usd,
            Meter::Tokens => self.tokens,
            Meter::Calls => self.calls,
        }
    }

    /// Sets the limit of one meter.
    pub fn set(&mut self, meter: Meter, limit: u64) {
        match meter {
            Meter::Usd => self.cost_nano_usd = Some(limit),
            Meter::Tokens => self.tokens = Some(limit),
            Meter::Calls => self.calls = Some(limit),
        }
    }

    /// These limits, each in the place of the other's where there is one.
    #[must_use]
    pub fn over(&self, other: Self) -> Self {
        Self { cost_nano_usd: self.cost_nano_usd.or(other.cost_nano_usd), tokens: self.tokens.or(other.tokens), calls: self.calls.or(other.calls) }
    }

    /// Whether no meter is limited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
