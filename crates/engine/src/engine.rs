//! The engine: what surfaces talk to. It knows which runs have an owner, and makes one for those that need it.

mod creation;

use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use gorgon_core::budget::{BudgetKey, Scope};
use gorgon_core::call::Family;
use gorgon_core::command::{Blocked, Command};
use gorgon_core::event::Event;
use gorgon_core::facts::{Facts, Refused};
use gorgon_core::ids::RunId;
use gorgon_core::money::{Meter, PriceTable};
use gorgon_core::run::{RunState, RunStatus};
use gorgon_core::time::Timestamp;
use gorgon_ports::{BudgetRow, Clock, Entropy, Executor, Journal, Ledger, Receipt, RunFilter, RunKey, RunNo, RunRow, Runs, StoreError, TenantScope};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::{CommandError, ReadError};
use crate::feed::{Live, Published, StatusWatch, Watch, Watchers, status_after};
use crate::gate::Gate;
use crate::history::{self, Recorded};
use crate::mailbox::{MAILBOX_MAX, Mailbox, Message, Whereabouts};
use crate::options::Options;
use crate::output::Output;
use crate::owner::{Created, Ended, Owner};
use crate::programs::Programs;
use crate::sleepers::Sleepers;

pub use self::creation::{CreateRun, Cut, ForkRun, Forked, Version};

/// Runs taken up in one read at the start.
const TAKEN_UP_AT_ONCE: u32 = 1_000;

/// After how long a run that could not be read just now is read again, in milliseconds.
const READ_AGAIN_MS: u64 = 1_000;

/// How long calls that were told to stop at the end have for it: enough to end a process, too short to notice.
const PARTING: Duration = Duration::from_millis(200);

/// What the engine is busy with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Activity {
    /// Calls in flight.
    pub calls_in_flight: usize,
    /// Runs that have an owner, because something of them moves or is about to.
    pub active_runs: usize,
    /// Why the engine cannot go on, if it cannot.
    pub broken: Option<StoreError>,
}

/// The engine. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

/// What owners and the engine have in common.
pub(crate) struct Shared {
    pub(crate) journal: Arc<dyn Journal>,
    runs: Arc<dyn Runs>,
    ledger: Arc<dyn Ledger>,
    executors: BTreeMap<Family, Arc<dyn Executor>>,
    prices: PriceTable,
    providers: Vec<String>,
    pub(crate) clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    tenant: TenantScope,
    scopes: Vec<Scope>,
    dollars_limited: AtomicBool,
    epoch: AtomicU64,
    runs_go_on: bool,
    draining: AtomicBool,
    pub(crate) programs: Programs,
    pub(crate) output: Output,
    pub(crate) tasks: TaskTracker,
    gate: Gate,
    sleepers: Sleepers,
    owners: Mutex<HashMap<RunNo, (Mailbox, RunKey)>>,
    /// The keys of the runs that have an owner.
    active: Mutex<HashMap<RunId, RunKey>>,
    pub(crate) watchers: Watchers,
    activity: watch::Sender<Activity>,
    /// As in `activity`, by itself: those who watch a run wait for this, and are not to be woken by every call.
    broken: watch::Sender<Option<StoreError>>,
    stop: CancellationToken,
}

impl Engine {
    /// Takes the store over and takes up the runs that are not finished: those that move are recovered, those that sleep go into the heap.
    ///
    /// # Errors
    /// If the store cannot be taken over or read.
    pub async fn open(options: Options) -> Result<Self, StoreError> {
        let epoch = options.journal.take_over().await?;
        let shared = Arc::new(Shared {
            journal: options.journal,
            runs: options.runs,
            ledger: options.ledger,
            executors: options.executors.into_iter().map(|executor| (executor.family(), executor)).collect(),
            prices: options.prices,
            providers: options.providers,
            clock: options.clock,
            entropy: options.entropy,
            tenant: TenantScope(options.tenant),
            scopes: options.scopes,
            dollars_limited: AtomicBool::new(false),
            epoch: AtomicU64::new(epoch),
            runs_go_on: options.run,
            draining: AtomicBool::new(false),
            programs: Programs::default(),
            output: Output::new(options.log_dir),
            tasks: TaskTracker::new(),
            gate: Gate::new(options.permits),
            sleepers: Sleepers::default(),
            owners: Mutex::new(HashMap::new()),
            active: Mutex::new(HashMap::new()),
            watchers: Watchers::default(),
            activity: watch::channel(Activity::default()).0,
            broken: watch::channel(None).0,
            stop: CancellationToken::new(),
        });
        let engine = Self { shared };
        engine.look_at_budgets().await?;
        if engine.shared.runs_go_on {
            engine.take_up().await?;
            let shared = Arc::clone(&engine.shared);
            // Ends when the engine stops; a timer that is lost is read again from the rows of the runs at the next start.
            engine.shared.tasks.spawn(async move { shared.wake_sleepers().await });
        }
        Ok(engine)
    }

