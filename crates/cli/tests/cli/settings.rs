//! Settings: where they come from, and what is wrong with them.

use std::process::Stdio;

use crate::world::{World, finish, kill};

const OK: &str = "name: ok\nsteps:\n  - {id: a, type: shell, command: 'true'}\n";

#[track_caller]
fn shown(world: &World, args: &[&str], name: &str) -> (serde_json::Value, String) {
    let mut call = vec!["config", "show", "--json"];
    call.extend(args);
    let json = world.run(&call).exits(0).json();
    let line = json["settings"].as_array().unwrap().iter().find(|line| line["name"] == name).unwrap_or_else(|| panic!("no {name}: {json:#}")).clone();
    (line["value"].clone(), line["source"].as_str().unwrap().to_owned())
}

#[test]
fn each_value_names_its_source() {
    let world = World::new();
    world.write("gorgon.toml", "[defaults]\nprovider = \"simulated\"\n\n[budget]\nmax_cost_usd = 2.50\n\n[models.\"m\"]\ninput_usd_per_mtok = 0.1\noutput_usd_per_mtok = 1_0.000000001\n");
    let (value, source) = shown(&world, &[], "defaults.provider");
    assert_eq!((value, source.rsplit('/').next()), ("simulated".into(), Some("gorgon.toml:2")));
    assert_eq!(shown(&world, &[], "budget.max_cost_usd").0, "2.50");
    let (model, _) = shown(&world, &[], "models.m");
    assert_eq!((&model["input_usd_per_mtok"], &model["output_usd_per_mtok"]), (&"0.10".into(), &"10.000000001".into()));
    assert_eq!(shown(&world, &[], "limits.process").1, "default");
    assert_eq!(shown(&world, &["--data-dir", "x"], "data_dir").1, "flag --data-dir");
    let done = finish(
        world
            .command(&["config", "show"])
            .env("GORGON_PROVIDER", "p")
            .env("GORGON_PROVDER", "q")
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap(),
    );
    done.exits(0).says("environment GORGON_PROVIDER").says("GORGON_PROVDER is not a setting");
}

#[test]
fn unknown_keys_have_a_place_and_the_nearest_known_one() {
    let world = World::new();
    world.write("w.yaml", OK);
    world.write("gorgon.toml", "[http]\nallow_privat = []\n\n[provders.x]\nkind = \"openai\"\n");
    world
        .run(&["run", "w.yaml"])
        .exits(2)
        .says("gorgon.toml:2:1")
        .says("did you mean `allow_private`?")
        .says("gorgon.toml:4:")
        .says("did you mean `providers`?");
    assert!(!world.path(".gorgon").exists());
}

#[test]
fn wrong_values_are_refused() {
    let world = World::new();
    world.write("w.yaml", OK);
    for (text, said) in [
        ("[budget\n", "this is not TOML"),
        ("[budget]\nmax_cost_usd = -1\n", "is not an amount of dollars"),
        ("[budget]\nmax_cost_usd = 1e3\n", "is not an amount of dollars"),
        ("[budget]\nmax_tokens = 1.5\n", "whole number"),
        ("[limits]\nprocess = 0\n", "between 1 and"),
        ("[http]\nallow_private = [\"10.0.0.300\"]\n", "neither an address"),
        ("[providers.x]\nkind = \"oracle\"\n", "makes no provider"),
        ("[providers.fake]\nkind = \"simulated\"\n", "the simulator is `[providers.simulated]`"),
        ("[models.m]\nfree = true\ninput_usd_per_mtok = 1\n", "both `free` and a price"),
        ("[models.m]\ninput_usd_per_mtok = 1\n", "needs both"),
    ] {
        world.write("gorgon.toml", text);
        world.run(&["run", "w.yaml"]).exits(2).says(said);
    }
}

#[test]
fn a_database_that_cannot_be_opened_is_never_ignored() {
    let world = World::new();
    world.write("w.yaml", OK);
    let with = |url: &str| {
        let mut command = world.command(&["run", "w.yaml"]);
        command.env("DATABASE_URL", url).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        finish(command.spawn().unwrap())
    };
    with("postgres://localhost/x").exits(2).says("this build cannot open").says("postgres:");
    with("sqlite::memory:").exits(2).says("--ephemeral");
    with("sqlite:elsewhere.db").exits(0);
    assert!(world.path("elsewhere.db").exists());
}

