//! Money: held before it is spent, never above a limit, and counted the same by everybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gorgon_api::Run;
use gorgon_core::budget::Limits;
use gorgon_core::call::{FailureClass, Metering, Outcome, Request};
use gorgon_core::money::{Meter, TokenUsage};
use gorgon_core::run::RunStatus;
use gorgon_engine::Engine;
use serde_json::json;

use crate::support::{
    Bench, Faulty, PRICE, Way, cancel, completed, ended, events, failed, model_answer, patiently, resume, settled, start, start_with, tell,
    try_start, until,
};

/// Holds at most: 5 bytes of prompt and 64 of frame at 1.25 (the dearest way to read), 100 out at 2.000000001, in thousands of nano-dollars.
const ASK: &str =
    "name: ask\nsteps:\n  - {id: ask, type: agent, provider: lab, model: m, prompt: Hello, max_tokens: 100, retry: {max_attempts: 1}}\n";

fn hold() -> u64 {
    PRICE.worst_nano_usd(69, 100)
}

#[tokio::test(start_paused = true)]
async fn fifty_runs_share_a_budget_that_holds_three_calls_and_all_complete() {
    let bench = Bench::new();
    let journal = Faulty::after(u64::MAX, Way::Lost, &bench.store);
    let engine = Engine::open(bench.options_on(journal)).await.expect("the engine opens");
    let cost = PRICE.cost_nano_usd(&TokenUsage { input_uncached: 10, output_text: 5, ..TokenUsage::default() });
    // Room for the fifty answers, and for three holds beside them: whoever does not fit now fits when holds are given back.
    engine.set_limit(None, Meter::Usd, 50 * cost + 3 * hold()).await.expect("the limit is set");
    bench.world.delay("ask", Duration::from_millis(10));
    let mut runs = Vec::new();
    for _ in 0..50 {
        runs.push(start(&engine, ASK).await);
    }
    for run in runs {
        completed(&*ended(&engine, run).await);
    }
    let row = bench.tenant_row(Meter::Usd).await.expect("there is a row");
    assert_eq!((row.spent, row.reserved, row.overage), (50 * cost, 0, 0));
    assert!(bench.world.in_flight_max(gorgon_core::call::Family::Model) < 50, "nobody had to wait, so nothing was shown");
}

#[test]
fn fifty_runs_on_four_threads_never_lose_their_turn_for_money() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let bench = Bench::new();
        let journal = Faulty::after(u64::MAX, Way::Lost, &bench.store);
        let engine = Engine::open(bench.options_on(journal)).await.expect("the engine opens");
        let cost = PRICE.cost_nano_usd(&TokenUsage { input_uncached: 10, output_text: 5, ..TokenUsage::default() });
        engine.set_limit(None, Meter::Usd, 250 * cost + hold()).await.expect("the limit is set");
        let text = "name: ask\nsteps:\n".to_owned()
            + &(0..5)
                .map(|n| format!("  - {{id: a{n}, type: agent, provider: lab, model: m, prompt: Hello, max_tokens: 100}}\n"))
                .collect::<String>();
        let asking: Vec<_> = (0..50)
            .map(|_| {
                let (engine, text) = (engine.clone(), text.clone());
                tokio::spawn(async move {
                    let run = start(&engine, &text).await;
                    completed(&*ended(&engine, run).await);
                })
            })
            .collect();
        for run in asking {
            run.await.expect("the run completes");
        }
        let row = bench.tenant_row(Meter::Usd).await.expect("there is a row");
        assert_eq!((row.spent, row.reserved, row.overage), (250 * cost, 0, 0));
    });
}

