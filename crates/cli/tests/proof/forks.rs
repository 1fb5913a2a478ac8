//! Forks: what is kept is not asked and not charged again; the rest is, and the difference can be seen.

use gorgon_testkit::scripted::{Reply, Rule, Script, Usage};
use serde_json::{Value, json};

use crate::machine::Machine;
use crate::server::Server;

const WORKFLOW: &str = r#"name: letters
inputs:
  topic: {type: string, default: tea}
  tone: {type: string, default: plain}
outputs: [letter, sent]
steps:
  - {id: facts, type: agent, prompt: "Facts about ${topic}", max_tokens: 100, outputs: [facts]}
  - {id: draft, type: agent, prompt: "Write a ${tone} letter from ${facts}", max_tokens: 100, outputs: [draft]}
  - {id: polish, type: agent, prompt: "Polish ${draft}", max_tokens: 100, outputs: [letter]}
  - {id: send, type: shell, command: 'printf "%s" "${letter}" >> sent.txt; printf sent', outputs: [sent]}
"#;

/// Every question gets an answer that holds it, so that another question has another result.
fn machine() -> (Machine, Server) {
    let machine = Machine::new();
    let rule = |contains: &str, model: Option<&str>, says: &str| {
        let mut rule = Rule::new(Reply::text_with(says, Usage::Seeded(7)));
        rule.when.prompt_contains = Some(contains.to_owned());
        rule.when.model = model.map(str::to_owned);
        rule
    };
    let script = Script::default()
        .rule(rule("Facts about tea", None, "tea is hot"))
        .rule(rule("Write a plain letter from tea is hot", None, "Dear tea"))
        .rule(rule("Write a warm letter from tea is hot", None, "Dearest tea"))
        .rule(rule("Polish", Some("n"), "By another: tea"))
        .rule(rule("Polish Dear tea", None, "Dear Tea."))
        .rule(rule("Polish Dearest tea", None, "Dearest Tea."));
    let server = Server::start(&machine, script);
    let settings = machine.read("gorgon.toml");
    let prices = settings.split("[models.m]\n").nth(1).unwrap().to_owned();
    machine.write("gorgon.toml", &format!("{settings}\n[models.n]\n{prices}"));
    machine.write("letters.yaml", WORKFLOW);
    (machine, server)
}

fn prompts(server: &Server, machine: &Machine, after: usize) -> Vec<String> {
    server.requests(machine)[after..].iter().map(|request| request.prompt.clone()).collect()
}

/// The first run, whole; its id and its cost.
fn first(machine: &Machine, server: &Server) -> (String, u64) {
    let run = machine.run(&["run", "letters.yaml", "--json"]).exits(0).json();
    assert_eq!(run["outputs"], json!({ "letter": "Dear Tea.", "sent": "sent" }));
    assert_eq!(run["cost_nano_usd"].as_u64(), Some(server.bill().0));
    (run["id"].as_str().unwrap().to_owned(), server.bill().0)
}

fn step<'a>(run: &'a Value, id: &str) -> &'a Value {
    run["steps"].as_array().unwrap().iter().find(|step| step["id"] == id).unwrap()
}

#[test]
fn a_changed_input_in_the_middle_costs_what_comes_after_it() {
    let (machine, server) = machine();
    let (origin, paid) = first(&machine, &server);
    let look = machine.run(&["fork", &origin, "--input", "tone=warm", "--dry-run"]).exits(0);
    assert!(look.stdout.contains("for nothing: facts\n"), "{look:#?}");
    assert!(look.stdout.contains("done again: step `send` (at_most_once), 1 call of it"), "{look:#?}");
    assert_eq!((server.requests(&machine).len(), machine.read("sent.txt")), (3, "Dear Tea.".to_owned()), "nothing was run");

    let fork = machine.run(&["fork", &origin, "--input", "tone=warm", "--json"]).exits(0).json();
    assert_eq!(prompts(&server, &machine, 3), ["Write a warm letter from tea is hot", "Polish Dearest tea"]);
    assert_eq!((&fork["outputs"]["letter"], machine.read("sent.txt").as_str()), (&json!("Dearest Tea."), "Dear Tea.Dearest Tea."));
    assert_eq!(fork["cost_nano_usd"].as_u64(), Some(server.bill().0 - paid), "the cost of what ran");
    assert_eq!((&step(&fork, "facts")["kept"], &step(&fork, "facts")["cost_nano_usd"]), (&json!(true), &json!(0)));
    assert_eq!(fork["fork"]["run"], origin.as_str());

    let id = fork["id"].as_str().unwrap();
    let diff = machine.run(&["runs", "diff", &origin, id, "--json"]).exits(0).json();
    assert_eq!(diff["inputs"], json!({ "tone": ["plain", "warm"] }));
    assert_eq!(diff["outputs"]["letter"], json!(["Dear Tea.", "Dearest Tea."]));
    let same: Vec<&Value> = diff["steps"].as_array().unwrap().iter().map(|step| &step["same_outputs"]).collect();
    assert_eq!(same, [&json!(true), &json!(false), &json!(false), &json!(true)]);
    assert_eq!(diff["after"]["cost_nano_usd"], fork["cost_nano_usd"]);
    let text = machine.run(&["runs", "diff", &origin, id]).exits(0).stdout;
    assert!(text.contains("-draft: Dear tea") && text.contains("+draft: Dearest tea") && text.contains("kept"), "{text}");
}

