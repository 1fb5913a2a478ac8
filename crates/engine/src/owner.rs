//! The owner of a run: one task, no shared state. It drains its mailbox into one decision and one append, waits for the disk, then does what is due.

mod append;
mod calls;
mod created;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gorgon_core::budget::BudgetKey;
use gorgon_core::call::{Family, Outcome};
use gorgon_core::command::{Blocked, Command, Decided, Rejection, decide_in_place};
use gorgon_core::event::{Event, RunCreated};
use gorgon_core::facts::{Facts, Refused};
use gorgon_core::ids::CallId;
use gorgon_core::plan::Program;
use gorgon_core::run::{RunState, RunStatus};
use gorgon_core::time::Timestamp;
use gorgon_ports::journal::BudgetRefusal;
use gorgon_ports::{Blob, Commit, NewRun, Refusal, RunKey, StoreError};
use tokio::sync::{mpsc, oneshot};

use self::append::Encoded;
use self::calls::Calls;
pub(crate) use self::created::{CreateFailed, Created};
use crate::engine::Shared;
use crate::error::CommandError;
use crate::history::{self, Head, Read};
use crate::mailbox::{Message, Whereabouts};
use crate::sleepers::sleep_until;

/// Most messages that one append takes in.
const DRAINED_MAX: usize = 512;

/// Refusals of a budget that one batch goes through before the run waits in line: each one is a full decision.
const REFUSALS_MAX: u32 = 8;

/// Who wants to know what became of a command.
type Reply = oneshot::Sender<Result<(), CommandError>>;

/// A command with its asker, if it has one.
struct Asked {
    command: Command,
    reply: Option<Reply>,
    /// What the core said against it. Told when what came before it in the same batch is on disk: that may be the reason.
    rejection: Option<Rejection>,
}

impl Asked {
    /// Nobody wants to know what became of it.
    fn by_nobody(command: Command) -> Self {
        Self { command, reply: None, rejection: None }
    }
}

pub(crate) struct Owner {
    shared: Arc<Shared>,
    run: RunKey,
    state: RunState,
    head: Head,
    status_on_disk: Option<RunStatus>,
    calls: Calls,
    mail: mpsc::Receiver<Message>,
    /// It stands in a line for permits or money: whoever gives some back looks for it here.
    blocked: bool,
    /// What kept it from going on is over already: it looks again at once.
    again: bool,
    /// Who wants to know what the run comes to.
    asker: Option<oneshot::Sender<Arc<RunState>>>,
}

/// Why an owner ended.
pub(crate) enum Ended {
    /// Nothing moves: the run sleeps, or has ended.
    Idle,
    /// The store cannot go on.
    Broken(StoreError),
}

impl Owner {
    /// The owner of a run that is on disk.
    pub(crate) async fn load(shared: Arc<Shared>, run: RunKey, mail: mpsc::Receiver<Message>) -> Result<Self, (StoreError, mpsc::Receiver<Message>)> {
        let _deciding = shared.deciding();
        let Read { state, head, receipt } = match history::load(&*shared.journal, &shared.programs, &run).await {
            Ok(read) => read,
            Err(error) => return Err((error, mail)),
        };
        let status_on_disk = Some(state.status);
        let mut calls = Calls::new(Arc::clone(&shared), run.clone());
        // A message may overtake the adoption of a run that was created just now: what its creation ordered is started here then.
        calls.reconcile(&state, &receipt);
        Ok(Self { shared, run, state, head, status_on_disk, calls, mail, blocked: false, again: false, asker: None })
    }

