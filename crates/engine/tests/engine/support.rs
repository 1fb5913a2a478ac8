//! An engine under test with the world around it.

mod clock;
mod faulty;
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gorgon_core::budget::{Balance, Limits, Scope};
use gorgon_core::call::Family;
use gorgon_core::command::{Command, Decision, Resolve, ResolveVerdict, Resume};
use gorgon_core::definition::Definition;
use gorgon_core::event::{Event, Start};
use gorgon_core::ids::RunId;
use gorgon_core::money::{Amounts, Meter, Model, ModelPrice, PriceTable};
use gorgon_core::payload::Payload;
use gorgon_core::run::{RunState, RunStatus, WaitingFor};
use gorgon_engine::{CreateError, CreateRun, Engine, Options, Permits, SystemEntropy};
use gorgon_ports::{BudgetRow, Journal, Ledger, RunKey, Runs, TenantScope};
use gorgon_store_memory::MemoryStore;
use indexmap::IndexMap;
use serde_json::{Value, json};

pub(crate) use self::clock::TokioClock;
pub(crate) use self::faulty::{Faulty, Unreadable, Way};
pub(crate) use self::world::{World, failed, model_answer, value};

pub(crate) const TENANT: &str = "local";

/// One dollar for a million tokens in, two for a million out.
pub(crate) const PRICE: ModelPrice = ModelPrice {
    input_nano_usd_per_mtok: 1_000_000_000,
    cache_read_nano_usd_per_mtok: 100_000_000,
    cache_write_nano_usd_per_mtok: 1_250_000_000,
    output_nano_usd_per_mtok: 2_000_000_001,
    long: None,
};

/// Longest that anything is waited for: with paused time it passes at once, so what never comes is seen at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// A store, a world, and engines on them.
#[derive(Clone)]
pub(crate) struct Bench {
    pub(crate) world: Arc<World>,
    pub(crate) store: MemoryStore,
    pub(crate) clock: TokioClock,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { world: World::new(), store: MemoryStore::new(), clock: TokioClock::start() }
    }

    pub(crate) fn options(&self) -> Options {
        self.options_on(Arc::new(self.store.clone()))
    }

    /// Appends go through this journal; reads of runs and budgets go to the store.
    pub(crate) fn options_on(&self, journal: Arc<dyn Journal>) -> Options {
        let store = Arc::new(self.store.clone());
        options(journal, store.clone(), store, &self.world, self.clock)
    }

    pub(crate) async fn engine(&self) -> Engine {
        Engine::open(self.options()).await.expect("the engine opens")
    }

    pub(crate) async fn engine_with(&self, change: impl FnOnce(&mut Options)) -> Engine {
        let mut options = self.options();
        change(&mut options);
        Engine::open(options).await.expect("the engine opens")
    }

    pub(crate) async fn key(&self, run: RunId) -> RunKey {
        self.store.find(&TenantScope(TENANT.to_owned()), run).await.expect("the store answers").expect("the run is on disk").0
    }

    pub(crate) async fn run_rows(&self, run: RunId) -> Vec<BudgetRow> {
        self.store.of_run(&self.key(run).await).await.expect("the store answers")
    }

    pub(crate) async fn tenant_row(&self, meter: Meter) -> Option<Balance> {
        let rows = self.store.of_tenant(&TenantScope(TENANT.to_owned())).await.expect("the store answers");
        rows.into_iter().find(|row| row.id.meter == meter).map(|row| row.balance)
    }
}

pub(crate) fn options(journal: Arc<dyn Journal>, runs: Arc<dyn Runs>, ledger: Arc<dyn Ledger>, world: &Arc<World>, clock: TokioClock) -> Options {
    Options {
        journal,
        runs,
        ledger,
        executors: world.executors(),
        prices: PriceTable::new(IndexMap::from([(
            "m".to_owned(),
            Model { price: Some(PRICE), input_tokens_max: Some(100_000), output_tokens_max: None },
        )])),
        providers: [("lab".to_owned(), None)].into(),
        clock: Arc::new(clock),
        entropy: Arc::new(SystemEntropy),
        log_dir: None,
        tenant: TENANT.to_owned(),
        scopes: vec![Scope::Tenant(TENANT.to_owned())],
        permits: Permits::defaults(),
        run: true,
    }
}

pub(crate) fn permits(family: Family, limit: u32) -> Permits {
    let mut permits = Permits::defaults();
    permits.0.insert(family, limit);
    permits
}

pub(crate) fn definition(text: &str) -> Arc<Definition> {
    let loaded = gorgon_language::load(text);
    Arc::new(loaded.definition.unwrap_or_else(|| panic!("the workflow does not load: {:#?}\n{text}", loaded.diagnostics)))
}

pub(crate) fn new_run(text: &str, inputs: Value) -> CreateRun {
    let inputs: BTreeMap<String, Value> = inputs.as_object().cloned().unwrap_or_default().into_iter().collect();
    CreateRun {
        definition: definition(text),
        source: Some(text.to_owned()),
        goals: Vec::new(),
        inputs,
        start: Start::default(),
        limits: Limits::default(),
    }
}

pub(crate) async fn start(engine: &Engine, text: &str) -> RunId {
    start_with(engine, text, json!({})).await
}

pub(crate) async fn start_with(engine: &Engine, text: &str, inputs: Value) -> RunId {
    try_start(engine, text, inputs).await.unwrap_or_else(|error| panic!("the run does not start: {error:?}"))
}

pub(crate) async fn try_start(engine: &Engine, text: &str, inputs: Value) -> Result<RunId, CreateError> {
    patiently("a run is created", engine.create(new_run(text, inputs))).await.map(|(id, _)| id)
}

