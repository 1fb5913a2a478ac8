//! The shape of the command line: one variant a verb, each with its file under `verbs`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::printer::Color;
use crate::verbs::{
    Agent, Approve, Cancel, Completions, Config, Convert, Doctor, Export, Fork, Holder, Init, List, Pause, PlanVerb, Reject, Resolve, Resume, Retry,
    RunVerb, Runs, Schema, Show, Signal, Validate, Watch, Workflow,
};

/// A durable runtime for workflows of AI agents.
#[derive(Debug, Parser)]
#[command(
    name = "gorgon",
    version,
    about,
    propagate_version = false,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Flags of every verb.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Where runs are kept, instead of the place that the settings say.
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Print data as JSON.
    #[arg(long, short = 'j', global = true)]
    pub(crate) json: bool,
    /// When to use colours.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub(crate) color: Color,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Init(Init),
    Validate(Validate),
    Convert(Convert),
    Plan(PlanVerb),
    Run(RunVerb),
    List(List),
    Show(Show),
    Runs(Runs),
    Watch(Watch),
    Resume(Resume),
    Retry(Retry),
    Fork(Fork),
    Cancel(Cancel),
    Pause(Pause),
    Approve(Approve),
    Reject(Reject),
    Resolve(Resolve),
    Signal(Signal),
    Export(Export),
    Agent(Agent),
    Workflow(Workflow),
    Schema(Schema),
    Config(Config),
    Doctor(Doctor),
    Completions(Completions),
    #[command(hide = true)]
    Holder(Holder),
}

impl Verb {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        match self {
            Self::Init(verb) => verb.run(context),
            Self::Validate(verb) => verb.run(context),
            Self::Convert(verb) => verb.run(context),
            Self::Plan(verb) => verb.run(context),
            Self::Run(verb) => Box::pin(verb.run(context)).await,
            Self::List(verb) => verb.run(context),
            Self::Show(verb) => verb.run(context),
            Self::Runs(verb) => Box::pin(verb.run(context)).await,
            Self::Watch(verb) => Box::pin(verb.run(context)).await,
            Self::Resume(verb) => Box::pin(verb.run(context)).await,
            Self::Retry(verb) => Box::pin(verb.run(context)).await,
            Self::Fork(verb) => Box::pin(verb.run(context)).await,
            Self::Cancel(verb) => Box::pin(verb.run(context)).await,
            Self::Pause(verb) => Box::pin(verb.run(context)).await,
            Self::Approve(verb) => Box::pin(verb.run(context)).await,
            Self::Reject(verb) => Box::pin(verb.run(context)).await,
            Self::Resolve(verb) => Box::pin(verb.run(context)).await,
            Self::Signal(verb) => Box::pin(verb.run(context)).await,
            Self::Export(verb) => Box::pin(verb.run(context)).await,
            Self::Agent(verb) => Box::pin(verb.run(context)).await,
            Self::Workflow(verb) => Box::pin(verb.run(context)).await,
            Self::Schema(verb) => verb.run(context),
            Self::Config(verb) => verb.run(context),
            Self::Doctor(verb) => Box::pin(verb.run(context)).await,
            Self::Completions(verb) => verb.run(context),
            Self::Holder(verb) => Box::pin(verb.run(context)).await,
        }
    }
}
