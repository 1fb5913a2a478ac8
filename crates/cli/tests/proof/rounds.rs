//! Loops, sub-workflows and map_reduce through the binary: killed, asked, over budget.

use gorgon_testkit::scripted::{Delivery, Reply, Rule, Script};
use serde_json::json;

use crate::machine::{Machine, finish};
use crate::server::Server;

/// Each round asks a model in a workflow of its own.
const MAIN: &str = "name: main
inputs: {files: {type: array}}
outputs: [all]
steps:
  - id: each
    type: loop
    params:
      for_each: ${files}
      as: file
      steps:
        - {id: look, type: workflow, workflow: parts/look.yaml, inputs: {file: '${file}', before: \"${previous.look.said | default('nothing')}\"}}
    outputs: [all]
";
const LOOK: &str = "name: look
inputs: {file: {type: string}, before: {type: string}}
outputs: [said]
steps:
  - {id: ask, type: agent, prompt: 'Look at ${file} after ${before}.', max_tokens: 50, outputs: [answer]}
  - {id: note, type: shell, effect: idempotent, idempotency_key: 'note-${run.id}-${file}', command: 'echo \"${answer}\" >> notes; printf %s \"${answer}\"', outputs: [said]}
";

fn project(script: Script) -> (Machine, Server) {
    let machine = Machine::new();
    let server = Server::start(&machine, script);
    machine.write("main.yaml", MAIN);
    machine.write("parts/look.yaml", LOOK);
    (machine, server)
}

fn prompts(server: &Server, machine: &Machine) -> Vec<String> {
    server.requests(machine).iter().map(|request| request.prompt.clone()).collect()
}

#[test]
fn a_kill_in_the_second_round_goes_on_in_the_second_round() {
    let late = Delivery { delay_ms: 120_000, ..Delivery::default() };
    let script = Script::default()
        .rule(Rule::new(Reply::text("one")).times(1))
        .rule(Rule::new(Reply::text("never heard")).times(1).deliver(late))
        .rule(Rule::new(Reply::text("two")).times(1))
        .rule(Rule::new(Reply::text("three")).times(1));
    let (machine, server) = project(script);
    let mut run = machine.start(&["run", "main.yaml", "--input", r#"files=["a","b","c"]"#]);
    machine.until("second question", |machine| (prompts(&server, machine).len() == 2).then_some(()));
    run.kill().unwrap();
    finish(run);
    let done = machine.run(&["resume", "@last", "--json"]).exits(0).json();
    assert_eq!(done["outputs"]["all"], json!(["one", "two", "three"]));
    let asked = prompts(&server, &machine);
    assert_eq!(
        asked,
        ["Look at a after nothing.", "Look at b after one.", "Look at b after one.", "Look at c after two."],
        "the first round was paid for once, the second repeated once"
    );
    assert_eq!(machine.read("notes"), "one\ntwo\nthree\n");
    let steps = done["steps"].as_array().unwrap();
    let each = steps.iter().find(|step| step["id"] == "each").unwrap();
    assert_eq!(each["rounds"], 3);
    assert_eq!(server.bill().1, 3, "answers that somebody heard");
}

#[test]
fn rounds_and_workflows_inside_draw_on_one_budget() {
    let (machine, server) = project(Script::default().rule(Rule::new(Reply::text("said"))));
    let two_calls = ["run", "main.yaml", "--input", r#"files=["a","b","c","d"]"#, "--budget-calls", "2"];
    machine.run(&two_calls).exits(2).says("at least 4 calls");
    // How many rounds there will be is known no more.
    machine.write("main.yaml", &MAIN.replace("as: file\n", "as: file\n      until: index > 8\n"));
    let stopped = machine.run(&two_calls);
    stopped.exits(1).says("calls").says("gorgon resume");
    assert_eq!(prompts(&server, &machine).len(), 2);
    machine.run(&["resume", "@last", "--budget-calls", "9"]).exits(0);
    assert_eq!(prompts(&server, &machine).len(), 4, "no round was made again");
    machine.run(&["run", "main.yaml", "--input", r#"files=["a","b","c","d"]"#, "--budget-calls", "0"]).exits(2);
}

#[test]
fn a_change_in_the_workflow_of_a_step_is_told_before_a_run_goes_on_without_it() {
    let (machine, server) = project(Script::default().rule(Rule::new(Reply::text("said"))));
    machine.run(&["run", "main.yaml", "--input", r#"files=["a","b"]"#, "--budget-calls", "9"]).exits(0);
    machine.write("main.yaml", &MAIN.replace("as: file\n", "as: file\n      until: index > 8\n"));
    machine.run(&["run", "main.yaml", "--input", r#"files=["a","b"]"#, "--budget-calls", "1"]).exits(1);
    machine.write("parts/look.yaml", &LOOK.replace("Look at", "Read"));
    machine.run(&["resume", "@last", "--budget-calls", "9"]).exits(0).says("what main.yaml names was changed").says("--updated");
    let asked = prompts(&server, &machine);
    assert!(asked.iter().all(|prompt| prompt.contains("Look at")), "the run stays with the text that it was started from: {asked:?}");
}

#[test]
fn a_failure_in_an_earlier_round_is_told_with_its_round_and_only_what_helps_is_proposed() {
    const ROUNDS: &str = "name: rounds
steps:
  - id: l
    type: loop
    params:
      for_each: [1, 2, 3]
      steps:
        - {id: q, type: agent, prompt: 'number ${item}', max_tokens: 9, on_failure: skip}
";
    let machine = Machine::new();
    let script = Script::default().rule(Rule::new(Reply::error(400, "no")).prompt("number 2").times(1)).rule(Rule::new(Reply::text("yes")));
    let _server = Server::start(&machine, script);
    machine.write("rounds.yaml", ROUNDS);
    let partial = machine.run(&["run", "rounds.yaml"]).exits(1).says("step `q` failed in round 2 of `l`").says("--from l");
    assert!(!partial.stderr.contains("gorgon retry"), "{partial:?}");
    machine.run(&["retry", "@last"]).exits(2).says("rounds of a loop that have ended");
    machine.run(&["fork", "@last", "--from", "l"]).exits(0);
    let runs = machine.run(&["runs", "list", "--json"]).exits(0).json();
    let ids: Vec<&str> = runs["runs"].as_array().unwrap().iter().filter_map(|run| run["id"].as_str()).collect();
    let diff = machine.run(&["runs", "diff", ids[1], ids[0]]).exits(0);
    let verdict = |step: &str| diff.stdout.lines().find(|line| line.starts_with(step)).map(str::to_owned).unwrap_or_default();
    assert!(verdict("l ").ends_with("another result") && verdict("q ").ends_with("same result in the last round"), "{diff:?}");
}

#[test]
fn a_run_whose_calls_were_all_refused_does_not_say_that_none_was_made() {
    let machine = Machine::new();
    let _server = Server::start(&machine, Script::default().rule(Rule::new(Reply::error(400, "no"))));
    machine.write("one.yaml", "name: one\nsteps: [{id: a, type: agent, prompt: one, max_tokens: 9}]\n");
    machine.run(&["run", "one.yaml"]).exits(1).says("no call of a model was charged");
}