/// Waits, but not for ever.
pub(crate) async fn patiently<T>(what: &str, future: impl Future<Output = T>) -> T {
    within(PATIENCE, what, future).await
}

pub(crate) async fn within<T>(limit: Duration, what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(limit, future).await.unwrap_or_else(|_| panic!("it does not happen: {what}"))
}

/// Waits until a run is as wanted, looking after each of its appends.
pub(crate) async fn until(engine: &Engine, run: RunId, what: &str, wanted: impl FnMut(&RunState) -> bool) -> Arc<RunState> {
    until_within(PATIENCE, engine, run, what, wanted).await
}

pub(crate) async fn until_within(
    limit: Duration,
    engine: &Engine,
    run: RunId,
    what: &str,
    mut wanted: impl FnMut(&RunState) -> bool,
) -> Arc<RunState> {
    let looking = async {
        let seen = engine.history(run).await.expect("the run can be read").last().map_or(0, |last| last.pos);
        let mut watch = engine.watch(run, seen).await.expect("the run can be watched");
        loop {
            // The watch began before, so nothing that happens after this look is missed.
            let state = engine.state(run).await.expect("the run can be read");
            if wanted(&state) {
                return state;
            }
            let frame = watch.next().await.expect("the past can be read");
            assert!(frame.is_some(), "the engine stopped before this happened: {what}");
        }
    };
    match tokio::time::timeout(limit, looking).await {
        Ok(state) => state,
        Err(_) => panic!("it does not happen: {what}\n{}", history(engine, run).await),
    }
}

pub(crate) async fn ended(engine: &Engine, run: RunId) -> Arc<RunState> {
    until(engine, run, "the run ends", |state| state.status.is_terminal()).await
}

/// Runs a workflow to its end.
pub(crate) async fn run(engine: &Engine, text: &str) -> Arc<RunState> {
    let run = start(engine, text).await;
    ended(engine, run).await
}

pub(crate) fn completed(state: &RunState) {
    assert_eq!(state.status, RunStatus::Completed, "{:?}", state.failure);
}

pub(crate) async fn events(engine: &Engine, run: RunId) -> Vec<Event> {
    engine.history(run).await.expect("the run can be read").into_iter().flat_map(|append| append.events).collect()
}

pub(crate) async fn history(engine: &Engine, run: RunId) -> String {
    let Ok(appends) = engine.history(run).await else { return "its history cannot be read".to_owned() };
    let line = |event: &Event| serde_json::to_string(event).unwrap_or_default();
    appends.iter().map(|append| format!("{} {}\n", append.seq, append.events.iter().map(line).collect::<Vec<_>>().join("\n    "))).collect()
}

/// What the settlements of these events come to.
pub(crate) fn settled(events: &[Event]) -> Amounts {
    events.iter().fold(Amounts::ZERO, |sum, event| match event {
        Event::CallSettled { settlement: Some(settlement), .. } | Event::CallDoubted { settlement: Some(settlement), .. } => {
            sum.plus(settlement.charged)
        }
        _ => sum,
    })
}

pub(crate) fn step(state: &RunState, id: &str) -> gorgon_core::run::StepStatus {
    state.steps[state.program.find_str(id).expect("the run has this step")].status
}

pub(crate) fn outputs(state: &RunState) -> Value {
    state.outputs.as_ref().map(Payload::value).unwrap_or_default()
}

// What a test says to a run.

pub(crate) fn approve(step: Option<&str>, item: Option<u32>) -> Command {
    decide(step, item, true)
}

pub(crate) fn reject(step: Option<&str>) -> Command {
    decide(step, None, false)
}

fn decide(step: Option<&str>, item: Option<u32>, approved: bool) -> Command {
    Command::Approve(Decision { step: step.map(Into::into), item, hash: None, approved, by: "ann".to_owned(), comment: None })
}

pub(crate) fn signal(name: &str, payload: Value) -> Command {
    Command::Signal { name: name.to_owned(), payload: Payload::of(&payload) }
}

pub(crate) fn pause() -> Command {
    Command::Pause { by: "ann".to_owned(), interrupt: false }
}

pub(crate) fn resume(limits: Limits) -> Command {
    Command::Resume(Resume { limits, by: "ann".to_owned() })
}

pub(crate) fn cancel() -> Command {
    Command::Cancel { by: "ann".to_owned(), reason: None }
}

pub(crate) fn retry() -> Command {
    Command::Retry { step: None, by: "ann".to_owned() }
}

pub(crate) fn redo(step: &str, item: u32) -> Command {
    Command::Resolve(Resolve { step: Some(step.into()), item: Some(item), verdict: ResolveVerdict::Redo, by: "ann".to_owned() })
}

pub(crate) async fn tell(engine: &Engine, run: RunId, command: Command) {
    let shown = format!("{command:?}");
    if let Err(error) = patiently("a command is answered", engine.command(run, command)).await {
        panic!("{shown} was not done: {error:?}\n{}", history(engine, run).await);
    }
}

/// What answers the things that a run waits for.
pub(crate) fn answers(state: &RunState) -> Vec<Command> {
    let waits = state.waiting_for().into_iter();
    waits
        .filter_map(|wait| match wait {
            WaitingFor::Approval(pending) => Some(approve(Some(pending.step.as_str()), Some(pending.item))),
            WaitingFor::Signal { name, .. } => Some(signal(&name, json!({ "word": "go" }))),
            WaitingFor::Doubt { step, item, .. } => Some(redo(step.as_str(), item)),
            WaitingFor::Timer { .. } | WaitingFor::Retry { .. } | WaitingFor::Budget { .. } => None,
        })
        .collect()
}
