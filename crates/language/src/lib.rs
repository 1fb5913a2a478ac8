//! The native language of workflows: from text to a [`Definition`], or to everything that is wrong with it.
//!
//! [`load`] reads YAML (so JSON as well), collects all problems at once, each with the bytes at which it stands and a cure, and writes every default
//! out. The JSON Schema and the tables of the reference page are generated from the tables that the loader checks with.
//!
//! This crate never runs anything and never reads a file, a clock or the environment.
#![warn(missing_docs)]

mod check;
mod keys;
pub mod limits;
mod node;
mod parse;
mod path;
mod read;
mod reference;
mod render;
mod report;
mod scalar;
mod schema;
mod source_map;
mod spans;
mod types;
mod words;

use gorgon_core::definition::Definition;
use gorgon_core::diagnostic::Diagnostic;

pub use crate::reference::reference_markdown;
pub use crate::render::{line_col, render};
pub use crate::schema::json_schema;
pub use crate::source_map::SourceMap;

/// What came out of a text.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The definition, if no diagnostic is an error.
    pub definition: Option<Definition>,
    /// Errors and warnings, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// Where things stand in the text, for problems that are found later.
    pub source_map: SourceMap,
}

/// Reads a workflow.
#[must_use]
pub fn load(text: &str) -> Loaded {
    let (root, mut diagnostics) = parse::parse(text);
    let Some(root) = root else {
        if diagnostics.is_empty() {
            let help = "a workflow needs at least `name:` and `steps:`";
            let mut problem = Diagnostic::error(gorgon_core::diagnostic::Code::NotYaml, "", "the file is empty").help(help);
            problem.place.span = Some(0..0);
            diagnostics.push(problem);
        }
        return Loaded { definition: None, diagnostics: report::in_order(diagnostics), source_map: SourceMap::default() };
    };
    let mut reader = read::Reader::new();
    let mut definition = reader.workflow(&root);
    if let Some(definition) = &mut definition {
        check::check(text, &root, definition, &mut reader);
    }
    let steps = source_map::steps_of(definition.as_ref(), &root, &reader.sources);
    diagnostics.extend(reader.report.finish(&root));
    let diagnostics = report::in_order(diagnostics);
    let definition = definition.filter(|_| !diagnostics.iter().any(Diagnostic::is_error));
    Loaded { definition, diagnostics, source_map: SourceMap::new(root, steps) }
}
