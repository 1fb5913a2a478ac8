//! The process ends at an append: at each append of each of some workflows, in each way in which it can end there. What then lies on disk is taken up by
//! another process, and everything that was promised has to hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gorgon_core::call::{FailureClass, Metering};
use gorgon_core::event::Event;
use gorgon_core::ids::{CallId, RunId};
use gorgon_core::money::Meter;
use gorgon_core::run::{RunState, RunStatus, StepStatus};
use gorgon_engine::Engine;
use gorgon_ports::{RunFilter, Runs, TenantScope};
use serde_json::{Value, json};

use crate::support::{
    Bench, Faulty, TENANT, Way, World, answers, events, failed, history, model_answer, new_run, outputs, patiently, settled, value, within,
};

/// A workflow whose every append is a place to die.
struct Reference {
    text: &'static str,
    /// How it ends when nothing happens to it.
    status: RunStatus,
    /// Fewest appends that it has: a reference that has fewer proves less than it seems to.
    appends_min: u64,
    world: fn(&World),
}

fn as_usual(_: &World) {}

const CHAIN: Reference = Reference {
    text: "name: chain
inputs: {word: {default: hi}}
outputs: [last]
steps:
  - {id: a, type: shell, argv: [echo, '${word}'], outputs: [first]}
  - {id: b, type: shell, argv: [echo, '${first}!'], outputs: [second]}
  - {id: c, type: transform, expression: 'second | upper', outputs: [third]}
  - {id: d, type: shell, argv: [echo, '${third}'], outputs: [last]}
",
    status: RunStatus::Completed,
    appends_min: 4,
    world: as_usual,
};

const REQUESTS: Reference = Reference {
    text: "name: requests
outputs: [second]
steps:
  - {id: a, type: http, url: 'https://example.invalid/a', method: POST, effect: idempotent, outputs: [first]}
  - {id: b, type: http, url: 'https://example.invalid/${first}', method: POST, effect: idempotent, idempotency_key: 'b-${run.id}', outputs: [second]}
",
    status: RunStatus::Completed,
    appends_min: 3,
    world: as_usual,
};

const PAID: Reference = Reference {
    text: "name: paid
budget: {max_cost_usd: 0.1, max_tokens: 100000, max_calls: 20}
outputs: [third]
steps:
  - {id: a, type: agent, provider: lab, model: m, prompt: One, max_tokens: 100, outputs: [first]}
  - {id: b, type: agent, provider: lab, model: m, prompt: 'Two ${first}', max_tokens: 100, outputs: [second]}
  - {id: c, type: agent, provider: lab, model: m, prompt: 'Three ${second}', max_tokens: 100, outputs: [third]}
",
    status: RunStatus::Completed,
    appends_min: 4,
    world: |world| world.answer("b", |_| model_answer(17, 33)),
};

const ASKS: Reference = Reference {
    text: "name: asks
outputs: [how_many]
steps:
  - {id: fan, type: fan_out, items: [a, b, c], max_concurrent: 2, approval: {prompt: 'Do it?', per: item}, step_template: {type: shell, argv: [echo, '${item}']}}
  - {id: beside, type: shell, argv: [echo, beside], depends_on: []}
  - {id: all, type: fan_in, input: '${steps.fan.results}', aggregation: count, outputs: [how_many]}
",
    status: RunStatus::Completed,
    appends_min: 5,
    world: as_usual,
};

const SIDE_BY_SIDE: Reference = Reference {
    text: "name: side-by-side
outputs: [instead, done]
steps:
  - id: both
    type: parallel
    steps:
      - {id: good, type: shell, argv: [echo, good]}
      - {id: bad, type: shell, argv: [echo, bad], on_failure: skip}
      - {id: worse, type: shell, argv: [echo, worse], on_failure: fallback, fallback: {type: alternate_step, step: better}, outputs: [instead]}
      - {id: better, type: shell, argv: [echo, better]}
  - {id: last, type: shell, argv: [echo, done], depends_on: [both], outputs: [done]}
",
    status: RunStatus::Partial,
    appends_min: 4,
    world: |world| {
        for step in ["bad", "worse"] {
            world.answer(step, |_| value(&json!({ "exit_code": 1, "stdout": "", "stderr": "no", "truncated": false })));
        }
    },
};

const AGAIN: Reference = Reference {
    text: "name: again
outputs: [text]
budget: {max_cost_usd: 0.1}
steps:
  - {id: flaky, type: agent, provider: lab, model: m, prompt: Hello, max_tokens: 50, retry: {max_attempts: 6, initial_delay_seconds: 3, jitter: false}, outputs: [text]}
",
    status: RunStatus::Completed,
    appends_min: 5,
    world: |world| {
        world.answer("flaky", |call| if call.id().attempt < 3 { failed(FailureClass::Overloaded, Metering::None) } else { model_answer(9, 9) });
    },
};

