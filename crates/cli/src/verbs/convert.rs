//! `gorgon convert`

use clap::Args;
use serde_json::json;

use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::workflow::Workflow;

/// Write a workflow in the native language, whatever dialect its file is in.
#[derive(Debug, Args)]
pub(crate) struct Convert {
    /// A workflow file, or the id, file stem or name of one under `workflows`.
    workflow: String,
}

impl Convert {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Fault> {
        let workflow = Workflow::find(context, &self.workflow)?;
        workflow.warn(context);
        let yaml = workflow.native_yaml(context)?;
        if context.printer.json {
            context.printer.document(&json!({ "file": workflow.name, "native": yaml }));
        } else {
            context.printer.data(yaml.trim_end_matches('\n'));
        }
        Ok(Exit::Done)
    }
}