    /// Puts a request to a run. Answers when what came of it is on disk.
    ///
    /// # Errors
    /// If the run does not exist, refuses, or cannot be written.
    pub async fn command(&self, run: RunId, command: Command) -> Result<(), CommandError> {
        self.shared.not_broken()?;
        let key = self.key(run).await?;
        let (reply, answer) = oneshot::channel();
        self.shared.send(key, Message::Command(command, reply)).await;
        answer.await.unwrap_or_else(|_| Err(CommandError::Store(self.shared.why_broken())))
    }

    /// How a run stands.
    ///
    /// # Errors
    /// If the run does not exist or cannot be read.
    pub async fn state(&self, run: RunId) -> Result<Arc<RunState>, ReadError> {
        let key = self.key(run).await?;
        let owner = self.shared.lock().get(&key.no()).map(|(mailbox, _)| mailbox.clone());
        if let Some(mailbox) = owner {
            let (reply, answer) = oneshot::channel();
            if mailbox.send(Message::Show(reply)).await.is_ok()
                && let Ok(state) = answer.await
            {
                return Ok(state);
            }
        }
        let read = history::load(&*self.shared.journal, &self.shared.programs, &key).await?;
        Ok(Arc::new(read.state))
    }

    /// Everything that happened to a run.
    ///
    /// # Errors
    /// If the run does not exist or cannot be read.
    pub async fn history(&self, run: RunId) -> Result<Vec<Recorded>, ReadError> {
        let (key, _) = self.find(run).await?;
        Ok(history::read(&*self.shared.journal, &key, 0).await?)
    }

    /// The text that a run's definition was loaded from, if it was.
    ///
    /// # Errors
    /// If the run cannot be read.
    pub async fn source(&self, state: &RunState) -> Result<Option<String>, ReadError> {
        let Some((hash, id)) = state.created.as_ref().and_then(|created| Some((created.source?, created.id))) else { return Ok(None) };
        let (key, _) = self.find(id).await?;
        let blobs = self.shared.journal.blobs(&key, &[hash]).await?;
        Ok(blobs.into_iter().next().map(|blob| String::from_utf8_lossy(&blob.bytes).into_owned()))
    }

    /// Watches a run from a position of the log on.
    ///
    /// # Errors
    /// If the run does not exist or cannot be read.
    pub async fn watch(&self, run: RunId, after: u64) -> Result<Watch, ReadError> {
        let key = self.key(run).await?;
        Ok(Watch::begin(self.clone(), key, after).await?)
    }

    /// Watches how a run stands, from now on.
    #[must_use]
    pub fn watch_status(&self, run: RunId) -> StatusWatch {
        StatusWatch::begin(self.clone(), run)
    }

    /// The runs that match, newest first.
    ///
    /// # Errors
    /// If the store cannot answer.
    pub async fn list(&self, filter: &RunFilter) -> Result<Vec<RunRow>, StoreError> {
        self.shared.runs.list(&self.shared.tenant, filter).await
    }

    /// The runs whose id begins or ends with this text, newest first.
    ///
    /// # Errors
    /// If the store cannot answer.
    pub async fn search(&self, text: &str, limit: u32) -> Result<Vec<RunRow>, StoreError> {
        self.shared.runs.search(&self.shared.tenant, text, limit).await
    }

    /// The row of a run.
    ///
    /// # Errors
    /// If the run does not exist or cannot be read.
    pub async fn row(&self, run: RunId) -> Result<RunRow, ReadError> {
        Ok(self.find(run).await?.1)
    }

