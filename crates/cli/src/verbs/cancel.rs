//! `gorgon cancel`

use clap::Args;
use gorgon_api::CommandName;

use super::command::{NoRun, give};
use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;

/// End a run. What is in flight is stopped.
#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// The run: its id, a unique beginning of it, its last six characters, or `@last`.
    run: String,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    no_run: NoRun,
}

impl Cancel {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        let body = gorgon_api::Cancel { reason: self.reason, by: context.user.clone() };
        match give(context, &self.run, &self.no_run, CommandName::Cancel, &body).await? {
            // That the run ends as cancelled is what was asked for.
            Exit::Failed => Ok(Exit::Done),
            exit => Ok(exit),
        }
    }
}
