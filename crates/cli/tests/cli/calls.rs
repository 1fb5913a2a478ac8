//! Ways of calling that the goldens do not show.

use std::io::Write;
use std::process::Stdio;

use crate::world::{World, finish};

const ECHO: &str = "name: say\nid: the-sayer\ninputs:\n  text: {type: string, default: '-'}\n  count: {type: integer, default: 1}\n  flag: {type: boolean, default: false}\n  list: {type: array, default: []}\noutputs: [all]\nsteps:\n  - id: all\n    type: transform\n    value: {text: '${text}', count: '${count}', flag: '${flag}', list: '${list}'}\n    outputs: [all]\n";

fn all(world: &World, args: &[&str]) -> serde_json::Value {
    let mut call = vec!["run", "say.yaml", "--ephemeral", "--json"];
    call.extend(args);
    world.run(&call).exits(0).json()["outputs"]["all"].clone()
}

#[test]
fn inputs_are_read_as_what_they_are_declared() {
    let world = World::new();
    world.write("say.yaml", ECHO);
    world.write("text.txt", "from a file\n");
    world.write("in.json", "{\"text\": \"all at once\", \"count\": 7}");
    let found = all(&world, &["-i", "text=007", "--input", "count=7", "--var", "flag=true", "-v", "list=[1, \"a\"]"]);
    assert_eq!(found, serde_json::json!({"text": "007", "count": 7, "flag": true, "list": [1, "a"]}));
    assert_eq!(all(&world, &["-i", "text=@text.txt"])["text"], "from a file\n");
    assert_eq!(all(&world, &["-i", "text=@@home"])["text"], "@home");
    assert_eq!(all(&world, &["-i", "text=a=b ${count} $(id)"])["text"], "a=b ${count} $(id)");
    let found = all(&world, &["--inputs", "in.json", "-i", "count=8"]);
    assert_eq!((&found["text"], &found["count"]), (&"all at once".into(), &8.into()));
}

#[test]
fn inputs_come_from_standard_input() {
    let world = World::new();
    world.write("say.yaml", ECHO);
    for (args, text) in [(&["-i", "-"][..], "{\"text\": \"piped\"}"), (&["--inputs", "-"], "{\"text\": \"piped\"}"), (&["-i", "text=@-"], "piped")] {
        let mut call = vec!["run", "say.yaml", "--ephemeral", "--json"];
        call.extend(args);
        let mut child = world.command(&call).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert_eq!(finish(child).exits(0).json()["outputs"]["all"]["text"], "piped");
    }
}

#[test]
fn workflows_are_found_by_stem_name_and_id() {
    let world = World::new();
    world.write("workflows/speak.yaml", ECHO);
    for name in ["speak", "say", "the-sayer"] {
        world.run(&["run", name, "--ephemeral"]).exits(0);
    }
    world.write("workflows/other.yaml", ECHO);
    world.run(&["run", "say", "--ephemeral"]).exits(2).says("may be workflows/other.yaml or workflows/speak.yaml");
    // Be it by the stem of one and the name of the other.
    world.write("workflows/say.yaml", &ECHO.replace("name: say", "name: other").replace("the-sayer", "another"));
    world.run(&["run", "other", "--ephemeral"]).exits(2).says("may be workflows/other.yaml or workflows/say.yaml");
}

#[test]
fn an_ephemeral_run_leaves_nothing() {
    let world = World::new();
    world.write("say.yaml", ECHO);
    all(&world, &[]);
    assert!(!world.root().join("home/.local").exists());
    assert_eq!(std::fs::read_dir(world.root().join("tmp")).unwrap().count(), 0);
    world.run(&["runs", "list"]).exits(0).says("no runs");
    assert!(!world.root().join("home/.local").exists(), "looking leaves nothing either");
}

#[test]
fn events_are_lines_of_json() {
    let world = World::new();
    world.write("say.yaml", ECHO);
    let done = world.run(&["run", "say.yaml", "--events"]).exits(0);
    let events: Vec<serde_json::Value> = done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.first().unwrap()["event"]["run_created"].is_object() && events.last().unwrap()["event"]["run_finished"].is_object(), "{done:#?}");
}

#[test]
fn json_errors_are_json() {
    let world = World::new();
    let done = world.run(&["run", "nothing.yaml", "--json"]).exits(2);
    assert_eq!(done.json()["error"]["code"], "GOR0405");
    world.write("say.yaml", ECHO);
    let done = world.run(&["run", "say.yaml", "--json", "-i", "count=x", "-i", "txt=y"]).exits(2);
    assert_eq!(done.json()["error"]["diagnostics"].as_array().map(Vec::len), Some(2));
}

#[test]
fn runs_are_named_by_prefix_ending_and_last() {
    let world = World::new();
    world.write("say.yaml", ECHO);
    let id = world.run(&["run", "say.yaml", "--json"]).exits(0).json()["id"].as_str().unwrap().to_owned();
    for name in [&id, &id[..20], &id[24..], "@last"] {
        assert_eq!(world.run(&["runs", "show", name, "--json"]).exits(0).json()["id"], id.as_str());
    }
    world.run(&["run", "say.yaml"]).exits(0);
    world.run(&["runs", "show", "run_0"]).exits(2).says("GOR0402");
}

