//! `gorgon runs`

mod calls;
mod diff;
mod events;
mod list;
mod logs;
mod show;
mod tree;

use clap::{Args, Subcommand};

pub(crate) use self::events::print as print_events;
use super::watch::Watch;
use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;

/// Look at runs.
#[derive(Debug, Args)]
pub(crate) struct Runs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    List(list::List),
    Show(show::Show),
    Events(events::Events),
    Logs(logs::Logs),
    Tree(tree::Tree),
    Diff(diff::Diff),
    Watch(Watch),
}

impl Runs {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        match self.what {
            What::List(verb) => verb.run(context).await,
            What::Show(verb) => verb.run(context).await,
            What::Events(verb) => verb.run(context).await,
            What::Logs(verb) => verb.run(context).await,
            What::Tree(verb) => verb.run(context).await,
            What::Diff(verb) => verb.run(context).await,
            What::Watch(verb) => verb.run(context).await,
        }
    }
}
