//! The loads.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::disk::{Bare, look};
use crate::holder::{Holder, Workflow};

/// Steps one after the other, each a durable no-op.
fn chain_of(steps: usize) -> String {
    let list: String = (0..steps).map(|n| format!("  - id: s{n}\n    type: noop\n")).collect();
    format!("name: chain\nsteps:\n{list}")
}

fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

pub(crate) fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

pub(crate) fn say(value: &Value) {
    let text = value.to_string();
    // Standard output is what the caller reads.
    std::io::Write::write_all(&mut std::io::stdout(), format!("{text}\n").as_bytes()).ok();
}

/// W1: a run of 100 steps, ten times after a warm-up, with the bare commit of SQLite between the runs.
pub(crate) async fn chain(binary: &Path, folder: &Path) -> Result<()> {
    const STEPS: usize = 100;
    const RUNS: usize = 10;
    let holder = Holder::start(binary, folder).await?;
    let bare = Bare::open(folder)?;
    bare.commits(200)?;
    let yaml = Workflow::load(&chain_of(STEPS))?;
    holder.run(&yaml, json!({})).await?;
    let (mut steps, mut floor) = (Vec::new(), Vec::new());
    let before = holder.used()?;
    for _ in 0..RUNS {
        floor.extend(bare.commits(50)?.into_iter().map(us));
        let started = Instant::now();
        holder.run(&yaml, json!({})).await?;
        steps.push(us(started.elapsed()) / STEPS as f64);
    }
    let after = holder.used()?;
    let found = look(&holder.stop()?, 20).await?;
    ensure!(
        found.appends == ((RUNS + 1) * (STEPS + 1)) as i64,
        "a chain of {STEPS} steps makes {} appends a run, but {} were found in all",
        STEPS + 1,
        found.appends
    );
    let (step, bare) = (middle(steps.clone()), middle(floor));
    say(
        &json!({ "measure": "w1", "step_us": step, "bare_commit_us": bare, "ratio": step / bare, "cpu_us_a_step": us(after.cpu - before.cpu) / (RUNS * STEPS) as f64, "runs_us": steps }),
    );
    Ok(())
}

/// W2: 1,000 runs of 10 steps, 50 at a time.
pub(crate) async fn many(binary: &Path, folder: &Path) -> Result<()> {
    const STEPS: usize = 10;
    const RUNS: usize = 1_000;
    let holder = Arc::new(Holder::start(binary, folder).await?);
    let yaml = Arc::new(Workflow::load(&chain_of(STEPS))?);
    for width in [1, 50, 50, 50, 200] {
        let next = Arc::new(AtomicUsize::new(0));
        let (before, started) = (holder.used()?, Instant::now());
        let workers: Vec<_> = (0..width)
            .map(|_| {
                let (holder, next, yaml) = (Arc::clone(&holder), Arc::clone(&next), Arc::clone(&yaml));
                tokio::spawn(async move {
                    while next.fetch_add(1, Ordering::Relaxed) < RUNS {
                        holder.run(&yaml, json!({})).await?;
                    }
                    anyhow::Ok(())
                })
            })
            .collect();
        for worker in workers {
            worker.await??;
        }
        let (took, after) = (started.elapsed(), holder.used()?);
        let steps = (RUNS * STEPS) as f64;
        say(
            &json!({ "measure": "w2", "at_a_time": width, "steps_a_second": steps / took.as_secs_f64(), "cpu_us_a_step": us(after.cpu - before.cpu) / steps, "resident_kib": after.resident_kib }),
        );
    }
    let holder = Arc::into_inner(holder).ok_or_else(|| anyhow::anyhow!("a worker still has the holder"))?;
    let found = look(&holder.stop()?, 50).await?;
    ensure!(found.appends == (5 * RUNS * (STEPS + 1)) as i64, "{} appends were found", found.appends);
    say(
        &json!({ "measure": "w2_disk", "runs": found.runs, "appends": found.appends, "events": found.events, "bytes": found.bytes, "bytes_a_step": found.bytes as f64 / (5 * RUNS * STEPS) as f64 }),
    );
    Ok(())
}

/// W3: 1,000 elements side by side, then one step that brings them together.
pub(crate) async fn wide(binary: &Path, folder: &Path) -> Result<()> {
    const WIDTH: usize = 1_000;
    let yaml = Arc::new(Workflow::load(
        "name: wide\nconcurrency: 1000\ninputs:\n  list: {type: array}\nsteps:\n  - id: fan\n    type: fan_out\n    items: ${list}\n    max_concurrent: 1000\n    step_template: {type: noop}\n  - id: all\n    type: fan_in\n    input: ${steps.fan.results}\n    aggregation: count\n",
    )?);
    let holder = Holder::start(binary, folder).await?;
    let list = json!({ "list": (0..WIDTH).collect::<Vec<_>>() });
    holder.run(&yaml, list.clone()).await?;
    let mut rates = Vec::new();
    let before = holder.used()?;
    for _ in 0..10 {
        let started = Instant::now();
        holder.run(&yaml, list.clone()).await?;
        rates.push(WIDTH as f64 / started.elapsed().as_secs_f64());
    }
    let after = holder.used()?;
    let found = look(&holder.stop()?, 20).await?;
    say(
        &json!({ "measure": "w3", "steps_a_second": middle(rates.clone()), "cpu_us_a_step": us(after.cpu - before.cpu) / (10 * WIDTH) as f64, "appends_a_run": found.appends as f64 / 11.0, "rates": rates }),
    );
    Ok(())
}

