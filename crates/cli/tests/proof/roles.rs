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

#[test]
fn a_rule_in_a_file_of_its_own_judges_the_answer() {
    let machine = Machine::new();
    let answer = |text: &str| Rule::new(Reply::text(text)).times(1);
    let script = Script::default().rule(answer("{\"total\": 5, \"parts\": [1, 2]}")).rule(answer("{\"total\": 3, \"parts\": [1, 2]}"));
    let server = Server::start(&machine, script);
    machine.write(
        "rules/adds_up.lua",
        "local sum = 0\nfor _, part in ipairs(output.parts) do sum = sum + part end\nif sum == output.total then return true end\nreturn { valid = false, message = 'the parts are ' .. sum .. ', and not ' .. output.total }\n",
    );
    machine.write("w.yaml", "name: w\noutputs: [total]\nsteps: [{id: a, type: agent, prompt: Add, max_tokens: 99, rules: ['custom: adds_up'], outputs: [total, parts]}]\n");
    let done = machine.run(&["run", "w.yaml", "--json"]).exits(0).json();
    assert_eq!((&done["outputs"]["total"], &done["calls"]), (&json!(3), &json!(2)));
    let prompts: Vec<String> = server.requests(&machine).iter().map(|request| request.prompt.clone()).collect();
    assert!(prompts[1].contains("the parts are 3, and not 5"), "{prompts:?}");
}
