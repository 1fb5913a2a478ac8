//! `gorgon run`

use std::collections::BTreeMap;

use clap::Args;
use gorgon_api::{CreateRun, Run, RunQuery, Start};
use gorgon_core::diagnostic::Code;
use gorgon_core::run::RunStatus;
use serde_json::Value;

use super::detached;
use super::going::Going;
use super::plan;
use super::prepared::{Budget, Models, Wanted};
use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::follow::Told;
use crate::inputs::Inputs;
use crate::report::short;
use crate::session::{Purpose, Session};
use crate::settings::Settings;
use crate::workflow::Workflow;

/// Run a workflow and follow it to its end.
#[derive(Debug, Args)]
pub(crate) struct RunVerb {
    /// A workflow file, or the id, file stem or name of one under `workflows`.
    workflow: String,
    #[command(flatten)]
    inputs: Inputs,
    /// An output or step that has to be reached; may be given several times.
    #[arg(long = "goal", value_name = "NAME")]
    goals: Vec<String>,
    #[command(flatten)]
    flags: Flags,
}

/// How something is run, whatever it is.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    budget: Budget,
    #[command(flatten)]
    models: Models,
    /// Show the plan, the inputs and what the run can cost; run nothing.
    #[arg(long)]
    dry_run: bool,
    /// Keep nothing on disk: the run ends with this process.
    #[arg(long, conflicts_with = "detach")]
    ephemeral: bool,
    #[command(flatten)]
    going: Going,
}

impl RunVerb {
    /// What runs a workflow that no file holds.
    pub(crate) fn of(flags: Flags) -> Self {
        Self { workflow: String::new(), inputs: Inputs::default(), goals: Vec::new(), flags }
    }

    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        let workflow = Workflow::find(context, &self.workflow)?;
        workflow.warn(context);
        let inputs = self.inputs.read(context, &workflow.definition)?;
        self.run_workflow(context, workflow, inputs).await
    }

    pub(crate) async fn run_workflow(self, context: &Context, workflow: Workflow, inputs: BTreeMap<String, Value>) -> Result<Exit, Fault> {
        let settings = context.settings()?;
        let (limits, models) = (self.flags.budget.limits()?, self.flags.models.choice(&settings));
        let wanted = Wanted { workflow: &workflow, goals: &self.goals, inputs: inputs.clone(), limits, models: models.clone() };
        let prepared = wanted.prepare(context, &settings)?;
        prepared.check(&workflow)?;
        if self.flags.dry_run {
            return Ok(dry_run(context, &workflow, &prepared));
        }
        let start = Start {
            by: context.user.clone(),
            folder: context.cwd.display().to_string(),
            file: workflow.path.as_ref().map(|path| path.display().to_string()),
            env: settings.allowed_env(),
            models,
        };
        let create = CreateRun {
            definition: workflow.definition.clone(),
            source: Some(workflow.text.clone()),
            goals: self.goals.clone(),
            inputs,
            limits,
            start,
        };
        if self.flags.going.detach {
            return leave(context, settings, &workflow, &create).await;
        }
        let purpose = if self.flags.ephemeral { Purpose::Ephemeral } else { Purpose::Work };
        let mut session = Session::with(context, settings, purpose).await?;
        let result = self.go(&mut session, &workflow, &create).await;
        session.close().await;
        result
    }

    async fn go(&self, session: &mut Session<'_>, workflow: &Workflow, create: &CreateRun) -> Result<Exit, Fault> {
        session.check_settings()?;
        remind(session, create).await?;
        let run = start(session, workflow, create).await?;
        self.flags.going.on(session, run, Told::Nothing).await
    }
}

async fn start(session: &mut Session<'_>, workflow: &Workflow, create: &CreateRun) -> Result<Run, Fault> {
    let sent = session.send(async |client| client.create(create).await).await;
    sent.map_err(|fault| {
        // What was found here before is missed by whoever holds the store.
        let missing = (fault.code == Code::NoProvider).then(|| session.other_pid()).flatten();
        let fault = workflow.locate(fault);
        match missing {
            Some(pid) => fault.help(format!(
                "process {pid} holds the data directory, and the providers and keys are its own: give them to it, or let it end first"
            )),
            None => fault,
        }
    })
}

async fn leave(context: &Context, settings: Settings, workflow: &Workflow, create: &CreateRun) -> Result<Exit, Fault> {
    let mut session = detached::session(context, settings, true).await?;
    session.check_settings()?;
    let run = start(&mut session, workflow, create).await?;
    detached::tell(context, &run);
    Ok(Exit::Done)
}

/// A run of this file that stands still may be what somebody wanted to go on with.
async fn remind(session: &mut Session<'_>, create: &CreateRun) -> Result<(), Fault> {
    if session.context.printer.json || create.start.file.is_none() {
        return Ok(());
    }
    let statuses = [RunStatus::Paused, RunStatus::Running, RunStatus::Waiting].map(RunStatus::word).join(",");
    let query = RunQuery { file: create.start.file.clone(), status: Some(statuses), limit: Some(1), ..RunQuery::default() };
    let Some(found) = session.ask(async |client| client.runs(&query).await).await?.runs.into_iter().next() else { return Ok(()) };
    let id = short(found.id);
    let line = match found.status {
        RunStatus::Paused if session.ask(async |client| client.run(&found.id.to_string()).await).await?.interrupted => {
            format!("an interrupted run of this file exists: gorgon resume {id}")
        }
        RunStatus::Paused => format!("a paused run of this file exists: gorgon resume {id}"),
        RunStatus::Waiting => format!("a run of this file waits: gorgon resume {id}"),
        // It was in the middle of something when its process died, and is taken up with this store.
        _ if session.is_holder() => format!("an interrupted run of this file exists and goes on as well: gorgon watch {id}"),
        _ => return Ok(()),
    };
    session.context.printer.say(format!("{} {line}", session.context.printer.paint("1;33", "note:")));
    Ok(())
}

fn dry_run(context: &Context, workflow: &Workflow, prepared: &super::prepared::Prepared) -> Exit {
    plan::show(&context.printer, workflow, prepared);
    if !context.printer.json {
        for (name, value) in &prepared.inputs {
            context.printer.data(format!("input {name} = {value}"));
        }
        context.printer.say("nothing was run");
    }
    Exit::Done
}