#[test]
fn what_belongs_to_a_database_lies_beside_it_whoever_opens_it() {
    let world = World::new();
    world.write(
        "slow.yaml",
        "name: slow\nsteps:\n  - {id: a, type: shell, command: 'touch started; until test -e over; do sleep 0.05; done; echo end >> ends'}\n",
    );
    world.write("w.yaml", OK);
    let with = |url: &str, args: &[&str]| {
        let mut command = world.command(args);
        command.env("DATABASE_URL", url).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        command.spawn().unwrap()
    };
    let holder = with("sqlite:one.db", &["run", "slow.yaml", "--data-dir", "x"]);
    world.until_in_flight();
    assert!(world.path("one.db.gorgon/gorgon.sock").exists() && !world.path("x").exists());
    // The same database by another name, whatever data directory is named: its holder is found.
    std::os::unix::fs::symlink(world.path("one.db"), world.path("same.db")).unwrap();
    let list = finish(with("sqlite:same.db", &["runs", "list", "--json", "--data-dir", "y"])).json();
    assert_eq!(list["runs"].as_array().map(Vec::len), Some(1), "{list}");
    // Another database, although the data directory that is named is the same: it has nothing to do with that holder.
    finish(with("sqlite:two.db", &["run", "w.yaml", "--data-dir", "x"])).exits(0);
    assert!(world.path("two.db").exists());
    // Whoever comes after a killed holder finds what it left running, and ends it before the step is made again.
    kill(holder);
    finish(with("sqlite:one.db", &["runs", "list", "--data-dir", "z"])).exits(0);
    finish(with("sqlite:one.db", &["pause", "@last", "--data-dir", "z"])).exits(0);
    world.write("over", "");
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(!world.path("ends").exists(), "it was left running");
}

#[test]
fn the_data_directory_lies_beside_the_settings_and_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    world.write("w.yaml", OK);
    world.write("gorgon.toml", "");
    world.run(&["run", "w.yaml"]).exits(0);
    let mode = std::fs::metadata(world.path(".gorgon")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert!(world.path(".gorgon/gorgon-state.db").exists());
}

#[test]
fn the_budget_of_the_tenant_holds_over_runs() {
    let world = World::new();
    world.write("w.yaml", "name: w\nsteps:\n  - {id: a, type: agent, provider: simulated, prompt: hi, max_tokens: 10}\n");
    world.write("gorgon.toml", "[budget]\nmax_calls = 1\n");
    world.run(&["run", "w.yaml"]).exits(0);
    // Nothing is left of it: the second run does not begin.
    world.run(&["run", "w.yaml"]).exits(2).says("GOR0204").says("the budget of all runs").says("what is left is 0 calls");
    assert_eq!(world.run(&["runs", "list", "--json"]).json()["runs"].as_array().unwrap().len(), 1);
    world.run(&["plan", "w.yaml"]).exits(0).says("all runs together 1 calls: may not fit");
    world.write("gorgon.toml", "[budget]\nmax_calls = 0\n");
    world.run(&["plan", "w.yaml"]).exits(2).says("all runs together 0 calls: cannot fit").says("the budget of all runs");
    world.run(&["run", "w.yaml", "--dry-run"]).exits(2).says("cannot fit");
    // Whoever comes from a folder without settings takes nothing out of them.
    let elsewhere = |args: &[&str]| {
        let mut command = world.command(args);
        command.env("GORGON_DATA_DIR", world.path(".gorgon")).current_dir(world.root());
        finish(command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap())
    };
    let file = world.path("w.yaml").display().to_string();
    elsewhere(&["run", &file]).exits(2).says("the budget of all runs").says("what is left is 0 calls");
    // A limit that was taken out of the settings limits nothing any more.
    world.write("gorgon.toml", "");
    world.run(&["run", "w.yaml"]).exits(0);
    world.run(&["plan", "w.yaml"]).exits(0).says("no limit: fits");
}

