//! Every command in every status: accepted or rejected, on purpose.

use std::sync::Arc;

use gorgon_core::budget::Limits;
use gorgon_core::call::{FailureClass, Outcome};
use gorgon_core::command::{Command, ResolveVerdict};
use gorgon_core::definition::{EffectClass, OnExhausted, OnFailure};
use gorgon_core::ids::CallId;
use gorgon_core::run::RunStatus;
use serde_json::json;

use crate::build::{Say, agent, approval, noop, program, signal, workflow};
use crate::harness::{Harness, approve, cancel, pause, resolve, resume, retry, send};

fn poor(rule: OnExhausted) -> Harness {
    let mut definition = workflow(vec![agent("a", "hi")]);
    definition.budget.limits.cost_nano_usd = Some(1);
    definition.budget.on_exhausted = rule;
    Harness::start(definition)
}

/// A run in each situation, by name, with its status.
fn situations() -> Vec<(&'static str, RunStatus, Harness)> {
    let started = || Harness::start(workflow(vec![noop("a").effect(EffectClass::AtMostOnce), noop("b")]));
    let after = |change: &dyn Fn(&mut Harness)| {
        let mut run = started();
        change(&mut run);
        run
    };
    let new = Harness::before(program(workflow(vec![noop("a")]))).0;
    let mut partial = Harness::start(workflow(vec![noop("a").on_failure(OnFailure::Skip)]));
    partial.fails("a", FailureClass::Refused);
    vec![
        ("before it exists", RunStatus::Queued, new),
        ("in flight", RunStatus::Running, started()),
        ("waits for approval", RunStatus::Waiting, Harness::start(workflow(vec![approval("a", "?")]))),
        ("waits for a signal", RunStatus::Waiting, Harness::start(workflow(vec![signal("a", "go")]))),
        ("in doubt", RunStatus::Waiting, after(&|run| drop(run.crash()))),
        ("waits for money", RunStatus::Waiting, poor(OnExhausted::Ask)),
        ("paused, in flight", RunStatus::Paused, after(&|run| drop(run.ok(pause())))),
        ("paused for money", RunStatus::Paused, poor(OnExhausted::Pause)),
        ("cancelling", RunStatus::Cancelling, after(&|run| drop(run.ok(cancel())))),
        (
            "completed",
            RunStatus::Completed,
            after(&|run| {
                run.done("a");
                run.done("b");
            }),
        ),
        ("partial", RunStatus::Partial, partial),
        ("failed", RunStatus::Failed, after(&|run| drop(run.fails("a", FailureClass::Refused)))),
        ("failed for money", RunStatus::Failed, poor(OnExhausted::Fail)),
        (
            "cancelled",
            RunStatus::Cancelled,
            after(&|run| {
                run.ok(cancel());
                run.fails("a", FailureClass::Cancelled);
            }),
        ),
    ]
}

const COMMANDS: [&str; 11] = ["create", "complete", "tick", "recover", "pause", "resume", "retry", "cancel", "approve", "signal", "resolve"];

fn command(name: &str, run: &Harness) -> Command {
    match name {
        "create" => {
            let (_, created) = Harness::before(Arc::clone(&run.state.program));
            Command::Create { created: Box::new(created), kept: Vec::new() }
        }
        "complete" => {
            let nobody = CallId { step: "a".into(), item: 0, attempt: 99, call: 0, redo: 0 };
            let call = run.state.open.keys().next().cloned().unwrap_or(nobody);
            Command::CompleteCall { call, outcome: Outcome::InDoubt { evidence: String::new() } }
        }
        "tick" => Command::Tick,
        "recover" => Command::Recover,
        "pause" => pause(),
        "resume" => resume(Limits::default()),
        "retry" => retry(None),
        "cancel" => cancel(),
        "approve" => approve("a", None, None),
        "signal" => send("go", json!(1)),
        "resolve" => resolve("a", ResolveVerdict::Fail),
        other => panic!("no command `{other}`"),
    }
}

/// By situation: which commands are accepted, in the order of `COMMANDS`.
const TABLE: [(&str, &str); 14] = [
    ("before it exists", "+----------"),
    ("in flight", "-+++++-+-+-"),
    ("waits for approval", "--++++-+++-"),
    ("waits for a signal", "--++++-+-+-"),
    ("in doubt", "--++++-+-++"),
    ("waits for money", "--++++-+-+-"),
    ("paused, in flight", "-+++-+-+-+-"),
    ("paused for money", "--++++-+-+-"),
    ("cancelling", "-+++-------"),
    ("completed", "--++-------"),
    ("partial", "--++--+----"),
    ("failed", "--++--+----"),
    ("failed for money", "--++-+-----"),
    ("cancelled", "--++-------"),
];

#[test]
fn every_command_in_every_situation_is_accepted_or_rejected_as_the_table_says() {
    let names: Vec<&str> = situations().iter().map(|(name, ..)| *name).collect();
    assert_eq!(names, TABLE.map(|(name, _)| name));
    let mut found = Vec::new();
    for (name, row) in TABLE {
        let mut answers = String::new();
        for command_name in COMMANDS {
            let (_, status, mut run) = situations().into_iter().find(|(other, ..)| *other == name).unwrap();
            assert_eq!(run.status(), status, "{name}");
            let ended = status.is_terminal();
            let command = command(command_name, &run);
            let told = run.tell(command);
            if let (true, "tick" | "recover", Ok(events)) = (ended, command_name, &told) {
                assert!(events.is_empty(), "{name}: {command_name} changed a run that has ended");
            }
            answers.push(if told.is_ok() { '+' } else { '-' });
        }
        if answers != row {
            found.push((name, answers, row));
        }
    }
    assert!(found.is_empty(), "situation, answers, table: {found:#?}");
}

#[test]
fn every_status_that_a_run_can_have_is_in_the_table() {
    let seen: std::collections::BTreeSet<RunStatus> = situations().into_iter().map(|(_, status, _)| status).collect();
    let missing: Vec<RunStatus> = RunStatus::ALL.into_iter().filter(|status| !seen.contains(status)).collect();
    assert_eq!(missing, [RunStatus::Compensating], "no command of this release undoes anything");
}

#[test]
fn a_rejection_names_the_way_on() {
    let (_, _, mut run) = situations().into_iter().find(|(name, ..)| *name == "failed").unwrap();
    assert!(run.no(resume(Limits::default())).help.unwrap().contains("gorgon retry"));
    let (_, _, mut run) = situations().into_iter().find(|(name, ..)| *name == "failed for money").unwrap();
    assert!(run.no(retry(None)).help.unwrap().contains("gorgon resume"));
    let (_, _, mut run) = situations().into_iter().find(|(name, ..)| *name == "completed").unwrap();
    assert!(run.no(resume(Limits::default())).help.unwrap().contains("gorgon run"));
    assert!(run.no(retry(Some("nobody"))).help.is_some());
}
