//! What the engine needs from outside: traits in plain types, and the errors that cross them.
//!
//! Nothing here does anything. A store, an executor or a clock implements a trait; the engine is given them.
#![warn(missing_docs)]

pub mod clock;
pub mod executor;
pub mod journal;
pub mod ledger;
pub mod runs;

pub use clock::{Clock, Entropy};
pub use executor::{CallCx, Executor, Progress, ProgressSink, Steer, StoredCall};
pub use journal::{Append, Blob, Commit, Journal, NewRun, Receipt, Refusal, StoreError, StoredAppend, StoredBody};
pub use ledger::{BudgetRow, Ledger, RowId};
pub use runs::{RunFilter, RunKey, RunNo, RunRow, Runs, TenantScope};