#[tokio::test(start_paused = true)]
async fn a_raised_limit_lets_those_in_line_go_on() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    engine.set_limit(None, Meter::Usd, hold() + 1).await.expect("the limit is set");
    bench.world.hold("ask");
    let first = start(&engine, ASK).await;
    bench.world.until_in_flight("ask", 1).await;
    let second = start(&engine, ASK).await;
    assert_eq!(engine.state(second).await.expect("it can be read").status, RunStatus::Running);
    assert_eq!(bench.world.seen().len(), 1);
    engine.set_limit(None, Meter::Usd, 2 * hold()).await.expect("the limit is set");
    bench.world.until_in_flight("ask", 2).await;
    bench.world.let_go("ask");
    for run in [first, second] {
        completed(&*ended(&engine, run).await);
    }
}

async fn exhausted(on_exhausted: &str) -> (Bench, Engine, gorgon_core::ids::RunId) {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let text = format!(
        "name: out\nbudget: {{max_calls: 1, on_exhausted: {on_exhausted}}}\nsteps:\n  - {{id: a, type: agent, provider: lab, model: m, prompt: Hello, max_tokens: 10}}\n  - {{id: pick, type: transform, expression: '1'}}\n  - {{id: fan, type: fan_out, items: '${{list}}', step_template: {{type: agent, provider: lab, model: m, prompt: Hello, max_tokens: 10}}}}\ninputs: {{list: {{type: array}}}}\n"
    );
    let run = start_with(&engine, &text, json!({ "list": [1, 2] })).await;
    (bench, engine, run)
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_is_used_up_fails_the_run_if_the_file_says_so_and_a_higher_one_lets_it_go_on() {
    let (bench, engine, run) = exhausted("fail").await;
    let state = ended(&engine, run).await;
    assert_eq!(state.status, RunStatus::Failed);
    assert_eq!(bench.world.seen().len(), 1);
    tell(&engine, run, resume(Limits { calls: Some(3), ..Limits::default() })).await;
    completed(&*ended(&engine, run).await);
    assert_eq!(bench.world.seen().len(), 3, "what was paid for is not paid for again");
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_is_used_up_pauses_the_run_or_asks_if_the_file_says_so() {
    for (word, status) in [("pause", RunStatus::Paused), ("ask", RunStatus::Waiting)] {
        let (bench, engine, run) = exhausted(word).await;
        until(&engine, run, "it stands still", |state| state.status == status && state.open.is_empty()).await;
        tell(&engine, run, resume(Limits { calls: Some(3), ..Limits::default() })).await;
        completed(&*ended(&engine, run).await);
        assert_eq!(bench.world.seen().len(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_charge_beyond_its_hold_is_recorded_and_freezes_the_budget() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    engine.set_limit(None, Meter::Usd, 1_000_000_000).await.expect("the limit is set");
    bench.world.answer("ask", |_| model_answer(1_000, 1_000));
    let run = start(&engine, ASK).await;
    completed(&*ended(&engine, run).await);
    let cost = PRICE.cost_nano_usd(&TokenUsage { input_uncached: 1_000, output_text: 1_000, ..TokenUsage::default() });
    let row = bench.tenant_row(Meter::Usd).await.expect("there is a row");
    assert_eq!((row.spent, row.reserved, row.overage, row.frozen), (hold(), 0, cost - hold(), true));
    let next = start(&engine, ASK).await;
    let state = ended(&engine, next).await;
    assert_eq!(state.status, RunStatus::Failed);
    assert!(state.failure.as_ref().is_some_and(|failure| failure.message.contains("frozen")), "{:?}", state.failure);
    assert_eq!(bench.world.seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn those_in_line_hear_that_a_budget_froze() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    engine.set_limit(None, Meter::Usd, hold() + 1).await.expect("the limit is set");
    bench.world.answer("ask", |_| model_answer(1_000, 1_000));
    bench.world.hold("ask");
    let first = start(&engine, ASK).await;
    bench.world.until_in_flight("ask", 1).await;
    let second = start(&engine, ASK).await;
    bench.world.let_go("ask");
    completed(&*ended(&engine, first).await);
    assert_eq!(ended(&engine, second).await.status, RunStatus::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_leaves_the_line_for_money_leaves_it_to_the_others() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    engine.set_limit(None, Meter::Usd, 2 * hold() - 1).await.expect("the limit is set");
    bench.world.hold("ask");
    let first = start(&engine, ASK).await;
    bench.world.until_in_flight("ask", 1).await;
    let (second, third) = (start(&engine, ASK).await, start(&engine, ASK).await);
    tell(&engine, second, cancel()).await;
    bench.world.let_go("ask");
    completed(&*ended(&engine, first).await);
    completed(&*ended(&engine, third).await);
}

/// The same figure from everybody: what the provider billed by its own count, what the rows say, what the run says, what the surfaces say.
#[tokio::test(start_paused = true)]
async fn over_a_thousand_calls_everybody_agrees_to_the_nano_dollar() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    engine.set_limit(None, Meter::Usd, 1_000_000_000_000).await.expect("the limit is set");
    engine.set_limit(None, Meter::Tokens, 1_000_000_000).await.expect("the limit is set");
    let billed = Arc::new(AtomicU64::new(0));
    let (random, bill) = (AtomicU64::new(0x9e37_79b9_7f4a_7c15), Arc::clone(&billed));
    bench.world.answer("fan", move |call| {
        let Request::Model(request) = call.request() else { panic!("a model is asked") };
        let roll = splitmix(random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst));
        let output = (roll >> 8) % (request.output_tokens_max + 1);
        let reasoning = output / 3;
        let input = (roll >> 24) % request.input_tokens_bound();
        let usage = TokenUsage {
            input_uncached: input / 2,
            input_cache_read: input / 4,
            input_cache_write: input / 4,
            output_text: output - reasoning,
            output_reasoning: reasoning,
        };
        let full = PRICE.worst_nano_usd(request.input_tokens_bound(), request.output_tokens_max);
        // The bill is worked out from the parts, not by the code under test.
        let parts = [
            (usage.input_uncached, 1_000_000_000_u128),
            (usage.input_cache_read, 100_000_000),
            (usage.input_cache_write, 1_250_000_000),
            (output, 2_000_000_001),
        ];
        let micro: u128 = parts.iter().map(|&(tokens, price)| u128::from(tokens) * price).sum();
        let cost = u64::try_from(micro.div_ceil(1_000_000)).expect("it fits");
        let (charge, outcome) = match roll % 10 {
            0 => (0, failed(FailureClass::Refused, Metering::None)),
            1 => (cost, failed(FailureClass::Refused, Metering::Reported(usage))),
            2 => (full, failed(FailureClass::Refused, Metering::Unknown)),
            _ => {
                let value = gorgon_core::payload::Payload::of(&json!({ "text": "x", "model": "m", "finish_reason": "stop" }));
                (cost, Outcome::Succeeded { value, metering: Metering::Reported(usage) })
            }
        };
        bill.fetch_add(charge, Ordering::SeqCst);
        outcome
    });
    let text = "name: many\nbudget: {max_cost_usd: 900, max_tokens: 900000000, max_calls: 2000}\ninputs: {list: {type: array}}\nsteps:\n  - {id: fan, type: fan_out, items: '${list}', max_concurrent: 40, collect_errors: true, on_failure: skip, retry: {max_attempts: 1}, step_template: {type: agent, provider: lab, model: m, prompt: 'About ${item}', max_tokens: 321, retry: {max_attempts: 1}}}\n";
    let text = text.replace("retry: {max_attempts: 1}, step_template", "step_template");
    let run = start_with(&engine, &text, json!({ "list": (0..1000).collect::<Vec<u32>>() })).await;
    let state = patiently("the calls end", ended(&engine, run)).await;
    assert_eq!(bench.world.seen().len(), 1000);
    let billed = billed.load(Ordering::SeqCst);
    assert!(billed > 0);
    let sum = settled(&events(&engine, run).await);
    assert_eq!(sum.cost_nano_usd, billed);
    assert_eq!(state.charged, sum);
    assert_eq!(Run::of(&state, run).cost_nano_usd, billed);
    for meter in [Meter::Usd, Meter::Tokens] {
        let tenant = bench.tenant_row(meter).await.expect("there is a row");
        assert_eq!((tenant.spent, tenant.reserved, tenant.overage), (sum.of(meter), 0, 0));
    }
    let rows = bench.run_rows(run).await;
    assert_eq!(rows.len(), 3);
    for row in rows {
        assert_eq!((row.balance.spent, row.balance.reserved, row.balance.overage), (sum.of(row.id.meter), 0, 0), "{row:?}");
    }
}

fn splitmix(state: u64) -> u64 {
    let mut z = state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The same on a real file, whose writer judges many appends at once and answers later.
#[test]
fn thirty_runs_share_a_budget_on_a_real_file() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Arc::new(
            gorgon_store_sqlite::SqliteStore::open(gorgon_store_sqlite::Options::new(folder.path().join("state.db"))).expect("the store opens"),
        );
        let world = crate::support::World::new();
        let options = crate::support::options(store.clone(), store.clone(), store.clone(), &world, crate::support::TokioClock::start());
        let engine = Engine::open(options).await.expect("the engine opens");
        let cost = PRICE.cost_nano_usd(&TokenUsage { input_uncached: 10, output_text: 5, ..TokenUsage::default() });
        engine.set_limit(None, Meter::Usd, 90 * cost + hold()).await.expect("the limit is set");
        let text = "name: ask\nbudget: {max_cost_usd: 1}\nsteps:\n".to_owned()
            + &(0..3)
                .map(|n| format!("  - {{id: a{n}, type: agent, provider: lab, model: m, prompt: Hello, max_tokens: 100}}\n"))
                .collect::<String>();
        let asking: Vec<_> = (0..30)
            .map(|_| {
                let (engine, text) = (engine.clone(), text.clone());
                tokio::spawn(async move {
                    let run = start(&engine, &text).await;
                    completed(&*ended(&engine, run).await);
                })
            })
            .collect();
        for run in asking {
            run.await.expect("the run completes");
        }
        let rows = engine.budgets().await.expect("the store answers");
        assert_eq!(rows.iter().map(|row| (row.balance.spent, row.balance.reserved, row.balance.overage)).collect::<Vec<_>>(), [(90 * cost, 0, 0)]);
        assert!(world.in_flight_max(gorgon_core::call::Family::Model) < 90);
        engine.shutdown(Duration::from_secs(5)).await;
    });
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_was_lifted_limits_nothing() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let unpriced = ASK.replace("model: m", "model: nobody_knows");
    engine.set_limit(None, Meter::Usd, 1_000_000_000).await.expect("the limit is set");
    let refused = try_start(&engine, &unpriced, json!({})).await.expect_err("dollars are limited");
    assert!(format!("{refused:?}").contains("UnknownPrice"), "{refused:?}");
    engine.set_limit(None, Meter::Usd, gorgon_core::budget::Balance::AMOUNT_MAX).await.expect("the limit is lifted");
    let run = start(&engine, &unpriced).await;
    completed(&*ended(&engine, run).await);
}

#[tokio::test(start_paused = true)]
async fn what_the_budget_of_all_runs_has_no_room_for_does_not_begin() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let cost = PRICE.cost_nano_usd(&TokenUsage { input_uncached: 10, output_text: 5, ..TokenUsage::default() });
    engine.set_limit(None, Meter::Usd, hold()).await.expect("the limit is set");
    let run = start(&engine, ASK).await;
    completed(&*ended(&engine, run).await);
    // What is left is what was not spent, and less than the one call has to hold.
    let refused = format!("{:?}", try_start(&engine, ASK, json!({})).await.expect_err("it cannot complete"));
    assert!(refused.contains("CannotFit") && refused.contains("the budget of all runs"), "{refused}");
    assert_eq!(bench.world.seen().len(), 1);
    engine.set_limit(None, Meter::Usd, hold() + cost).await.expect("the limit is raised");
    let run = start(&engine, ASK).await;
    completed(&*ended(&engine, run).await);
}
