//! Processes: one at a time in a group of its own, which ends with the call.
//!
//! The environment is what the call brings, with its key, and nothing else. When the leader has ended, what it left behind in its group has a moment to
//! finish writing and is then killed: a step that wants a lasting process starts it with `setsid`, outside of the group.

mod capture;
mod command;
mod pipes;

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use async_trait::async_trait;
use gorgon_core::call::{Failure, Family, Outcome, ProcessRequest, Request};
use gorgon_core::payload::Payload;
use gorgon_ports::{CallCx, Executor, Progress, Steer, StoredCall};
use rustix::process::{Signal, WaitId, WaitIdOptions, waitid};
use serde::Serialize;
use tokio::process::Child;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use self::pipes::Pipes;
use crate::outcome::{failed, in_doubt, misdirected, succeeded};
use crate::process_group::{CONFIRM, GRACE, Leftovers, Note, POLL, has_living_members, pid_of, signal_group};
use crate::stop::Stop;

/// How long the outputs may stay open after the leader has ended. Long enough for a `tee` to write its last line; a child in the background
/// that keeps them open would otherwise hold up the step for as long as it lives.
const OPEN_PIPES: Duration = Duration::from_secs(1);

/// How long a pipe is read on after everything that wrote to it was killed: what is in it already comes at once.
const LAST_BYTES: Duration = Duration::from_millis(100);

/// How much of the outputs a failure shows.
const DETAIL_CHARS: usize = 2_000;

/// The variable that has the key of the call, the same whenever it is made again: by it a program, or whom it asks, can know a repetition.
pub const IDEMPOTENCY_KEY: &str = "GORGON_IDEMPOTENCY_KEY";

/// Settings of processes.
#[derive(Debug, Clone)]
pub struct ProcessOptions {
    /// How long a process group may clean up between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// Where living groups are noted for the process that comes after a crash.
    pub leftovers: Option<Leftovers>,
}

impl Default for ProcessOptions {
    fn default() -> Self {
        Self { grace: GRACE, leftovers: None }
    }
}

/// Runs processes.
#[derive(Debug, Clone)]
pub struct ProcessExecutor {
    options: ProcessOptions,
}

impl ProcessExecutor {
    /// An executor with these settings.
    #[must_use]
    pub fn new(options: ProcessOptions) -> Self {
        Self { options }
    }
}

#[async_trait]
impl Executor for ProcessExecutor {
    fn family(&self) -> Family {
        Family::Process
    }

    async fn perform(&self, call: &StoredCall, cx: CallCx) -> Outcome {
        match call.request() {
            Request::Process(request) => match self.run(request, cx).await {
                Ok(outcome) => outcome,
                Err(failure) => failed(failure),
            },
            other => misdirected(other, Family::Process),
        }
    }
}

impl ProcessExecutor {
    async fn run(&self, request: &ProcessRequest, cx: CallCx) -> Result<Outcome, Failure> {
        let program = request.argv.first().map_or("", String::as_str);
        let what = format!("the process `{program}`");
        if let Some(stop) = Stop::now(cx.deadline, &cx.cancel) {
            return Err(stop.failure(&what));
        }
        let mut command = command::command(request, &cx)?;
        let note = self.options.leftovers.as_ref().map(Leftovers::announce);
        if let Some((name, mark)) = note.as_ref().map(Note::variable) {
            command.env(name, mark);
        }
        let mut child = command.spawn().map_err(|error| {
            note.iter().for_each(Note::ended);
            command::not_started(program, &error)
        })?;
        let group = Group::of(&child);
        let stop = cx.cancel.child_token();
        if let Some(note) = &note {
            note.started(group.id);
        }
        if (cx.progress)(Progress::Started { process_group: group.id }) == Steer::Stop {
            stop.cancel();
        }
        let mut pipes = Pipes::of(&mut child, request.stdin.as_deref(), request.output_bytes_max, &cx.progress, &stop);

        let stopped = pipes.serve_while(exit_or_stop(group.id, &cx, &stop)).await;
        if self.options.leftovers.as_ref().is_some_and(Leftovers::is_leaving) {
            // It was killed because this process leaves at once. Its call stays open, and is in doubt for the next one.
            std::future::pending::<()>().await;
        }
        if stopped.is_some() {
            signal_group(group.id, Signal::TERM);
            let _ = pipes.serve_while(tokio::time::timeout(self.options.grace, quiet(group.id))).await;
        } else {
            pipes.finish(OPEN_PIPES).await;
        }
        // The leader is not reaped yet, so its number is taken and this reaches its group and nobody else.
        signal_group(group.id, Signal::KILL);
        let status = pipes.serve_while(tokio::time::timeout(CONFIRM, child.wait())).await.ok().and_then(Result::ok);
        pipes.finish(LAST_BYTES).await;
        let gone = status.is_some() && tokio::time::timeout(CONFIRM, quiet(group.id)).await.is_ok();
        // What a call that ended by itself put into another session was meant to stay; of one that was stopped nothing stays.
        let gone = gone && (stopped.is_none() || end_strays(note.as_ref()).await);
        let id = group.id;
        if gone {
            group.release();
            note.iter().for_each(Note::ended);
            (cx.progress)(Progress::Ended { process_group: id });
        }
        Ok(match (stopped, status) {
            (None, Some(status)) => succeeded(value(status, pipes)),
            (Some(why), Some(_)) if gone => failed(Failure { detail: last_words(pipes), ..why.failure(&what) }),
            (Some(why), _) => {
                in_doubt(format!("{what} was to end because {}, but something of its process group {id} outlived SIGKILL", why.because()))
            }
            (None, None) => in_doubt(format!("{what} ended, but its exit code could not be read")),
        })
    }
}