#[test]
fn another_model_from_a_step_on_answers_only_there() {
    let (machine, server) = machine();
    let (origin, paid) = first(&machine, &server);
    let fork = machine.run(&["fork", &origin, "--from", "polish", "--model", "n", "--json"]).exits(0).json();
    assert_eq!(prompts(&server, &machine, 3), ["Polish Dear tea"]);
    assert_eq!(fork["outputs"]["letter"], "By another: tea");
    assert_eq!(fork["cost_nano_usd"].as_u64(), Some(server.bill().0 - paid));
    let kept: Vec<&Value> = fork["steps"].as_array().unwrap().iter().map(|step| &step["kept"]).collect();
    assert_eq!(kept, [&json!(true), &json!(true), &Value::Null, &Value::Null]);
}

#[test]
fn the_past_up_to_an_append_is_kept_and_goes_on_from_there() {
    let (machine, server) = machine();
    let (origin, paid) = first(&machine, &server);
    // The append that holds the second answer.
    let events = machine.run(&["runs", "events", &origin, "--type", "step_succeeded"]).exits(0).stdout;
    let draft: Value = events
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .find(|line: &Value| line["event"]["step_succeeded"]["step"] == "draft")
        .unwrap();
    let at = draft["seq"].to_string();
    let fork = machine.run(&["fork", &origin, "--at", &at, "--json"]).exits(0).json();
    assert_eq!(prompts(&server, &machine, 3), ["Polish Dear tea"]);
    assert_eq!(fork["cost_nano_usd"].as_u64(), Some(server.bill().0 - paid));
    // Before the first answer nothing can be kept.
    let anew = machine.run(&["fork", &origin, "--at", "1", "--json"]).exits(0).json();
    assert_eq!((prompts(&server, &machine, 4).len(), anew["status"].as_str()), (3, Some("completed")));
    machine.run(&["fork", &origin, "--at", "99"]).exits(2).says("numbered from 1 to");
    machine.run(&["fork", &origin, "--from", "polsh"]).exits(2).says("did you mean `polish`?");
    machine.run(&["fork", &origin, "--input", "tune=x"]).exits(2).says("did you mean `tone`?");
}

#[test]
fn a_changed_file_goes_on_with_what_is_unchanged() {
    let (machine, server) = machine();
    machine.write("letters.yaml", &WORKFLOW.replace("printf sent", "exit 9"));
    let failed = machine.run(&["run", "letters.yaml"]).exits(1);
    assert!(failed.stderr.contains("step `send`"), "{failed:#?}");
    machine.write("letters.yaml", WORKFLOW);
    machine.run(&["resume", "@last"]).says("--updated   keeps what is unchanged");
    let fixed = machine.run(&["resume", "@last", "--updated", "--json"]).exits(0).json();
    assert_eq!((server.requests(&machine).len(), &fixed["outputs"]["sent"]), (3, &json!("sent")), "no question was asked again");
    assert_eq!(fixed["cost_nano_usd"], 0);
    let shown = machine.run(&["runs", "show", "@last"]).exits(0).stdout;
    assert!(shown.contains("made of  run_") && shown.contains("3 results kept"), "{shown}");
}

#[test]
fn a_fork_inside_of_a_loop_says_before_what_the_rounds_that_are_left_cost_and_do_again() {
    let machine = Machine::new();
    let server = Server::start(&machine, Script::always(Reply::text_with("on", Usage::Seeded(7))));
    let ask = "{id: ask, type: agent, prompt: Go on, max_tokens: 50, retry: {max_attempts: 1}}";
    let file = format!(
        "name: l\nsteps:\n  - id: l\n    type: loop\n    count: 3\n    steps:\n      - {ask}\n      - {{id: act, type: shell, command: 'echo x >> out.txt'}}\n"
    );
    machine.write("l.yaml", &file);
    machine.run(&["run", "l.yaml"]).exits(0);
    let paid = server.bill();
    let events = machine.run(&["runs", "events", "@last", "--json", "--type", "step_succeeded"]).exits(0).stdout;
    let of_ask = |event: &Value| event["event"]["step_succeeded"]["step"] == "ask";
    let second = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).filter(of_ask).nth(1).unwrap()["seq"].to_string();
    let said = machine.run(&["fork", "@last", "--at", &second, "--dry-run", "--json"]).exits(0).json();
    assert_eq!((&said["kept"], &said["begun"]), (&json!([]), &json!(["ask", "l"])));
    assert_eq!(said["repeated"], json!([{ "step": "act", "class": "at_most_once", "calls": 2 }]));
    let fork = machine.run(&["fork", "@last", "--at", &second, "--json"]).exits(0).json();
    let (cost, calls) = (fork["cost_nano_usd"].as_u64().unwrap(), fork["calls"].as_u64().unwrap());
    assert_eq!((cost, calls), (server.bill().0 - paid.0, 1));
    let upper = &said["cost"]["upper"];
    assert!(upper["cost_nano_usd"].as_u64() >= Some(cost) && upper["calls"].as_u64() >= Some(calls), "{upper}");
    assert_eq!(machine.read("out.txt").lines().count(), 3 + 2);
}
