//! One good and one bad call of every verb, as they look. `UPDATE_GOLDENS=1` writes them anew.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::world::{World, kill};

/// What every golden world holds.
const FILES: &[(&str, &str)] = &[
    ("hello.yaml", HELLO),
    ("ask.yaml", ASK),
    ("door.yaml", DOOR),
    ("fails.yaml", FAILS),
    ("doubt.yaml", DOUBT),
    ("bad.yaml", BAD),
    ("workflows/greet.yaml", GREET),
    ("workflows/odd.yaml", "name: odd\nsteps: 7\n"),
    ("classic.json", CLASSIC),
    ("circle.json", CIRCLE),
];

const HELLO: &str = r#"name: hello
inputs:
  who: {type: string, default: world}
  times: {type: integer, default: 1}
outputs: [greeting, answer]
steps:
  - id: greet
    type: shell
    command: 'printf "hello %s" "${who}"'
    outputs: [greeting]
  - id: ask
    type: agent
    provider: simulated
    prompt: "Answer: ${greeting}"
    max_tokens: 50
    outputs: [answer]
"#;

const GREET: &str =
    "name: greet\ndescription: Greets.\noutputs: [greeting]\nsteps:\n  - id: greet\n    type: transform\n    value: hi\n    outputs: [greeting]\n";

const ASK: &str = "name: ask\noutputs: [done]\nsteps:\n  - id: gate\n    type: approval\n    prompt: May I?\n    preview: {what: everything}\n  - id: act\n    type: shell\n    command: echo did it\n    depends_on: [gate]\n    outputs: [done]\n";

const DOOR: &str = "name: door\noutputs: [who]\nsteps:\n  - id: bell\n    type: signal\n    name: ring\n    outputs: [who]\n";

const FAILS: &str = "name: fails\nsteps:\n  - id: first\n    type: shell\n    command: echo fine\n  - id: second\n    type: shell\n    command: \"echo trouble >&2; exit 3\"\n    retry: {max_attempts: 1}\n";

const DOUBT: &str =
    "name: doubt\noutputs: [word]\nsteps:\n  - id: act\n    type: shell\n    command: touch started; sleep 30; echo over\n    outputs: [word]\n";

const BAD: &str =
    "name: bad\nsteps:\n  - id: one\n    type: shel\n    command: echo\n  - id: two\n    type: shell\n    comand: echo\n    depends_on: [three]\n";

const CLASSIC: &str = r#"{"id": "digest", "name": "Digest", "description": "Reads and shortens.",
 "steps": [
  {"id": "read", "type": "openai", "action": "generate_completion", "params": {"prompt": "What is new about {{topic}}?"}, "next_step": "shorten"},
  {"id": "shorten", "type": "openai", "action": "summarize", "params": {"text": "{{read_output}}", "max_length": 50}, "next_step": null}
 ],
 "variables": {"topic": "tea"}}
"#;

const CIRCLE: &str = r#"{"goal_summary": "Goes round", "nodes": [
 {"node_id": "a", "name": "A", "agent_type": "CodeAgent", "input_data": {"spec": "a"}, "dependencies": ["b"]},
 {"node_id": "b", "name": "B", "agent_type": "CodeAgent", "input_data": {"spec": "b"}, "dependencies": ["a", "c"]}
]}
"#;

/// A call, and the calls before it in the same world.
struct Case {
    verb: &'static str,
    good: bool,
    before: &'static [&'static [&'static str]],
    call: &'static [&'static str],
}

const fn good(verb: &'static str, before: &'static [&'static [&'static str]], call: &'static [&'static str]) -> Case {
    Case { verb, good: true, before, call }
}

const fn bad(verb: &'static str, before: &'static [&'static [&'static str]], call: &'static [&'static str]) -> Case {
    Case { verb, good: false, before, call }
}

const HELLO_RUN: &[&[&str]] = &[&["run", "hello.yaml"]];
const ASK_RUN: &[&[&str]] = &[&["run", "ask.yaml"]];

