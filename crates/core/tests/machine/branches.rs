//! One of several ways on.

use gorgon_core::definition::Order;
use gorgon_core::event::SkipReason;
use gorgon_core::run::{RunStatus, StepStatus};

use crate::build::{Say, approval, branch, noop, parallel, workflow};
use crate::harness::{Harness, approve};

#[test]
fn one_arm_runs_and_the_join_after_both() {
    for (condition, taken, left) in [("inputs.yes", "a", "b"), ("inputs.no", "b", "a")] {
        let mut run = Harness::start(workflow(vec![
            branch("way", condition, &["a"], &["b"]),
            noop("a").after(&["way"]),
            noop("b").after(&["way"]),
            noop("join").after(&["a", "b"]),
        ]));
        assert_eq!(run.open(), [format!("{taken}/0/1/0")]);
        assert_eq!(run.state.steps[run.ix(left)].skipped, Some(SkipReason::Branch));
        run.done(taken);
        run.done("join");
        assert_eq!(run.status(), RunStatus::Completed);
    }
}

#[test]
fn what_depends_only_on_the_arm_left_out_is_left_out_too() {
    let mut run = Harness::start(workflow(vec![
        branch("way", "inputs.no", &["a"], &["b"]),
        noop("a").after(&["way"]),
        noop("a2").after(&["a"]),
        noop("a3").after(&["a2"]),
        noop("b").after(&["way"]),
        noop("join").after(&["a3", "b"]),
    ]));
    run.done("b");
    assert_eq!(run.state.steps[run.ix("a3")].skipped, Some(SkipReason::NotReached));
    run.done("join");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_branch_without_a_second_arm_may_lead_nowhere() {
    let run = Harness::start(workflow(vec![branch("way", "inputs.no", &["a"], &[]), noop("a").after(&["way"]), noop("b").after(&["a"])]));
    assert_eq!(run.status(), RunStatus::Completed);
    assert_eq!((run.step("a"), run.step("b")), (StepStatus::Skipped, StepStatus::Skipped));
}

#[test]
fn in_a_file_without_edges_the_next_step_runs_whichever_arm_was_chosen() {
    let mut definition = workflow(vec![branch("way", "inputs.no", &["a"], &["b"]), noop("a"), noop("b"), noop("c")]);
    definition.order = gorgon_core::definition::Order::File;
    let mut run = Harness::start(definition);
    run.done("b");
    run.done("c");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_whole_group_may_be_an_arm() {
    let mut run = Harness::start(workflow(vec![
        branch("way", "inputs.no", &["p"], &["b"]),
        parallel("p", vec![noop("x"), noop("y")]).after(&["way"]),
        noop("b").after(&["way"]),
    ]));
    assert_eq!(run.step("p"), StepStatus::Skipped);
    run.done("b");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_branch_chooses_inside_of_a_group() {
    let inside = vec![branch("way", "inputs.yes", &["a"], &["b"]), noop("a").after(&["way"]), noop("b").after(&["way"]), noop("c").after(&["b"])];
    let mut run = Harness::start(workflow(vec![parallel("p", inside), noop("after")]));
    assert_eq!(run.open(), ["a/0/1/0"]);
    run.done("a");
    run.done("after");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_fallback_that_a_branch_names_is_not_taken_for_failed() {
    let mut run =
        Harness::start(workflow(vec![branch("way", "inputs.no", &["b"], &["a"]), noop("a").after(&["way"]).or_step("b"), noop("b").after(&["way"])]));
    run.done("a");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn what_comes_after_the_arms_waits_for_the_one_that_was_taken() {
    let steps = || {
        vec![
            branch("b", "inputs.yes", &["ask"], &["log"]),
            approval("ask", "deploy?"),
            noop("prepare").after(&["ask"]),
            noop("log"),
            noop("deploy"),
            noop("last"),
        ]
    };
    for order in [Order::File, Order::Edges] {
        let steps = if order == Order::File { steps().into_iter().map(|step| step.with(|step| step.depends_on = None)).collect() } else { steps() };
        let mut definition = workflow(steps);
        definition.order = order;
        let mut run = Harness::start(definition);
        // The last arm is left out at once.
        assert_eq!((run.pending().len(), run.open().len(), run.step("log")), (1, 0, StepStatus::Skipped), "{order:?} {}", run.history());
        run.crash();
        run.ok(approve("ask", None, None));
        assert_eq!(run.open(), ["prepare/0/1/0"], "{order:?}");
        run.done("prepare");
        assert_eq!(run.open(), ["deploy/0/1/0"], "{order:?}");
        run.done("deploy");
        run.done("last");
        assert_eq!(run.status(), RunStatus::Completed);
    }
}

#[test]
fn what_stands_between_the_arms_and_is_none_of_them_is_not_waited_for() {
    let mut definition = workflow(vec![
        branch("b", "inputs.yes", &["x"], &["y"]),
        noop("x"),
        noop("x2"),
        noop("y"),
        noop("aside").after(&[]),
        noop("ahead").after(&["x", "end"]),
        noop("more").after(&["b"]),
        noop("end"),
    ]);
    definition.order = Order::Edges;
    let run = Harness::start(definition);
    let end = &run.state.program.nodes[run.ix("end")];
    let before: Vec<&str> = end.after.iter().map(|(ix, _)| run.state.program.nodes[*ix].step.id.as_str()).collect();
    assert_eq!(before, ["x", "x2", "y", "more"]);
}
