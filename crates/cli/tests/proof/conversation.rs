//! An agent with tools, killed in its fourteenth turn: the model is asked that turn again, and no other.

use gorgon_testkit::scripted::{Delivery, Reply, Rule, Script};
use serde_json::{Value, json};

use crate::machine::{Machine, finish};
use crate::server::Server;

const TURNS: u64 = 14;

const WORKFLOW: &str = "name: talk\noutputs: [said]\nsteps:\n  - id: work\n    type: agent\n    prompt: Read the notes, one after the other.\n    tools: [files.read, files.list]\n    max_tokens: 200\n    outputs: [said]\n";

/// Thirteen notes are read; the fourteenth answer takes longer than anybody waits, and comes at once when it is asked for again.
fn script() -> Script {
    let mut script = Script::default();
    for turn in 1..TURNS {
        script = script.rule(Rule::new(Reply::tool("files_read", &format!("{{\"path\": \"notes/{turn}.txt\"}}"))).times(1));
    }
    let late = Delivery { delay_ms: 120_000, ..Delivery::default() };
    script.rule(Rule::new(Reply::text("never heard")).times(1).deliver(late)).rule(Rule::new(Reply::text("Thirteen notes.")).times(1))
}

/// The bodies of the model's requests, in order.
fn bodies(machine: &Machine) -> Vec<Value> {
    let lines = machine.read(".server/witness");
    lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["event"] == "request")
        .map(|line| line["body"].clone())
        .collect()
}

fn killed_in_the_last_turn(wire: &str) {
    let machine = Machine::new();
    let server = Server::start(&machine, script());
    let settings = machine.read("gorgon.toml").replace("kind = \"openai\"", &format!("kind = \"{wire}\""));
    machine.write("gorgon.toml", &settings);
    machine.write("talk.yaml", WORKFLOW);
    for turn in 1..TURNS {
        machine.write(&format!("notes/{turn}.txt"), &format!("note {turn} says {}\n", turn * 7));
    }
    let mut run = machine.start(&["run", "talk.yaml", "--json"]);
    machine.until("fourteenth question", |machine| (bodies(machine).len() as u64 == TURNS).then_some(()));
    run.kill().unwrap();
    finish(run);

    let done = machine.run(&["resume", "@last", "--json"]).exits(0).json();
    assert_eq!((&done["status"], &done["outputs"]["said"]), (&json!("completed"), &json!("Thirteen notes.")));
    let asked = bodies(&machine);
    assert_eq!(asked.len() as u64, TURNS + 1, "turns 1 to 13 were asked once, the fourteenth twice");
    assert_eq!(asked[13].to_string(), asked[14].to_string(), "asked again in the same bytes");
    for (before, after) in asked.iter().zip(&asked[1..]) {
        let texts = |body: &Value| body["messages"].as_array().unwrap().iter().map(Value::to_string).collect::<Vec<_>>();
        let (before, after) = (texts(before), texts(after));
        assert!(after.starts_with(&before), "each question begins with all that was said before it");
    }
    let last = asked[14].to_string();
    for turn in 1..TURNS {
        assert_eq!(last.matches(&format!("note {turn} says {}\\n", turn * 7)).count(), 1, "the result of tool {turn} stands in it once");
    }

    // Each answered turn is charged as the server charged it; the one in doubt in full, and the one made again by its usage.
    let events = machine.run(&["export", "@last", "--events"]).exits(0).stdout;
    let settled = events.lines().filter(|line| line.contains("\"call_settled\"") && line.contains("\"settlement\"")).count() as u64;
    let doubted = events.lines().filter(|line| line.contains("\"call_doubted\"")).count();
    assert_eq!((settled, doubted), (TURNS, 1));
    let (_, calls) = server.bill();
    assert_eq!(calls, TURNS, "the server was paid for each answer that it gave");
    let shown = machine.show("@last");
    assert!(shown["cost_nano_usd"].as_u64().unwrap() > server.bill().0, "the doubted turn is charged until better is known");
}

#[test]
fn openai_is_asked_the_fourteenth_turn_again() {
    killed_in_the_last_turn("openai");
}

#[test]
fn anthropic_is_asked_the_fourteenth_turn_again() {
    killed_in_the_last_turn("anthropic");
}

