//! `gorgon workflow`

use clap::{Args, Subcommand};

use super::{List, RunVerb};
use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;

/// Other names for `gorgon list` and `gorgon run`.
#[derive(Debug, Args)]
pub(crate) struct Workflow {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    List(List),
    Run(Box<RunVerb>),
}

impl Workflow {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        match self.what {
            What::List(verb) => verb.run(context),
            What::Run(verb) => Box::pin(verb.run(context)).await,
        }
    }
}
