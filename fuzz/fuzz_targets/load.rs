//! Any text: the loader answers with a definition or with diagnostics, and both hold together.
#![no_main]

use std::sync::Arc;

use gorgon_core::definition::Definition;
use gorgon_language::{load, render};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let loaded = load(text);
    // Rendering walks every span: each has to lie in the text, on the edge of a character.
    let _ = render("fuzz.yaml", text, &loaded.diagnostics);
    assert_eq!(loaded.definition.is_none(), loaded.diagnostics.iter().any(|problem| problem.is_error()), "a file loads, or says why not");
    let Some(definition) = loaded.definition else { return };
    let stored = serde_json::to_string(&definition).expect("a definition can be stored");
    let back: Definition = serde_json::from_str(&stored).expect("a stored definition can be read");
    assert_eq!(back, definition, "a definition is stored and read without a change");
    let _ = gorgon_core::plan::compile(Arc::new(definition), &[]);
});
