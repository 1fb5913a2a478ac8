//! A workflow of each earlier system runs to its end, and the model is asked exactly what its prompts say.
//!
//! `UPDATE_GOLDENS=1` writes the prompts anew.

use std::path::{Path, PathBuf};

use gorgon_testkit::scripted::{Reply, Rule, Script};
use serde_json::{Value, json};

use crate::machine::Machine;
use crate::server::Server;

/// The example, and how many questions it asks.
const EXAMPLES: [(&str, usize); 5] =
    [("classic.json", 3), ("examples.json", 2), ("graph.json", 2), ("goatclaw.json", 3), ("awo/workflows/feature.yaml", 2)];

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// A machine that has the examples, and a model whose answers are `answer 1`, `answer 2` …, with braces that mean nothing in an answer.
fn machine() -> (Machine, Server) {
    let machine = Machine::new();
    let answers = (1..=9).map(|number| Rule::new(Reply::text(&format!("answer {number} of ${{topic}} {{{{topic}}}}"))).times(1));
    let server = Server::start(&machine, answers.fold(Script::default(), Script::rule));
    for file in EXAMPLES.map(|(file, _)| file).into_iter().chain(["awo/prompts/plan.md", "awo/prompts/implement.md"]) {
        machine.write(file, &std::fs::read_to_string(repository("examples/dialects").join(file)).unwrap());
    }
    (machine, server)
}

#[test]
fn the_model_is_asked_what_the_file_says() {
    let mut differing = Vec::new();
    for (file, questions) in EXAMPLES {
        let (machine, server) = machine();
        machine.run(&["validate", file]).exits(0);
        machine.run(&["plan", file, "--provider", "scripted", "--model", "m"]).exits(0);
        let done = machine.run(&["run", file, "--provider", "scripted", "--model", "m", "--json"]).exits(0).json();
        assert_eq!(done["status"], "completed", "{file}: {done:#}");
        let prompts: Vec<String> = server.requests(&machine).into_iter().map(|request| request.prompt).collect();
        assert_eq!(prompts.len(), questions, "{file}: {prompts:#?}");
        let asked = prompts.iter().map(|prompt| format!("{prompt}\n=====\n")).collect::<String>();
        let outputs = serde_json::to_string_pretty(&done["outputs"]).unwrap();
        let found = format!("{asked}{outputs}\n");
        let name = Path::new(file).components().next().unwrap().as_os_str().to_string_lossy().replace(".json", "");
        let golden = repository("crates/cli/tests/proof/prompts").join(format!("{name}.txt"));
        if std::env::var_os("UPDATE_GOLDENS").is_some() {
            std::fs::write(golden, found).unwrap();
        } else if std::fs::read_to_string(&golden).unwrap_or_default() != found {
            differing.push(format!("{}:\n{found}", golden.display()));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn the_native_form_asks_the_same() {
    for (file, _) in EXAMPLES {
        let (machine, server) = machine();
        let native = machine.run(&["convert", file]).exits(0).stdout;
        machine.write("native.yaml", &native);
        let done = machine.run(&["run", "native.yaml", "--provider", "scripted", "--model", "m", "--json"]).exits(0).json();
        let own: Vec<String> = server.requests(&machine).into_iter().map(|request| request.prompt).collect();
        drop(server);
        let (machine, server) = self::machine();
        let first = machine.run(&["run", file, "--provider", "scripted", "--model", "m", "--json"]).exits(0).json();
        assert_eq!(own, server.requests(&machine).into_iter().map(|request| request.prompt).collect::<Vec<_>>(), "{file}");
        assert_eq!(done["outputs"], first["outputs"], "{file}");
    }
}

#[test]
fn what_nothing_does_is_refused_by_its_name() {
    let (machine, server) = machine();
    let graph = json!({
        "goal_summary": "Search and tell",
        "nodes": [
            {"node_id": "look", "agent_type": "BrowserAgent", "input_data": {"url": "https://a.example"}, "dependencies": []},
            {"node_id": "sum", "agent_type": "CodeAgent", "input_data": {"spec": "x"}, "dependencies": ["look"]}
        ]
    });
    machine.write("tasks.json", &graph.to_string());
    machine.run(&["validate", "tasks.json"]).exits(0);
    let refused = machine.run(&["run", "tasks.json", "--provider", "scripted", "--model", "m", "--json"]).exits(2).json();
    let problem = &refused["error"]["diagnostics"][0];
    assert_eq!(problem["code"], "GOR0107");
    assert!(problem["message"].as_str().unwrap().contains("`BrowserAgent`"), "{problem}");
    assert_eq!((&problem["line"], problem["column"].is_number()), (&Value::from(1), true), "it has its place: {problem}");
    assert_eq!(server.bill(), (0, 0), "nothing was asked");
}
