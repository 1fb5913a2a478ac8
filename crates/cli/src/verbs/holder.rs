//! `gorgon holder`: the background process behind `--detach`. Not for people.

use std::time::{Duration, Instant};

use clap::Args;
use gorgon_api::RunQuery;
use gorgon_core::run::RunStatus;
use tokio::signal::unix::{SignalKind, signal};

use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::holder::{Holder as Held, OpenOutcome, open_store, socket_path};
use crate::session::BACKGROUND;

/// How often it looks whether there is work.
const LOOK: Duration = Duration::from_millis(250);

/// Hold the data directory in the background for as long as there is work.
#[derive(Debug, Args)]
pub(crate) struct Holder {
    /// How long to stay without work.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    idle_seconds: u64,
}

impl Holder {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        // The terminal that this was started from may go away. It fails only for the leader of a group, which started it by hand.
        let _ = rustix::process::setsid();
        let settings = context.settings()?;
        let socket = socket_path(&settings.data_dir.value)?;
        let started = Instant::now();
        loop {
            match open_store(&settings, Some(&socket), BACKGROUND, true).await? {
                OpenOutcome::Ours(holder) => return self.hold(*holder).await,
                OpenOutcome::Held(held) if held.is_background() => return Ok(Exit::Done),
                // A command holds it; its runs may be left to us.
                OpenOutcome::Held(_) if started.elapsed() > Duration::from_secs(24 * 3_600) => return Ok(Exit::Done),
                OpenOutcome::Held(_) => tokio::time::sleep(LOOK).await,
            }
        }
    }

    async fn hold(&self, holder: Held) -> Result<Exit, Fault> {
        let failed = |error: std::io::Error| Fault::internal(error.to_string());
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let idle = Duration::from_secs(self.idle_seconds);
        let mut busy_at = Instant::now();
        while busy_at.elapsed() < idle {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                () = tokio::time::sleep(LOOK) => {}
            }
            let activity = holder.engine.activity().borrow().clone();
            if activity.broken.is_some() {
                break;
            }
            if activity.calls_in_flight > 0 || activity.active_runs > 0 || sleeps(&holder).await {
                busy_at = Instant::now();
            }
        }
        holder.close().await;
        Ok(Exit::Done)
    }
}

/// Whether a run waits for a time to come: nobody else would wake it.
async fn sleeps(holder: &Held) -> bool {
    let query = RunQuery { status: Some(RunStatus::Waiting.word().to_owned()), limit: Some(1_000), ..RunQuery::default() };
    holder.client().runs(&query).await.is_ok_and(|list| list.runs.iter().any(|run| run.wake_at.is_some()))
}