/// Held and settled calls on one shared budget: agents of the simulator under a limit of the tenant.
pub(crate) async fn calls(binary: &Path, folder: &Path) -> Result<()> {
    const WIDTH: usize = 1_000;
    const RUNS: usize = 20;
    std::fs::write(
        folder.join("gorgon.toml"),
        "[budget]\nmax_cost_usd = 1000000\n[models.simulated]\ninput_usd_per_mtok = 1\noutput_usd_per_mtok = 2\n[limits]\nmodel = 1000\n",
    )?;
    let yaml = Arc::new(Workflow::load(
        "name: calls\nconcurrency: 1000\ninputs:\n  list: {type: array}\nsteps:\n  - id: fan\n    type: fan_out\n    items: ${list}\n    max_concurrent: 1000\n    step_template: {type: agent, params: {provider: simulated, prompt: \"say ${item}\", max_tokens: 16}}\n",
    )?);
    let holder = Arc::new(Holder::start(binary, folder).await?);
    let list = json!({ "list": (0..WIDTH).collect::<Vec<_>>() });
    holder.run(&yaml, list.clone()).await?;
    let (before, started) = (holder.used()?, Instant::now());
    let next = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let (holder, next, list, yaml) = (Arc::clone(&holder), Arc::clone(&next), list.clone(), Arc::clone(&yaml));
            tokio::spawn(async move {
                while next.fetch_add(1, Ordering::Relaxed) < RUNS {
                    holder.run(&yaml, list.clone()).await?;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for worker in workers {
        worker.await??;
    }
    let (took, after) = (started.elapsed(), holder.used()?);
    let calls = (RUNS * WIDTH) as f64;
    let holder = Arc::into_inner(holder).ok_or_else(|| anyhow::anyhow!("a worker still has the holder"))?;
    look(&holder.stop()?, 20).await?;
    say(&json!({ "measure": "calls", "calls_a_second": calls / took.as_secs_f64(), "cpu_us_a_call": us(after.cpu - before.cpu) / calls }));
    Ok(())
}

/// A run of 100,000 events that waits: how long until a holder that was started anew has it going on.
pub(crate) async fn history(binary: &Path, folder: &Path) -> Result<()> {
    // Three events an element (its start, its call, its end) and the settlement of the call.
    const WIDTH: usize = 25_000;
    let yaml = Arc::new(Workflow::load(
        "name: long\nconcurrency: 1000\ninputs:\n  list: {type: array}\nsteps:\n  - id: fan\n    type: fan_out\n    items: ${list}\n    max_concurrent: 1000\n    step_template: {type: noop}\n  - {id: go, type: signal, name: go}\n",
    )?);
    let holder = Holder::start(binary, folder).await?;
    let run = holder.create(&yaml, json!({ "list": (0..WIDTH).collect::<Vec<_>>() })).await?;
    while holder.client.run(&run).await?.status.word() != "waiting" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let data = holder.stop()?;
    let found = look(&data, 1).await?;
    let mut times = Vec::new();
    for _ in 0..5 {
        let holder = Holder::start(binary, folder).await?;
        let started = Instant::now();
        ensure!(holder.client.run(&run).await?.status.word() == "waiting");
        times.push(started.elapsed().as_secs_f64() * 1e3);
        holder.stop()?;
    }
    say(&json!({ "measure": "history", "events": found.events, "appends": found.appends, "resume_ms": middle(times.clone()), "all_ms": times }));
    Ok(())
}

/// 100,000 runs that sleep: what they add to the memory of a holder, and how soon another run's first step is dispatched after a restart.
pub(crate) async fn sleep(binary: &Path, folder: &Path) -> Result<()> {
    const RUNS: usize = 100_000;
    let yaml = Arc::new(Workflow::load("name: sleepy\nsteps:\n  - {id: nap, type: wait, seconds: 360000}\n")?);
    let holder = Arc::new(Holder::start(binary, folder).await?);
    holder.create(&yaml, json!({})).await?;
    let before = holder.used()?;
    let (next, started) = (Arc::new(AtomicUsize::new(1)), Instant::now());
    let workers: Vec<_> = (0..50)
        .map(|_| {
            let (holder, next, yaml) = (Arc::clone(&holder), Arc::clone(&next), Arc::clone(&yaml));
            tokio::spawn(async move {
                while next.fetch_add(1, Ordering::Relaxed) < RUNS {
                    holder.create(&yaml, json!({})).await?;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for worker in workers {
        worker.await??;
    }
    let (took, after) = (started.elapsed(), holder.used()?);
    let holder = Arc::into_inner(holder).ok_or_else(|| anyhow::anyhow!("a worker still has the holder"))?;
    holder.stop()?;
    let started = Instant::now();
    let holder = Holder::start(binary, folder).await?;
    holder.run(&Workflow::load(&chain_of(1))?, json!({})).await?;
    let first = started.elapsed();
    let fresh = holder.used()?;
    holder.stop()?;
    say(&json!({
        "measure": "sleep", "runs": RUNS, "created_a_second": RUNS as f64 / took.as_secs_f64(),
        "added_mb": (after.resident_kib.saturating_sub(before.resident_kib)) as f64 / 1024.0, "after_restart_mb": fresh.resident_kib as f64 / 1024.0,
        "first_run_after_restart_ms": first.as_secs_f64() * 1e3,
    }));
    Ok(())
}

/// A run of one step from the command line, from start to end, on a folder that is new each time.
pub(crate) fn one(binary: &Path, folder: &Path) -> Result<()> {
    let file = folder.join("one.yaml");
    std::fs::write(&file, chain_of(1))?;
    let mut times = Vec::new();
    for n in 0..20 {
        let started = Instant::now();
        let status = Command::new(binary)
            .arg("--data-dir")
            .arg(folder.join(format!("data-{n}")))
            .arg("run")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        ensure!(status.success(), "`gorgon run` ended with {status}");
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    say(&json!({ "measure": "one", "run_ms": middle(times.clone()), "all_ms": times }));
    Ok(())
}