    /// The budgets of the tenant and its projects.
    ///
    /// # Errors
    /// If the store cannot answer.
    pub async fn budgets(&self) -> Result<Vec<BudgetRow>, StoreError> {
        self.shared.ledger.of_tenant(&self.shared.tenant).await
    }

    /// Sets a limit of the tenant, or of one of its projects.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn set_limit(&self, project: Option<&str>, meter: Meter, limit: u64) -> Result<(), StoreError> {
        self.shared.ledger.set_limit(&self.shared.tenant, project, meter, limit).await?;
        self.look_at_budgets().await?;
        self.shared.money_given_back();
        Ok(())
    }

    /// Where the output of a run's steps is kept, if it is: [`read_log`](crate::read_log) reads it.
    #[must_use]
    pub fn log_file(&self, run: RunId) -> Option<PathBuf> {
        self.shared.output.file(run)
    }

    /// The prices in force.
    #[must_use]
    pub fn prices(&self) -> &PriceTable {
        &self.shared.prices
    }

    /// What the engine is busy with. Whoever waits is woken when it falls quiet or breaks down; what it is in between can be looked at.
    #[must_use]
    pub fn activity(&self) -> watch::Receiver<Activity> {
        self.shared.activity.subscribe()
    }

    /// From here on no call is started; those in flight go on, and commands are still taken. There is no way back.
    pub fn drain(&self) {
        self.shared.draining.store(true, Ordering::SeqCst);
        let runs = self.shared.lock().keys().copied().collect();
        self.shared.poke_all(runs);
    }

    /// Why the engine cannot go on, and word when it no longer can.
    #[must_use]
    pub fn broken(&self) -> watch::Receiver<Option<StoreError>> {
        self.shared.broken.subscribe()
    }

    /// Stops taking anything up, waits at most so long for calls in flight to end and their results to be on disk, and closes the store. Calls that are
    /// still in flight then are in doubt for the next owner.
    pub async fn shutdown(&self, grace: Duration) {
        self.drain();
        let mut activity = self.activity();
        let quiet = activity.wait_for(|activity| activity.calls_in_flight == 0 && activity.active_runs == 0 || activity.broken.is_some());
        let _ = tokio::time::timeout(grace, quiet).await;
        self.shared.stop.cancel();
        // Owners end at once, and their calls are told to stop.
        self.shared.tasks.close();
        let _ = tokio::time::timeout(PARTING, self.shared.tasks.wait()).await;
        self.shared.journal.close().await;
    }

    pub(crate) fn journal(&self) -> &dyn Journal {
        &*self.shared.journal
    }

    pub(crate) fn watchers(&self) -> &Watchers {
        &self.shared.watchers
    }

    /// Answers when the engine has stopped.
    pub(crate) async fn stopped(&self) {
        self.shared.stop.cancelled().await;
    }

    /// Where an active run is, as its owner knows.
    pub(crate) async fn whereabouts(&self, run: &RunKey) -> Option<Whereabouts> {
        let mailbox = self.shared.lock().get(&run.no()).map(|(mailbox, _)| mailbox.clone())?;
        let (reply, answer) = oneshot::channel();
        mailbox.send(Message::Whereabouts(reply)).await.ok()?;
        answer.await.ok()
    }

    /// The key of a run. One that is active was found within the scope when it became so.
    async fn key(&self, run: RunId) -> Result<RunKey, ReadError> {
        if let Some(key) = self.shared.active().get(&run) {
            return Ok(key.clone());
        }
        Ok(self.find(run).await?.0)
    }

    async fn find(&self, run: RunId) -> Result<(RunKey, RunRow), ReadError> {
        self.shared.runs.find(&self.shared.tenant, run).await?.ok_or(ReadError::UnknownRun)
    }

    async fn look_at_budgets(&self) -> Result<(), StoreError> {
        let limited = self.shared.ledger.of_tenant(&self.shared.tenant).await?.iter().any(|row| row.id.meter == Meter::Usd);
        self.shared.dollars_limited.store(limited, Ordering::Relaxed);
        Ok(())
    }

    async fn take_up(&self) -> Result<(), StoreError> {
        let mut after = RunNo(0);
        loop {
            let runs = self.shared.runs.unfinished(after, TAKEN_UP_AT_ONCE).await?;
            let Some((last, _)) = runs.last() else { return Ok(()) };
            after = last.no();
            for (key, row) in runs {
                match row.status {
                    // Nothing of it is in flight, so there is nothing to recover.
                    RunStatus::Waiting => {
                        if let Some(at) = row.wake_at {
                            self.shared.sleepers.put(at, key);
                        }
                    }
                    RunStatus::Queued | RunStatus::Running | RunStatus::Paused | RunStatus::Cancelling | RunStatus::Compensating => {
                        self.shared.employ(key, true)
                    }
                    RunStatus::Completed | RunStatus::Partial | RunStatus::Failed | RunStatus::Cancelled => {}
                }
            }
        }
    }
}