const CASES: &[Case] = &[
    good("init", &[], &["init", "mine"]),
    bad("init", &[], &["init", "../mine"]),
    good("validate", &[], &["validate", "hello.yaml"]),
    bad("validate", &[], &["validate", "bad.yaml"]),
    good("convert", &[], &["convert", "classic.json"]),
    bad("convert", &[], &["convert", "circle.json"]),
    good("plan", &[], &["plan", "hello.yaml", "--goal", "greeting"]),
    bad("plan", &[], &["plan", "hello.yaml", "--goal", "greting"]),
    good("run", &[], &["run", "hello.yaml", "--input", "who=you"]),
    bad("run", &[], &["run", "hello.yaml", "--input", "whom=you"]),
    good("list", &[], &["list"]),
    bad("list", &[], &["list", "--brokn"]),
    good("show", &[], &["show", "hello.yaml"]),
    bad("show", &[], &["show", "gret"]),
    good("runs list", HELLO_RUN, &["runs", "list"]),
    bad("runs list", HELLO_RUN, &["runs", "list", "--status", "done"]),
    good("runs show", ASK_RUN, &["runs", "show", "@last"]),
    good("runs diff", HELLO_RUN, &["runs", "diff", "@last", "@last"]),
    bad("runs diff", HELLO_RUN, &["runs", "diff", "@last", "zzzzzz"]),
    bad("runs show", HELLO_RUN, &["runs", "show", "zzzzzz"]),
    good("runs events", HELLO_RUN, &["runs", "events", "@last", "--type", "step_succeeded"]),
    bad("runs events", HELLO_RUN, &["runs", "events", "@last", "--type", "step_suceeded"]),
    good("runs logs", HELLO_RUN, &["runs", "logs", "@last", "greet"]),
    bad("runs logs", HELLO_RUN, &["runs", "logs", "@last", "gret"]),
    good("runs tree", ASK_RUN, &["runs", "tree", "@last"]),
    bad("runs tree", &[], &["runs", "tree", "@last"]),
    good("runs watch", HELLO_RUN, &["runs", "watch", "@last"]),
    bad("runs watch", &[], &["runs", "watch", "run_zz"]),
    good("watch", HELLO_RUN, &["watch"]),
    bad("watch", &[], &["watch"]),
    good("resume", &[&["run", "hello.yaml", "--ephemeral"], &["run", "ask.yaml"], &["pause", "@last"]], &["resume", "@last"]),
    bad("resume", HELLO_RUN, &["resume", "@last"]),
    good("fork", HELLO_RUN, &["fork", "@last", "--input", "who=ann"]),
    bad("fork", HELLO_RUN, &["fork", "@last", "--from", "ansk"]),
    good("retry", &[&["run", "fails.yaml"]], &["retry", "@last"]),
    bad("retry", HELLO_RUN, &["retry", "@last"]),
    good("cancel", ASK_RUN, &["cancel", "@last", "--reason", "no need"]),
    bad("cancel", HELLO_RUN, &["cancel", "@last"]),
    good("pause", ASK_RUN, &["pause", "@last"]),
    bad("pause", HELLO_RUN, &["pause", "@last"]),
    good("approve", ASK_RUN, &["approve", "@last"]),
    bad("approve", HELLO_RUN, &["approve", "@last", "greet"]),
    good("reject", ASK_RUN, &["reject", "@last", "gate", "-m", "not today"]),
    bad("reject", ASK_RUN, &["reject", "@last", "act"]),
    good("resolve", &[], &["resolve", "@last", "act", "--done", "--output", "\"over\""]),
    bad("resolve", ASK_RUN, &["resolve", "@last", "gate", "--redo"]),
    good("signal", &[&["run", "door.yaml"]], &["signal", "@last", "ring", "--payload", "\"the post\""]),
    bad("signal", &[&["run", "door.yaml"]], &["signal", "@last", "ring", "--payload", "the post"]),
    good("export", HELLO_RUN, &["export", "@last", "--events"]),
    bad("export", HELLO_RUN, &["export", "nobody"]),
    good("agent list", &[], &["agent", "list"]),
    bad("agent list", &[], &["agent", "lst"]),
    good("agent show", &[], &["agent", "show", "reviewer", "--json"]),
    bad("agent show", &[], &["agent", "show", "reviwer"]),
    good("agent run", &[], &["agent", "run", "planner", "Plan a ${trip}", "--context", "by train", "--provider", "simulated"]),
    bad("agent run", &[], &["agent", "run", "plannr", "Plan it", "--provider", "simulated"]),
    good("workflow list", &[], &["workflow", "list", "--json"]),
    bad("workflow list", &[], &["workflow", "lst"]),
    good("workflow run", &[], &["workflow", "run", "greet"]),
    bad("workflow run", &[], &["workflow", "run", "gret"]),
    good("schema", &[], &["schema"]),
    bad("schema", &[], &["schema", "more"]),
    good("config show", &[], &["config", "show"]),
    bad("config show", &[], &["config", "shw"]),
    good("doctor", &[], &["doctor"]),
    bad("doctor", &[], &["doctor", "--data-dir", "hello.yaml"]),
    good("completions", &[], &["completions", "bash"]),
    bad("completions", &[], &["completions", "basic"]),
];

