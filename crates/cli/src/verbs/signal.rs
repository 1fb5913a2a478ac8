//! `gorgon signal`

use clap::Args;
use gorgon_api::CommandName;
use gorgon_core::diagnostic::Code;
use serde_json::Value;

use super::command::{NoRun, give};
use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;

/// Send a signal to a run.
#[derive(Debug, Args)]
pub(crate) struct Signal {
    /// The run: its id, a unique beginning of it, its last six characters, or `@last`.
    run: String,
    /// The name of the signal, as the waiting step says it.
    name: String,
    /// What comes with it, as JSON.
    #[arg(long, value_name = "JSON")]
    payload: Option<String>,
    #[command(flatten)]
    no_run: NoRun,
}

impl Signal {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        let payload = self.payload.as_deref().map_or(Ok(Value::Null), |text| json("--payload", text))?;
        let body = gorgon_api::Signal { name: self.name, payload };
        give(context, &self.run, &self.no_run, CommandName::Signal, &body).await
    }
}

/// A flag that is JSON.
pub(super) fn json(flag: &str, text: &str) -> Result<Value, Fault> {
    let refuse = |error: serde_json::Error| Fault::new(Code::BadInput, format!("`{flag}` is not JSON: {error}"));
    serde_json::from_str(text).map_err(|error| refuse(error).help(format!("a text needs its quotes: {flag} '\"text\"'")))
}
