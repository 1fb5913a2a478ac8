//! `gorgon validate`

use std::sync::Arc;

use clap::Args;
use gorgon_core::plan::compile;
use serde_json::json;

use crate::context::Context;
use crate::exit::Exit;
use crate::fault::{Fault, Located};
use crate::printer::ToldDiagnostic;
use crate::workflow::Workflow;

/// Check workflow files; all problems are told at once.
#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// Workflow files, or ids, file stems or names of those under `workflows`.
    #[arg(required = true, value_name = "WORKFLOW")]
    workflows: Vec<String>,
}

impl Validate {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Fault> {
        let mut exit = Exit::Done;
        let mut files = Vec::new();
        for said in &self.workflows {
            let (located, valid) = match check(context, said) {
                Ok(located) => (located, true),
                Err(Fault { located: Some(located), .. }) => (*located, false),
                Err(fault) => return Err(fault),
            };
            if !valid {
                exit = Exit::Invalid;
            }
            if context.printer.json {
                files.push(json!({ "file": located.file, "valid": valid, "diagnostics": ToldDiagnostic::all(&located) }));
                continue;
            }
            if !located.diagnostics.is_empty() {
                context.printer.diagnostics(&located);
            }
            if valid {
                context.printer.data(format!("{}: valid", located.file));
            } else {
                let errors = located.diagnostics.iter().filter(|problem| problem.is_error()).count() as u64;
                context.printer.say(format!("{}: {}", located.file, crate::report::counted(errors, "error")));
            }
        }
        if context.printer.json {
            context.printer.document(&json!({ "files": files }));
        }
        Ok(exit)
    }
}

fn check(context: &Context, said: &str) -> Result<Located, Fault> {
    let workflow = Workflow::find(context, said)?;
    compile(Arc::new(workflow.definition.clone()), &[]).map_err(|problems| Fault::located(workflow.located(problems)))?;
    Ok(workflow.located(workflow.warnings.clone()))
}
