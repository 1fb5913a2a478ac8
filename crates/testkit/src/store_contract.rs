//! What every store must do: named cases over the ports, and a random comparison of two stores.
//!
//! A store passes when [`run_all`] returns. The memory store is the oracle; the others are also [compared](random) with it over random sequences.

mod concurrency;
mod log;
mod money;
mod pen;
pub mod random;
mod runs;
mod tenants;
mod texts;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use gorgon_ports::{Journal, Ledger, Runs};

pub use self::pen::{Pen, committed, new_run, refused};

/// All that a store is.
pub trait Store: Journal + Runs + Ledger {}

impl<T: Journal + Runs + Ledger> Store for T {}

/// A store that a case may use as it likes.
pub type AnyStore = Arc<dyn Store>;

type Body = fn(AnyStore) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// One thing that every store must do. Panics where the store does not.
#[derive(Clone, Copy)]
pub struct Case {
    /// What it does, as a sentence.
    pub name: &'static str,
    body: Body,
}

const fn case(name: &'static str, body: Body) -> Case {
    Case { name, body }
}

/// All cases.
pub const CASES: &[Case] = &[
    case("a run is created with its first append", |store| Box::pin(log::created(store))),
    case("appends come back in order, as they were written", |store| Box::pin(log::order(store))),
    case("the hash chain is the documented one", |store| Box::pin(log::chain(store))),
    case("a wrong hash is found when the run is read", |store| Box::pin(log::wrong_hash(store))),
    case("a number that is taken is a conflict", |store| Box::pin(log::conflict(store))),
    case("a number that leaves a gap is a conflict", |store| Box::pin(log::gap(store))),
    case("an id that exists is a conflict", |store| Box::pin(log::id_taken(store))),
    case("an append to no run, or to two, is a conflict", |store| Box::pin(log::misplaced(store))),
    case("appends of an earlier epoch are fenced", |store| Box::pin(log::fenced(store))),
    case("the fence is judged before the number, the number before the money", |store| Box::pin(log::order_of_refusals(store))),
    case("a run is read from any append on", |store| Box::pin(log::load_after(store))),
    case("the feed has every append once, in the order of commits", |store| Box::pin(log::feed(store))),
    case("a refusal leaves nothing, and takes no position and no number", |store| Box::pin(log::refusal_leaves_nothing(store))),
    case("large bodies come back byte for byte", |store| Box::pin(texts::bodies(store))),
    case("a text is stored once and comes back", |store| Box::pin(texts::blobs(store))),
    case("a text that is missing is damage", |store| Box::pin(texts::missing(store))),
    case("a text that is not what its hash says is damage", |store| Box::pin(texts::false_hash(store))),
    case("a closed store takes and answers nothing", |store| Box::pin(log::closed(store))),
    case("the row of a run says what its appends said", |store| Box::pin(runs::row(store))),
    case("runs are listed newest first, filtered and in pages", |store| Box::pin(runs::list(store))),
    case("unfinished runs come in pages, of every tenant", |store| Box::pin(runs::unfinished(store))),
    case("a run is found by the beginning or the end of its id", |store| Box::pin(runs::search(store))),
    case("no read shows another tenant's runs, texts or budgets", |store| Box::pin(tenants::apart(store))),
    case("a run draws on no other tenant's budget", |store| Box::pin(tenants::own_money(store))),
    case("a run without limits has no rows, and any hold is granted", |store| Box::pin(money::no_limits(store))),
    case("a hold is taken and settled", |store| Box::pin(money::hold_and_settle(store))),
    case("a hold that would fit later waits", |store| Box::pin(money::wait(store))),
    case("a hold that can never fit is exhausted", |store| Box::pin(money::exhausted(store))),
    case("the holds of one append are judged together", |store| Box::pin(money::together(store))),
    case("a settlement frees room for the holds behind it", |store| Box::pin(money::settle_first(store))),
    case("every row that says no is named", |store| Box::pin(money::every_row(store))),
    case("a charge beyond the hold is overage and freezes", |store| Box::pin(money::overage(store))),
    case("a limit set in mid-run begins with what was spent", |store| Box::pin(money::limit_in_mid_run(store))),
    case("a row that is younger than a hold stays in order", |store| Box::pin(money::younger_row(store))),
    case("a limit below what is committed closes the row until it is raised", |store| Box::pin(money::closed_row(store))),
    case("a limit of a tenant holds across its runs", |store| Box::pin(money::shared(store))),
    case("amounts beyond what databases count are refused, not wrapped", |store| Box::pin(money::huge(store))),
    case("appends that are refused do not touch those that come with them", |store| Box::pin(concurrency::neighbours(store))),
    case("64 tasks on one budget are granted exactly what fits", |store| Box::pin(concurrency::one_budget(store))),
    case("of many writers of one number, one wins", |store| Box::pin(concurrency::one_number(store))),
    case("many runs at once leave a gapless log", |store| Box::pin(concurrency::many_runs(store))),
];

/// Runs every case on a store of its own. `fresh` makes an empty one, with whatever has to live as long.
///
/// # Panics
/// At the first case that the store does not pass, naming it.
pub async fn run_all<F, Fut, K>(fresh: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = (AnyStore, K)>,
{
    for case in CASES {
        let (store, keep) = fresh().await;
        let task = tokio::spawn((case.body)(store));
        match tokio::time::timeout(Duration::from_secs(60), task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => panic!("case \"{}\": {error}", case.name),
            Err(_) => panic!("case \"{}\" did not end", case.name),
        }
        drop(keep);
    }
}