    /// Creates a run: its first append is its creation, what it keeps of another one, and the start of what can start.
    pub(crate) async fn create(
        shared: Arc<Shared>,
        program: Arc<Program>,
        created: RunCreated,
        kept: Vec<Event>,
        blobs: Vec<Blob>,
    ) -> Result<Created, CreateFailed> {
        let deciding = shared.deciding();
        let mut state = RunState::new(program);
        let new = NewRun {
            id: created.id,
            tenant: created.start.tenant.clone(),
            workflow: state.program.definition.name.clone(),
            file: created.start.file.clone(),
            definition: created.definition,
        };
        let mut refused = BTreeMap::new();
        // Before all rounds: what one round is refused, the next one decides by.
        let refunds_seen = shared.refunds();
        for round in 0..=REFUSALS_MAX {
            let permits = permits_for(&shared, round);
            let facts = shared.facts(permits.clone(), refused.clone());
            let command = Command::Create { created: Box::new(created.clone()), kept: kept.clone() };
            let decided = decide_in_place(&mut state, command, &facts).map_err(CreateFailed::Rejected);
            shared.return_unused(&permits, decided.as_ref().map_or(&[], |decided| ordered(&decided.events, &kept)));
            let decided = decided?;
            let mut encoded = Encoded::of(&state, Head::START, &decided.events, facts.now);
            encoded.append.create = Some(new.clone());
            encoded.append.blobs.extend(blobs.iter().cloned());
            encoded.append.row = Some((state.status, state.wake()));
            encoded.append.epoch = shared.epoch();
            match shared.journal.commit(encoded.append).await {
                Commit::Committed(receipt) => {
                    let head = Head { seq: receipt.seq(), pos: receipt.pos(), hash: encoded.hash };
                    let blocked = blocked_in(round, decided.blocked, &refused);
                    return Ok(Created {
                        state,
                        head,
                        receipt,
                        events: decided.events,
                        body: encoded.body,
                        at: facts.now,
                        blocked,
                        refunds_seen,
                        _deciding: deciding,
                    });
                }
                Commit::Refused(Refusal::Budget(refusals)) => {
                    note(&mut refused, &refusals);
                    shared.release(ordered(&decided.events, &kept));
                    state = RunState::new(Arc::clone(&state.program));
                }
                Commit::Refused(refusal) => {
                    shared.release(ordered(&decided.events, &kept));
                    let error = refusal_error(&refusal);
                    if !error.is_transient() {
                        shared.break_down(error.clone());
                    }
                    return Err(CreateFailed::Store(error));
                }
                Commit::Unknown(why) => {
                    shared.release(ordered(&decided.events, &kept));
                    let error = unknown(&why);
                    shared.break_down(error.clone());
                    return Err(CreateFailed::Store(error));
                }
            }
        }
        Err(CreateFailed::Store(StoreError::Unavailable("the budgets refused the first calls of the run again and again".to_owned())))
    }

    /// The owner of a run that was just created.
    pub(crate) fn of(shared: Arc<Shared>, created: Created, mail: mpsc::Receiver<Message>, asker: Option<oneshot::Sender<Arc<RunState>>>) -> Self {
        let run = created.receipt.run().clone();
        let calls = Calls::new(Arc::clone(&shared), run.clone());
        let mut owner = Self {
            shared,
            run,
            status_on_disk: Some(created.state.status),
            state: created.state,
            head: created.head,
            calls,
            mail,
            blocked: false,
            again: false,
            asker,
        };
        owner.shared.publish(&created.receipt, created.at, &created.events, &created.body);
        owner.calls.reconcile(&owner.state, &created.receipt);
        owner.settle_blocked(&created.blocked, created.refunds_seen);
        owner
    }

