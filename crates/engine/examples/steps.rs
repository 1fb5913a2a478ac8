//! Durable steps a second of the engine on the real SQLite, in process. For finding out where time goes; the published figures come from `cargo xtask bench`.
//!
//! `cargo run --release -p gorgon-engine --example steps -- FOLDER`
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gorgon_core::event::Start;
use gorgon_core::money::PriceTable;
use gorgon_engine::{CreateRun, Engine, Frame, Options, Permits, SystemClock, SystemEntropy};
use gorgon_store_sqlite::SqliteStore;

#[tokio::main]
async fn main() {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "/tmp/gorgon-steps".to_owned());
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    let (engine, store) = open(Path::new(&folder)).await;
    let chain = |steps: usize| -> String {
        let list: String = (0..steps).map(|n| format!("  - id: s{n}\n    type: noop\n")).collect();
        format!("name: chain\nsteps:\n{list}")
    };
    let wide = "name: wide\nsteps:\n  - id: fan\n    type: fan_out\n    params:\n      items: \"${list}\"\n      max_concurrent: 1000\n      step_template:\n        type: noop\n  - id: all\n    type: fan_in\n    params:\n      input: \"${steps.fan.results}\"\n      aggregation: count\nconcurrency: 1000\ninputs:\n  list:\n    type: array\n";
    run(&engine, &chain(100), BTreeMap::new()).await;
    let before = store.stats();
    let (mut times, wall) = (Vec::new(), Instant::now());
    for _ in 0..20 {
        let start = Instant::now();
        run(&engine, &chain(100), BTreeMap::new()).await;
        times.push(start.elapsed() / 100);
    }
    times.sort();
    let after = store.stats();
    println!(
        "W1 {:?} a step (mean over runs, median), {:?} in all, commits {} appends {}",
        times[10],
        wall.elapsed(),
        after.commits - before.commits,
        after.appends - before.appends
    );
    for width in [1_usize, 10, 50, 200] {
        let (start, cpu, before) = (Instant::now(), cpu(), store.stats());
        let total = 2_000_usize;
        let next = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let workers: Vec<_> = (0..width)
            .map(|_| {
                let (engine, next, text) = (engine.clone(), Arc::clone(&next), chain(10));
                tokio::spawn(async move {
                    while next.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < total {
                        run(&engine, &text, BTreeMap::new()).await;
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.await.expect("a worker ends");
        }
        let (took, used, after) = (start.elapsed(), cpu_since(cpu), store.stats());
        let steps = (total * 10) as f64;
        println!(
            "W2 width {width}: {:.0} steps/s, {:.1} us CPU a step, {:.3} commits a step",
            steps / took.as_secs_f64(),
            used.as_secs_f64() * 1e6 / steps,
            (after.commits - before.commits) as f64 / steps
        );
    }
    let list = BTreeMap::from([("list".to_owned(), serde_json::Value::from((0..1000).collect::<Vec<_>>()))]);
    for _ in 0..3 {
        let (start, before) = (Instant::now(), store.stats());
        run(&engine, wide, list.clone()).await;
        let after = store.stats();
        println!("W3 {:.0} steps/s, commits {}", 1000.0 / start.elapsed().as_secs_f64(), after.commits - before.commits);
    }
    engine.shutdown(Duration::from_secs(5)).await;
}

async fn open(folder: &Path) -> (Engine, SqliteStore) {
    let store = SqliteStore::open(gorgon_store_sqlite::Options::new(folder.join("gorgon-state.db"))).expect("the store opens");
    let options = Options {
        journal: Arc::new(store.clone()),
        runs: Arc::new(store.clone()),
        ledger: Arc::new(store.clone()),
        executors: vec![Arc::new(gorgon_tools::NoopExecutor)],
        prices: PriceTable::new(indexmap::IndexMap::new()),
        providers: Default::default(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        log_dir: None,
        tenant: "local".to_owned(),
        scopes: Vec::new(),
        permits: Permits::defaults(),
        run: true,
    };
    (Engine::open(options).await.expect("the engine opens"), store)
}

async fn run(engine: &Engine, text: &str, inputs: BTreeMap<String, serde_json::Value>) {
    let definition = Arc::new(gorgon_language::load(text).definition.expect("the workflow loads"));
    let new =
        CreateRun { definition, source: None, goals: Vec::new(), inputs, start: Start::default(), limits: gorgon_core::budget::Limits::default() };
    let (id, _) = engine.create(new).await.expect("the run starts");
    let mut watch = engine.watch(id, u64::MAX).await.expect("the run can be watched");
    while let Ok(Some(frame)) = watch.next().await {
        if matches!(frame, Frame::Done) {
            return;
        }
    }
}

fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = [11, 12].iter().filter_map(|n| fields.get(*n)?.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn cpu_since(before: Duration) -> Duration {
    cpu().saturating_sub(before)
}
