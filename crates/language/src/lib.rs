//! The languages of workflows: from text to a [`Definition`], or to everything that is wrong with it.
//!
//! [`load`] reads YAML (so JSON as well), collects all problems at once, each with the bytes at which it stands and a cure, and writes every default
//! out. A file of an earlier system is known by its keys and becomes a native tree first (`dialect`), so there is one reader for all. The JSON Schema and the tables of the reference page are generated from the tables that the loader checks with.
//!
//! This crate never runs anything and never reads a file, a clock or the environment.
#![warn(missing_docs)]

mod build;
mod check;
mod custom;
mod dialect;
mod expand;
mod inline;
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
mod yaml;

use std::collections::HashMap;

use gorgon_core::definition::Definition;
use gorgon_core::diagnostic::Diagnostic;

pub use crate::dialect::ReadFile;
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

impl Loaded {
    /// The same workflow in the native language, if it is one: loading it gives the identical definition. Comments and aliases are lost.
    #[must_use]
    pub fn native_yaml(&self) -> Option<String> {
        self.definition.as_ref()?;
        Some(yaml::write(self.source_map.root()?))
    }
}

/// Reads a workflow that stands alone: a file that it names, such as a prompt, is a problem.
#[must_use]
pub fn load(text: &str) -> Loaded {
    load_with(text, &|_| Err("only the text of the workflow is at hand".to_owned()))
}

/// Reads a workflow, and through `read` the files that it names.
#[must_use]
pub fn load_with(text: &str, read: ReadFile<'_>) -> Loaded {
    let left = std::cell::Cell::new(limits::WORKFLOW_FILES_MAX);
    load_at(text, inline::Files { read, left: &left, around: &[] })
}

/// As [`load_with`], of a file that is reached through others.
fn load_at(text: &str, files: inline::Files<'_>) -> Loaded {
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
    let mut found = Vec::new();
    let (tree, original) = match dialect::lower(text, &root, files.read, &mut found) {
        Ok(None) => (root, None),
        Ok(Some(lowered)) => (lowered, Some(root)),
        Err(refusal) => {
            let mut refusal = [refusal];
            path::by_span(&root, &mut refusal);
            diagnostics.extend(refusal);
            return Loaded { definition: None, diagnostics: report::in_order(diagnostics), source_map: SourceMap::new(root, HashMap::new()) };
        }
    };
    let tree = expand::expand(&tree).unwrap_or(tree);
    let mut further = Vec::new();
    let (definition, steps) = native(text, &tree, &mut further);
    // What the dialect has told in its own words is not told again.
    further.retain(|problem| !found.iter().any(|told| told.code == problem.code && told.is_error() && told.place.span == problem.place.span));
    found.append(&mut further);
    if let Some(original) = &original {
        // Paths are those of the file, not of the tree that was made from it.
        path::by_span(original, &mut found);
    }
    diagnostics.append(&mut found);
    let mut definition = definition.filter(|_| !diagnostics.iter().any(Diagnostic::is_error));
    let source_map = SourceMap::new(tree, steps);
    if let Some(definition) = &mut definition {
        let mut problems = Vec::new();
        custom::resolve(definition, files, &mut problems);
        inline::inline(definition, files, &mut problems);
        for mut problem in problems {
            problem.place.span = source_map.span(&problem.place.path);
            diagnostics.push(problem);
        }
    }
    let diagnostics = report::in_order(diagnostics);
    let definition = definition.filter(|_| !diagnostics.iter().any(Diagnostic::is_error));
    Loaded { definition, diagnostics, source_map }
}

/// The definition of a native tree, and where its steps stand in it.
fn native(text: &str, root: &node::Node, diagnostics: &mut Vec<Diagnostic>) -> (Option<Definition>, HashMap<String, String>) {
    let mut reader = read::Reader::new();
    let mut definition = reader.workflow(root);
    if let Some(definition) = &mut definition {
        check::check(text, root, definition, &mut reader);
    }
    let steps = source_map::steps_of(definition.as_ref(), root, &reader.sources);
    diagnostics.extend(reader.report.finish(root));
    (definition, steps)
}
