//! `gorgon list`

use clap::Args;
use serde_json::json;

use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::workflow::{Workflow, all, shorten};

/// List the workflows under `workflows`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those that cannot be used.
    #[arg(long)]
    broken: bool,
}

impl List {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Fault> {
        let mut rows = Vec::new();
        for path in all(context) {
            let file = shorten(context, &path);
            let (name, description, problem) = match Workflow::load(context, &path) {
                Ok(workflow) => (Some(workflow.definition.name), workflow.definition.description, None),
                Err(fault) => (None, String::new(), Some(fault.message)),
            };
            if self.broken && problem.is_none() {
                continue;
            }
            if !context.printer.json {
                let told =
                    problem.as_ref().map_or_else(|| crate::board::first_line(&description), |_| format!("cannot be used: gorgon validate {file}"));
                context.printer.data(format!("{:<24} {file:<32} {told}", name.as_deref().unwrap_or("?")).trim_end());
            }
            rows.push(json!({ "name": name, "file": file, "description": description, "valid": problem.is_none() }));
        }
        let nothing = rows.is_empty();
        for shipped in crate::shipped::ALL.iter().filter(|_| !self.broken) {
            let Workflow { name, definition, .. } = Workflow::of_text(context, format!("{} (shipped)", shipped.stem), shipped.text.to_owned())?;
            if !context.printer.json {
                context.printer.data(format!("{:<24} {name:<32} {}", definition.name, crate::board::first_line(&definition.description)).trim_end());
            }
            rows.push(json!({ "name": definition.name, "file": name, "description": definition.description, "valid": true }));
        }
        if context.printer.json {
            context.printer.document(&json!({ "workflows": rows }));
        } else if nothing {
            context.printer.say("no workflows under `workflows`; `gorgon init` writes one to begin with");
        }
        Ok(Exit::Done)
    }
}
