//! Forks of runs in which somebody agreed to something: what rests on an answer that is asked for again does not go on before it.

use std::cell::RefCell;

use gorgon_core::call::FailureClass;
use gorgon_core::definition::{Approval, Definition, Step};
use gorgon_core::run::{RunStatus, StepStatus};
use serde_json::json;

use crate::build::{Say, approval, noop, noop_of, parallel, repeat, workflow};
use crate::conversations::{gave, says, wants, worker};
use crate::forks::{at, from};
use crate::harness::{Harness, answer, approve, reject, retry};

/// Every way in which something can rest on an approval, driven to its end or as far as it comes, and after how many events its appends ended.
fn ways() -> Vec<(Harness, Vec<usize>)> {
    let after = |steps: Vec<Step>| {
        let mut all = steps;
        all.push(noop("tell"));
        Harness::start(workflow(all))
    };
    let pair = || parallel("p", vec![noop("q"), noop("r").after(&["q"])]);
    let mut ways = Vec::new();
    for mut run in [
        after(vec![noop("build"), approval("ap", "deploy?"), pair()]),
        after(vec![parallel("pl", vec![noop("a"), approval("ap", "deploy?"), noop("b").after(&["ap"])]), pair()]),
        after(vec![repeat("l", vec![noop("a"), approval("ap", "again?").after(&["a"])]).param("count", json!(2)), pair()]),
        after(vec![parallel("out", vec![approval("ap", "deploy?"), parallel("in", vec![noop("q"), noop("r").after(&["q"])]).after(&["ap"])])]),
        after(vec![approval("ap", "deploy?"), noop("note"), parallel("p", vec![noop("q"), noop("r").after(&["q"])]), noop("mail").after(&["ap"])]),
        after(vec![parallel("pl", vec![approval("ap", "go?"), noop("build").after(&["ap"]), noop("deploy").after(&["build"])])]),
        after(vec![approval("ap", "go?"), repeat("l", vec![noop("q"), noop("r").after(&["q"])]).param("count", json!(2))]),
        after(vec![approval("ap", "go?"), noop_of("f", json!("${item}")).over(json!(["a", "b", "c"]), 3)]),
        after(vec![noop_of("f", json!("${item}")).over(json!(["a", "b"]), 2).with(|step| {
            step.approval = Some(Approval { prompt: "this one?".to_owned(), per_item: true, timeout_ms: None });
        })]),
    ] {
        let cuts = RefCell::new(Vec::new());
        to_its_end(&mut run, |run| cuts.borrow_mut().push(run.log.len()));
        assert_eq!(run.status(), RunStatus::Completed, "{}", run.history());
        ways.push((run, cuts.into_inner()));
    }
    let mut partial = after(vec![approval("ap", "go?"), noop_of("f", json!("${item}")).over(json!(["a", "b"]), 2).allows_failures().tries(1)]);
    partial.ok(approve("ap", None, None));
    partial.done_item("f", 0);
    partial.fails_item("f", 1, FailureClass::Refused);
    let cuts = vec![partial.log.len()];
    ways.push((partial, cuts));
    let mut talk = after(vec![approval("ap", "go?"), worker()]);
    let mut cuts = Vec::new();
    talk.ok(approve("ap", None, None));
    for turn in ["t1", "t2"] {
        talk.settle("a", 0, wants(&[(turn, "shell", r#"{"command":"ls"}"#)]));
        cuts.push(talk.log.len());
        talk.settle("a", 0, gave(json!({ "stdout": "x", "stderr": "", "exit_code": 0 })));
        cuts.push(talk.log.len());
    }
    talk.settle("a", 0, says("done"));
    ways.push((talk, cuts));
    ways
}

/// Nothing is under way behind something that is not over, however far behind.
fn nothing_overtakes(run: &Harness) {
    let nodes = &run.state.program.nodes;
    for (ix, node) in nodes.iter().enumerate() {
        if matches!(run.state.steps[ix].status, StepStatus::Pending) || run.state.steps[ix].status.is_terminal() {
            continue;
        }
        let (mut seen, mut open) = (vec![false; nodes.len()], vec![ix]);
        while let Some(ix) = open.pop() {
            // What stands in a group comes after what the group comes after.
            let around = std::iter::successors(Some(ix), |&ix| nodes[ix].parent);
            for (before, _) in around.flat_map(|ix| nodes[ix].after.clone()) {
                let id = &nodes[before].step.id;
                assert!(run.state.steps[before].status.is_terminal(), "`{}` goes on before `{id}` is over\n{}", node.step.id, run.history());
                if !std::mem::replace(&mut seen[before], true) {
                    open.push(before);
                }
            }
        }
    }
}

/// Whoever asks is answered, whatever is open is done, one at a time.
fn to_its_end(run: &mut Harness, look: impl Fn(&Harness)) {
    for _ in 0..200 {
        look(run);
        if run.status().is_terminal() {
            return;
        }
        if let Some(asked) = run.pending().first().cloned() {
            run.ok(approve(asked.step.as_str(), Some(asked.item), Some(asked.hash)));
        } else if let Some(call) = run.state.open.values().next().cloned() {
            run.settle(call.id.step.as_str(), call.id.item, answer(&call.request));
        } else {
            panic!("it came to a stop\n{}", run.history());
        }
    }
    panic!("it came to no end\n{}", run.history());
}

#[test]
fn whatever_is_cut_nothing_goes_on_behind_a_question_that_is_asked_again() {
    let mut asked = 0;
    for (run, cuts) in ways() {
        for events in cuts {
            let (mut fork, _) = at(&run, events);
            asked += fork.pending().len();
            to_its_end(&mut fork, nothing_overtakes);
        }
    }
    assert!(asked > 30, "only {asked} questions were asked again");
}

#[test]
fn whatever_runs_again_nothing_goes_on_behind_a_question_that_is_asked_again() {
    let mut asked = 0;
    for (run, _) in ways() {
        let definition: Definition = (*run.state.program.definition).clone();
        let steps: Vec<String> = run.state.program.nodes.iter().map(|node| node.step.id.to_string()).collect();
        for step in steps.iter().map(String::as_str).map(Some).chain([None]) {
            let (mut fork, _) = from(&run, definition.clone(), step, |_| {});
            asked += fork.pending().len();
            to_its_end(&mut fork, nothing_overtakes);
        }
    }
    assert!(asked > 10, "only {asked} questions were asked again");
}

#[test]
fn what_is_under_way_behind_a_question_begins_anew_after_it() {
    let mut run = Harness::start(workflow(vec![approval("ap", "deploy?"), parallel("p", vec![noop("q"), noop("r").after(&["q"])]), noop("tell")]));
    run.ok(approve("ap", None, None));
    run.done("q");
    let (mut fork, kept) = at(&run, run.log.len());
    assert_eq!((kept.steps.len(), kept.begun.len(), fork.pending().len(), fork.open().len()), (0, 0, 1, 0), "{}", fork.history());
    fork.ok(approve("ap", None, None));
    assert_eq!(fork.open(), ["q/0/1/0"]);
    // What had ended on it is kept, and waits for the answer with what comes after it.
    run.done("r");
    let (mut fork, kept) = at(&run, run.log.len());
    assert_eq!((kept.steps.len(), fork.pending().len(), fork.open().len()), (3, 1, 0), "{}", fork.history());
    fork.crash();
    fork.ok(approve("ap", None, None));
    assert_eq!(fork.open(), ["tell/0/1/0"]);
    // Where nothing is left to do, nobody is asked.
    run.done("tell");
    let (fork, kept) = at(&run, run.log.len());
    assert_eq!((kept.steps.len(), fork.pending().len(), fork.status()), (5, 0, RunStatus::Completed), "{}", fork.history());
}

#[test]
fn a_rejection_stops_what_waits_behind_what_is_kept() {
    let mut run = Harness::start(workflow(vec![approval("ap", "deploy?"), noop("note"), noop("deploy")]));
    run.ok(approve("ap", None, None));
    run.done("note");
    let (mut fork, kept) = at(&run, run.log.len());
    assert_eq!((kept.steps.len(), fork.pending().len(), fork.open().len()), (1, 1, 0));
    fork.ok(reject("ap", None));
    assert_eq!((fork.status(), fork.step("deploy"), fork.open().len()), (RunStatus::Failed, StepStatus::Pending, 0), "{}", fork.history());
    // Asked once more, it goes on behind the answer.
    fork.ok(retry(None));
    assert_eq!((fork.pending().len(), fork.open().len()), (1, 0), "{}", fork.history());
    to_its_end(&mut fork, nothing_overtakes);
    assert_eq!(fork.status(), RunStatus::Completed);
}

#[test]
fn an_element_that_was_agreed_to_and_has_not_ended_is_asked_about_again() {
    let each = |step: &mut Step| step.approval = Some(Approval { prompt: "this one?".to_owned(), per_item: true, timeout_ms: None });
    let mut run = Harness::start(workflow(vec![worker().over(json!(["x", "y"]), 2).with(each)]));
    run.ok(approve("a", Some(0), None));
    run.settle("a", 0, wants(&[("t1", "shell", r#"{"command":"ls"}"#)]));
    let (fork, _) = at(&run, run.log.len());
    assert_eq!((fork.pending().len(), fork.open().len()), (2, 0), "{}", fork.history());
}

#[test]
fn a_retry_of_what_was_agreed_to_for_the_other_run_asks_first() {
    let send = noop_of("send", json!("${item}")).over(json!([0, 1, 2]), 3).asks("send to all?").allows_failures().tries(1);
    let mut run = Harness::start(workflow(vec![send, noop("bad").tries(1)]));
    run.ok(approve("send", None, None));
    run.done_item("send", 0);
    run.done_item("send", 2);
    run.fails_item("send", 1, FailureClass::Refused);
    let (mut fork, kept) = at(&run, run.log.len());
    assert_eq!((kept.steps.len(), fork.pending().len(), fork.open()), (1, 0, vec!["bad/0/1/0".to_owned()]), "{}", fork.history());
    fork.fails("bad", FailureClass::Refused);
    fork.ok(retry(None));
    assert_eq!((fork.pending().len(), fork.open().len()), (1, 0), "{}", fork.history());
    to_its_end(&mut fork, nothing_overtakes);
    assert_eq!(fork.status(), RunStatus::Completed);
}
