//! `gorgon resolve`

use clap::{ArgGroup, Args};
use gorgon_api::{CommandName, Verdict};
use gorgon_core::ids::StepId;

use super::command::{NoRun, give};
use super::signal::json;
use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;

/// Say what became of a call that was in flight when its process died.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("verdict").required(true).args(["redo", "done", "fail"]))]
pub(crate) struct Resolve {
    /// The run: its id, a unique beginning of it, its last six characters, or `@last`.
    run: String,
    /// The step; may be left out if only one is in doubt.
    step: Option<String>,
    /// The element of a fan-out.
    #[arg(long, value_name = "N")]
    item: Option<u32>,
    /// It did not happen, or may happen twice: do it again.
    #[arg(long)]
    redo: bool,
    /// It happened.
    #[arg(long)]
    done: bool,
    /// It failed.
    #[arg(long)]
    fail: bool,
    /// With `--done`: the outputs of the step, as a JSON object, or the value of its first output; for a tool of an agent, what the model is told.
    #[arg(long, value_name = "JSON", requires = "done")]
    output: Option<String>,
    #[command(flatten)]
    no_run: NoRun,
}

impl Resolve {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        let verdict = match (self.redo, self.done) {
            (true, _) => Verdict::Redo,
            (false, true) => Verdict::Done,
            (false, false) => Verdict::Fail,
        };
        let output = self.output.as_deref().map(|text| json("--output", text)).transpose()?;
        let step = self.step.as_deref().map(StepId::from);
        let body = gorgon_api::Resolve { step, item: self.item, verdict, output, by: context.user.clone() };
        give(context, &self.run, &self.no_run, CommandName::Resolve, &body).await
    }
}
