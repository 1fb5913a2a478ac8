//! What verbs that give one command to a run have in common.

use clap::Args;
use gorgon_api::{CommandName, Run};
use serde::Serialize;

use super::going::{tell, view};
use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::follow::{Follow, Told, follow};
use crate::report;
use crate::session::{Purpose, Session};

/// What happens to the run when nobody holds the data directory.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct NoRun {
    /// Record the command and return, even if nobody is there to go on with the run.
    #[arg(long)]
    no_run: bool,
}

/// Gives a command to a run. If nobody holds the store, this process becomes the holder and goes on with the run as far as it goes.
pub(crate) async fn give<B: Serialize + Sync>(context: &Context, run: &str, no_run: &NoRun, name: CommandName, body: &B) -> Result<Exit, Fault> {
    // Nothing has to run for a run to stand still.
    let purpose = if no_run.no_run || name == CommandName::Pause { Purpose::Record } else { Purpose::Work };
    let mut session = Session::open(context, purpose).await?;
    let result = given(&mut session, run, name, body).await;
    session.close().await;
    result
}

async fn given<B: Serialize + Sync>(session: &mut Session<'_>, run: &str, name: CommandName, body: &B) -> Result<Exit, Fault> {
    let run = session.send(async |client| client.command(run, name, body).await).await?;
    let context = session.context;
    let done = done(name);
    if !context.printer.json {
        context.printer.say(format!("{done} {}", run.id));
    }
    if !session.is_holder() || session.is_alone() {
        return Ok(told(context, &run));
    }
    // However fast it was: what the command led to is told, as it would be if it took longer.
    if !context.printer.json {
        context.printer.say("nobody else holds the data directory: going on with the run here");
    }
    let told = Told::before(session, &run);
    let how = Follow { view: view(context, false), owned: true, stays: false, asks: context.printer.is_interactive(), told };
    let (run, end) = follow(session, run, how).await?;
    tell(session, &run, end, false);
    Ok(end.exit(&run))
}

/// The command was recorded, and that was all: how the run ends is not this command's result.
fn told(context: &Context, run: &Run) -> Exit {
    if context.printer.json {
        context.printer.document(run);
    } else {
        context.printer.say(format!("the run is {}", run.status.word()));
        report::way_on(run).iter().for_each(|line| context.printer.say(line));
    }
    Exit::Done
}

fn done(name: CommandName) -> &'static str {
    match name {
        CommandName::Resume => "resumed",
        CommandName::Retry => "retried",
        CommandName::Cancel => "cancelled",
        CommandName::Pause => "paused",
        CommandName::Approve => "approved",
        CommandName::Reject => "rejected",
        CommandName::Signal => "signalled",
        CommandName::Resolve => "resolved",
    }
}
