//! Small random workflows that use everything a workflow can.

use gorgon_core::budget::Limits;
use gorgon_core::definition::{Approval, Backoff, Definition, EffectClass, OnExhausted, OnFailure, OnInDoubt, Order, Step};
use serde_json::{Map, Value, json};

use super::build::{Say, agent, approval, branch, noop, noop_of, parallel, repeat, shell, signal, transform, wait, workflow};
use super::rng::Rng;

/// A workflow that compiles.
pub(crate) fn random(rng: &mut Rng) -> Definition {
    let mut steps: Vec<Step> = Vec::new();
    let count = 1 + rng.below(6);
    for n in 0..count {
        let before: Vec<String> = steps.iter().filter(|step| !is_stand_in(&steps, step)).map(|step| step.id.to_string()).collect();
        let id = format!("s{n}");
        let mut step = kind(rng, &id, &before);
        if let OnFailure::Fallback(gorgon_core::definition::Fallback::Step(fallback)) = &step.on_failure {
            let stand_in = noop(fallback.as_str());
            depend(rng, &mut step, &before);
            steps.push(step);
            steps.push(stand_in);
            continue;
        }
        depend(rng, &mut step, &before);
        steps.push(step);
    }
    let mut definition = workflow(choose_some(rng, steps));
    definition.order = if rng.chance(50) { Order::Edges } else { Order::EdgesOnly };
    definition.concurrency = u32::try_from(1 + rng.below(8)).unwrap_or(1);
    if rng.chance(15) {
        definition.timeout_ms = Some(1_000 + rng.below(120_000));
    }
    definition.budget.on_exhausted = *rng.pick(&[OnExhausted::Fail, OnExhausted::Pause, OnExhausted::Ask]).unwrap_or(&OnExhausted::Fail);
    if rng.chance(40) {
        definition.budget.limits = Limits {
            cost_nano_usd: rng.chance(70).then(|| rng.below(2_000_000)),
            tokens: rng.chance(30).then(|| rng.below(3_000)),
            calls: rng.chance(30).then(|| rng.below(12)),
        };
    }
    definition.outputs.insert("s0".to_owned(), String::new());
    definition
}

fn is_stand_in(steps: &[Step], step: &Step) -> bool {
    steps.iter().any(|other| matches!(&other.on_failure, OnFailure::Fallback(gorgon_core::definition::Fallback::Step(id)) if *id == step.id))
}

fn depend(rng: &mut Rng, step: &mut Step, before: &[String]) {
    if rng.chance(30) || before.is_empty() {
        step.depends_on = rng.chance(50).then(Vec::new);
        return;
    }
    let mut chosen: Vec<_> = (0..=rng.below(2)).filter_map(|_| rng.pick(before).map(|id| id.as_str().into())).collect();
    chosen.dedup();
    step.depends_on = Some(chosen);
}

