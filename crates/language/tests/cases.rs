//! Files and what becomes of them: good ones a normalised definition, bad ones diagnostics.
//!
//! `UPDATE_GOLDENS=1` writes the goldens anew.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its cases has failed")]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use gorgon_language::{load, render};

fn cases(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(kind);
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml" || extension == "json"))
        .filter(|path| !path.to_string_lossy().ends_with(".golden.json"))
        .collect();
    found.sort();
    found
}

/// Compares with a golden file, or writes it. What differs is collected, so that one run shows all.
fn golden(path: &Path, actual: &str, differing: &mut String) {
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        fs::write(path, actual).unwrap();
        return;
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    if expected != actual {
        writeln!(differing, "{}\n--- expected\n{expected}\n--- actual\n{actual}", path.display()).unwrap();
    }
}

#[test]
fn good_files_give_a_normalised_definition() {
    let mut differing = String::new();
    let cases = cases("good");
    assert!(cases.len() >= 25, "{} good cases", cases.len());
    for path in cases {
        let text = fs::read_to_string(&path).unwrap();
        let loaded = load(&text);
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let shown = render(&name, &text, &loaded.diagnostics);
        let Some(definition) = loaded.definition else {
            writeln!(differing, "{name} did not load:\n{shown}").unwrap();
            continue;
        };
        let json = serde_json::to_string_pretty(&definition).unwrap();
        let back: gorgon_core::definition::Definition = serde_json::from_str(&json).unwrap();
        assert_eq!(back, definition, "{name} changes when it is stored and read again");
        // A step type of a later release loads, and is refused when it is started.
        let runs = definition.all_steps().all(|step| gorgon_core::step::find(&step.kind).is_some_and(|kind| kind.unavailable().is_none()));
        if runs && let Err(problems) = gorgon_core::plan::compile(std::sync::Arc::new(definition), &[]) {
            writeln!(differing, "{name} loads, but does not compile: {problems:#?}").unwrap();
        }
        golden(&path.with_extension("golden.json"), &format!("{json}\n"), &mut differing);
        let warnings = path.with_extension("warnings.txt");
        if !shown.is_empty() || warnings.exists() {
            golden(&warnings, &shown, &mut differing);
        }
    }
    assert!(differing.is_empty(), "{differing}");
}

#[test]
fn bad_files_give_diagnostics_with_place_and_cure() {
    let mut differing = String::new();
    let cases = cases("bad");
    assert!(cases.len() >= 50, "{} bad cases", cases.len());
    for path in cases {
        let text = fs::read_to_string(&path).unwrap();
        let loaded = load(&text);
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(loaded.definition.is_none(), "{name} loads");
        for problem in &loaded.diagnostics {
            let span = problem.place.span.clone().unwrap();
            assert!(span.start <= span.end && span.end <= text.len(), "{name}: {problem:?}");
            assert!(text.is_char_boundary(span.start) && text.is_char_boundary(span.end), "{name}: {problem:?}");
            assert!(problem.help.as_ref().is_some_and(|help| !help.is_empty()), "{name}: no cure: {problem:?}");
        }
        golden(&path.with_extension("golden.txt"), &render(&name, &text, &loaded.diagnostics), &mut differing);
    }
    assert!(differing.is_empty(), "{differing}");
}
