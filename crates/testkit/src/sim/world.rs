//! Two runs of one tenant, the store below them, the providers beside them, and everything that can go wrong in between.

use std::collections::BTreeMap;
use std::sync::Arc;

use gorgon_core::budget::{Balance, BudgetKey, Limits};
use gorgon_core::call::{Family, Outcome, Request};
use gorgon_core::command::{Command, ResolveVerdict, decide};
use gorgon_core::event::{EDITION, Event, HaltReason, RunCreated, Start};
use gorgon_core::event_codec::{decode_body, encode_body};
use gorgon_core::facts::{Facts, Refused};
use gorgon_core::ids::{CallId, RunId};
use gorgon_core::money::{Meter, Model as Pricing, ModelPrice, PriceTable};
use gorgon_core::payload::Payload;
use gorgon_core::plan::Program;
use gorgon_core::run::{RunState, RunStatus, WaitingFor};
use gorgon_core::time::Timestamp;
use indexmap::IndexMap;
use serde_json::json;

use super::coverage::{Fault, name};
use super::model::Model;
use super::owner::Owner;
use super::planted::Planted;
use super::program::random;
use super::rng::Rng;
use super::store::{Append, Commit, Store};
use super::{BAIT, Report, Violation, build, check, crowd, provider};

const RUNS: usize = 2;

/// One run, as the world sees it.
pub(crate) struct Slot {
    program: Arc<Program>,
    pub(crate) owner: Owner,
    /// An owner that was replaced and does not know it.
    zombie: Option<Owner>,
    /// What the log says, folded as it grows.
    pub(crate) on_disk: RunState,
    pub(crate) model: Model,
    /// How often each call was really made.
    made: BTreeMap<CallId, u32>,
    /// Answers that were given already.
    answered: Vec<CallId>,
}

pub(crate) struct World {
    seed: u64,
    step: u32,
    rng: Rng,
    now: Timestamp,
    pub(crate) store: Store,
    pub(crate) slots: Vec<Slot>,
    prices: PriceTable,
    faults: bool,
    planted: Option<Planted>,
    report: Report,
}

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// It is on disk, and whoever asked knows.
    Done,
    /// The run said no.
    Rejected,
    /// Nothing was written; it can be asked again.
    NotNow,
    /// Nobody knows, or nobody is left who does.
    Lost,
}

type Law = Result<(), String>;

impl World {
    pub(crate) fn new(seed: u64, planted: Option<Planted>) -> Self {
        let mut rng = Rng::new(seed);
        let price = ModelPrice {
            input_nano_usd_per_mtok: 1_000_000_000,
            cache_read_nano_usd_per_mtok: 0,
            cache_write_nano_usd_per_mtok: 0,
            output_nano_usd_per_mtok: 2_000_000_000,
            long: None,
        };
        let prices = PriceTable::new(IndexMap::from([(
            "m".to_owned(),
            Pricing { price: Some(price), input_tokens_max: Some(10_000), output_tokens_max: None },
        )]));
        let mut store = Store::new(RUNS, planted);
        store.rows.insert((None, Meter::Usd), Balance::with_limit(if rng.chance(50) { 300_000 + rng.below(3_000_000) } else { 1 << 50 }));
        let slots = (0..RUNS)
            .map(|_| {
                let program = build::program(random(&mut rng));
                let owner = Owner { state: RunState::new(Arc::clone(&program)), epoch: 1, seq: 0, recovered: true, flights: BTreeMap::new() };
                let on_disk = RunState::new(Arc::clone(&program));
                Slot { program, owner, zombie: None, on_disk, model: Model::default(), made: BTreeMap::new(), answered: Vec::new() }
            })
            .collect();
        Self { seed, step: 0, rng, now: Timestamp(1_000_000), store, slots, prices, faults: true, planted, report: Report::default() }
    }

