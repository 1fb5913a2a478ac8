//! Values that want to be shell, in every place of a shell step where a value can stand.

use std::process::{Command, Stdio};

use crate::machine::Machine;

/// What a hostile value looks like. In the last ones a second input lies in wait.
const VALUES: [&str; 7] =
    ["$(touch canary)", "`touch canary`", "\"; touch canary; \"", "'; touch canary; '", "x\ntouch canary\nx", "$(touch${IFS}canary)", "${other}"];

const OTHER: &str = "; touch canary #";

/// Where the value stands, and how the check is to speak if it may not stand there.
const PLACES: [(&str, &str, Option<&str>); 6] = [
    ("quoted", "echo \"<${msg}> ${other}\"", None),
    ("unquoted", "echo ${msg} ${other}", None),
    ("arithmetic", "echo $(( ${msg} + 1 )) \"${other}\"", Some("stands in shell arithmetic")),
    ("sh -c", "sh -c \"echo ${msg} ${other}\"", Some("as its own code")),
    ("heredoc", "cat <<END\n<${msg}> ${other}\nEND", None),
    ("quoted heredoc", "cat <<'END'\n<${msg}> ${other}\nEND", Some("stands inside the heredoc")),
];

#[test]
fn a_value_is_never_shell() {
    let mut broken_there = 0;
    for (place, command, refusal) in PLACES {
        let machine = Machine::new();
        let block: String = command.lines().map(|line| format!("      {line}\n")).collect();
        let inputs = "inputs:\n  msg: {type: string, required: true}\n  other: {type: string, required: true}\n";
        machine.write(
            "w.yaml",
            &format!("name: inject\n{inputs}outputs: [said]\nsteps:\n  - id: say\n    type: shell\n    command: |\n{block}    outputs: [said]\n"),
        );
        for value in VALUES {
            let there = predecessor(command, value);
            broken_there += usize::from(there);
            let done = machine.run(&["run", "w.yaml", "--json", "--input", &format!("msg={value}"), "--input", &format!("other={OTHER}")]);
            assert_eq!(machine.files(), ["w.yaml"], "{place}: {value} was run as code: {done:#?}");
            match refusal {
                Some(text) => {
                    let done = done.exits(2).says(text).says("\"line\": ").says("\"help\": ");
                    assert!(!done.stderr.contains("started"), "{done:#?}");
                }
                None if place == "unquoted" => {
                    // The shell splits the value, and does nothing else with it.
                    let words: Vec<&str> = value.split_whitespace().chain(OTHER.split_whitespace()).collect();
                    assert_eq!(done.exits(0).json()["outputs"]["said"], words.join(" "), "{place}: {value}");
                }
                None => assert_eq!(done.exits(0).json()["outputs"]["said"], format!("<{value}> {OTHER}"), "{place}: {value}"),
            }
        }
    }
    println!("of {} values in places the predecessor ran {broken_there} as code", PLACES.len() * VALUES.len());
    assert!(broken_there >= 12, "the canary does not sing: only {broken_there}");
}

/// What the predecessor did: every reference replaced in turn by the quoted value, and the text given to the shell. Answers whether the value was run.
fn predecessor(command: &str, value: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let quote = |text: &str| format!("'{}'", text.replace('\'', "'\"'\"'"));
    let text = command.replace("${msg}", &quote(value)).replace("${other}", &quote(OTHER));
    let _ = Command::new("/bin/sh").args(["-c", &text]).current_dir(folder.path()).stdin(Stdio::null()).output().unwrap();
    folder.path().join("canary").exists()
}