#[test]
fn the_simulator_costs_what_it_is_said_to_cost_and_not_what_the_model_costs_that_it_stands_for() {
    let world = World::new();
    let dear = "[defaults]\nprovider = \"openai\"\nmodel = \"gpt-4o\"\n\n[budget]\nmax_cost_usd = 0.01\n\n[models.\"gpt-4o\"]\ninput_usd_per_mtok = 2500\noutput_usd_per_mtok = 10000\n";
    world.write("gorgon.toml", dear);
    world.write("w.yaml", "name: w\nbudget: {max_cost_usd: 0.01}\nsteps:\n  - {id: a, type: agent, prompt: hi, max_tokens: 100}\n");
    let run = ["run", "w.yaml", "--provider", "simulated", "--json"];
    let done = world.run(&run).exits(0).json();
    assert_eq!((&done["cost_nano_usd"], &done["calls"]), (&0.into(), &1.into()));
    world.write("gorgon.toml", &format!("{dear}\n[models.simulated]\ninput_usd_per_mtok = 1\noutput_usd_per_mtok = 2\n"));
    assert!(world.run(&run).exits(0).json()["cost_nano_usd"].as_u64().unwrap() > 0);
}

#[test]
fn an_address_in_a_variable_takes_the_place_of_that_of_a_table() {
    let world = World::new();
    let told = |toml: &str| {
        world.write("gorgon.toml", toml);
        let shown = world.run(&["config", "show", "--json"]).exits(0).json();
        let line = shown["settings"].as_array().unwrap().iter().find(|line| line["name"] == "providers.openai").unwrap().clone();
        (line["value"]["base_url"].clone(), line["value"]["api_key_env"].clone())
    };
    world.write(".env", "OPENAI_BASE_URL=http://127.0.0.1:9/v1\nOPENAI_API_KEY=sk-x\n");
    let here = serde_json::json!("http://127.0.0.1:9/v1");
    assert_eq!(told("[providers.openai]\nkind = \"openai\"\nstream = false\n"), (here.clone(), "OPENAI_API_KEY".into()));
    assert_eq!(told("[providers.openai]\nkind = \"openai\"\napi_key_env = \"MINE\"\n"), (here.clone(), "MINE".into()));
    // The key that a table names for its own address is not sent to another one.
    let with_key = "[providers.openai]\nkind = \"openai\"\nbase_url = \"http://127.0.0.1:8/v1\"\napi_key_env = \"MINE\"\n";
    assert_eq!(told(with_key), (here, "OPENAI_API_KEY".into()));
    world.write(".env", "OPENAI_API_KEY=sk-x\n");
    let there = serde_json::json!("http://127.0.0.1:8/v1");
    // A key alone goes to OpenAI alone.
    assert_eq!(told("[providers.openai]\nkind = \"openai\"\nbase_url = \"http://127.0.0.1:8/v1\"\n"), (there, serde_json::Value::Null));
}

#[test]
fn keys_come_from_the_environment_or_a_file_and_are_never_shown() {
    let world = World::new();
    let names = |world: &World| -> Vec<String> {
        let json = world.run(&["config", "show", "--json"]).exits(0).json();
        let names = json["settings"].as_array().unwrap().iter().filter_map(|line| line["name"].as_str()).map(str::to_owned);
        names.filter(|name| name.starts_with("providers.")).collect()
    };
    assert_eq!(names(&world), ["providers.simulated"]);
    world.write(
        ".env",
        "# keys\nexport ANTHROPIC_API_KEY='sk-ant-secret'\nOPENAI_BASE_URL=http://127.0.0.1:9/v1\nGORGON_MODEL=from-file\nGORGON_MODLE=x\n",
    );
    assert_eq!(names(&world), ["providers.simulated", "providers.openai", "providers.anthropic"]);
    let done = world.run(&["config", "show"]).exits(0).says("********").says(".env ANTHROPIC_API_KEY").says("GORGON_MODLE is not a setting");
    assert!(!done.stdout.contains("sk-ant-secret"), "{}", done.stdout);
    assert_eq!(shown(&world, &[], "defaults.model").0, "from-file");
    // The environment wins over the file, and the file over `gorgon.toml`.
    world.write("gorgon.toml", "[defaults]\nmodel = \"from-toml\"\n");
    assert_eq!(shown(&world, &[], "defaults.model").0, "from-file");
    let pipe = std::process::Stdio::piped;
    let done = finish(world.command(&["config", "show", "--json"]).env("GORGON_MODEL", "from-env").stdout(pipe()).stderr(pipe()).spawn().unwrap());
    assert!(done.exits(0).stdout.contains("from-env"));
    // Steps do not see the file.
    world.write("w.yaml", "name: w\noutputs: [key]\nsteps:\n  - {id: a, type: shell, command: 'echo \"[$ANTHROPIC_API_KEY]\"', outputs: [key]}\n");
    assert_eq!(world.run(&["run", "w.yaml", "--json"]).exits(0).json()["outputs"]["key"], "[]");
    world.run(&["doctor"]).says("provider anthropic");
}