    pub(crate) fn run(mut self) -> Result<Report, Box<Violation>> {
        match self.play() {
            Ok(()) => {
                for slot in &self.slots {
                    *self.report.coverage.ends.entry(slot.on_disk.status).or_default() += 1;
                }
                self.report.steps = self.step;
                Ok(self.report)
            }
            Err((run, law)) => Err(Box::new(Violation { seed: self.seed, step: self.step, law, history: self.history(run) })),
        }
    }

    fn play(&mut self) -> Result<(), (usize, String)> {
        let length = 20 + self.rng.below(100);
        for step in 0..length {
            let run = usize::try_from(self.rng.below(RUNS as u64)).unwrap_or(0);
            self.one(run).and_then(|()| check::laws(self)).map_err(|law| (run, law))?;
            self.step = u32::try_from(step).unwrap_or(u32::MAX);
        }
        self.faults = false;
        for run in 0..RUNS {
            self.drain(run).map_err(|law| (run, law))?;
        }
        Ok(())
    }

    /// One thing happens.
    fn one(&mut self, run: usize) -> Law {
        self.now = self.now.plus_ms(self.rng.below(2_000));
        if self.slots[run].on_disk.created.is_none() {
            if self.rng.chance(30) {
                let command = crowd::anything(&self.slots[run].owner.state, &mut self.rng);
                return self.tell(run, &command).map(|_| ());
            }
            let command = self.creation(run);
            return self.tell(run, &command).map(|_| ());
        }
        match self.rng.below(100) {
            0..=49 => self.answer(run),
            50..=64 => self.wake(run),
            65..=84 => {
                let command = crowd::anything(&self.slots[run].owner.state, &mut self.rng);
                self.tell(run, &command).map(|_| ())
            }
            85..=88 => self.answer_again(run),
            89..=92 => self.zombie_acts(run),
            93 => self.jump(run),
            94 => self.tell(run, &Command::Recover).map(|_| ()),
            95..=97 => {
                self.report.coverage.fault(Fault::CrashAtRest);
                self.crash()
            }
            _ => self.tell(run, &Command::Tick).map(|_| ()),
        }
    }

    fn creation(&mut self, run: usize) -> Command {
        let program = &self.slots[run].program;
        let inputs = json!({ "yes": true, "no": false, "list": [1, 2, 3], "bait": BAIT });
        let created = RunCreated {
            edition: EDITION,
            id: RunId(run as u128 + 1),
            definition: program.definition_hash,
            plan: program.plan_hash,
            source: None,
            inputs: Payload::of(&inputs),
            start: Start::default(),
            limits: program.definition.budget.limits,
            on_exhausted: program.definition.budget.on_exhausted,
            scopes: Vec::new(),
            fork: None,
        };
        Command::Create { created: Box::new(created), kept: Vec::new() }
    }

    /// A call that is in flight ends.
    fn answer(&mut self, run: usize) -> Law {
        let flights: Vec<CallId> = self.slots[run].owner.flights.keys().cloned().collect();
        let Some(call) = self.rng.pick(&flights).cloned() else { return self.wake(run) };
        let Some(open) = self.slots[run].owner.state.open.get(&call) else { return Err(format!("{call} is in flight and not open")) };
        let request = Request::clone(&open.request);
        let outcome = match self.slots[run].owner.flights.get(&call) {
            Some(Some(outcome)) => outcome.clone(),
            _ if self.faults => provider::answer(&request, &mut self.rng, &mut self.report.coverage),
            _ => provider::honest(&request),
        };
        self.slots[run].owner.flights.insert(call.clone(), Some(outcome.clone()));
        match self.tell(run, &Command::CompleteCall { call: call.clone(), outcome })? {
            Told::Done => {
                self.slots[run].owner.flights.remove(&call);
                self.slots[run].answered.push(call);
                Ok(())
            }
            Told::Rejected => Err(format!("the answer to {call} was rejected")),
            Told::NotNow | Told::Lost => Ok(()),
        }
    }

