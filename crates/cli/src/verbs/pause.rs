//! `gorgon pause`

use clap::Args;
use gorgon_api::CommandName;

use super::command::{NoRun, give};
use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;

/// Let a run start nothing new. What is in flight ends; `gorgon resume` goes on.
#[derive(Debug, Args)]
pub(crate) struct Pause {
    /// The run: its id, a unique beginning of it, its last six characters, or `@last`.
    run: String,
}

impl Pause {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        let body = gorgon_api::Pause { interrupt: false, by: context.user.clone() };
        give(context, &self.run, &NoRun::default(), CommandName::Pause, &body).await
    }
}