/// Puts a branch before some of the steps.
fn choose_some(rng: &mut Rng, mut steps: Vec<Step>) -> Vec<Step> {
    if !rng.chance(20) {
        return steps;
    }
    let free: Vec<String> = steps.iter().filter(|step| !is_stand_in(&steps, step)).map(|step| step.id.to_string()).collect();
    let mut arms: (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for id in &free {
        match rng.below(4) {
            0 => arms.0.push(id),
            1 => arms.1.push(id),
            _ => {}
        }
    }
    if arms.0.is_empty() {
        return steps;
    }
    let condition = if rng.chance(50) { "inputs.yes" } else { "inputs.no" };
    steps.insert(0, branch("way", condition, &arms.0, &arms.1).after(&[]));
    steps
}

fn kind(rng: &mut Rng, id: &str, before: &[String]) -> Step {
    let step = match rng.below(16) {
        0..=4 => leaf(rng, id, before),
        5 => wait(id, rng.below(30)),
        6 => {
            let step = signal(id, "go");
            if rng.chance(50) { step.param("wait_seconds", json!(5 + rng.below(60))) } else { step }
        }
        7 => approval(id, "go on?").param("timeout_hours", json!(if rng.chance(50) { 0.01 } else { 24.0 })),
        8..=10 => fan_out(rng, id, before),
        11 => group(rng, id, before, true),
        12 => repeated(rng, id, before),
        13 => transform(id, "[1, 2, 3]"),
        _ => asks(rng, id),
    };
    let step = ways_on(rng, step, id);
    rules(rng, step)
}

fn leaf(rng: &mut Rng, id: &str, before: &[String]) -> Step {
    match rng.below(5) {
        0 => shell(id, "true"),
        1 => asks(rng, id),
        2 => noop_of(id, json!("${inputs.bait}")),
        3 => match rng.pick(before) {
            Some(other) => noop_of(id, json!(format!("${{steps.{other}.result | default('none')}}"))),
            None => noop(id),
        },
        _ => noop(id),
    }
}

fn asks(rng: &mut Rng, id: &str) -> Step {
    let step = agent(id, "say something");
    if rng.chance(30) { step.param("fallbacks", json!(["lab/m"])) } else { step }
}

fn fan_out(rng: &mut Rng, id: &str, before: &[String]) -> Step {
    let items = match rng.below(4) {
        0 => json!([]),
        1 => json!("${inputs.list}"),
        _ => Value::Array((0..=rng.below(5)).map(Value::from).collect()),
    };
    let step = match rng.below(3) {
        0 => agent(id, "say ${item}"),
        1 => noop_of(id, json!("${item}")),
        _ => leaf(rng, id, before),
    };
    let mut step = step.over(items, u32::try_from(1 + rng.below(3)).unwrap_or(1));
    if rng.chance(40) {
        step = step.allows_failures();
    }
    if rng.chance(20) {
        step = step.fails_fast();
    }
    if rng.chance(20) {
        step.approval = Some(Approval { prompt: "this one?".to_owned(), per_item: rng.chance(60), timeout_ms: rng.chance(30).then_some(20_000) });
    }
    step
}

fn group(rng: &mut Rng, id: &str, before: &[String], deep: bool) -> Step {
    let mut inside: Vec<Step> = Vec::new();
    for n in 0..=rng.below(3) {
        let name = format!("{id}_{n}");
        let child = match rng.below(6) {
            0 => fan_out(rng, &name, before),
            1 if deep => group(rng, &name, before, false),
            _ => leaf(rng, &name, before),
        };
        let child = rules(rng, child);
        let siblings: Vec<String> = inside.iter().map(|step| step.id.to_string()).collect();
        let after: Vec<&str> = rng.pick(&siblings).map(String::as_str).filter(|_| n % 2 == 1).into_iter().collect();
        let child = if rng.chance(25) { child.on_failure(OnFailure::Skip) } else { child };
        inside.push(if after.is_empty() { child } else { child.after(&after) });
    }
    let step = parallel(id, inside).param("max_workers", json!(1 + rng.below(3)));
    if rng.chance(20) { step.fails_fast() } else { step }
}

fn repeated(rng: &mut Rng, id: &str, before: &[String]) -> Step {
    let mut inside: Vec<Step> = Vec::new();
    for n in 0..=rng.below(2) {
        let name = format!("{id}_{n}");
        let child = match rng.below(8) {
            0 => fan_out(rng, &name, before),
            1 => group(rng, &name, before, false),
            2 => approval(&name, "another one?").param("timeout_hours", json!(0.01)),
            3 => noop_of(&name, json!(format!("${{previous.{id}_0.result | default(index)}}"))),
            _ => leaf(rng, &name, before),
        };
        let child = rules(rng, child);
        inside.push(if rng.chance(25) { child.on_failure(OnFailure::Skip) } else { child });
    }
    let step = repeat(id, inside);
    match rng.below(4) {
        0 => step.param("for_each", json!("${inputs.list}")),
        1 => step.param("until", json!("index >= 2")),
        2 => step.param("while", json!("inputs.yes")).param("max_iterations", json!(1 + rng.below(3))).param("at_max", json!("stop")),
        _ => step.param("count", json!(rng.below(4))),
    }
}

fn ways_on(rng: &mut Rng, step: Step, id: &str) -> Step {
    match rng.below(12) {
        0 | 1 => step.on_failure(OnFailure::Skip),
        2 => step.on_failure(OnFailure::ContinueWithDefault(Map::from_iter([("result".to_owned(), json!("default"))]))),
        3 => step.or_value(json!({ "result": "instead" })),
        4 => step.or_step(&format!("{id}x")),
        _ => step,
    }
}

fn rules(rng: &mut Rng, mut step: Step) -> Step {
    if matches!(step.kind.as_str(), "parallel" | "loop") {
        return step;
    }
    if rng.chance(40) {
        step.retry.max_attempts = Some(u32::try_from(1 + rng.below(3)).unwrap_or(1));
    }
    step.retry.jitter = rng.chance(30);
    step.retry.backoff =
        *rng.pick(&[Backoff::Fixed, Backoff::Linear, Backoff::Exponential, Backoff::Fibonacci, Backoff::Adaptive]).unwrap_or(&Backoff::Fixed);
    if step.kind == "noop" && rng.chance(30) {
        step.effect = *rng
            .pick(&[EffectClass::Pure, EffectClass::Idempotent, EffectClass::AtMostOnce, EffectClass::Irreversible])
            .unwrap_or(&EffectClass::Pure);
    }
    step.on_in_doubt = *rng.pick(&[OnInDoubt::Ask, OnInDoubt::Fail, OnInDoubt::Retry]).unwrap_or(&OnInDoubt::Ask);
    if rng.chance(10) {
        step.total_timeout_ms = Some(1_000 + rng.below(60_000));
    }
    if rng.chance(12) {
        step = step.when(if rng.chance(60) { "inputs.yes" } else { "inputs.no" });
    }
    if step.approval.is_none() && rng.chance(8) {
        step = step.asks("really?");
    }
    step
}