    /// An answer comes a second time, or after its call was given up.
    fn answer_again(&mut self, run: usize) -> Law {
        let answered = std::mem::take(&mut self.slots[run].answered);
        let call = self.rng.pick(&answered).cloned();
        self.slots[run].answered = answered;
        let Some(call) = call else { return self.answer(run) };
        self.report.coverage.fault(if self.slots[run].on_disk.status.is_terminal() { Fault::Late } else { Fault::Duplicate });
        let outcome = provider::honest(&Request::Noop {});
        match self.tell(run, &Command::CompleteCall { call: call.clone(), outcome })? {
            Told::Rejected => Ok(()),
            told => Err(format!("a second answer to {call} was taken: {told:?}")),
        }
    }

    fn wake(&mut self, run: usize) -> Law {
        if let Some(at) = self.slots[run].owner.state.wake() {
            self.now = self.now.max(at);
        }
        self.tell(run, &Command::Tick).map(|_| ())
    }

    fn jump(&mut self, run: usize) -> Law {
        if self.rng.chance(50) {
            self.report.coverage.fault(Fault::ClockForward);
            self.now = self.now.plus_ms(self.rng.below(100_000_000));
        } else {
            self.report.coverage.fault(Fault::ClockBack);
            self.now = Timestamp(self.now.0 - i64::try_from(self.rng.below(1_000_000)).unwrap_or(0));
        }
        self.tell(run, &Command::Tick).map(|_| ())
    }

    /// The process dies. Another one takes the store over, and recovers before it does anything else.
    fn crash(&mut self) -> Law {
        let epoch = self.store.take_over();
        for run in 0..RUNS {
            let owner = Owner::load(&self.slots[run].program, &self.store.logs[run], epoch)?;
            let old = std::mem::replace(&mut self.slots[run].owner, owner);
            // What the dead process asked may still answer.
            self.slots[run].answered.extend(old.flights.keys().cloned());
            self.slots[run].zombie = self.rng.chance(40).then_some(old);
        }
        for run in 0..RUNS {
            if self.planted == Some(Planted::DueBeforeRecover) || self.slots[run].on_disk.created.is_none() {
                self.slots[run].owner.recovered = true;
                self.start_due(run)?;
            }
            // Nothing else is asked of the run before this is on disk.
            while !self.slots[run].owner.recovered {
                self.tell(run, &Command::Recover)?;
            }
        }
        Ok(())
    }

    /// An owner that was replaced still thinks that it may write.
    fn zombie_acts(&mut self, run: usize) -> Law {
        let Some(zombie) = self.slots[run].zombie.take() else { return self.answer(run) };
        self.report.coverage.fault(Fault::Zombie);
        let command = match zombie.flights.keys().next() {
            Some(call) => Command::CompleteCall { call: call.clone(), outcome: provider::honest(&Request::Noop {}) },
            None => crowd::anything(&zombie.state, &mut self.rng),
        };
        let Ok(decided) = decide(&zombie.state, command, &self.facts(zombie.epoch, BTreeMap::new(), full())) else { return Ok(()) };
        if decided.events.is_empty() {
            return Ok(());
        }
        let append = self.append(run, &zombie, &decided.events)?;
        match self.store.commit(append.clone(), &decided.events, &mut self.rng) {
            Commit::Fenced => Ok(()),
            // Whether that was allowed, the laws say: somebody else owns the run.
            Commit::Committed => self.written(run, &append),
            Commit::Conflict | Commit::Budget(_) => Ok(()),
        }
    }

