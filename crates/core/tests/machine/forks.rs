//! A run made out of another: what it keeps costs nothing and is not made again.

use std::sync::Arc;

use gorgon_core::call::{FailureClass, Request};
use gorgon_core::command::Command;
use gorgon_core::definition::{Definition, EffectClass, Fallback, OnFailure};
use gorgon_core::event::{Event, RunCreated};
use gorgon_core::fork::{self, Fork, Kept};
use gorgon_core::ids::{RunId, StepId};
use gorgon_core::payload::Payload;
use gorgon_core::plan::{self, Program};
use gorgon_core::run::{RunState, RunStatus, StepStatus};
use gorgon_core::step::ModelChoice;
use serde_json::{Value, json};

use crate::build::{Say, agent, approval, branch, noop, noop_of, parallel, program, repeat, shell, transform, workflow};
use crate::conversations::{gave, says, wants};
use crate::harness::{Harness, approve, retry};

/// The run as it stood after so many of its events, and the events.
fn stood(run: &Harness, events: usize) -> (RunState, Vec<&Event>) {
    let log = &run.log[..events];
    let state = RunState::replay(Arc::clone(&run.state.program), log.iter().map(|(at, event)| (*at, event)));
    (state, log.iter().map(|(_, event)| event).collect())
}

fn created(program: &Arc<Program>, kept: &Kept) -> (Harness, RunCreated) {
    let (run, mut created) = Harness::before(Arc::clone(program));
    created.id = RunId(8);
    created.fork = Some(Box::new(Fork { run: RunId(7), at: None, from: None, kept: kept.steps.clone(), begun: kept.begun.clone() }));
    (run, created)
}

/// A fork at the end of a prefix.
pub(crate) fn at(origin: &Harness, events: usize) -> (Harness, Kept) {
    let (state, events) = stood(origin, events);
    let kept = fork::prefix(&state, &events);
    let (mut run, created) = created(&state.program, &kept);
    run.now = origin.now;
    run.ok(Command::Create { created: Box::new(created), kept: kept.events.clone() });
    (run, kept)
}

/// A fork that keeps what is unchanged.
pub(crate) fn from(origin: &Harness, definition: Definition, step: Option<&str>, change: impl FnOnce(&mut RunCreated)) -> (Harness, Kept) {
    let program = program(definition);
    let (_, mut wanted) = created(&program, &Kept::default());
    change(&mut wanted);
    let values = fork::Values { inputs: wanted.inputs.parse().unwrap(), env: wanted.start.env.clone() };
    let kept = fork::unchanged(&program, &values, &origin.state, step.map(StepId::from).as_ref());
    let (mut run, _) = created(&program, &kept);
    wanted.fork = Some(Box::new(Fork { run: RunId(7), at: None, from: step.map(StepId::from), kept: kept.steps.clone(), begun: kept.begun.clone() }));
    run.ok(Command::Create { created: Box::new(wanted), kept: kept.events.clone() });
    (run, kept)
}

fn ids(steps: &[StepId]) -> Vec<&str> {
    steps.iter().map(StepId::as_str).collect()
}

fn events_of(run: &Harness) -> usize {
    run.log.len()
}

fn chain() -> Definition {
    workflow(vec![noop_of("a", json!("${inputs.yes}")), noop_of("b", json!("${steps.a.result}")), noop_of("c", json!("${steps.b.result}"))])
}

#[test]
fn a_fork_keeps_what_had_ended_and_starts_what_was_in_flight_anew() {
    let mut run = Harness::start(chain());
    run.done("a");
    run.done("b");
    let (mut fork, kept) = at(&run, events_of(&run));
    assert_eq!((ids(&kept.steps), kept.begun.len()), (vec!["a", "b"], 0));
    assert!(fork.state.steps[fork.ix("a")].kept && !fork.state.steps[fork.ix("c")].kept);
    assert_eq!(fork.open(), ["c/0/1/0"]);
    assert_eq!(fork.value("a"), run.value("a"));
    fork.done("c");
    assert_eq!(fork.status(), RunStatus::Completed);
}