const WAITS: Reference = Reference {
    text: "name: waits
outputs: [word, after]
steps:
  - {id: first, type: shell, argv: [echo, first]}
  - {id: nap, type: wait, seconds: 7200}
  - {id: call, type: signal, params: {name: go}, outputs: [word]}
  - {id: after, type: shell, argv: [echo, after], outputs: [after]}
",
    status: RunStatus::Completed,
    appends_min: 5,
    world: as_usual,
};

#[tokio::test(start_paused = true)]
async fn a_chain_of_commands_survives_every_crash() {
    survives(&CHAIN).await;
}

#[tokio::test(start_paused = true)]
async fn requests_with_a_key_survive_every_crash() {
    survives(&REQUESTS).await;
}

#[tokio::test(start_paused = true)]
async fn paid_calls_survive_every_crash() {
    survives(&PAID).await;
}

#[tokio::test(start_paused = true)]
async fn a_fan_out_that_asks_for_each_item_survives_every_crash() {
    survives(&ASKS).await;
}

#[tokio::test(start_paused = true)]
async fn ways_around_failures_survive_every_crash() {
    survives(&SIDE_BY_SIDE).await;
}

#[tokio::test(start_paused = true)]
async fn tries_with_delays_survive_every_crash() {
    survives(&AGAIN).await;
}

#[tokio::test(start_paused = true)]
async fn waits_for_time_and_signals_survive_every_crash() {
    survives(&WAITS).await;
}

async fn survives(reference: &Reference) {
    let (expected, appends) = undisturbed(reference).await;
    assert!(appends >= reference.appends_min, "only {appends} appends");
    for way in Way::CRASHES {
        let (mut crashes, mut doubts) = (0, 0);
        for after in 0..=appends {
            let (died, doubted) = dies_after(reference, &[after], way, &expected).await;
            crashes += died;
            doubts += doubted;
            // The process that recovers may die of the same, at its first appends.
            for again in 0..3 {
                dies_after(reference, &[after, again], way, &expected).await;
            }
        }
        assert_eq!(crashes, appends, "{way:?}: every append is a place to die");
        assert!(doubts > 0, "{way:?}: no crash hit a call");
    }
}

/// What comes out when nothing happens, and in how many appends.
async fn undisturbed(reference: &Reference) -> (Value, u64) {
    let bench = Bench::new();
    (reference.world)(&bench.world);
    let journal = Faulty::after(u64::MAX, Way::Lost, &bench.store);
    let engine = Engine::open(bench.options_on(journal.clone())).await.expect("the engine opens");
    let (run, _) = patiently("a run is created", engine.create(new_run(reference.text, json!({})))).await.expect("the run starts");
    let state = drive(&engine, run).await;
    assert_eq!(state.status, reference.status, "{}", history(&engine, run).await);
    (outputs(&state), journal.acknowledged())
}

/// Lets one process after the other die after so many appends, and the last one finish. Answers how many died, and how many calls were in doubt.
async fn dies_after(reference: &Reference, lives: &[u64], way: Way, expected: &Value) -> (u64, usize) {
    let bench = Bench::new();
    (reference.world)(&bench.world);
    let mut died = 0;
    let mut in_flight = BTreeSet::new();
    for appends in lives {
        let journal = Faulty::after(*appends, way, &bench.store);
        let engine = Engine::open(bench.options_on(journal.clone())).await.expect("the engine opens");
        let known = only_run(&bench).await;
        let life = async {
            let run = match known {
                Some(run) => Some(run),
                None => engine.create(new_run(reference.text, json!({}))).await.ok().map(|(run, _)| run),
            };
            if let Some(run) = run {
                drive_or_die(&engine, run, &journal).await;
            }
        };
        tokio::select! {
            biased;
            () = journal.failed() => {}
            () = within(Duration::from_secs(100_000), "the run ends or the process does", life) => {}
        }
        died += u64::from(journal.has_failed());
        in_flight.extend(bench.world.seen().into_iter().filter(|seen| seen.outcome.is_none()).map(|seen| seen.call));
        bench.world.crash();
        engine.shutdown(Duration::ZERO).await;
    }

    let engine = bench.engine().await;
    let run = match only_run(&bench).await {
        Some(run) => run,
        None => {
            assert!(lives.iter().all(|appends| *appends == 0) && !way.writes(), "a run that was acknowledged is lost");
            engine.create(new_run(reference.text, json!({}))).await.expect("the run starts").0
        }
    };
    let state = drive(&engine, run).await;
    let what = format!("{way:?} after {lives:?} appends\n{}", history(&engine, run).await);
    assert_eq!(state.status, reference.status, "{what}");
    assert_eq!(&outputs(&state), expected, "{what}");
    let events = events(&engine, run).await;
    every_step_ended(&state, &what);
    nothing_is_done_twice(&bench.world, &events, &in_flight, died, &what);
    money_agrees(&bench, run, &state, &events, &what).await;
    assert_eq!(engine.activity().borrow().calls_in_flight, 0, "{what}");
    (died, events.iter().filter(|event| matches!(event, Event::CallDoubted { .. })).count())
}