    /// Works until nothing moves.
    pub(crate) async fn work(mut self, recover: bool) -> (Ended, Option<Timestamp>, mpsc::Receiver<Message>) {
        let mut batch: Vec<Message> = Vec::new();
        let deciding = self.shared.deciding();
        if (recover || self.was_left())
            && let Err(error) = self.take(vec![Asked::by_nobody(Command::Recover)]).await
        {
            return (Ended::Broken(error), None, self.mail);
        }
        drop(deciding);
        loop {
            self.tell_rest();
            if self.calls.is_empty() && !self.wants_to_stay() && self.mail.is_empty() {
                return self.idle();
            }
            let (shared, alarm) = (Arc::clone(&self.shared), self.wake_soon());
            let again = std::mem::take(&mut self.again);
            let ready = self.calls.take_ready();
            tokio::select! {
                biased;
                () = std::future::ready(()), if ready.is_some() => while let Ok(message) = self.mail.try_recv() { batch.push(message); },
                count = self.mail.recv_many(&mut batch, DRAINED_MAX) => if count == 0 { return self.idle(); },
                () = tokio::task::yield_now(), if again => {}
                () = sleep_until(&*shared.clock, alarm) => {}
            }
            let _deciding = self.shared.deciding();
            batch.extend(ready.map(|(call, outcome)| Message::Completed(call, outcome)));
            // Mail comes first above, and may never end: an alarm that has gone off is not to wait for that.
            if again || alarm.is_some_and(|at| at <= self.shared.clock.now()) {
                batch.push(Message::Poke);
            }
            let asked = self.sort(&mut batch);
            if !asked.is_empty()
                && let Err(error) = self.take(asked).await
            {
                tracing::error!(run = %self.run.id(), %error, "a run cannot go on");
                self.calls.abandon();
                return (Ended::Broken(error), None, self.mail);
            }
        }
    }

    /// Nothing moves. Whoever asked for the end of the run is given the state itself: a copy of a wide one would cost as much as a good part of its run.
    fn idle(self) -> (Ended, Option<Timestamp>, mpsc::Receiver<Message>) {
        let wake = self.state.wake();
        if let Some(asker) = self.asker.filter(|_| self.state.status.is_terminal()) {
            // Whoever asked may be gone.
            let _ = asker.send(Arc::new(self.state));
        }
        (Ended::Idle, wake, self.mail)
    }

    /// Says that the run needs somebody, once it does.
    fn tell_rest(&mut self) {
        if self.asker.is_some()
            && self.state.needs_somebody()
            && let Some(asker) = self.asker.take()
        {
            // Whoever asked may be gone.
            let _ = asker.send(Arc::new(self.state.clone()));
        }
    }

    /// Whether the process that had this run before ended while something of it moved. Where commands are only recorded nobody has looked, and what is
    /// recorded now must not make a part of the run's time out of the time since.
    fn was_left(&self) -> bool {
        let epoch = self.shared.epoch();
        self.state.open.values().any(|call| call.epoch < epoch) || !self.shared.runs_go_on && self.state.active_since.is_some()
    }

    /// A timer that is near is waited for here; one that is far lets the owner go.
    fn wake_soon(&self) -> Option<Timestamp> {
        self.state.wake().filter(|_| self.shared.go_on())
    }

    fn wants_to_stay(&self) -> bool {
        const NEAR_MS: u64 = 2_000;
        self.blocked || self.wake_soon().is_some_and(|at| at.since_ms(self.shared.clock.now()) < NEAR_MS)
    }

    fn sort(&mut self, batch: &mut Vec<Message>) -> Vec<Asked> {
        let mut asked = Vec::with_capacity(batch.len());
        let mut poked = false;
        for message in batch.drain(..) {
            match message {
                Message::Command(command, reply) => asked.push(Asked { command, reply: Some(reply), rejection: None }),
                Message::Completed(call, outcome) => {
                    self.calls.ended(&call);
                    asked.push(Asked::by_nobody(Command::CompleteCall { call, outcome }));
                }
                Message::Poke => poked = true,
                Message::Whereabouts(reply) => {
                    // Whoever asked may be gone.
                    let _ = reply.send(Whereabouts { seq: self.head.seq, pos: self.head.pos, status: self.state.status });
                }
                Message::Show(reply) => {
                    // Whoever asked may be gone.
                    let _ = reply.send(Arc::new(self.state.clone()));
                }
            }
        }
        if poked {
            asked.push(Asked::by_nobody(Command::Tick));
        }
        asked
    }

