//! A line for whatever happens, for pipes and logs.

use gorgon_api::Time;
use gorgon_core::event::{DoubtVerdict, Event, Instead, ItemRef};
use gorgon_core::ids::{CallId, StepId};
use gorgon_core::run::RunStatus;
use gorgon_core::step::Wait;

use crate::board::{Board, first_line};
use crate::printer::Printer;
use crate::report::{elapsed, shown};

/// Tells of an event that the board has seen already.
pub(super) fn tell(printer: &Printer, board: &Board, at: Time, event: &Event) {
    if let Some(line) = line(board, at, event) {
        printer.say(line);
    }
}

fn line(board: &Board, at: Time, event: &Event) -> Option<String> {
    Some(match event {
        Event::RunCreated(created) => match &created.fork {
            Some(fork) => format!("run {} of `{}` started out of {}", created.id, board.workflow, fork.run),
            None => format!("run {} of `{}` started", created.id, board.workflow),
        },
        Event::GroupOpened { step, .. } => format!("step {step} started"),
        Event::Hopped { at: item, hop: 0, .. } => format!("step {} goes on in its conversation, which a retry had opened again", named(board, item)),
        Event::Hopped { at: item, failure, .. } => {
            format!("step {} failed: {}; another one is asked", named(board, item), shown(&first_line(&failure.message)))
        }
        Event::RoundStarted { step, round } => format!("step {step} round {}", round + 1),
        Event::FannedOut { step, count, .. } => format!("step {step} started: {count} elements"),
        Event::AttemptStarted { at: item, attempt, .. } => match (is_fan_out(board, &item.step), board.attempt_in_round(&item.step, *attempt)) {
            (true, 1) => return None,
            (false, 1) => format!("step {} started", item.step),
            (_, attempt) => format!("step {} started, attempt {attempt}", named(board, item)),
        },
        Event::StepSkipped { step, reason } => format!("step {step} left out: {}", reason.sentence()),
        Event::WaitStarted { at: item, wait, .. } => match wait {
            Wait::Timer { ms } => {
                let seconds = gorgon_core::time::show_seconds(*ms);
                match board.find(&item.step).and_then(|row| row.failed.as_ref()) {
                    Some(why) => format!("step {}: {}; again in {seconds}s", named(board, item), shown(why)),
                    None => format!("step {} waits for {seconds}s", named(board, item)),
                }
            }
            Wait::Signal { name, .. } => format!("step {} waits for the signal `{name}`", named(board, item)),
            Wait::Approval { prompt, .. } => format!("step {} waits for approval: {}", named(board, item), first_line(prompt)),
        },
        Event::ApprovalDecided { at: item, approved, by, .. } => {
            format!("step {} {} by {by}", named(board, item), if *approved { "approved" } else { "rejected" })
        }
        Event::SignalReceived { name, .. } => format!("signal `{name}` came"),
        Event::AttemptFailed { at: item, attempt, failure, retry_at } => {
            let attempt = board.attempt_in_round(&item.step, *attempt);
            let message = shown(&first_line(&failure.message));
            // Of the last attempt the step itself tells.
            let retry_at = (*retry_at)?;
            let pause = elapsed(at, gorgon_api::time(retry_at));
            format!("step {} attempt {attempt} failed: {message}; again in {pause}", named(board, item))
        }
        Event::ItemFailed { step, item, failure } => format!("step {step}[{item}] failed: {}", shown(&first_line(&failure.message))),
        Event::CallDoubted { call, verdict, evidence, .. } => {
            let why = shown(&first_line(evidence));
            let then = match verdict {
                DoubtVerdict::Redo => "it is made again",
                DoubtVerdict::Fail => "its attempt counts as failed",
                DoubtVerdict::Ask => "somebody has to say what became of it",
                DoubtVerdict::Leave => {
                    return Some(format!("step {} leaves a call in doubt, as the run is ending: {why}", named_call(board, call)));
                }
            };
            format!("a call of step {} is in doubt, {why}: {then}", named_call(board, call))
        }
        Event::DoubtResolved { at: item, by, .. } => format!("step {} was in doubt; {by} said what became of it", named(board, item)),
        Event::StepSucceeded { step, .. } if is_kept(board, step) => format!("step {step} kept"),
        Event::StepSucceeded { step, instead, .. } => {
            let mark = match instead {
                None | Some(Instead::Resolved) => String::new(),
                Some(Instead::FallbackValue { .. }) => " (its fallback value)".to_owned(),
                Some(Instead::FallbackStep { step }) => format!(" (by step {step})"),
                Some(Instead::DefaultOutput { .. }) => " (its default output; it failed)".to_owned(),
                Some(Instead::FailedItems { failed }) => format!(" ({failed} of its elements failed)"),
            };
            format!("step {step} succeeded{mark} {}", taken(board, step))
        }
        Event::StepFailed { step, failure, .. } => format!("step {step} failed {}: {}", taken(board, step), shown(&first_line(&failure.message))),
        Event::FallbackChosen { step, fallback, failure } => {
            format!("step {step} failed: {}; {fallback} takes its place", shown(&first_line(&failure.message)))
        }
        Event::Paused { by, interrupt: false } => format!("run paused by {by}"),
        Event::Paused { interrupt: true, .. } => "run interrupted".to_owned(),
        Event::TakenOver { idle_ms } => {
            format!("run taken over, {}s after its last record; that time counts against no limit", gorgon_core::time::show_seconds(*idle_ms))
        }
        Event::Resumed { by } => format!("run resumed by {by}"),
        Event::LimitSet { meter, limit, by, .. } => {
            format!("limit set to {} by {by}", meter.shown(*limit))
        }
        Event::Reopened { steps, keep, by } => {
            let all: Vec<&str> = keep.iter().chain(steps).map(StepId::as_str).collect();
            format!("steps opened again by {by}: {}", all.join(", "))
        }
        Event::RunFinished { status: RunStatus::Cancelled, failure: Some(failure), .. } => {
            format!("run cancelled {}: {}", elapsed(board.created_at, at), shown(&first_line(&failure.message)))
        }
        Event::RunFinished { status, .. } => format!("run {} {}", status.word(), elapsed(board.created_at, at)),
        Event::CallStarted(started) => {
            let asked = board.find(&started.call.step)?.asked.as_ref()?;
            format!("step {}: {}", named_call(board, &started.call), shown(asked))
        }
        Event::CallSettled { call, .. } => {
            let how = board.find(&call.step)?.cut_off?;
            format!("step {}: the answer was {how}", named_call(board, call))
        }
        Event::StatusChanged { .. }
        | Event::RoundEnded { .. }
        | Event::WaitEnded { .. }
        | Event::BackoffEnded { .. }
        | Event::ItemSucceeded { .. }
        | Event::Halted { .. } => return None,
    })
}

fn is_fan_out(board: &Board, step: &StepId) -> bool {
    board.find(step).is_some_and(|row| row.items.is_some())
}

fn is_kept(board: &Board, step: &StepId) -> bool {
    board.find(step).is_some_and(|row| row.kept)
}

fn named(board: &Board, item: &ItemRef) -> String {
    if is_fan_out(board, &item.step) { format!("{}[{}]", item.step, item.item) } else { item.step.to_string() }
}

fn named_call(board: &Board, call: &CallId) -> String {
    named(board, &ItemRef { step: call.step.clone(), item: call.item })
}

fn taken(board: &Board, step: &StepId) -> String {
    board.find(step).and_then(|row| Some(elapsed(row.started_at?, row.ended_at?))).unwrap_or_else(|| "0.0s".to_owned())
}