/// Longer data is another test's business.
const LINES_MAX: usize = 60;

#[test]
fn every_verb_has_one_good_and_one_bad_call() {
    let mut verbs = BTreeSet::new();
    leaves(&gorgon_cli::command(), "", &mut verbs);
    for verb in verbs {
        for good in [true, false] {
            assert!(CASES.iter().any(|case| case.verb == verb && case.good == good), "`gorgon {verb}` has no {} golden", word(good));
        }
    }
}

fn leaves(command: &clap::Command, path: &str, found: &mut BTreeSet<String>) {
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
        let path = format!("{path} {}", verb.get_name()).trim().to_owned();
        if verb.has_subcommands() {
            leaves(verb, &path, found);
        } else {
            found.insert(path);
        }
    }
}

#[test]
fn calls_look_as_they_should() {
    let mut changed = Vec::new();
    for case in CASES {
        let found = played(case);
        let path =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(format!("{}.{}.txt", case.verb.replace(' ', "-"), word(case.good)));
        if std::env::var_os("UPDATE_GOLDENS").is_some() {
            std::fs::write(&path, &found).unwrap();
        } else if std::fs::read_to_string(&path).unwrap_or_default() != found {
            changed.push(format!("{}:\n{found}", path.display()));
        }
    }
    assert!(changed.is_empty(), "these calls look otherwise (UPDATE_GOLDENS=1 accepts it):\n{}", changed.join("\n"));
}

fn word(good: bool) -> &'static str {
    if good { "good" } else { "bad" }
}

fn played(case: &Case) -> String {
    let world = World::new();
    FILES.iter().for_each(|(name, text)| drop(world.write(name, text)));
    if case.verb == "resolve" && case.good {
        leave_in_doubt(&world);
    }
    for before in case.before {
        world.run(before);
    }
    let done = world.run(case.call);
    let good = done.exit == Some(0) || case.verb == "retry" || case.verb == "resume" || case.verb == "reject";
    assert_eq!(good && case.good, case.good, "{}: {done:#?}", case.verb);
    assert!(case.good || done.exit != Some(0), "{} accepts it: {done:#?}", case.verb);
    let call: Vec<String> = case.call.iter().map(|arg| if arg.contains([' ', '"']) { format!("'{arg}'") } else { (*arg).to_owned() }).collect();
    let part = |name: &str, text: &str| if text.is_empty() { String::new() } else { format!("--- {name}\n{}", shortened(&world.redact(text))) };
    format!("$ gorgon {}\nexit {}\n{}{}", call.join(" "), done.exit.unwrap(), part("stdout", &done.stdout), part("stderr", &done.stderr))
}

/// A run whose process was killed in the middle of a step.
fn leave_in_doubt(world: &World) {
    let child = world.start(&["run", "doubt.yaml"]);
    world.until_in_flight();
    kill(child);
    world.run(&["resume", "@last"]).exits(4).says("in doubt");
}

fn shortened(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let kept = &lines[..lines.len().min(LINES_MAX)];
    let mut text: String = kept.iter().flat_map(|line| [line.chars().take(400).collect::<String>(), "\n".to_owned()]).collect();
    if lines.len() > LINES_MAX {
        text.push_str("… more lines\n");
    }
    text
}
