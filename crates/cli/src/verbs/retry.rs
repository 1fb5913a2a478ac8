//! `gorgon retry`

use clap::Args;
use gorgon_core::ids::StepId;

use super::going::Going;
use super::resume::{Again, again};
use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;

/// Open failed steps of a run again. What succeeded stays and is not paid again, but for what ran on past a failure, or has nothing to go on with; it is named before.
#[derive(Debug, Args)]
pub(crate) struct Retry {
    /// The run: its id, a unique beginning of it, its last six characters, or `@last`.
    run: String,
    /// Only this step.
    #[arg(long, value_name = "STEP")]
    step: Option<String>,
    #[command(flatten)]
    going: Going,
}

impl Retry {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        let body = gorgon_api::Retry { step: self.step.as_deref().map(StepId::from), by: context.user.clone() };
        again(context, &self.run, &self.going, Again::Retry(body)).await
    }
}