#[test]
fn what_comes_after_a_changed_input_runs_again_and_nothing_else() {
    let steps = vec![noop_of("a", json!("${inputs.yes}")), noop_of("b", json!("${inputs.no}")), noop_of("c", json!("${steps.b.result}"))];
    let mut definition = workflow(steps);
    definition.order = gorgon_core::definition::Order::Edges;
    let mut run = Harness::start(definition.clone());
    ["a", "b", "c"].into_iter().for_each(|step| drop(run.done(step)));
    let (same, kept) = from(&run, definition.clone(), None, |_| {});
    assert_eq!((ids(&kept.steps), same.status()), (vec!["a", "b", "c"], RunStatus::Completed));
    let changed = |created: &mut RunCreated| created.inputs = Payload::of(&json!({ "yes": true, "no": "else", "list": [1], "bait": "" }));
    let (fork, kept) = from(&run, definition.clone(), None, changed);
    assert_eq!((ids(&kept.steps), fork.open()), (vec!["a"], vec!["b/0/1/0".to_owned()]));
    let (fork, kept) = from(&run, definition, Some("c"), |_| {});
    assert_eq!((ids(&kept.steps), fork.open()), (vec!["a", "b"], vec!["c/0/1/0".to_owned()]));
}

#[test]
fn a_step_that_prepared_the_ground_takes_those_after_it_along() {
    // Nothing says that `b` needs `a`; the order of the file does.
    let mut run = Harness::start(workflow(vec![shell("a", "echo a"), shell("b", "echo b")]));
    run.done("a");
    run.done("b");
    let (fork, kept) = from(&run, workflow(vec![shell("a", "echo changed"), shell("b", "echo b")]), None, |_| {});
    assert_eq!((kept.steps.len(), fork.open()), (0, vec!["a/0/1/0".to_owned()]));
    let again = fork::repeated(&fork.state.program, run.log.iter().map(|(_, event)| event), &kept);
    assert_eq!(
        again.iter().map(|r| (r.step.as_str(), r.class, r.calls)).collect::<Vec<_>>(),
        [("a", EffectClass::AtMostOnce, 1), ("b", EffectClass::AtMostOnce, 1)]
    );
}

#[test]
fn what_a_fork_kept_was_done_and_is_done_again_by_a_fork_of_it_that_does_not_keep_it() {
    let definition = || workflow(vec![shell("a", "echo a"), noop("b")]);
    let mut run = Harness::start(definition());
    run.done("a");
    run.done("b");
    let (mut fork, _) = from(&run, definition(), Some("b"), |_| {});
    fork.done("b");
    let (second, kept) = from(&fork, definition(), Some("a"), |_| {});
    let again = fork::repeated(&second.state.program, fork.log.iter().map(|(_, event)| event), &kept);
    assert_eq!(again.iter().map(|r| (r.step.as_str(), r.calls)).collect::<Vec<_>>(), [("a", 1)]);
}

#[test]
fn each_round_of_a_loop_that_is_not_kept_does_again_what_it_did() {
    let steps = || vec![repeat("l", vec![shell("a", "echo a"), noop("b")]).param("count", json!(3)), noop("after")];
    let mut run = Harness::start(workflow(steps()));
    let mut ends = Vec::new();
    for _ in 0..3 {
        run.done("a");
        run.done("b");
        ends.push(events_of(&run));
    }
    let again = |program: &Program, kept: &Kept| -> u32 {
        let again = fork::repeated(program, run.log.iter().map(|(_, event)| event), kept);
        again.iter().filter(|again| again.step.as_str() == "a").map(|again| again.calls).sum()
    };
    let (fork, kept) = from(&run, workflow(steps()), Some("l"), |_| {});
    assert_eq!(again(&fork.state.program, &kept), 3);
    // After the first round the call of the second one is under way: it is made again.
    for (end, left) in ends.into_iter().zip([2, 1, 0]) {
        let (fork, kept) = at(&run, end);
        assert_eq!(again(&fork.state.program, &kept), left, "{left}");
    }
}