impl Shared {
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

    fn poke_all(&self, runs: Vec<RunNo>) {
        for run in runs {
            self.poke(run);
        }
    }

    /// Wakes the first of a line. One that ended in the meantime left its place behind: its turn is the next one's.
    fn poke_line(&self, runs: Vec<(Family, RunNo)>) {
        for (family, first) in runs {
            let mut turn = Some(first);
            while let Some(run) = turn.filter(|run| !self.poke(*run)) {
                tracing::trace!(run = run.0, "left its place in line");
                turn = self.gate.next_in_line(family);
            }
        }
    }

    /// Whether there is an owner that will look again. One with a full mailbox will look at everything anyway.
    fn poke(&self, run: RunNo) -> bool {
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
            if self.why_broken_if().is_some() {
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
    fn employ(self: &Arc<Self>, run: RunKey, recover: bool) {
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
    fn adopt(self: &Arc<Self>, created: Created, asker: Option<oneshot::Sender<Arc<RunState>>>) {
        let run = created.receipt.run().clone();
        if created.state().status.is_terminal() {
            if let Some(asker) = asker {
                // Whoever asked may be gone.
                let _ = asker.send(Arc::new(created.into_state()));
            }
            return;
        }
        let Some(mail) = self.register(&run) else { return };
        let owner = Owner::of(Arc::clone(self), created, mail, asker);
        let shared = Arc::clone(self);
        self.tasks.spawn(async move { shared.keep_working(run, owner, false).await });
    }

    fn register(&self, run: &RunKey) -> Option<mpsc::Receiver<Message>> {
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

    fn dismiss(&self, run: &RunKey) {
        if self.lock().remove(&run.no()).is_some() {
            self.active().remove(&run.id());
            self.activity.send_if_modified(|activity| {
                activity.active_runs = activity.active_runs.saturating_sub(1);
                activity.active_runs == 0
            });
        }
    }

    /// A run could not be read: who asked for it hears why.
    async fn give_up(&self, run: RunKey, error: &StoreError, mut mail: mpsc::Receiver<Message>) {
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

    async fn keep_working(self: Arc<Self>, run: RunKey, owner: Owner, recover: bool) {
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

    async fn wake_sleepers(self: Arc<Self>) {
        loop {
            let (due, next) = self.sleepers.due(self.clock.now());
            for run in due {
                self.send(run, Message::Poke).await;
            }
            let nap = async {
                match next {
                    Some(at) => tokio::time::sleep(Duration::from_millis(at.since_ms(self.clock.now()).max(1))).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.sleepers.earlier() => {}
                () = nap => {}
            }
        }
    }

    fn why_broken_if(&self) -> Option<StoreError> {
        self.broken.borrow().clone()
    }

    fn why_broken(&self) -> StoreError {
        self.why_broken_if().unwrap_or_else(|| StoreError::Closed("the engine has stopped".to_owned()))
    }

    fn not_broken(&self) -> Result<(), StoreError> {
        self.why_broken_if().map_or(Ok(()), Err)
    }

    fn active(&self) -> MutexGuard<'_, HashMap<RunId, RunKey>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RunNo, (Mailbox, RunKey)>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The families of the calls that events order.
fn started(events: &[Event]) -> impl Iterator<Item = Family> + '_ {
    events.iter().filter_map(|event| if let Event::CallStarted(started) = event { Some(started.request.family()) } else { None })
}
