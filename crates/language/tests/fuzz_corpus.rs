//! Every input that fuzzing has kept, replayed: the same claims as the fuzz target `load`, without the fuzzer.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use gorgon_core::definition::Definition;
use gorgon_core::diagnostic::Diagnostic;
use gorgon_language::{load, render};

#[test]
fn load_answers_with_a_definition_or_with_reasons() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/load");
    let mut inputs = 0;
    let mut loaded_well = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Ok(text) = String::from_utf8(fs::read(&path).unwrap()) else { continue };
        inputs += 1;
        let loaded = load(&text);
        let _ = render(&name, &text, &loaded.diagnostics);
        assert_eq!(loaded.definition.is_none(), loaded.diagnostics.iter().any(Diagnostic::is_error), "{name} loads, or says why not");
        let Some(definition) = loaded.definition else { continue };
        loaded_well += 1;
        let back: Definition = serde_json::from_str(&serde_json::to_string(&definition).unwrap()).unwrap();
        assert_eq!(back, definition, "{name} is stored and read without a change");
        let _ = gorgon_core::plan::compile(Arc::new(definition), &[]);
    }
    assert!(inputs > 50 && loaded_well > 10, "{inputs} inputs, {loaded_well} of them load");
}
