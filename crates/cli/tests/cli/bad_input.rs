//! What is wrong gets a place, a reason and a cure, ends with 2, and leaves nothing behind.

use crate::world::World;

/// Nothing was made: no data directory, no database.
fn nothing_is_left(world: &World) {
    assert!(!world.root().join("home/.local").exists());
    assert!(!world.path(".gorgon").exists());
}

#[track_caller]
fn refused(text: &str, args: &[&str], code: &str) -> String {
    let world = World::new();
    world.write("w.yaml", text);
    let mut call = vec!["run", "w.yaml"];
    call.extend(args);
    let done = world.run(&call).exits(2).says(code);
    assert!(done.stdout.is_empty(), "{done:#?}");
    nothing_is_left(&world);
    done.stderr
}

fn step(rest: &str) -> String {
    format!("name: w\nsteps:\n  - id: a\n    type: shell\n    command: 'true'\n{rest}")
}

#[test]
fn files() {
    refused("name: [", &[], "GOR0101");
    refused("", &[], "GOR0101");
    refused("name: w\nname: x\nsteps: []\n", &[], "GOR0123");
    let bomb: String = (1..40).map(|n| format!("x{n}: &x{n} [*x{m}, *x{m}, *x{m}, *x{m}]\n", m = n - 1)).collect();
    refused(
        &format!("name: w\nmetadata:\n  x0: &x0 [1, 2]\n{}steps: []\n", bomb.lines().map(|line| format!("  {line}\n")).collect::<String>()),
        &[],
        "GOR0102",
    );
    refused("name: w\nsteps: 7\n", &[], "GOR0103");
}

#[test]
fn keys_types_and_names() {
    let told = refused(&step("    comand: x\n"), &[], "GOR0105");
    assert!(told.contains("w.yaml:6:5:") && told.contains("command"), "{told}");
    refused("name: w\nsteps:\n  - {id: a, type: shel, command: x}\n", &[], "GOR0106");
    refused(&step("  - {id: a, type: shell, command: x}\n"), &[], "GOR0109");
    refused(&step("    outputs: [x]\n  - {id: b, type: shell, command: x, outputs: [x]}\n"), &[], "GOR0110");
    refused(&step("    depends_on: [b]\n"), &[], "GOR0111");
    refused(&step("    depends_on: [b]\n  - {id: b, type: shell, command: x, depends_on: [a]}\n"), &[], "GOR0112");
    refused(&step("  - {id: b, type: shell, command: 'echo \"${steps.x.y}\"'}\n"), &[], "GOR0113");
    refused(&step("    condition: {field: a, operator: resembles, value: 1}\n"), &[], "GOR0118");
}

#[test]
fn inputs() {
    let text = format!("inputs:\n  n: {{type: integer, required: true}}\n  list: {{type: array, default: []}}\n{}", step(""));
    refused(&text, &[], "GOR0201");
    refused(&text, &["--input", "n=one"], "GOR0202");
    let told = refused(&text, &["--input", "n=1", "--input", "lst=[1]"], "GOR0203");
    assert!(told.contains("did you mean `list`?"), "{told}");
    refused(&text, &["--input", "n"], "GOR0202");
    refused(&text, &["--input", "n=@nowhere"], "GOR0202");
    refused(&text, &["--inputs", "w.yaml"], "GOR0202");
}

#[test]
fn money_and_models() {
    let agent = "name: w\nsteps:\n  - {id: a, type: agent, prompt: hi, max_tokens: 100}\n";
    let told = refused(agent, &[], "GOR0205");
    assert!(told.contains("[providers.NAME]") && told.contains("simulated"), "{told}");
    refused(agent, &["--provider", "nobody"], "GOR0205");
    refused(agent, &["--provider", "simulated", "--budget-tokens", "10"], "GOR0204");
    refused(agent, &["--provider", "simulated", "--budget-usd", "1.0000000001"], "GOR0202");
    refused(&step(""), &["--goal", "b"], "GOR0120");
}

#[test]
fn names_of_workflows() {
    let world = World::new();
    world.write("secret.yaml", &step(""));
    std::fs::create_dir(world.path("workflows")).unwrap();
    world.run(&["run", "../secret"]).exits(2).says("`..`");
    world.run(&["run", "workflows"]).exits(2).says("is a folder");
    world.run(&["init", "../x"]).exits(2).says("GOR0121");
    nothing_is_left(&world);
}

#[test]
fn steps_that_this_release_cannot_run_are_valid_and_refused_at_start() {
    let world = World::new();
    world.write("w.yaml", "name: w\nsteps:\n  - {id: a, type: slack, params: {}}\n");
    world.run(&["validate", "w.yaml"]).exits(0);
    world.run(&["run", "w.yaml"]).exits(2).says("GOR0107").says("step `a`");
    nothing_is_left(&world);
}

#[test]
fn a_path_that_is_computed_and_leaves_its_root_fails_the_step() {
    let world = World::new();
    let step = "{id: a, type: files, action: write, path: '${to}', content: x}";
    world.write("w.yaml", &format!("name: w\ninputs: {{to: {{type: string, default: ../out}}}}\nsteps:\n  - {step}\n"));
    world.run(&["run", "w.yaml"]).exits(1).says("step `a`");
    assert!(!world.root().join("out").exists());
}

