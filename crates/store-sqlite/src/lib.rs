//! The embedded store: one SQLite file, one process, one writer thread that commits whatever waits in one transaction.
//!
//! Layout, commit algorithm and SQL are explained in `docs/design/store.md`. This crate holds no rule of workflows; it appends, reads and refuses.
#![warn(missing_docs)]

mod account;
mod batch;
mod encode;
mod error;
mod journal;
mod judge;
mod ledger;
mod lock;
mod open;
mod options;
mod order;
mod readers;
mod rows;
mod runs;
mod schema;
mod stats;
mod store;
mod wal;
mod writer;

pub use self::error::OpenError;
pub use self::lock::Lock;
pub use self::options::Options;
pub use self::stats::Stats;
pub use self::store::SqliteStore;
