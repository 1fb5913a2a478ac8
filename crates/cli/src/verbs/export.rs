//! `gorgon export`

use clap::Args;

use super::runs::print_events;
use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::session::{Purpose, Session};

/// Print everything about a run as one JSON document: definition, plan, events, outputs.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The run: its id, a unique beginning of it, its last six characters, or `@last`.
    run: String,
    /// Only the events, each as JSON on a line.
    #[arg(long)]
    events: bool,
}

impl Export {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        let mut session = Session::open(context, Purpose::Look).await?;
        let export = session.ask(async |client| client.export(&self.run).await).await;
        session.close().await;
        let export = export?;
        if self.events {
            export.events.iter().for_each(|frame| print_events(&context.printer, frame, None));
        } else {
            context.printer.document(&export);
        }
        Ok(Exit::Done)
    }
}