async fn only_run(bench: &Bench) -> Option<RunId> {
    let runs = bench.store.list(&TenantScope(TENANT.to_owned()), &RunFilter { limit: 10, ..RunFilter::default() }).await.expect("the store answers");
    assert!(runs.len() <= 1, "{runs:?}");
    runs.first().map(|row| row.id)
}

/// Answers whatever the run waits for, until it ends.
async fn drive(engine: &Engine, run: RunId) -> Arc<RunState> {
    within(Duration::from_secs(100_000), "the run ends", drive_until(engine, run, || false)).await
}

async fn drive_or_die(engine: &Engine, run: RunId, journal: &Faulty) {
    drive_until(engine, run, || journal.has_failed()).await;
}

async fn drive_until(engine: &Engine, run: RunId, died: impl Fn() -> bool) -> Arc<RunState> {
    let mut watch = engine.watch(run, 0).await.expect("the run can be watched");
    loop {
        let state = engine.state(run).await.expect("the run can be read");
        if state.status.is_terminal() {
            return state;
        }
        for command in answers(&state) {
            let answered = engine.command(run, command).await;
            // The answer to the one before may have made this one stale; a run that stands still for it would be seen as one that does not end.
            assert!(
                died() || answered.as_ref().is_err_and(|error| matches!(error, gorgon_engine::CommandError::Rejected(_))) || answered.is_ok(),
                "{answered:?}"
            );
        }
        if died() {
            return state;
        }
        watch.next().await.expect("the past can be read");
    }
}

fn every_step_ended(state: &RunState, what: &str) {
    for (node, step) in state.program.nodes.iter().zip(&state.steps) {
        assert!(
            matches!(step.status, StepStatus::Succeeded | StepStatus::Skipped | StepStatus::Failed),
            "{} is {:?}\n{what}",
            node.step.id,
            step.status
        );
    }
    assert!(state.open.is_empty(), "{what}");
}

/// The same work, whichever time it is done.
fn work_of(call: &CallId) -> (String, u32, u32, u32) {
    (call.step.to_string(), call.item, call.attempt, call.call)
}

fn nothing_is_done_twice(world: &World, events: &[Event], in_flight: &BTreeSet<CallId>, crashes: u64, what: &str) {
    let mut executions: BTreeMap<CallId, u32> = BTreeMap::new();
    for seen in world.seen() {
        *executions.entry(seen.call).or_default() += 1;
    }
    for (call, times) in &executions {
        assert_eq!(*times, 1, "{call} was performed {times} times\n{what}");
    }
    let ordered: BTreeSet<CallId> =
        events.iter().filter_map(|event| if let Event::CallStarted(started) = event { Some(started.call.clone()) } else { None }).collect();
    let performed: BTreeSet<CallId> = executions.keys().cloned().collect();
    assert!(performed.is_subset(&ordered), "what was performed was ordered\n{what}");
    let settled: BTreeSet<CallId> =
        events.iter().filter_map(|event| if let Event::CallSettled { call, .. } = event { Some(call.clone()) } else { None }).collect();
    let mut doubts: BTreeMap<(String, u32, u32, u32), u32> = BTreeMap::new();
    for event in events {
        if let Event::CallDoubted { call, .. } = event {
            *doubts.entry(work_of(call)).or_default() += 1;
            assert!(!settled.contains(call), "{call} was settled and is in doubt\n{what}");
        }
    }
    for (work, times) in &doubts {
        assert!(u64::from(*times) <= crashes, "{work:?} was in doubt {times} times for {crashes} crashes\n{what}");
    }
    let mut done: BTreeMap<(String, u32, u32, u32), u32> = BTreeMap::new();
    for call in executions.keys() {
        *done.entry(work_of(call)).or_default() += 1;
    }
    for (work, times) in &done {
        let allowed = 1 + doubts.get(work).copied().unwrap_or(0);
        assert!(*times <= allowed, "{work:?} was done {times} times, with {allowed} allowed\n{what}");
    }
    for call in in_flight {
        assert!(doubts.contains_key(&work_of(call)), "{call} was in flight at the crash, and nobody says so\n{what}");
    }
}

async fn money_agrees(bench: &Bench, run: RunId, state: &RunState, events: &[Event], what: &str) {
    let sum = settled(events);
    assert_eq!(state.charged, sum, "{what}");
    assert_eq!(state.held(), gorgon_core::money::Amounts::ZERO, "{what}");
    for row in bench.run_rows(run).await {
        assert_eq!(row.balance.reserved, 0, "{row:?}\n{what}");
        assert_eq!(row.balance.spent, sum.of(row.id.meter), "{row:?}\n{what}");
        assert_eq!(row.balance.overage, 0, "{row:?}\n{what}");
        assert!(row.balance.is_in_order(), "{row:?}\n{what}");
    }
    if state.program.definition.budget.limits.cost_nano_usd.is_some() {
        assert!(bench.run_rows(run).await.iter().any(|row| row.id.meter == Meter::Usd), "{what}");
    }
}