#[test]
fn what_init_writes_runs_and_leaves_a_report() {
    let world = World::new();
    world.write("src/a.txt", "one\ntwo\n");
    world.write("src/b.md", "three words here\n");
    world.run(&["init"]).exits(0);
    world.run(&["validate", "quickstart"]).exits(0).says("valid");
    let done = world.run(&["run", "quickstart", "-i", "folder=src", "--json"]).exits(0).json();
    assert_eq!((&done["outputs"]["file_count"], &done["outputs"]["line_count"], &done["simulated"]), (&2.into(), &3.into(), &true.into()));
    let report = world.read("quickstart-report.md");
    assert!(report.contains("| src/a.txt | txt | 2 | 2 |") && report.contains("[simulated]"), "{report}");
    world.run(&["init"]).exits(2).says("exists already");
    world.run(&["run", "quickstart", "-i", "folder=src"]).exits(0).says("cost $0.00 (simulated, ");
}

#[test]
fn export_holds_everything() {
    let world = World::new();
    world.write("say.yaml", ECHO);
    world.run(&["run", "say.yaml"]).exits(0);
    let export = world.run(&["export", "@last"]).exits(0).json();
    assert_eq!(export["definition"]["name"], "say");
    assert_eq!(export["source"], ECHO);
    assert_eq!(export["plan"]["included"][0]["step"], "all");
    assert_eq!(export["run"]["outputs"]["all"]["count"], 1);
    assert!(export["events"].as_array().is_some_and(|frames| !frames.is_empty()));
}

#[test]
fn a_reader_that_goes_away_ends_the_call() {
    let world = World::new();
    world.write("say.yaml", ECHO);
    let mut child = world.start(&["run", "say.yaml", "--events"]);
    drop(child.stdout.take());
    assert!(finish(child).exit.is_some_and(|exit| exit != 101 && exit != 3));
}

#[test]
fn the_environment_is_what_the_settings_let_through() {
    let world = World::new();
    world.write("w.yaml", "name: w\noutputs: [seen]\nsteps:\n  - {id: a, type: shell, command: 'echo \"$LET-$KEPT\"', outputs: [seen]}\n");
    world.write("gorgon.toml", "[env]\nallow = [\"PATH\", \"LE*\"]\n");
    let mut command = world.command(&["run", "w.yaml", "--json"]);
    command.env("LET", "through").env("KEPT", "secret").stdout(Stdio::piped()).stderr(Stdio::piped());
    let done = finish(command.spawn().unwrap()).exits(0);
    assert_eq!(done.json()["outputs"]["seen"], "through-");
}

#[test]
fn a_run_out_of_budget_goes_on_with_more() {
    let world = World::new();
    let agent = |id: &str| format!("  - {{id: {id}, type: agent, provider: simulated, prompt: hello, max_tokens: 20}}\n");
    world.write("w.yaml", &format!("name: w\nsteps:\n{}{}", agent("a"), agent("b")));
    world.write("gorgon.toml", "[models.simulated]\ninput_usd_per_mtok = 1.00\noutput_usd_per_mtok = 2.00\n");
    let done = world.run(&["run", "w.yaml", "--budget-tokens", "100", "--json"]);
    assert_eq!(done.exit, Some(1), "{done:#?}");
    let done = world.run(&["runs", "show", "@last"]).exits(0).says("GOR0305");
    assert!(done.stderr.contains("--budget-tokens N"), "{done:#?}");
    world.run(&["resume", "@last"]).exits(1);
    let run = world.run(&["resume", "@last", "--budget-tokens", "1000", "--json"]).exits(0).json();
    assert_eq!(run["calls"], 2);
    let cost = run["cost_nano_usd"].as_u64().unwrap();
    assert!(cost > 0);
    let said = world.run(&["watch", "@last"]).exits(0);
    assert!(said.stderr.contains("cost $0.0000") && said.stderr.contains("(simulated, "), "{said:#?}");
}

#[test]
fn shipped_workflows_run_by_stem_and_name_unless_the_user_has_one_of_that_name() {
    let world = World::new();
    let done = world.run(&[
        "workflow",
        "run",
        "dev_workflow_plan_build_test_review",
        "--var",
        "feature_request=Build user authentication",
        "--provider",
        "simulated",
        "--json",
    ]);
    let run = done.exits(0).json();
    assert_eq!(run["status"], "completed");
    for output in ["plan", "code", "tests", "review"] {
        assert!(run["outputs"][output].as_str().unwrap().starts_with("[simulated]"), "{output}: {run:#}");
    }
    let told = world.run(&["export", "@last", "--events"]).exits(0).stdout;
    assert!(told.contains("You are a planner.") && told.contains("## planning") && told.contains("Build user authentication"), "{told}");
    for name in ["security-audit", "security_audit"] {
        world.run(&["run", name, "--provider", "simulated"]).exits(0);
    }
    world.run(&["run", "analytics_pipeline", "--var", "data=a,b", "--provider", "simulated"]).exits(0);
    world.run(&["run", "analytics_pipeline", "--provider", "simulated"]).exits(2).says("the required input `data` was not given");
    world.run(&["run", "security-audit"]).exits(2).says("no provider is named");
    world.write("workflows/security-audit.yaml", ECHO);
    world.run(&["run", "security-audit"]).exits(0);
}
