//! What owners and the engine have in common: the ports, the gate, who owns which run, and the way to an owner.

use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt;
use gorgon_core::budget::{BudgetKey, Scope};
use gorgon_core::call::Family;
use gorgon_core::command::{Blocked, Providers};
use gorgon_core::event::Event;
use gorgon_core::facts::{Facts, Refused};
use gorgon_core::ids::RunId;
use gorgon_core::money::PriceTable;
use gorgon_core::run::RunState;
use gorgon_core::time::Timestamp;
use gorgon_ports::{Clock, Entropy, Executor, Journal, Ledger, Receipt, RunKey, RunNo, Runs, StoreError, TenantScope};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Activity;
use crate::error::CommandError;
use crate::feed::{Live, Published, Watchers, status_after};
use crate::gate::Gate;
use crate::mailbox::{MAILBOX_MAX, Mailbox, Message};
use crate::output::Output;
use crate::owner::{Created, Ended, Owner};
use crate::programs::Programs;
use crate::sleepers::{Sleepers, sleep_until};

/// After how long a run that could not be read just now is read again, in milliseconds.
const READ_AGAIN_MS: u64 = 1_000;

/// What owners and the engine have in common.
pub(crate) struct Shared {
    pub(crate) journal: Arc<dyn Journal>,
    pub(super) runs: Arc<dyn Runs>,
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) executors: BTreeMap<Family, Arc<dyn Executor>>,
    pub(super) prices: PriceTable,
    pub(super) providers: Providers,
    pub(crate) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) tenant: TenantScope,
    pub(super) scopes: Vec<Scope>,
    pub(super) dollars_limited: AtomicBool,
    /// Whether a budget of the tenant or one of its projects has a limit.
    pub(super) limited: AtomicBool,
    pub(super) epoch: AtomicU64,
    pub(crate) runs_go_on: bool,
    pub(super) draining: AtomicBool,
    /// Decisions under way: each may have taken permits, and start calls once it is on disk.
    pub(super) deciding: AtomicU64,
    pub(crate) programs: Programs,
    pub(crate) output: Output,
    pub(crate) tasks: TaskTracker,
    pub(super) gate: Gate,
    pub(super) sleepers: Sleepers,
    pub(super) owners: Mutex<HashMap<RunNo, (Mailbox, RunKey)>>,
    /// The keys of the runs that have an owner.
    pub(super) active: Mutex<HashMap<RunId, RunKey>>,
    pub(crate) watchers: Watchers,
    pub(super) activity: watch::Sender<Activity>,
    /// As in `activity`, by itself: those who watch a run wait for this, and are not to be woken by every call.
    pub(super) broken: watch::Sender<Option<StoreError>>,
    pub(super) stop: CancellationToken,
}

/// A decision is under way for as long as this lives.
pub(crate) struct Deciding(Arc<Shared>);

