//! `gorgon fork`

use std::path::Path;

use clap::Args;
use gorgon_api::{Export, Forked, Run, Version};
use gorgon_core::diagnostic::Code;
use gorgon_core::ids::StepId;
use gorgon_core::money::show_usd;

use super::detached;
use super::going::Going;
use super::prepared::{Budget, Models};
use super::resume::say_what_changed;
use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::follow::Told;
use crate::inputs::Inputs;
use crate::printer::Printer;
use crate::report::{counted, short};
use crate::session::{Purpose, Session};
use crate::workflow::Workflow;

/// Make a new run out of one. What is kept of it costs nothing; without `--at` and `--from`, that is every result whose step and inputs are unchanged.
#[derive(Debug, Args)]
pub(crate) struct Fork {
    /// The run: its id, a unique beginning of it, its last six characters, or `@last`.
    run: String,
    /// Keep everything up to and with this append: its `seq` in `gorgon runs events`.
    #[arg(long, value_name = "SEQ", conflicts_with_all = ["from", "updated"])]
    at: Option<u64>,
    /// Run this step and all that comes after it again; of a step in a loop, the loop from its first round.
    #[arg(long, value_name = "STEP")]
    from: Option<String>,
    /// Run the file as it is now, instead of the text that the run was started from.
    #[arg(long)]
    updated: bool,
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    budget: Budget,
    #[command(flatten)]
    models: Models,
    /// Show what would be kept, what would be done to the world again, and what the rest can cost; run nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    going: Going,
}

impl Fork {
    /// What runs the changed file of a run.
    pub(super) fn updated(run: String, budget: Budget, going: Going) -> Self {
        Self { run, at: None, from: None, updated: true, inputs: Inputs::default(), budget, models: Models::default(), dry_run: false, going }
    }

    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        if self.going.detach && !self.dry_run {
            let mut session = detached::session(context, context.settings()?, true).await?;
            let run = self.make(&mut session).await?;
            run.iter().for_each(|run| detached::tell(context, run));
            return Ok(Exit::Done);
        }
        let purpose = if self.dry_run { Purpose::Look } else { Purpose::Work };
        let mut session = Session::open(context, purpose).await?;
        let result = self.go(&mut session).await;
        session.close().await;
        result
    }

    async fn go(&self, session: &mut Session<'_>) -> Result<Exit, Fault> {
        match self.make(session).await? {
            Some(run) => self.going.on(session, run, Told::Nothing).await,
            None => Ok(Exit::Done),
        }
    }

    /// Says what the fork is before it starts, and makes it unless it is only to be looked at.
    async fn make(&self, session: &mut Session<'_>) -> Result<Option<Run>, Fault> {
        let context = session.context;
        let origin = session.ask(async |client| client.export(&self.run).await).await?;
        let workflow = if self.updated { Some(changed(session, &origin).await?) } else { None };
        let definition = workflow.as_ref().map_or(&origin.definition, |workflow| &workflow.definition);
        let mut fork = gorgon_api::Fork {
            at: self.at,
            from: self.from.as_deref().map(StepId::from),
            inputs: self.inputs.read(context, definition)?,
            version: workflow.as_ref().map(|workflow| Version {
                definition: workflow.definition.clone(),
                source: Some(workflow.text.clone()),
                goals: origin.plan.goals.clone(),
            }),
            provider: self.models.provider.clone(),
            model: self.models.model.clone(),
            limits: self.budget.limits()?,
            by: context.user.clone(),
            dry_run: true,
        };
        let id = origin.run.id.to_string();
        let locate = |fault: Fault| if let Some(workflow) = &workflow { workflow.locate(fault) } else { fault };
        let look = session.ask(async |client| client.fork(&id, &fork).await).await.map_err(locate)?;
        tell(&context.printer, &origin.run, &look, self.dry_run);
        let asks_nobody = look.cost.upper.is_some_and(|most| most.calls == 0);
        if asks_nobody && (self.models.model.is_some() || self.models.provider.is_some()) && !context.printer.json {
            context.printer.say("nobody is asked any more: another model answers only what is not kept, as from `--from STEP` on");
        }
        if self.dry_run {
            return Ok(None);
        }
        session.check_settings()?;
        fork.dry_run = false;
        Ok(session.send(async |client| client.fork(&id, &fork).await).await.map_err(locate)?.run)
    }
}

/// The file of a run as it is now.
async fn changed(session: &mut Session<'_>, origin: &Export) -> Result<Workflow, Fault> {
    let Some(file) = &origin.run.file else {
        let fault = Fault::new(Code::UnknownWorkflow, format!("run {} was not started from a file that could have changed", short(origin.run.id)));
        return Err(fault.help("leave `--updated` out"));
    };
    let workflow = Workflow::load(session.context, Path::new(file))?;
    workflow.warn(session.context);
    say_what_changed(session, &origin.run).await?;
    Ok(workflow)
}

/// What is kept, what is done again, and what the rest can cost.
fn tell(printer: &Printer, origin: &Run, fork: &Forked, dry_run: bool) {
    if printer.json {
        if dry_run {
            printer.document(fork);
        }
        return;
    }
    let out = |line: String| if dry_run { printer.data(line) } else { printer.say(line) };
    let names = |steps: &[StepId]| steps.iter().map(StepId::as_str).collect::<Vec<_>>().join(", ");
    match (fork.kept.as_slice(), fork.begun.as_slice()) {
        ([], []) => out(format!("nothing of {} is kept", short(origin.id))),
        ([], _) => {}
        (steps, _) => out(format!("kept of {}, for nothing: {}", short(origin.id), names(steps))),
    }
    if !fork.begun.is_empty() {
        out(format!("kept in part of {}, for nothing: {}", short(origin.id), names(&fork.begun)));
    }
    for again in &fork.repeated {
        let mark = printer.paint("1;33", "done again:");
        out(format!("{mark} step `{}` ({}), {} of it", again.step, again.class.word(), counted(u64::from(again.calls), "call")));
    }
    let most = fork.cost.upper.map_or_else(|| "an amount that is not known".to_owned(), |upper| show_usd(upper.cost_nano_usd));
    out(format!("the rest costs at most {most}"));
    for step in &fork.cost.unpriced {
        out(format!("  unpriced: step `{step}`: nobody said what its model costs"));
    }
    for (step, why) in &fork.cost.unbounded {
        out(format!("  unbounded: step `{step}`: {why}"));
    }
}