#[test]
fn a_step_of_a_round_that_goes_on_is_not_kept_for_the_rounds_to_come() {
    let steps = || vec![repeat("l", vec![shell("a", "echo a"), agent("m", "say").param("max_tokens", json!(9)), noop("b")]).param("count", json!(3))];
    let mut run = Harness::start(workflow(steps()));
    let mut cuts = Vec::new();
    for _ in 0..3 {
        run.done("a");
        run.done("m");
        cuts.push(events_of(&run));
        run.done("b");
    }
    // In the second round `a` and `m` have ended: the third one runs them again.
    let (mut fork, kept) = at(&run, cuts[1]);
    assert_eq!((ids(&kept.steps), ids(&kept.begun)), (vec![], vec!["a", "m", "l"]));
    assert_eq!(kept.rounds, [(StepId::from("l"), 1)].into());
    let again = fork::repeated(&fork.state.program, run.log.iter().map(|(_, event)| event), &kept);
    assert_eq!(again.iter().map(|again| (again.step.as_str(), again.calls)).collect::<Vec<_>>(), [("a", 1)]);
    let rest = plan::cost_of_rest(&fork.state.program, (&kept.steps, &kept.rounds), &[].into(), &ModelChoice::default(), &crate::harness::prices());
    assert_eq!((rest.lower.calls, rest.upper.map(|upper| upper.calls)), (1, Some(6)));
    assert_eq!(fork.open(), ["b/0/1/0"]);
    ["b", "a", "m", "b"].into_iter().for_each(|step| drop(fork.done(step)));
    assert_eq!(fork.status(), RunStatus::Completed);
    assert_eq!(fork.value("l"), run.value("l"));
}

#[test]
fn rounds_that_went_past_a_failure_make_a_fork_partial_as_they_made_the_run() {
    let inner = repeat("i", vec![noop("a").tries(1).on_failure(OnFailure::Skip), noop("b")]).param("count", json!(2));
    let mut run = Harness::start(workflow(vec![repeat("o", vec![inner]).param("count", json!(2)), noop("after")]));
    let mut cut = 0;
    for round in 0..4 {
        if round == 0 {
            drop(run.fails("a", FailureClass::Refused))
        } else {
            drop(run.done("a"))
        }
        run.done("b");
        if round == 0 {
            cut = events_of(&run);
        }
    }
    run.done("after");
    assert_eq!(run.status(), RunStatus::Partial);
    for cut in [cut, events_of(&run) - 3] {
        let (mut fork, _) = at(&run, cut);
        while let Some(call) = fork.state.open.keys().next().cloned() {
            fork.done(call.step.as_str());
        }
        assert_eq!(fork.status(), RunStatus::Partial, "{cut}");
        assert!(fork.state.steps[fork.ix("o")].rounds.as_ref().unwrap().ended[0].went_past_failure, "{cut}");
    }
    let (mut fork, _) = from(&run, Definition::clone(&run.state.program.definition), Some("after"), |_| {});
    fork.done("after");
    assert_eq!(fork.status(), RunStatus::Partial);
}

#[test]
fn a_loop_that_failed_by_itself_starts_anew_in_a_fork() {
    let steps = || vec![noop("first"), repeat("l", vec![noop("a")]).param("until", json!("false")).param("max_iterations", json!(2))];
    let mut run = Harness::start(workflow(steps()));
    ["first", "a", "a"].into_iter().for_each(|step| drop(run.done(step)));
    assert_eq!((run.status(), run.step("l")), (RunStatus::Failed, StepStatus::Failed));
    let (fork, kept) = at(&run, events_of(&run));
    assert_eq!((ids(&kept.steps), fork.status(), fork.open()), (vec!["first"], RunStatus::Running, vec!["a/0/1/0".to_owned()]));
}

#[test]
fn how_often_a_step_may_be_tried_makes_no_other_result() {
    let mut run = Harness::start(chain());
    ["a", "b", "c"].into_iter().for_each(|step| drop(run.done(step)));
    let mut definition = chain();
    definition.steps[0].retry.max_attempts = Some(9);
    definition.steps[0].timeout_ms += 1;
    definition.steps[0].description = "other words".to_owned();
    assert_eq!(from(&run, definition, None, |_| {}).1.steps.len(), 3);
}

