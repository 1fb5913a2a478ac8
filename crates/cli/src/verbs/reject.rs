//! `gorgon reject`

use clap::Args;
use gorgon_api::CommandName;

use super::approve::Decision;
use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;

/// Do not agree to what a run waits for.
#[derive(Debug, Args)]
pub(crate) struct Reject {
    #[command(flatten)]
    decision: Decision,
}

impl Reject {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        match self.decision.give(context, CommandName::Reject).await? {
            // That the run does not go on is what was asked for.
            Exit::Failed => Ok(Exit::Done),
            exit => Ok(exit),
        }
    }
}