#[test]
fn a_dry_run_leaves_nothing() {
    let world = World::new();
    world.write("w.yaml", &format!("inputs:\n  n: {{type: integer, default: 2}}\n{}", step("")));
    let done = world.run(&["run", "w.yaml", "--dry-run", "--json"]).exits(0);
    assert_eq!(done.json()["inputs"]["n"], 2);
    nothing_is_left(&world);
}

#[test]
fn no_workflow_takes_keys_or_settings_for_a_prompt() {
    let world = World::new();
    world.write(".env", "OPENAI_API_KEY=sk-not-for-models\n");
    world.write("gorgon.toml", "[defaults]\nprovider = \"simulated\"\n");
    std::os::unix::fs::symlink(world.path(".env"), world.path("link.md")).unwrap();
    for named in [".env", "./.env", "link.md", "gorgon.toml"] {
        world.write("a.yaml", &format!("name: a\nsteps:\n  - {{id: p, agent: openai, prompt: \"{named}\"}}\n"));
        for verb in [&["run", "a.yaml"][..], &["validate", "a.yaml"], &["convert", "a.yaml"]] {
            let done = world.run(verb).exits(2).says("holds keys");
            assert!(!format!("{}{}", done.stdout, done.stderr).contains("sk-not"), "{verb:?} {named}");
        }
    }
    world.write("w.yaml", "name: w\nsteps:\n  - {id: p, type: workflow, workflow: .env}\n");
    let done = world.run(&["run", "w.yaml"]).exits(2).says("holds keys");
    assert!(!format!("{}{}", done.stdout, done.stderr).contains("sk-not"));
    world.write("roles/README", "");
    std::os::unix::fs::symlink(world.path(".env"), world.path("roles/leak.md")).unwrap();
    world.run(&["agent", "list"]).exits(2).says("a link leads out of the folder");
}

#[test]
fn a_path_that_leads_out_is_told_where_it_stands() {
    let world = World::new();
    for (action, key, path) in [("read", "path", "../../etc/passwd"), ("list", "path", "/etc"), ("glob", "pattern", "a/../../*")] {
        world.write("w.yaml", &format!("name: w\nsteps:\n  - {{id: a, type: files, action: {action}, {key}: \"{path}\"}}\n"));
        world.run(&["validate", "w.yaml"]).exits(2).says("w.yaml:3:").says("error[GOR0308]").says("leads out of the folder of the run");
        world.run(&["run", "w.yaml"]).exits(2).says("GOR0308");
    }
    world.write("w.yaml", "name: w\nsteps:\n  - {id: a, type: files, action: read, path: \"a/../w.yaml\"}\n");
    world.run(&["validate", "w.yaml"]).exits(0);
}

#[test]
fn a_model_that_nobody_named_is_told_before_anything_is_done() {
    let world = World::new();
    world.write("gorgon.toml", "[providers.local]\nkind = \"openai\"\nbase_url = \"http://127.0.0.1:9/v1\"\n");
    let text = |provider: &str| {
        format!(
            "name: w\nsteps:\n  - {{id: first, type: shell, command: 'touch done'}}\n  - {{id: a, type: agent, provider: {provider}, prompt: hi}}\n"
        )
    };
    world.write("w.yaml", &text("local"));
    world.run(&["run", "w.yaml"]).exits(2).says("GOR0205").says("step `a` asks the provider `local`, and no model is named").says("--model");
    world.write("w.yaml", &text("anthropic"));
    world.run(&["run", "w.yaml"]).exits(2).says("GOR0205").says("set ANTHROPIC_API_KEY");
    assert!(!world.path("done").exists());
    nothing_is_left(&world);
}

#[test]
fn what_no_step_of_it_can_do_is_known_before_anything_is_paid() {
    let world = World::new();
    let then = |step: &str| format!("name: w\nsteps:\n  - {{id: a, type: shell, command: 'touch ran'}}\n  - {step}\n");
    for (step, code, said) in [
        ("{id: b, type: script, script: 'return ('}", "GOR0115", "the script cannot be read"),
        ("{id: b, type: agent, provider: simulated, prompt: hi, rules: ['script: return (']}", "GOR0115", "rules[0]"),
        ("{id: b, type: shell, command: 'echo \"$S\"', env: {S: '${secrets.KEY}'}}", "GOR0107", "this release keeps no secrets"),
        ("{id: b, type: agent, provider: d, model: m, prompt: hi}", "GOR0205", "`OPENAI_API_KEY` is not set"),
        ("{id: b, type: agent, provider: e, model: m, prompt: hi}", "GOR0205", "base_url"),
    ] {
        world.write("gorgon.toml", "[providers.d]\nkind = \"openai\"\n\n[providers.e]\nkind = \"openai\"\nbase_url = \"localhost:8080/v1\"\n");
        world.write("w.yaml", &then(step));
        for verb in [&["run", "w.yaml"][..], &["run", "w.yaml", "--dry-run"]] {
            world.run(verb).exits(2).says(code).says(said);
        }
        assert!(!world.path("ran").exists(), "{step}");
    }
    // Who may never be asked need not be ready.
    for step in [
        "{id: b, type: agent, provider: simulated, prompt: hi, fallbacks: [d/m]}",
        "{id: b, type: agent, provider: d, model: m, prompt: hi, when: 'false'}",
    ] {
        world.write("w.yaml", &then(step));
        world.run(&["run", "w.yaml"]).exits(0);
    }
}