#[test]
fn a_pattern_lets_no_secret_into_a_run() {
    let world = World::new();
    world.write("w.yaml", "name: w\nsteps:\n  - id: a\n    type: transform\n    set: {seen: \"env.DEMO_NAME ~ env.DEMO_TOKEN\"}\n");
    world.write("joined.yaml", "name: w\nsteps:\n  - id: a\n    type: transform\n    set: {seen: \"env.DEMOPASSWORD\"}\n");
    let run = |file: &str, allow: &str| {
        let mut command = world.command(&["run", file, "--json"]);
        command
            .env("GORGON_ENV_ALLOW", allow)
            .env("DEMO_NAME", "plain")
            .env("DEMO_TOKEN", "hush-hush-hush")
            .env("DEMOPASSWORD", "hush-hush-hush")
            .env("OPENAI_API_KEY", "sk-hush-hush-hush");
        crate::world::finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    };
    for file in ["w.yaml", "joined.yaml"] {
        let done = run(file, "DEMO*").exits(1);
        assert!(!done.stdout.contains("hush"), "{done:?}");
    }
    // By its whole name it was meant.
    let done = run("w.yaml", "DEMO*,DEMO_TOKEN").exits(0);
    assert!(done.stdout.contains("plainhush-hush-hush"), "{done:?}");
    world.write("w.yaml", "name: w\nsteps:\n  - id: a\n    type: transform\n    set: {seen: env.OPENAI_API_KEY}\n");
    let done = run("w.yaml", "OPENAI_API_KEY").exits(1);
    assert!(!done.stdout.contains("sk-hush"), "{done:?}");
}

#[test]
fn a_file_of_variables_that_makes_no_sense_is_refused_without_its_secret() {
    let world = World::new();
    world.write(".env", "OPENAI_API_KEY=sk-live 'secret\n");
    let done = world.run(&["config", "show"]).exits(2).says(".env").says("OPENAI_API_KEY");
    assert!(!done.stderr.contains("secret"), "{}", done.stderr);
    world.write(".env", "CLAUDE_MODE=cli\n");
    world.run(&["config", "show"]).exits(2).says("CLAUDE_MODE is `cli`");
}

#[test]
fn a_vendor_has_the_prices_of_its_list_and_whoever_stands_between_has_none() {
    let world = World::new();
    world.write(
        "w.yaml",
        "name: w\nbudget: {max_cost_usd: 1}\nsteps:\n  - {id: a, type: agent, provider: openai, model: gpt-5.6, prompt: hi, max_tokens: 1000}\n",
    );
    world.write(".env", "OPENAI_API_KEY=sk-secret\n");
    let plan = world.run(&["plan", "w.yaml", "--json"]).exits(0).json();
    // A prompt that may be written to a cache at 5 dollars for a million tokens, an answer at 20.
    let (upper, prompt) = (&plan["cost"]["upper"], |tokens: &serde_json::Value| tokens.as_u64().unwrap() - 3 * 1_000);
    assert_eq!(upper["cost_nano_usd"].as_u64().unwrap(), prompt(&upper["tokens"]) * 5_000 + 3 * 1_000 * 20_000, "{upper}");
    world.run(&["doctor"]).says("models with the prices of 2");
    // Another endpoint, or a dearer tier, is not what the list speaks of.
    world.write(".env", "OPENAI_API_KEY=sk-secret\nOPENAI_BASE_URL=http://127.0.0.1:9/v1\n");
    world.run(&["plan", "w.yaml"]).exits(2).says("GOR0206");
    world.write(".env", "OPENAI_API_KEY=sk-secret\n");
    world.write("gorgon.toml", "[providers.openai]\nkind = \"openai\"\nservice_tier = \"priority\"\n");
    world.run(&["plan", "w.yaml"]).exits(2).says("GOR0206");
    world.write("gorgon.toml", "[models.\"gpt-5.6\"]\ninput_usd_per_mtok = 1\noutput_usd_per_mtok = 1\n");
    let plan = world.run(&["plan", "w.yaml", "--json"]).exits(0).json();
    let upper = &plan["cost"]["upper"];
    assert_eq!(upper["cost_nano_usd"].as_u64().unwrap(), upper["tokens"].as_u64().unwrap() * 1_000, "what the settings say comes first");
}
