//! A provider that fails, and the one that goes on: in the turn that the conversation was in.

use gorgon_testkit::scripted::{Reply, Rule, Script};
use serde_json::{Value, json};

use crate::machine::Machine;
use crate::server::Server;

const WORKFLOW: &str = "name: talk
outputs: [said]
steps:
  - id: work
    type: agent
    prompt: Read the note.
    tools: [files.read]
    max_tokens: 200
    fallbacks: [scripted/n]
    retry: {max_attempts: 2, initial_delay_seconds: 0.01}
    outputs: [said]
";

fn of(model: &str, reply: Reply) -> Rule {
    let mut rule = Rule::new(reply);
    rule.when.model = Some(model.to_owned());
    rule
}

#[test]
fn the_next_one_goes_on_in_the_turn_and_everything_is_in_the_bill() {
    let machine = Machine::new();
    let script = Script::default()
        .rule(of("m", Reply::tool("files_read", r#"{"path": "note.txt"}"#)).times(1))
        .rule(of("m", Reply::error(503, "overloaded")).times(2))
        .rule(of("n", Reply::text("The note says seven.")).times(1));
    let server = Server::start(&machine, script);
    let settings = machine.read("gorgon.toml");
    let prices = settings.split("[models.m]\n").nth(1).unwrap().to_owned();
    machine.write("gorgon.toml", &format!("{settings}\n[models.n]\n{prices}"));
    machine.write("talk.yaml", WORKFLOW);
    machine.write("note.txt", "seven");
    let done = machine.run(&["run", "talk.yaml", "--json", "--budget-usd", "1"]).exits(0).json();
    assert_eq!(done["outputs"]["said"], "The note says seven.");
    assert_eq!((&done["cost_nano_usd"], &done["calls"]), (&json!(server.bill().0), &json!(2)), "what was refused is neither a call nor a cost");
    let lines = machine.read(".server/witness");
    let bodies: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["event"] == "request")
        .map(|line| line["body"].clone())
        .collect();
    let models: Vec<&str> = bodies.iter().map(|body| body["model"].as_str().unwrap()).collect();
    assert_eq!(models, ["m", "m", "m", "n"]);
    assert_eq!(bodies[3]["messages"], bodies[2]["messages"], "the next one is told all that was said");
    machine.run(&["runs", "events", "@last"]).exits(0).says("\"hopped\"");
    let shown = machine.run(&["runs", "show", "@last"]).exits(0).stdout;
    assert!(shown.contains("    1. scripted/m: asked for files_read; $0.0") && shown.contains("    4. scripted/n: answered; $0.0"), "{shown}");
    assert!(shown.contains("    3. scripted/m: failed: "), "{shown}");
}

#[test]
fn who_is_not_configured_is_told_before_anybody_is_asked() {
    let machine = Machine::new();
    let server = Server::start(&machine, Script::always(Reply::text("never")));
    machine.write("talk.yaml", &WORKFLOW.replace("scripted/n", "nobody/n"));
    machine.run(&["run", "talk.yaml"]).exits(2).says("GOR0205").says("falls back on the provider `nobody`");
    machine.write("talk.yaml", &WORKFLOW.replace("scripted/n", "scripted"));
    machine.run(&["run", "talk.yaml"]).exits(2).says("talk.yaml:9:17").says("PROVIDER/MODEL");
    machine.write("talk.yaml", WORKFLOW);
    machine.run(&["run", "talk.yaml", "--budget-usd", "1"]).exits(2).says("GOR0206");
    assert_eq!(server.bill().1, 0);
}
