//! What a workflow must not reach: the data of Gorgon, its settings, and keys.

use crate::world::World;

/// A project: its settings file makes the data lie in `.gorgon` beside it, below the folder of the run.
fn project() -> World {
    let world = World::new();
    world.write("gorgon.toml", "");
    world.write(".env", "OPENAI_API_KEY=sk-test-0123456789abcdef\n");
    world
}

#[test]
fn no_file_step_touches_the_data_or_the_settings() {
    let world = project();
    for path in [".gorgon/gorgon-state.db", "gorgon.toml", ".env", "sub/../.gorgon/x"] {
        for action in ["read", "write, content: x", "append, content: x"] {
            let text = format!("name: w\nsteps:\n  - {{id: a, type: files, path: {path}, action: {action}}}\n");
            world.write("w.yaml", &text);
            world.run(&["run", "w.yaml"]).exits(1).says("closed to file actions");
        }
    }
    let list = world.run(&["runs", "list", "--json"]).exits(0).json();
    assert_eq!(list["runs"].as_array().map(Vec::len), Some(12), "the store is whole: {list}");
    assert!(world.read(".env").starts_with("OPENAI_API_KEY=") && world.read("gorgon.toml").is_empty());
}

#[test]
fn a_key_that_a_command_prints_is_shown_to_nobody() {
    let world = project();
    world.write(
        "w.yaml",
        "name: w\nsteps:\n  - {id: a, type: shell, command: 'cat .env; cat .env >&2; printf sk-test-; sleep 0.1; printf 0123456789abcdef'}\n",
    );
    let run = world.run(&["run", "w.yaml", "--json"]).exits(0);
    let logs = world.run(&["runs", "logs", "@last"]).exits(0);
    let events = world.run(&["runs", "events", "@last"]).exits(0);
    let export = world.run(&["export", "@last"]).exits(0);
    for done in [run, logs, events, export] {
        assert!(!format!("{done:?}").contains("test-0123456789abcdef"), "{done:#?}");
        assert!(done.stdout.contains("[key]"), "{done:#?}");
    }
    for file in walk(&world.path(".gorgon")) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(21).any(|window| window == b"test-0123456789abcdef"), "{}", file.display());
    }
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).filter(|path| path.is_file()).collect()
}
