//! Contracts of roles: wanted by a word, asked for again, and pinned with the run.

use gorgon_testkit::scripted::{Reply, Rule, Script};
use serde_json::json;

use crate::machine::Machine;
use crate::server::Server;

const PLAN: &str = r#"{"steps": [{"title": "dig", "done_when": "there is a hole"}]}"#;

#[test]
fn an_answer_has_to_be_what_the_contract_of_the_role_says() {
    let machine = Machine::new();
    let script = Script::default().rule(Rule::new(Reply::text("First we dig.")).times(1)).rule(Rule::new(Reply::text(PLAN)).times(2));
    let server = Server::start(&machine, script);
    let done = machine.run(&["agent", "run", "planner", "Dig a hole", "--contract", "--json"]).exits(0).json();
    assert_eq!(done["calls"], 2, "prose is not what a plan is: it was asked for again, and both are in the bill");
    assert_eq!(done["cost_nano_usd"], json!(server.bill().0));
    machine.write("w.yaml", "name: w\noutputs: [steps]\nsteps: [{id: plan, type: agent, role: planner, contract: role, prompt: Dig, max_tokens: 99, outputs: [steps, value]}]\n");
    let done = machine.run(&["run", "w.yaml", "--json"]).exits(0).json();
    assert_eq!(done["outputs"]["steps"][0]["title"], "dig");
    machine.run(&["agent", "show", "planner"]).exits(0).says("done_when").says("contract: role");
}

#[test]
fn a_contract_that_is_not_there_is_told_at_the_step() {
    let machine = Machine::new();
    machine.write("roles/poet.md", "You write verse.");
    for (role, says) in [("poet", "which has no contract"), ("nobody", "which is not known")] {
        machine
            .write("w.yaml", &format!("name: w\nsteps:\n  - {{id: a, type: agent, provider: simulated, role: {role}, contract: role, prompt: x}}\n"));
        machine.run(&["run", "w.yaml"]).exits(2).says("w.yaml:3").says(says);
    }
}