#[test]
fn the_turns_of_a_conversation_are_kept_and_the_next_one_is_asked() {
    let mut run = Harness::start(workflow(vec![agent("a", "do it").param("tools", json!(["files", "shell"]))]));
    run.settle("a", 0, wants(&[("t1", "files_read", r#"{"path":"x"}"#)]));
    let before_tool = events_of(&run);
    run.settle("a", 0, gave(json!({ "content": "the text" })));
    let asked = Request::clone(&run.state.whole_request(run.state.due().next().expect("a call")));
    // While the second question is in flight: it is asked again, word for word.
    let (mut fork, kept) = at(&run, events_of(&run));
    assert_eq!(ids(&kept.begun), ["a"]);
    assert_eq!(fork.open(), ["a/0/1/2"]);
    assert_eq!(*fork.state.whole_request(fork.state.due().next().expect("a call")), asked);
    fork.settle("a", 0, says("done"));
    assert_eq!((fork.status(), fork.state.charged.calls), (RunStatus::Completed, 1));
    // While the tool is in flight: the question before it is kept.
    let (fork, _) = at(&run, before_tool);
    assert_eq!(fork.open(), ["a/0/1/1"]);
    // While the first question is in flight: nothing is kept.
    let (fork, kept) = at(&Harness::start(workflow(vec![agent("a", "do it")])), 3);
    assert_eq!((kept, fork.open()), (Kept::default(), vec!["a/0/1/0".to_owned()]));
}

#[test]
fn elements_that_ended_are_kept_whatever_their_order_and_the_others_start() {
    let list = noop_of("f", json!("${item}")).over(json!("${inputs.list}"), 10);
    let mut run = Harness::start(workflow(vec![list]));
    run.done_item("f", 2);
    run.fails_item("f", 0, FailureClass::Refused);
    let (mut fork, kept) = at(&run, events_of(&run));
    assert_eq!(ids(&kept.begun), ["f"]);
    assert_eq!(fork.open(), ["f/0/1/0", "f/1/1/0"], "{}", fork.history());
    fork.done_item("f", 0);
    fork.done_item("f", 1);
    assert_eq!((fork.status(), &fork.value("f")["results"]), (RunStatus::Completed, &json!([1, 2, 3])));
}

#[test]
fn an_approval_is_asked_again_where_something_still_waits_for_it() {
    let steps = || vec![approval("ok", "go on?"), noop("a"), noop("b")];
    let mut run = Harness::start(workflow(steps()));
    run.ok(approve("ok", None, None));
    // `a` was in flight on that approval.
    let (fork, kept) = at(&run, events_of(&run));
    assert_eq!((kept.steps.len(), fork.pending().len()), (0, 1));
    // `a` ran on it and is kept; `b` waits for the answer behind it.
    run.done("a");
    let (mut fork, kept) = at(&run, events_of(&run));
    assert_eq!((ids(&kept.steps), fork.pending().len(), fork.open().len()), (vec!["a"], 1, 0));
    fork.ok(approve("ok", None, None));
    assert_eq!(fork.open(), ["b/0/1/0"]);
}

#[test]
fn a_failure_that_stopped_the_run_is_tried_again() {
    let mut run = Harness::start(chain());
    run.done("a");
    run.fails("b", FailureClass::Refused);
    assert_eq!(run.status(), RunStatus::Failed);
    let (mut fork, kept) = at(&run, events_of(&run));
    assert_eq!(ids(&kept.steps), ["a"]);
    fork.done("b");
    fork.done("c");
    assert_eq!(fork.status(), RunStatus::Completed);
}

#[test]
fn a_group_that_ended_with_a_failure_inside_of_it_is_kept_as_it_ended() {
    let value = || OnFailure::Fallback(Fallback::Value(json!("instead")));
    let inner = || vec![noop("a").tries(1), noop("b"), noop("c").after(&["a"])];
    let ways = [
        parallel("g", inner()).on_failure(OnFailure::Skip),
        parallel("g", inner()).on_failure(value()),
        parallel("g", vec![parallel("inner", inner())]).on_failure(OnFailure::Skip),
        repeat("g", inner()).param("count", json!(2)).on_failure(OnFailure::Skip),
        repeat("g", vec![parallel("inner", inner()).on_failure(OnFailure::Skip)]).param("count", json!(1)),
    ];
    for group in ways {
        let mut run = Harness::start(workflow(vec![group, noop("after"), noop("last")]));
        run.fails("a", FailureClass::Refused);
        if run.open().iter().any(|open| open.starts_with("b/")) {
            run.done("b");
        }
        run.done("after");
        // Nothing of it runs again: what comes after it was made with what it came to.
        let (mut fork, kept) = at(&run, events_of(&run));
        assert_eq!((fork.open(), &kept.begun), (vec!["last/0/1/0".to_owned()], &vec![]), "{}", run.history());
        run.done("last");
        fork.done("last");
        let stands = |run: &Harness| run.state.steps.iter().map(|step| (step.status, step.tolerated, step.skipped)).collect::<Vec<_>>();
        assert_eq!((stands(&fork), fork.status()), (stands(&run), run.status()), "{}", run.history());
        // What failed can be tried again in both.
        if run.status() == RunStatus::Partial {
            fork.ok(retry(None));
            run.ok(retry(None));
            assert_eq!((stands(&fork), fork.open().len()), (stands(&run), run.open().len()), "{}", run.history());
        }
    }
}

#[test]
fn a_failure_in_a_group_that_a_fork_opens_again_is_tried_again() {
    let group = parallel("g", vec![approval("ok", "go on?"), noop("a").tries(1), noop("b").after(&["ok"])]).on_failure(OnFailure::Skip);
    let mut run = Harness::start(workflow(vec![group, noop("after")]));
    run.fails("a", FailureClass::Refused);
    run.ok(approve("ok", None, None));
    run.done("b");
    assert_eq!(run.open(), ["after/0/1/0"]);
    // `after` waits for the group, and so for what was agreed to in it: that is asked again, and `a` is not left as it was.
    let (fork, kept) = at(&run, events_of(&run));
    assert_eq!((ids(&kept.steps), ids(&kept.begun), fork.pending().len()), (vec!["b"], vec!["g"], 1));
    assert_eq!(fork.open(), ["a/0/1/0"]);
}

#[test]
fn a_group_is_opened_with_what_ended_inside_of_it() {
    let group = |second: Value| workflow(vec![parallel("p", vec![noop("a"), noop_of("b", second)]), noop("after")]);
    let mut run = Harness::start(group(json!(1)));
    run.done("a");
    let (fork, kept) = at(&run, events_of(&run));
    assert_eq!((ids(&kept.steps), ids(&kept.begun), fork.open()), (vec!["a"], vec!["p"], vec!["b/0/1/0".to_owned()]));
    run.done("b");
    run.done("after");
    let (mut fork, kept) = from(&run, group(json!(2)), None, |_| {});
    assert_eq!((ids(&kept.steps), ids(&kept.begun), fork.open()), (vec!["a"], vec!["p"], vec!["b/0/1/0".to_owned()]));
    fork.done("b");
    assert_eq!(fork.step("p"), StepStatus::Succeeded);
    fork.done("after");
    assert_eq!(fork.status(), RunStatus::Completed);
}

#[test]
fn a_chain_as_long_as_a_file_allows_and_the_wrong_way_round_is_judged() {
    let steps = 10_000;
    let before = |n: usize| format!("s{}", n + 1);
    let mut definition = workflow(
        (0..steps)
            .map(|n| {
                transform(&format!("s{n}"), "1")
                    .after(&if n + 1 < steps { vec![before(n)] } else { Vec::new() }.iter().map(String::as_str).collect::<Vec<_>>())
            })
            .collect(),
    );
    definition.order = gorgon_core::definition::Order::Edges;
    let program = program(definition);
    // The old run need not have run for it to be judged.
    let origin = RunState::replay(Arc::clone(&program), []);
    let judged = std::thread::Builder::new().stack_size(512 << 10).spawn(move || fork::unchanged(&program, &fork::Values::default(), &origin, None));
    assert_eq!(judged.unwrap().join().unwrap(), Kept::default());
}

#[test]
fn what_a_kept_branch_left_out_stays_left_out() {
    let steps = || {
        vec![
            branch("way", "inputs.yes", &["many"], &["few"]),
            noop_of("many", json!(1)),
            noop_of("few", json!(2)),
            noop_of("end", json!("${steps.many.result | default('none')}")),
        ]
    };
    let mut run = Harness::start(workflow(steps()));
    run.done("many");
    run.done("end");
    assert_eq!((run.status(), run.step("few")), (RunStatus::Completed, StepStatus::Skipped));
    // By the order of the file `few` comes after `many`, and is judged anew.
    for step in ["many", "few", "end"] {
        let (mut fork, kept) = from(&run, workflow(steps()), Some(step), |_| {});
        assert!(ids(&kept.steps).contains(&"way"), "{step}");
        while let Some(call) = fork.state.open.keys().next().cloned() {
            assert_ne!(call.step.as_str(), "few", "from {step}");
            fork.done(call.step.as_str());
        }
        assert_eq!((fork.status(), fork.step("few")), (RunStatus::Completed, StepStatus::Skipped), "from {step}");
    }
}
