//! What `run`, `resume`, `retry` and the verbs that become the holder have in common: following a run to where it goes, and saying so.

use clap::Args;
use gorgon_api::Run;

use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::follow::{End, Follow, Told, follow};
use crate::report;
use crate::session::Session;
use crate::view::{Tree, View};

/// How far a run is followed.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Going {
    /// Leave the run to a background process, print its id and return.
    #[arg(long, conflicts_with_all = ["wait", "events"])]
    pub(crate) detach: bool,
    /// Stay when nothing moves without somebody, instead of ending with 4.
    #[arg(long)]
    pub(crate) wait: bool,
    /// Print each event as JSON on a line of stdout.
    #[arg(long)]
    pub(crate) events: bool,
}

impl Going {
    /// Follows a run of this command, tells how it ended, and answers what the process ends with.
    pub(crate) async fn on(&self, session: &mut Session<'_>, run: Run, told: Told) -> Result<Exit, Fault> {
        let context = session.context;
        let interactive = context.printer.is_interactive() && !self.events;
        let how = Follow { view: view(context, self.events), owned: true, stays: self.wait || interactive, asks: interactive, told };
        let short = report::short(run.id);
        let followed = follow(session, run, how).await;
        // Whatever broke, the run is where it was.
        let (run, end) =
            followed.map_err(|fault| if fault.help.is_none() { fault.help(format!("then go on: gorgon resume {short}")) } else { fault })?;
        tell(session, &run, end, self.events);
        Ok(end.exit(&run))
    }
}

/// How a run is shown while it moves.
pub(crate) fn view(context: &Context, events: bool) -> View {
    use std::io::IsTerminal;
    if events {
        View::Events
    } else if context.printer.json {
        View::Silent
    } else if std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb") {
        View::Tree(Tree::new(context.printer.color()))
    } else {
        View::Lines
    }
}

/// How a run ended, or why it is left.
pub(crate) fn tell(session: &Session<'_>, run: &Run, end: End, events: bool) {
    let context = session.context;
    let printer = &context.printer;
    if printer.json && !events {
        printer.document(run);
        return;
    }
    if !events {
        report::outputs(printer, run);
    }
    // The foot of the tree says it as well, as far as it is that simple.
    let simple = run.held.is_zero() && run.overage.is_zero();
    if !(simple && view(context, events).shows_cost()) {
        printer.say(report::cost_of(run));
    }
    if run.steps.iter().any(|step| step.unpriced > 0) {
        printer.say("  what a model costs is known once gorgon.toml says it, under `[models.NAME]`: then a limit in dollars holds as well");
    }
    if session.is_ephemeral() {
        return report::ending_of_ephemeral(printer, run);
    }
    report::ending(printer, run);
    if end == End::Interrupted && !run.status.is_terminal() && run.status != gorgon_core::run::RunStatus::Paused {
        printer.say(format!("  to go on: gorgon resume {}", report::short(run.id)));
    }
}
