//! Bugs that are built in on purpose, to see whether the simulator finds them. Only tests of this crate can ask for one.

/// A bug of an engine or a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// The engine starts calls and answers before the store says that the append is on disk.
    AckBeforeCommit,
    /// The store takes appends of an owner that was replaced.
    NoFence,
    /// The ledger settles some holds twice.
    SecondSettle,
    /// The ledger forgets to give back the holds of calls that failed.
    LeakedHold,
    /// A new owner starts what is due before it recovers.
    DueBeforeRecover,
    /// Values are expanded as templates once more.
    ReExpanded,
}

impl Planted {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::AckBeforeCommit, Self::NoFence, Self::SecondSettle, Self::LeakedHold, Self::DueBeforeRecover, Self::ReExpanded];
}
