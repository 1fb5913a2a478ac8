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
use gorgon_ports::{BudgetRow, Journal, Ledger, RunKey, Runs, StoreError, TenantScope};
use gorgon_store_memory::MemoryStore;
use indexmap::IndexMap;
use serde_json::{Value, json};

pub(crate) use self::clock::TokioClock;
pub(crate) use self::faulty::{Faulty, Way};
pub(crate) use self::world::{Seen, World, failed, model_answer, value};

pub(crate) const TENANT: &str = "local";

/// One dollar for a million tokens in, two for a million out.
pub(crate) const PRICE: ModelPrice = ModelPrice {
    input_nano_usd_per_mtok: 1_000_000_000,
    cache_read_nano_usd_per_mtok: 100_000_000,
    cache_write_nano_usd_per_mtok: 1_250_000_000,
    output_nano_usd_per_mtok: 2_000_000_001,
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
        prices: PriceTable::new(IndexMap::from([("m".to_owned(), Model { price: Some(PRICE), input_tokens_max: Some(100_000), output_tokens_max: None })])),
        providers: vec!["lab".to_owned()],
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
    CreateRun { definition: definition(text), source: Some(text.to_owned()), goals: Vec::new(), inputs, start: Start::default(), limits: Limits::default() }
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

pub(crate) async fn until_within(limit: Duration, engine: &Engine, run: RunId, what: &str, mut wanted: impl FnMut(&RunState) -> bool) -> Arc<RunState> {
    let mut watch = engine.watch(run, u64::MAX).await.expect("the run can be watched");
    let looking = async {
        loop {
            // The watch began before, so nothing that happens after this look is missed.
            let state = engine.state(run).await.expect("the run can be read");
            if wanted(&state) {
                return state;
            }
            next_append(&mut watch).await;
        }
    };
    match tokio::time::timeout(limit, looking).await {
        Ok(state) => state,
        Err(_) => panic!("it does not happen: {what}\n{}", history(engine, run).await),
    }
}

/// The next append, whichever: a watch from the end on shows none, so this one looks at the log.
async fn next_append(watch: &mut gorgon_engine::Watch) {
    // From position `MAX` on appends are not shown, but `Done` is.
    let _ = watch.next_moved().await;
}