    fn facts(&self, epoch: u64, refused: BTreeMap<BudgetKey, Refused>, permits: BTreeMap<Family, u32>) -> Facts<'_> {
        Facts { now: self.now, seed: self.seed, epoch, prices: &self.prices, permits, dollars_limited: true, refused }
    }

    fn append(&self, run: usize, owner: &Owner, events: &[Event]) -> Result<Append, String> {
        let body = encode_body(events).map_err(|error| error.to_string())?;
        let failed = |event: &Event| matches!(event, Event::CallSettled { outcome: Outcome::Failed { .. }, .. });
        let ledger = events.iter().filter_map(|event| Some((event.ledger_op()?, failed(event)))).collect();
        Ok(Append { run, seq: owner.seq + 1, epoch: owner.epoch, at: self.now.max(owner.state.last_at), body, ledger })
    }

    /// Tells the owner of a run a command: decide, write, and only then believe it.
    fn tell(&mut self, run: usize, command: &Command) -> Result<Told, String> {
        *self.report.coverage.commands.entry((name(command), self.slots[run].owner.state.status)).or_default() += 1;
        let permits = self.permits();
        let mut refused = BTreeMap::new();
        for _ in 0..8 {
            let owner = &self.slots[run].owner;
            let Ok(decided) = decide(&owner.state, command.clone(), &self.facts(owner.epoch, refused.clone(), permits.clone())) else {
                return Ok(Told::Rejected);
            };
            let events = if self.planted == Some(Planted::ReExpanded) { expanded(decided.events)? } else { decided.events };
            if events.is_empty() {
                self.slots[run].owner.recovered |= *command == Command::Recover;
                self.start_due(run)?;
                return Ok(Told::Done);
            }
            let append = self.append(run, &self.slots[run].owner, &events)?;
            if self.planted == Some(Planted::AckBeforeCommit) {
                self.believe(run, &append, &events);
                self.start_due(run)?;
            }
            let luck = if self.faults { self.rng.below(100) } else { 99 };
            match luck {
                0 | 1 => {
                    self.report.coverage.fault(Fault::CrashBeforeCommit);
                    self.crash()?;
                    return Ok(Told::Lost);
                }
                2 => {
                    self.report.coverage.fault(Fault::StoreFull);
                    return Ok(Told::NotNow);
                }
                3 => {
                    self.report.coverage.fault(Fault::UnknownLost);
                    self.reload(run)?;
                    return Ok(Told::Lost);
                }
                _ => {}
            }
            match self.store.commit(append.clone(), &events, &mut self.rng) {
                Commit::Committed => {}
                Commit::Budget(rows) => {
                    self.report.coverage.fault(Fault::BudgetRefused);
                    refused = rows;
                    continue;
                }
                other => return Err(format!("the only owner of the run was refused: {other:?}")),
            }
            self.written(run, &append)?;
            match luck {
                4 | 5 => {
                    self.report.coverage.fault(Fault::CrashAfterCommit);
                    self.crash()?;
                    return Ok(Told::Lost);
                }
                6 => {
                    self.report.coverage.fault(Fault::UnknownWritten);
                    self.reload(run)?;
                    return Ok(Told::Lost);
                }
                _ => {}
            }
            if self.planted != Some(Planted::AckBeforeCommit) {
                self.believe(run, &append, &events);
            }
            self.slots[run].owner.recovered |= *command == Command::Recover;
            if let Command::CompleteCall { call, .. } = command {
                self.slots[run].owner.flights.remove(call);
            }
            self.start_due(run)?;
            return Ok(Told::Done);
        }
        Err("the budgets refuse without end what was decided with their refusals".to_owned())
    }

    fn permits(&mut self) -> BTreeMap<Family, u32> {
        if self.faults && self.rng.chance(10) {
            self.report.coverage.fault(Fault::NoPermits);
            return Family::ALL.into_iter().map(|family| (family, u32::from(family == Family::Noop))).collect();
        }
        full()
    }

    fn believe(&mut self, run: usize, append: &Append, events: &[Event]) {
        let owner = &mut self.slots[run].owner;
        for event in events {
            owner.state.evolve(append.at, event);
        }
        owner.seq = append.seq;
    }

    /// After an answer that nobody understood: the log says what happened. What was in flight stays in flight.
    fn reload(&mut self, run: usize) -> Law {
        let old = &self.slots[run].owner;
        let mut owner = Owner::load(&self.slots[run].program, &self.store.logs[run], old.epoch)?;
        owner.flights = old.flights.clone();
        owner.flights.retain(|call, _| owner.state.open.contains_key(call));
        owner.recovered = old.recovered;
        self.slots[run].owner = owner;
        self.start_due(run)
    }

    /// Everything that the log says is taken in by the world as well.
    fn written(&mut self, run: usize, append: &Append) -> Law {
        let slot = &mut self.slots[run];
        for event in decode_body(&append.body).map_err(|error| error.to_string())? {
            *self.report.coverage.events.entry(event.name()).or_default() += 1;
            slot.on_disk.evolve(append.at, &event);
            slot.model.apply(&slot.program, &event)?;
        }
        Ok(())
    }

    /// Starts what is due and not in flight; forgets what has ended.
    fn start_due(&mut self, run: usize) -> Law {
        let slot = &mut self.slots[run];
        slot.owner.flights.retain(|call, _| slot.owner.state.open.contains_key(call));
        if !slot.owner.recovered {
            return Ok(());
        }
        let due: Vec<CallId> = slot.owner.state.due().map(|call| call.id.clone()).filter(|call| !slot.owner.flights.contains_key(call)).collect();
        for call in due {
            if !self.store.ordered.contains(&(run, call.clone())) {
                return Err(format!("{call} was started before its order was on disk"));
            }
            let made = slot.made.entry(call.clone()).or_default();
            *made += 1;
            if *made > 1 {
                return Err(format!("{call} was made twice"));
            }
            slot.owner.flights.insert(call, None);
        }
        Ok(())
    }

    /// From here on everybody is honest and answers: the run has to come to its end.
    fn drain(&mut self, run: usize) -> Law {
        if self.slots[run].on_disk.created.is_none() {
            let command = self.creation(run);
            self.tell(run, &command)?;
        }
        if let Some(balance) = self.store.rows.get_mut(&(None, Meter::Usd)) {
            balance.set_limit(1 << 55);
        }
        for _ in 0..3_000 {
            check::laws(self)?;
            let state = &self.slots[run].owner.state;
            if state.status.is_terminal() {
                return Ok(());
            }
            let now = self.now.max(state.last_at);
            let question = state.pending_approvals().first().is_some_and(|pending| pending.until.is_none_or(|until| until > now));
            let command = if matches!(state.halt, Some(HaltReason::Budget { .. })) {
                crowd::resume(Limits { cost_nano_usd: Some(1 << 50), tokens: Some(1 << 50), calls: Some(1 << 50) })
            } else if state.status == RunStatus::Paused {
                crowd::resume(Limits::default())
            } else if !self.slots[run].owner.flights.is_empty() {
                self.answer(run)?;
                continue;
            } else if !state.open.is_empty() {
                // Stopped while it was in flight, and the process that did it is gone.
                Command::Recover
            } else if question {
                crowd::decide(state, true)
            } else if crowd::doubt(state).is_some() {
                crowd::resolve(state, ResolveVerdict::Redo)
            } else if state.waiting_for().iter().any(|wait| matches!(wait, WaitingFor::Signal { .. })) {
                crowd::signal()
            } else {
                self.wake(run)?;
                continue;
            };
            if self.tell(run, &command)? == Told::Rejected {
                return Err(format!("{command:?} was rejected although the run waits for it"));
            }
        }
        Err(format!("the run does not end: {}", check::shown(&self.slots[run].owner.state)))
    }

    fn history(&self, run: usize) -> String {
        let lines = self.store.logs[run].iter().map(|append| format!("{} @{} {}", append.seq, append.at.0, String::from_utf8_lossy(&append.body)));
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn full() -> BTreeMap<Family, u32> {
    Family::ALL.into_iter().map(|family| (family, 100)).collect()
}

/// What an engine would write that read values as templates.
fn expanded(events: Vec<Event>) -> Result<Vec<Event>, String> {
    let body = encode_body(&events).map_err(|error| error.to_string())?;
    let again = String::from_utf8_lossy(&body).replace(BAIT, "true");
    decode_body(again.as_bytes()).map_err(|error| error.to_string())
}