    /// Decides on everything that waited, and makes it one append.
    async fn take(&mut self, mut asked: Vec<Asked>) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        let mut refused = BTreeMap::new();
        // Before all rounds: what one round is refused, the next one decides by.
        let refunds_seen = shared.refunds();
        for round in 0..=REFUSALS_MAX {
            let permits = permits_for(&shared, round);
            let facts = shared.facts(permits.clone(), refused.clone());
            let decided = self.decide(&mut asked, &facts);
            shared.return_unused(&permits, &decided.events);
            let blocked = blocked_in(round, decided.blocked, &refused);
            let looked = asked.iter().any(|asked| asked.rejection.is_none());
            if decided.events.is_empty() {
                if looked {
                    self.settle_blocked(&blocked, refunds_seen);
                }
                answer(asked, || Ok(()));
                return Ok(());
            }
            let mut encoded = Encoded::of(&self.state, self.head, &decided.events, facts.now.max(self.state.last_at));
            encoded.append.run = Some(self.run.no());
            encoded.append.epoch = self.shared.epoch();
            let idle = self.state.open.is_empty();
            if idle || self.status_on_disk != Some(self.state.status) {
                encoded.append.row = Some((self.state.status, self.state.wake()));
            }
            let at = encoded.append.at;
            match self.shared.journal.commit(encoded.append).await {
                Commit::Committed(receipt) => {
                    self.head = Head { seq: receipt.seq(), pos: receipt.pos(), hash: encoded.hash };
                    self.status_on_disk = Some(self.state.status);
                    self.shared.publish(&receipt, at, &decided.events, &encoded.body);
                    self.calls.reconcile(&self.state, &receipt);
                    self.settle_blocked(&blocked, refunds_seen);
                    if decided.events.iter().any(|event| {
                        matches!(event, Event::CallSettled { settlement: Some(_), .. } | Event::CallDoubted { .. } | Event::LimitSet { .. })
                    }) {
                        self.shared.money_given_back();
                    }
                    answer(asked, || Ok(()));
                    return Ok(());
                }
                Commit::Refused(Refusal::Budget(refusals)) => {
                    note(&mut refused, &refusals);
                    self.shared.release(&decided.events);
                    self.reload().await?;
                }
                Commit::Refused(refusal) => {
                    self.shared.release(&decided.events);
                    let error = refusal_error(&refusal);
                    answer(asked, || Err(CommandError::Store(error.clone())));
                    if matches!(refusal, Refusal::Full(_)) {
                        tracing::error!(run = %self.run.id(), "the disk is full: the run stops until there is room");
                    }
                    return Err(error);
                }
                Commit::Unknown(why) => {
                    self.shared.release(&decided.events);
                    let error = unknown(&why);
                    answer(asked, || Err(CommandError::Store(error.clone())));
                    return Err(error);
                }
            }
        }
        // The last round takes no permits, so no budget can refuse it. A store that does is not to be worked with: what was answered would be forgotten.
        let error = StoreError::Unavailable("the budgets refused an append that holds nothing".to_owned());
        answer(asked, || Err(CommandError::Store(error.clone())));
        Err(error)
    }

    /// Decides one command after the other on the state that the one before left, and notes what was rejected.
    fn decide(&mut self, asked: &mut [Asked], facts: &Facts<'_>) -> Decided {
        let mut all = Decided::default();
        let mut left = facts.clone();
        for asked in asked {
            asked.rejection = None;
            let before = all.events.len();
            match decide_in_place(&mut self.state, asked.command.clone(), &left) {
                Ok(decided) => {
                    all.events.extend(decided.events);
                    // What is blocked now is what the last decision says: it looked at all the work there is.
                    all.blocked = decided.blocked;
                    spend(&mut left, &all.events[before..]);
                }
                Err(rejection) => {
                    if asked.reply.is_none() {
                        tracing::debug!(run = %self.run.id(), %rejection, "a message to a run came too late");
                    }
                    asked.rejection = Some(rejection);
                }
            }
        }
        all
    }

    async fn reload(&mut self) -> Result<(), StoreError> {
        let Read { state, head, .. } = history::load(&*self.shared.journal, &self.shared.programs, &self.run).await?;
        self.state = state;
        self.head = head;
        Ok(())
    }

    /// Joins the line for what kept work from starting, and stays while it is in it.
    fn settle_blocked(&mut self, blocked: &Blocked, refunds_seen: u64) {
        self.blocked = !blocked.is_empty() && self.shared.go_on();
        self.again = self.blocked && !self.shared.join_line(self.run.no(), blocked, refunds_seen);
    }
}

