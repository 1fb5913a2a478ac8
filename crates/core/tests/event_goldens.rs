//! Every event in every form that was ever written: read for ever, and the newest form written as it stands.
//!
//! `events/NAME.jsonl` holds the forms of the first version, one a line; a later version gets `NAME.2.jsonl` beside it. `SHA256SUMS`, held by
//! `cargo xtask tidy`, makes an edit of a released file red.
#![expect(clippy::disallowed_methods, reason = "a test reads its goldens; the core itself reads nothing")]

use std::fs;
use std::path::{Path, PathBuf};

use gorgon_core::event::Event;
use gorgon_core::event_codec::decode_body;

/// The files of an event, oldest version first.
fn versions(name: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/events");
    let first = folder.join(format!("{name}.jsonl"));
    let later = (2..).map(|version| folder.join(format!("{name}.{version}.jsonl"))).take_while(|path| path.is_file());
    std::iter::once(first).chain(later).collect()
}

fn read(line: &str) -> Event {
    let mut events = decode_body(format!("[{line}]").as_bytes()).unwrap_or_else(|error| panic!("{line}\n{error}"));
    assert_eq!(events.len(), 1, "{line}");
    events.remove(0)
}

#[test]
fn every_event_that_was_ever_written_is_read_and_the_newest_form_is_written_so() {
    let mut differing = Vec::new();
    for name in Event::NAMES {
        let files = versions(name);
        for (place, path) in files.iter().enumerate() {
            let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(!text.trim().is_empty(), "{name} has no golden");
            for line in text.lines() {
                let event = read(line);
                assert_eq!(event.name(), name, "{line}");
                let written = serde_json::to_string(&event).unwrap();
                if place + 1 == files.len() && written != line {
                    differing.push(format!("{name}\n  golden  {line}\n  written {written}"));
                }
            }
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn every_golden_is_of_a_known_event() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/events");
    for entry in fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().file_name().to_string_lossy().into_owned();
        let name = file.split('.').next().unwrap_or_default();
        assert!(file == "SHA256SUMS" || Event::NAMES.contains(&name), "{file} is of no event");
    }
}
