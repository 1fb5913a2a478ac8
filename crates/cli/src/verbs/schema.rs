//! `gorgon schema`

use clap::Args;

use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;

/// Print the JSON Schema of workflow files, for editors.
#[derive(Debug, Args)]
pub(crate) struct Schema {}

impl Schema {
    #[expect(clippy::unnecessary_wraps, reason = "every verb answers in the same way")]
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Fault> {
        context.printer.document(&gorgon_language::json_schema());
        Ok(Exit::Done)
    }
}
