//! The engine: what surfaces talk to. It knows which runs have an owner, and makes one for those that need it.

mod creation;
mod shared;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gorgon_core::budget::Limits;
use gorgon_core::command::Command;
use gorgon_core::ids::RunId;
use gorgon_core::money::{Meter, PriceTable};
use gorgon_core::run::{RunState, RunStatus};
use gorgon_ports::{BudgetRow, Journal, RunFilter, RunKey, RunNo, RunRow, StoreError, TenantScope};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::{CommandError, ReadError};
use crate::feed::{StatusWatch, Watch, Watchers};
use crate::gate::Gate;
use crate::history::{self, Recorded};
use crate::mailbox::{Message, Whereabouts};
use crate::options::Options;
use crate::output::Output;
use crate::programs::Programs;
use crate::sleepers::Sleepers;

pub use self::creation::{CreateRun, Cut, ForkRun, Forked, Version};
pub(crate) use self::shared::{Deciding, Shared};

/// Runs taken up in one read at the start.
const TAKEN_UP_AT_ONCE: u32 = 1_000;

/// How long a decision is given that is under way while nothing else is.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

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
            limited: AtomicBool::new(false),
            dollars_limited: AtomicBool::new(false),
            epoch: AtomicU64::new(epoch),
            runs_go_on: options.run,
            draining: AtomicBool::new(false),
            deciding: AtomicU64::new(0),
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

    /// Whether [`drain`](Self::drain) was said.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.shared.draining.load(Ordering::SeqCst)
    }

    /// Waits until no call is in flight, and none is about to be: after [`drain`](Self::drain) none will be. Or until the engine cannot go on.
    pub async fn quiet(&self) {
        let mut activity = self.activity();
        loop {
            // The sender lives as long as the engine.
            let _ = activity.wait_for(|activity| activity.calls_in_flight == 0 || activity.broken.is_some()).await;
            // In this order: a decision that has ended has started what it starts.
            let decided = self.shared.deciding.load(Ordering::SeqCst) == 0;
            let activity = self.shared.activity.borrow();
            if activity.broken.is_some() || decided && activity.calls_in_flight == 0 {
                return;
            }
            drop(activity);
            tokio::time::sleep(LOOK_AGAIN).await;
        }
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
        let rows = self.shared.ledger.of_tenant(&self.shared.tenant).await?;
        let limited = |row: &BudgetRow| row.balance.is_limited();
        self.shared.limited.store(rows.iter().any(limited), Ordering::Relaxed);
        self.shared.dollars_limited.store(rows.iter().any(|row| row.id.meter == Meter::Usd && limited(row)), Ordering::Relaxed);
        Ok(())
    }

    /// The least that the budgets above a run have left, whatever is held of them.
    async fn left_above(&self) -> Result<Limits, StoreError> {
        let mut left = Limits::default();
        // Most have none, and nothing is read to start a run.
        if !self.shared.limited.load(Ordering::Relaxed) {
            return Ok(left);
        }
        for row in self.shared.ledger.of_tenant(&self.shared.tenant).await? {
            if row.balance.is_limited() && self.shared.scopes.contains(&row.id.scope) {
                let here = row.balance.limit.saturating_sub(row.balance.charged());
                left.set(row.id.meter, left.of(row.id.meter).map_or(here, |least| least.min(here)));
            }
        }
        Ok(left)
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
