//! `gorgon holder`: the background process behind `--detach`. Not for people.

use std::time::{Duration, Instant};

use clap::Args;
use gorgon_api::{RunQuery, RunSummary, Time};
use gorgon_client::Client;
use gorgon_core::run::RunStatus;
use gorgon_store_sqlite::{Lock, OpenError};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::holder::{HeldFor, Holder as Held, OpenOutcome, open_store, respawn, socket_path};
use crate::session::who_holds;
use crate::settings::Settings;

/// How often it looks whether there is work.
const LOOK: Duration = Duration::from_millis(250);

/// How long another holder may take to say whether it stays.
const ANSWER: Duration = Duration::from_secs(2);

/// Hold the data directory in the background for as long as there is work.
#[derive(Debug, Args)]
pub(crate) struct Holder {
    /// How long to stay without work.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    idle_seconds: u64,
    /// Go on as a process of no terminal, and let whoever started this go.
    #[arg(long, hide = true)]
    leave_group: bool,
}

impl Holder {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        let settings = context.settings()?;
        if self.leave_group {
            respawn(&settings, self.idle_seconds)?;
            return Ok(Exit::Done);
        }
        // The terminal that this was started from may go away, and its steps are to ask nothing there. It fails only for the leader of a group, which
        // started it by hand.
        let _ = rustix::process::setsid();
        let socket = socket_path(&settings.data_dir.value)?;
        let failed = |error: std::io::Error| Fault::internal(error.to_string());
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let client = Client::unix(&socket);
        let started = Instant::now();
        // Whoever waits for its turn waits for all.
        let mut turn = None;
        loop {
            match open_store(&settings, Some(&socket), HeldFor::Background, true).await? {
                OpenOutcome::Ours(holder) => {
                    drop(turn.take());
                    // What came in the moment in which it let go has nobody else.
                    match self.hold(*holder, &mut terminate, &mut interrupt).await {
                        Ended::Idle { since } if is_left_with_work(&settings, since).await? => {}
                        Ended::Idle { .. } | Ended::Told => return Ok(Exit::Done),
                    }
                }
                OpenOutcome::Held(held) if held.is_background() && stays(&client).await => return Ok(Exit::Done),
                // A command holds it, or one that is about to let go; its runs may be left to us.
                OpenOutcome::Held(_) if started.elapsed() > Duration::from_secs(24 * 3_600) => return Ok(Exit::Done),
                OpenOutcome::Held(_) => {
                    if turn.is_none() {
                        turn = wait_for_turn(&settings)?;
                    }
                    if turn.is_none() {
                        return Ok(Exit::Done);
                    }
                    tokio::select! {
                        () = tokio::time::sleep(LOOK) => {}
                        _ = terminate.recv() => return Ok(Exit::Done),
                        _ = interrupt.recv() => return Ok(Exit::Done),
                    }
                }
            }
        }
    }

    async fn hold(&self, holder: Held, terminate: &mut Signal, interrupt: &mut Signal) -> Ended {
        let idle = Duration::from_secs(self.idle_seconds);
        let mut busy_at = Instant::now();
        let mut ended = Ended::Idle { since: Time::now() };
        while busy_at.elapsed() < idle {
            let told = tokio::select! {
                _ = terminate.recv() => true,
                _ = interrupt.recv() => true,
                () = holder.asked_to_leave.cancelled() => true,
                () = tokio::time::sleep(LOOK) => false,
            };
            ended = Ended::Idle { since: Time::now() };
            let activity = holder.engine.activity().borrow().clone();
            if told || activity.broken.is_some() {
                ended = Ended::Told;
                break;
            }
            if activity.calls_in_flight > 0 || activity.active_runs > 0 || sleeps(&holder).await {
                busy_at = Instant::now();
            }
        }
        holder.close().await;
        ended
    }
}

/// Why it does not hold the store any more.
enum Ended {
    /// There was no work when it looked last.
    Idle { since: Time },
    /// Somebody said so, or the store did.
    Told,
}

/// The right to wait for the store in the background; none if somebody waits already.
fn wait_for_turn(settings: &Settings) -> Result<Option<Lock>, Fault> {
    match Lock::take(&settings.data_dir.value.join("turn"), "waits in the background") {
        Ok(turn) => Ok(Some(turn)),
        Err(OpenError::Held { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether whoever holds the store will go on holding it. One that does not answer may be about to end, or stopped: it is waited for.
async fn stays(client: &Client) -> bool {
    who_holds(client, ANSWER).await.is_some_and(|other| other.is_none_or(|other| !other.leaving))
}

/// Whether there are runs that came to move since then, and that nobody moves.
async fn is_left_with_work(settings: &Settings, since: Time) -> Result<bool, Fault> {
    let OpenOutcome::Ours(holder) = open_store(settings, None, HeldFor::Background, false).await? else { return Ok(false) };
    let mut left = sleeps(&holder).await;
    for status in [RunStatus::Queued, RunStatus::Running, RunStatus::Cancelling] {
        let moves = |run: &RunSummary| run.updated_at.as_millisecond() >= since.as_millisecond();
        left |= runs(&holder, status, 1_000).await.is_some_and(|runs| runs.iter().any(moves));
    }
    holder.close().await;
    Ok(left)
}

/// Whether a run waits for a time to come: nobody else would wake it.
async fn sleeps(holder: &Held) -> bool {
    runs(holder, RunStatus::Waiting, 1_000).await.is_some_and(|runs| runs.iter().any(|run| run.wake_at.is_some()))
}

/// The newest runs that stand like this, if the store can be read.
async fn runs(holder: &Held, status: RunStatus, limit: u32) -> Option<Vec<RunSummary>> {
    let query = RunQuery { status: Some(status.word().to_owned()), limit: Some(limit), ..RunQuery::default() };
    holder.client().runs(&query).await.ok().map(|list| list.runs)
}
