//! `gorgon resume`

use std::path::Path;

use clap::Args;
use gorgon_api::{CommandName, Run, RunView};
use gorgon_client::Client;
use gorgon_core::ids::ContentHash;
use similar::TextDiff;

use super::detached;
use super::fork::Fork;
use super::going::Going;
use super::prepared::Budget;
use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::follow::Told;
use crate::session::{Purpose, Session};
use crate::workflow::{Workflow, shorten};

/// Go on with a run that was paused, interrupted, or stopped by its budget.
#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The run: its id, a unique beginning of it, its last six characters, or `@last`.
    run: String,
    /// Run the file as it is now, in a new run that keeps every result whose step and inputs are unchanged.
    #[arg(long)]
    updated: bool,
    #[command(flatten)]
    budget: Budget,
    #[command(flatten)]
    going: Going,
}

impl Resume {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        if self.updated {
            return Fork::updated(self.run, self.budget, self.going).run(context).await;
        }
        let body = gorgon_api::Resume { limits: self.budget.limits()?, by: context.user.clone() };
        again(context, &self.run, &self.going, Again::Resume(body)).await
    }
}

/// How a run is opened again.
pub(super) enum Again {
    Resume(gorgon_api::Resume),
    Retry(gorgon_api::Retry),
}

impl Again {
    /// What is to be known before: how the run stands. Says what its file was changed in since, and what runs again that succeeded.
    async fn before(&self, session: &mut Session<'_>, run: &str) -> Result<Run, Fault> {
        let view = RunView { retry: if let Self::Retry(retry) = self { retry.step.clone() } else { None } };
        let before = session.ask(async |client| client.run_seen(run, &view).await).await?;
        warn_of_change(session, &before).await?;
        if let (Self::Retry(_), false, Some(line)) = (self, session.context.printer.json, crate::report::repeated(&before)) {
            session.context.printer.say(line);
        }
        Ok(before)
    }

    async fn ask(&self, client: &Client, run: &str) -> Result<Run, gorgon_client::Error> {
        match self {
            Self::Resume(body) => client.command(run, CommandName::Resume, body).await,
            Self::Retry(body) => client.command(run, CommandName::Retry, body).await,
        }
    }
}

/// Opens a run again and follows it.
pub(super) async fn again(context: &Context, run: &str, going: &Going, how: Again) -> Result<Exit, Fault> {
    if going.detach {
        let mut session = detached::session(context, context.settings()?, false).await?;
        how.before(&mut session, run).await?;
        let run = session.send(async |client| how.ask(client, run).await).await?;
        detached::tell(context, &run);
        return Ok(Exit::Done);
    }
    let mut session = Session::open(context, Purpose::Work).await?;
    let result = followed(&mut session, run, going, &how).await;
    session.close().await;
    result
}

async fn followed(session: &mut Session<'_>, run: &str, going: &Going, how: &Again) -> Result<Exit, Fault> {
    let before = how.before(session, run).await?;
    let told = Told::before(session, &before);
    let command = async |client: &Client| how.ask(client, run).await;
    let run = match how {
        // Going on with what goes on already changes nothing: it may be asked for again when the holder went away under the request.
        Again::Resume(_) => match session.ask(command).await {
            Err(fault) => {
                let now = session.ask(async |client| client.run(run).await).await?;
                // It went on as soon as this process held the store, and needed nobody to say so.
                if session.ended_here(&now) { now } else { return Err(fault) }
            }
            sent => sent?,
        },
        Again::Retry(_) => session.send(command).await?,
    };
    going.on(session, run, told).await
}

/// A run is pinned to the text that it was started from; whoever changed the file since should know, and know both ways on.
async fn warn_of_change(session: &mut Session<'_>, run: &Run) -> Result<(), Fault> {
    if let Some(name) = say_what_changed(session, run).await? {
        let printer = &session.context.printer;
        printer.say("the run goes on with the text that it was started from; the ways to the changed file:");
        printer.say(format!("  gorgon resume {} --updated   keeps what is unchanged", crate::report::short(run.id)));
        printer.say(format!("  gorgon run {name}   begins anew"));
    }
    Ok(())
}

/// Shows how the file of a run was changed since; answers its name if it was.
pub(super) async fn say_what_changed(session: &mut Session<'_>, run: &Run) -> Result<Option<String>, Fault> {
    let (Some(file), Some(source)) = (&run.file, run.source) else { return Ok(None) };
    let Ok(now) = std::fs::read(file) else { return Ok(None) };
    if session.context.printer.json {
        return Ok(None);
    }
    if ContentHash::of(&now) == source {
        return Ok(say_what_it_names_changed(session.context, run, Path::new(file)));
    }
    let id = run.id.to_string();
    let Some(then) = session.ask(async |client| client.export(&id).await).await?.source else { return Ok(None) };
    let now = String::from_utf8_lossy(&now);
    let printer = &session.context.printer;
    let name = shorten(session.context, Path::new(file));
    printer.say(format!("{} {name} was changed since this run was started:", printer.paint("1;33", "note:")));
    let diff = TextDiff::from_lines(then.as_str(), now.as_ref());
    let text = diff.unified_diff().context_radius(2).header("this run", &name).to_string();
    text.lines().for_each(|line| printer.say(line));
    Ok(Some(name))
}

/// The text is the same, and yet it is another workflow: a file that it names was changed, be it a prompt, a rule, or the workflow of a step.
fn say_what_it_names_changed(context: &Context, run: &Run, file: &Path) -> Option<String> {
    let now = Workflow::load(context, file).ok()?;
    if Some(now.definition.hash()) == run.definition {
        return None;
    }
    let name = shorten(context, file);
    let note = context.printer.paint("1;33", "note:");
    context.printer.say(format!("{note} what {name} names was changed since this run was started: a workflow of a step, a prompt, a rule"));
    Some(name)
}