#[test]
fn a_retry_goes_on_in_the_turn_that_failed_and_pays_for_no_other() {
    for wire in ["openai", "anthropic"] {
        let machine = Machine::new();
        let read = |note: u32| Rule::new(Reply::tool("files_read", &format!("{{\"path\": \"notes/{note}.txt\"}}"))).times(1);
        let script = Script::default()
            .rule(read(1))
            .rule(read(2))
            .rule(Rule::new(Reply::error(503, "overloaded")).times(1))
            .rule(Rule::new(Reply::text("Two notes.")).times(1));
        let server = Server::start(&machine, script);
        let settings = machine.read("gorgon.toml").replace("kind = \"openai\"", &format!("kind = \"{wire}\""));
        machine.write("gorgon.toml", &settings);
        machine.write("talk.yaml", &WORKFLOW.replace("max_tokens: 200", "max_tokens: 200\n    retry: {max_attempts: 1}"));
        machine.write("notes/1.txt", "one");
        machine.write("notes/2.txt", "two");
        let failed = machine.run(&["run", "talk.yaml", "--json"]).exits(1).json();
        assert_eq!(failed["retry_repeats"], json!([]));
        let done = machine.run(&["retry", "@last", "--json"]).exits(0).json();
        assert_eq!((&done["outputs"]["said"], &done["steps"][0]["attempts"]), (&json!("Two notes."), &json!(1)), "{wire}");
        let asked = bodies(&machine);
        assert_eq!(asked.len(), 4, "{wire}: the turns before were asked once");
        assert_eq!(asked[2].to_string(), asked[3].to_string(), "{wire}: asked again in the same bytes");
        assert_eq!((&done["cost_nano_usd"], &done["calls"]), (&json!(server.bill().0), &json!(3)), "{wire}");
    }
}

const SCORED: &str = "name: scored\noutputs: [score]\nsteps:\n  - id: judge\n    type: agent\n    prompt: Score it.\n    max_tokens: 100\n    output_schema: {type: object, required: [score], properties: {score: {type: integer}}}\n    rules: [\"output.score > 3\"]\n    outputs: [score]\n";

/// What the server was asked, and what the run was charged for each answer.
fn judged(answers: &[&str], code: i32) -> (Value, Vec<Value>) {
    let machine = Machine::new();
    let rules = answers.iter().map(|answer| Rule::new(Reply::text(answer)).times(1));
    let server = Server::start(&machine, rules.fold(Script::default(), Script::rule));
    machine.write("scored.yaml", SCORED);
    let run = machine.run(&["run", "scored.yaml", "--json"]).exits(code).json();
    let (nano_usd, calls) = server.bill();
    assert_eq!((run["cost_nano_usd"].as_u64(), calls), (Some(nano_usd), answers.len() as u64), "each answer is held, charged and shown");
    let shown = machine.run(&["runs", "show", "@last"]).exits(0).stdout;
    let lines: Vec<&str> = shown.lines().filter(|line| line.contains("scripted/m: ")).collect();
    assert!(lines.len() == answers.len() && lines.iter().all(|line| line.contains("; $0.0")), "a line of cost for each: {shown}");
    assert!(lines[1..].iter().all(|line| line.contains("asked again (")), "{shown}");
    assert_eq!(shown.contains("the answer of judge was mended: ") && shown.contains("/score"), code == 0, "{shown}");
    let settled = machine.run(&["runs", "events", "@last", "--type", "call_settled", "--json"]).exits(0).stdout;
    assert_eq!(settled.matches("\"charged\"").count(), answers.len(), "a line of cost for each: {settled}");
    (run, bodies(&machine))
}

#[test]
fn an_answer_that_fails_twice_and_then_holds_is_paid_three_times_and_told_so() {
    let (run, asked) = judged(&["It is good.", "{\"score\": 2}", "```json\n{\"score\": \"7\"}\n```"], 0);
    assert_eq!(run["outputs"]["score"], 7);
    let last = asked[2]["messages"].as_array().unwrap();
    let told: Vec<&str> = last.iter().filter(|message| message["role"] == "user").filter_map(|message| message["content"].as_str()).collect();
    assert_eq!(told.len(), 3);
    assert!(told[1].contains("one JSON value") && told[2].contains("`output.score > 3` does not hold"), "{told:?}");
    assert_eq!(asked[0]["response_format"]["json_schema"]["strict"], true);
}

#[test]
fn an_answer_that_never_holds_fails_after_three() {
    let (run, _) = judged(&["no", "no again", "never"], 1);
    assert_eq!(run["status"], "failed");
    let message = run["error"]["message"].as_str().unwrap();
    assert!(message.contains("3 times in a row") && message.contains("one JSON value"), "{message}");
}