/// Returns when the leader of the group has ended, or has to.
async fn exit_or_stop(group: u32, cx: &CallCx, stop: &CancellationToken) -> Option<Stop> {
    tokio::select! {
        biased;
        () = leader_exit(group) => None,
        why = Stop::wait(cx.deadline, stop) => Some(why),
    }
}

/// Returns when the leader has ended, without reaping it: as long as it is a zombie, its number is given to no other group.
async fn leader_exit(pid: u32) {
    // Listens before the first look, so that no exit falls between the two.
    let mut exits = signal(SignalKind::child());
    while !has_exited(pid) {
        match &mut exits {
            Ok(exits) => drop(exits.recv().await),
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}

fn has_exited(pid: u32) -> bool {
    let Some(pid) = pid_of(pid) else { return true };
    // An error means that it is no child of ours any more, which a later wait will say.
    !matches!(waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT), Ok(None))
}

/// Returns when nothing of the group lives.
async fn quiet(group: u32) {
    let mut pause = POLL;
    // Looking at all processes of the machine takes a while: not on a thread that serves others.
    while tokio::task::spawn_blocking(move || has_living_members(group)).await.unwrap_or(false) {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Ends what the call started outside of its group; answers whether nothing is left.
async fn end_strays(note: Option<&Note>) -> bool {
    let Some((_, mark)) = note.map(Note::variable) else { return true };
    let mark = mark.to_owned();
    tokio::task::spawn_blocking(move || Note::end_strays(&mark)).await.unwrap_or(false)
}

/// Kills the group if the call is dropped before it is known to be gone.
struct Group {
    id: u32,
    gone: bool,
}

impl Group {
    fn of(child: &Child) -> Self {
        // A child that was not waited for has an id. 0 names no group here: nothing is sent to it.
        Self { id: child.id().unwrap_or(0), gone: false }
    }

    /// It is known to be gone.
    fn release(mut self) {
        self.gone = true;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.gone {
            signal_group(self.id, Signal::KILL);
        }
    }
}

#[derive(Serialize)]
struct Exit {
    exit_code: i32,
    stdout: String,
    stderr: String,
    truncated: bool,
}

fn value(status: ExitStatus, pipes: Pipes) -> Payload {
    let exit_code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    let (stdout, stderr) = pipes.into_captures();
    let truncated = stdout.is_truncated() || stderr.is_truncated();
    Payload::of(&Exit { exit_code, stdout: stdout.into_text(), stderr: stderr.into_text(), truncated })
}

/// The end of what it said: of its standard error, or of its standard output if that is empty.
fn last_words(pipes: Pipes) -> Option<String> {
    let (stdout, stderr) = pipes.into_captures();
    let text = [stderr, stdout].into_iter().map(capture::Capture::into_text).find(|text| !text.is_empty())?;
    Some(text.chars().skip(text.chars().count().saturating_sub(DETAIL_CHARS)).collect())
}
