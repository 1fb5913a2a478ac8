//! `gorgon runs events`

use clap::Args;
use gorgon_api::AppendFrame;
use gorgon_core::event::Event;

use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::printer::Printer;
use crate::session::{Purpose, Session};

/// Print what happened to a run, one event as JSON on each line.
#[derive(Debug, Args)]
pub(crate) struct Events {
    /// The run: its id, a unique beginning of it, its last six characters, or `@last`.
    #[arg(default_value = "@last")]
    run: String,
    /// Only what stands behind this position of the log.
    #[arg(long, value_name = "POS", default_value_t = 0)]
    after: u64,
    /// Only events of this type, such as `step_failed`.
    #[arg(long = "type", value_name = "TYPE", value_parser = clap::builder::PossibleValuesParser::new(Event::NAMES))]
    kind: Option<String>,
}

impl Events {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        let mut session = Session::open(context, Purpose::Look).await?;
        let export = session.ask(async |client| client.export(&self.run).await).await;
        session.close().await;
        let frames = export?.events;
        for frame in frames.iter().filter(|frame| frame.pos > self.after) {
            print(&context.printer, frame, self.kind.as_deref());
        }
        Ok(Exit::Done)
    }
}

/// The events of an append, each on a line.
pub(crate) fn print(printer: &Printer, frame: &AppendFrame, kind: Option<&str>) {
    let events: Vec<serde_json::Value> = frame.events.parse().unwrap_or_default();
    for event in events {
        let name = event.as_object().and_then(|object| object.keys().next());
        if kind.is_none_or(|kind| name.is_some_and(|name| name == kind)) {
            printer.row(&serde_json::json!({ "pos": frame.pos, "seq": frame.seq, "at": frame.at, "event": event }));
        }
    }
}
