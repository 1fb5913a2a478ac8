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