impl Drop for Deciding {
    fn drop(&mut self) {
        self.0.deciding.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shared {
    /// To be asked before permits are taken, and before a call that has answered counts as ended: between that and the start of the next one the engine only
    /// seems to be quiet.
    pub(crate) fn deciding(self: &Arc<Self>) -> Deciding {
        self.deciding.fetch_add(1, Ordering::SeqCst);
        Deciding(Arc::clone(self))
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    pub(crate) fn executor(&self, family: Family) -> Option<Arc<dyn Executor>> {
        self.executors.get(&family).cloned()
    }

    pub(crate) fn facts(&self, permits: BTreeMap<Family, u32>, refused: BTreeMap<BudgetKey, Refused>) -> Facts<'_> {
        Facts {
            now: self.clock.now(),
            seed: self.entropy.next_u64(),
            epoch: self.epoch(),
            prices: &self.prices,
            permits,
            dollars_limited: self.dollars_limited.load(Ordering::Relaxed),
            refused,
        }
    }

    pub(crate) fn take_permits(&self) -> BTreeMap<Family, u32> {
        if self.go_on() { self.gate.take() } else { BTreeMap::new() }
    }

    /// Whether calls may be started at all.
    pub(crate) fn go_on(&self) -> bool {
        self.runs_go_on && !self.draining.load(Ordering::SeqCst)
    }

    /// Gives back the permits that a decision did not use.
    pub(crate) fn return_unused(self: &Arc<Self>, taken: &BTreeMap<Family, u32>, events: &[Event]) {
        let mut left = taken.clone();
        for family in started(events) {
            if let Some(count) = left.get_mut(&family) {
                *count = count.saturating_sub(1);
            }
        }
        self.poke_line(self.gate.give_back(left));
    }

    /// Gives back the permits of calls that were ordered in vain.
    pub(crate) fn release(self: &Arc<Self>, events: &[Event]) {
        self.poke_line(self.gate.give_back(started(events).map(|family| (family, 1)).collect::<Vec<_>>()));
    }

    pub(crate) fn call_started(&self) {
        self.activity.send_if_modified(|activity| {
            activity.calls_in_flight += 1;
            false
        });
    }

    pub(crate) fn call_ended(self: &Arc<Self>, family: Family) {
        // Whoever looks on waits for quiet, and is not to be woken by every call.
        self.activity.send_if_modified(|activity| {
            activity.calls_in_flight = activity.calls_in_flight.saturating_sub(1);
            activity.calls_in_flight == 0
        });
        self.poke_line(self.gate.give_back([(family, 1)]));
    }

    pub(crate) fn refunds(&self) -> u64 {
        self.gate.refunds()
    }

    pub(crate) fn join_line(&self, run: RunNo, blocked: &Blocked, refunds_seen: u64) -> bool {
        self.gate.join(run, blocked, refunds_seen)
    }

    pub(crate) fn money_given_back(self: &Arc<Self>) {
        self.poke_all(self.gate.money_given_back());
    }

    pub(super) fn poke_all(&self, runs: Vec<RunNo>) {
        for run in runs {
            self.poke(run);
        }
    }

    /// Wakes the first of a line. One that ended in the meantime left its place behind: its turn is the next one's.
    pub(super) fn poke_line(&self, runs: Vec<(Family, RunNo)>) {
        for (family, first) in runs {
            let mut turn = Some(first);
            while let Some(run) = turn.filter(|run| !self.poke(*run)) {
                tracing::trace!(run = run.0, "left its place in line");
                turn = self.gate.next_in_line(family);
            }
        }
    }

    /// Whether there is an owner that will look again. One with a full mailbox will look at everything anyway.
    pub(super) fn poke(&self, run: RunNo) -> bool {
        let owners = self.lock();
        let Some((mailbox, _)) = owners.get(&run) else { return false };
        !matches!(mailbox.try_send(Message::Poke), Err(mpsc::error::TrySendError::Closed(_)))
    }

    /// The engine cannot go on. What is known first stays.
    pub(crate) fn break_down(&self, error: StoreError) {
        // Somebody else may have the store now, and these runs with it: nothing of them may go on here.
        let lost = matches!(error, StoreError::Closed(_));
        self.activity.send_modify(|activity| {
            activity.broken.get_or_insert(error.clone());
        });
        self.broken.send_modify(|broken| {
            broken.get_or_insert(error);
        });
        if lost {
            self.stop.cancel();
        }
    }

    pub(crate) fn publish(&self, receipt: &Receipt, at: Timestamp, events: &[Event], body: &Bytes) {
        self.watchers.tell(receipt.run().id(), || {
            Live::Append(Published { pos: receipt.pos(), seq: receipt.seq(), at, status: status_after(events), body: body.clone() })
        });
    }

    /// Brings a message to the owner of a run, making an owner if there is none.
    pub(crate) async fn send(self: &Arc<Self>, run: RunKey, message: Message) {
        let mut message = message;
        loop {
            // An engine that has stopped gives no run an owner any more: that one would make the calls again which were just told to stop, under the same
            // order. How they ended is nobody's to record; they are in doubt for the next engine.
            if self.why_broken_if().is_some() || self.stop.is_cancelled() {
                return;
            }
            let known = self.lock().get(&run.no()).map(|(mailbox, _)| mailbox.clone());
            let mailbox = match known {
                Some(mailbox) => mailbox,
                None => {
                    self.employ(run.clone(), false);
                    continue;
                }
            };
            match mailbox.send(message).await {
                Ok(()) => return,
                // The owner went just now; its place is free, or about to be.
                Err(mpsc::error::SendError(back)) => {
                    message = back;
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    /// Gives a run on disk an owner, if it has none.
    pub(super) fn employ(self: &Arc<Self>, run: RunKey, recover: bool) {
        if self.stop.is_cancelled() {
            return;
        }
        let Some(mail) = self.register(&run) else { return };
        let shared = Arc::clone(self);
        // An owner that cannot be loaded takes nobody with it; who asked for the run hears of it.
        self.tasks.spawn(async move {
            match Owner::load(Arc::clone(&shared), run.clone(), mail).await {
                Ok(owner) => shared.keep_working(run, owner, recover).await,
                Err((error, mail)) => shared.give_up(run, &error, mail).await,
            }
        });
    }

    /// Gives a run that was just created its owner.
    pub(super) fn adopt(self: &Arc<Self>, created: Created, asker: Option<oneshot::Sender<Arc<RunState>>>) {
        let run = created.receipt.run().clone();
        if created.state().status.is_terminal() {
            if let Some(asker) = asker {
                // Whoever asked may be gone.
                let _ = asker.send(Arc::new(created.into_state()));
            }
            return;
        }
        // What it ordered is in doubt for the next engine: this one has stopped.
        if self.stop.is_cancelled() {
            return;
        }
        let Some(mail) = self.register(&run) else { return };
        let owner = Owner::of(Arc::clone(self), created, mail, asker);
        let shared = Arc::clone(self);
        self.tasks.spawn(async move { shared.keep_working(run, owner, false).await });
    }

    pub(super) fn register(&self, run: &RunKey) -> Option<mpsc::Receiver<Message>> {
        let mut owners = self.lock();
        if owners.contains_key(&run.no()) {
            return None;
        }
        let (mailbox, mail) = mpsc::channel(MAILBOX_MAX);
        owners.insert(run.no(), (mailbox, run.clone()));
        drop(owners);
        self.active().insert(run.id(), run.clone());
        self.activity.send_if_modified(|activity| {
            activity.active_runs += 1;
            false
        });
        Some(mail)
    }

    pub(super) fn dismiss(&self, run: &RunKey) {
        if self.lock().remove(&run.no()).is_some() {
            self.active().remove(&run.id());
            self.activity.send_if_modified(|activity| {
                activity.active_runs = activity.active_runs.saturating_sub(1);
                activity.active_runs == 0
            });
        }
    }

    /// A run could not be read: who asked for it hears why.
    pub(super) async fn give_up(&self, run: RunKey, error: &StoreError, mut mail: mpsc::Receiver<Message>) {
        tracing::error!(run = %run.id(), %error, "a run cannot be read");
        self.dismiss(&run);
        if error.is_transient() && self.go_on() {
            self.sleepers.put(self.clock.now().plus_ms(READ_AGAIN_MS), run);
        }
        mail.close();
        while let Some(message) = mail.recv().await {
            if let Message::Command(_, reply) = message {
                // Whoever asked may be gone.
                let _ = reply.send(Err(CommandError::Store(error.clone())));
            }
        }
    }

    pub(super) async fn keep_working(self: Arc<Self>, run: RunKey, owner: Owner, recover: bool) {
        let stop = self.stop.clone();
        let worked = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            worked = AssertUnwindSafe(owner.work(recover)).catch_unwind() => Some(worked),
        };
        let (ended, wake, mut mail) = match worked {
            None => return self.dismiss(&run),
            Some(Ok(worked)) => worked,
            // Nobody knows what its state was, so nobody may act on it before it was read again by a new process.
            Some(Err(_)) => {
                self.break_down(StoreError::Closed(format!("the owner of run {} failed inside of Gorgon; this is a bug", run.id())));
                return self.dismiss(&run);
            }
        };
        if let Ended::Broken(error) = ended {
            self.break_down(error);
            self.dismiss(&run);
            return;
        }
        self.output.rests(run.id());
        // From here on nobody finds this mailbox; who found it before is served by another owner.
        self.dismiss(&run);
        if let Some(at) = wake.filter(|_| self.runs_go_on) {
            self.sleepers.put(at, run.clone());
        }
        mail.close();
        while let Some(message) = mail.recv().await {
            let (shared, run) = (Arc::clone(&self), run.clone());
            self.tasks.spawn(async move { shared.send(run, message).await });
        }
    }

    pub(super) async fn wake_sleepers(self: Arc<Self>) {
        loop {
            let (due, next) = self.sleepers.due(self.clock.now());
            for run in due {
                self.send(run, Message::Poke).await;
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.sleepers.earlier() => {}
                () = sleep_until(&*self.clock, next) => {}
            }
        }
    }

    pub(super) fn why_broken_if(&self) -> Option<StoreError> {
        self.broken.borrow().clone()
    }

    pub(super) fn why_broken(&self) -> StoreError {
        self.why_broken_if().unwrap_or_else(|| StoreError::Closed("the engine has stopped".to_owned()))
    }

    pub(super) fn not_broken(&self) -> Result<(), StoreError> {
        self.why_broken_if().map_or(Ok(()), Err)
    }

    pub(super) fn active(&self) -> MutexGuard<'_, HashMap<RunId, RunKey>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<RunNo, (Mailbox, RunKey)>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The families of the calls that events order.
fn started(events: &[Event]) -> impl Iterator<Item = Family> + '_ {
    events.iter().filter_map(|event| if let Event::CallStarted(started) = event { Some(started.request.family()) } else { None })
}
