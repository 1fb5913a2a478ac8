//! `gorgon approve`

use clap::Args;
use gorgon_api::{CommandName, Decide};
use gorgon_core::diagnostic::Code;
use gorgon_core::ids::{ContentHash, StepId};

use super::command::{NoRun, give};
use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;

/// Agree to what a run waits for.
#[derive(Debug, Args)]
pub(crate) struct Approve {
    #[command(flatten)]
    decision: Decision,
}

/// A decision, whichever way.
#[derive(Debug, Args)]
pub(crate) struct Decision {
    /// The run: its id, a unique beginning of it, its last six characters, or `@last`.
    run: String,
    /// The step; may be left out if only one waits.
    step: Option<String>,
    /// The element of a fan-out that asks for each.
    #[arg(long, value_name = "N")]
    item: Option<u32>,
    /// Decide only on exactly what has this hash, as `gorgon runs show` tells it.
    #[arg(long, value_name = "HASH")]
    hash: Option<String>,
    /// What there is to say about it.
    #[arg(long, short = 'm', value_name = "TEXT")]
    comment: Option<String>,
    #[command(flatten)]
    no_run: NoRun,
}

impl Approve {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        self.decision.give(context, CommandName::Approve).await
    }
}

impl Decision {
    pub(crate) async fn give(self, context: &Context, name: CommandName) -> Result<Exit, Fault> {
        let Self { run, step, item, hash, comment, no_run } = self;
        let hash = hash.map(|hash| parse(&hash)).transpose()?;
        let body = Decide { step: step.as_deref().map(StepId::from), item, hash, comment, by: context.user.clone() };
        give(context, &run, &no_run, name, &body).await
    }
}

fn parse(hash: &str) -> Result<ContentHash, Fault> {
    let parsed = serde_json::from_value(serde_json::Value::String(hash.to_owned()));
    parsed.map_err(|_| Fault::new(Code::BadInput, format!("`{hash}` is no hash")).help("`gorgon runs show` tells the hash: 64 hexadecimal digits"))
}