/// The permits of a round: the last one starts nothing, so no budget can refuse it.
fn permits_for(shared: &Shared, round: u32) -> BTreeMap<Family, u32> {
    if round < REFUSALS_MAX { shared.take_permits() } else { BTreeMap::new() }
}

/// What the run waits for. In the last round no permit was asked for: what kept the run from starting are the budgets that refused before.
fn blocked_in(round: u32, blocked: Blocked, refused: &BTreeMap<BudgetKey, Refused>) -> Blocked {
    if round < REFUSALS_MAX || blocked.is_empty() {
        return blocked;
    }
    Blocked { families: BTreeSet::new(), budgets: refused.keys().cloned().collect() }
}

/// The events of a creation behind itself and what it keeps: calls of another run took no permit of this one.
fn ordered<'e>(events: &'e [Event], kept: &[Event]) -> &'e [Event] {
    events.get(1 + kept.len()..).unwrap_or_default()
}

/// Permits that a decision used are not there for the next one of the same batch.
fn spend(facts: &mut Facts<'_>, events: &[Event]) {
    for event in events {
        if let Event::CallStarted(started) = event {
            if let Some(left) = facts.permits.get_mut(&started.request.family()) {
                *left = left.saturating_sub(1);
            }
            for (key, refused) in &mut facts.refused {
                refused.available = refused.available.saturating_sub(started.hold.map_or(0, |hold| hold.amounts.of(key.meter)));
            }
        }
    }
}

fn note(refused: &mut BTreeMap<BudgetKey, Refused>, refusals: &[BudgetRefusal]) {
    for refusal in refusals {
        let frozen = refusal.why == gorgon_core::budget::NoHold::Frozen;
        let fact = Refused { available: refusal.available, available_at_rest: refusal.available_at_rest, frozen };
        refused.insert(refusal.key.clone(), fact);
    }
}

/// Tells everybody what became of their command: what the core said if the batch is settled, else why it is not.
fn answer(asked: Vec<Asked>, outcome: impl Fn() -> Result<(), CommandError>) {
    for Asked { reply, rejection, .. } in asked {
        if let Some(reply) = reply {
            let said = outcome().and_then(|()| rejection.map_or(Ok(()), |rejection| Err(CommandError::Rejected(rejection))));
            // Whoever asked may be gone; what they asked for is done all the same.
            let _ = reply.send(said);
        }
    }
}

fn unknown(why: &str) -> StoreError {
    StoreError::Unavailable(format!("nobody knows whether the last append is on disk: {why}"))
}

pub(crate) fn refusal_error(refusal: &Refusal) -> StoreError {
    match refusal {
        Refusal::Conflict { head } => StoreError::Damaged(format!("somebody else wrote to the run: its last append is number {head}")),
        Refusal::Fenced => StoreError::Closed("another process has taken the store over".to_owned()),
        Refusal::Budget(_) => StoreError::Unavailable("a budget refused".to_owned()),
        Refusal::Full(why) => StoreError::Unavailable(why.clone()),
        Refusal::Closed(why) => StoreError::Closed(why.clone()),
    }
}

/// What an executor's answer is when it panicked: nobody knows how far it came.
pub(crate) fn panicked(call: &CallId) -> Outcome {
    Outcome::InDoubt { evidence: format!("the executor of call {call} failed inside of Gorgon; this is a bug") }
}
