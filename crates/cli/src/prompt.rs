//! Questions on the terminal: about approvals, and about calls in doubt.

use std::time::Instant;

use gorgon_api::{CommandName, Decide, Resolve, Run, Verdict, Waiting};
use gorgon_core::ids::{ContentHash, StepId};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::printer::Printer;
use crate::report::shown;

/// Most lines of what is agreed to that are shown; `gorgon runs show` shows all.
const PREVIEW_LINES_MAX: usize = 12;

/// Lines that somebody types, with the time at which each was.
pub(crate) struct Keyboard {
    lines: mpsc::Receiver<(Instant, String)>,
}

/// Most lines that wait to be looked at: more than anybody types ahead. Whoever had to wait for room would have the time at which there was some.
const LINES_MAX: usize = 4_096;

impl Keyboard {
    /// Begins to read. The thread ends with the process: reading a terminal cannot be broken off.
    pub(crate) fn listen() -> Self {
        let (sender, lines) = mpsc::channel(LINES_MAX);
        std::thread::spawn(move || {
            for line in std::io::stdin().lines() {
                let Ok(line) = line else { return };
                if sender.blocking_send((Instant::now(), line)).is_err() {
                    return;
                }
            }
        });
        Self { lines }
    }

    /// The next line; never, once there is no more to come.
    pub(crate) async fn line(&mut self) -> (Instant, String) {
        match self.lines.recv().await {
            Some(line) => line,
            None => std::future::pending().await,
        }
    }
}

/// A question that was asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Question {
    Approval { step: StepId, item: u32, hash: ContentHash },
    Doubt { step: StepId, item: u32 },
}

/// What was answered.
#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    Decide(CommandName, Decide),
    Resolve(Resolve),
    /// Ask again.
    Unclear,
}

impl Question {
    /// The first thing that somebody can decide here.
    pub(crate) fn of(run: &Run) -> Option<(Self, &Waiting)> {
        run.waiting_for.iter().find_map(|waiting| match waiting {
            Waiting::Approval { step, item, hash, .. } => Some((Self::Approval { step: step.clone(), item: *item, hash: *hash }, waiting)),
            Waiting::Doubt { step, item, .. } => Some((Self::Doubt { step: step.clone(), item: *item }, waiting)),
            Waiting::Signal { .. } | Waiting::Timer { .. } | Waiting::Retry { .. } | Waiting::Budget { .. } => None,
        })
    }

    /// Asks; answers the lines that were written.
    pub(crate) fn ask(&self, printer: &Printer, waiting: &Waiting) -> Vec<String> {
        let mut lines = Vec::new();
        match waiting {
            Waiting::Approval { step, prompt, preview, .. } => {
                lines.push(format!("{} {}", printer.paint("1;33", &format!("approve `{step}`?")), shown(prompt)));
                lines.extend(preview_lines(preview).into_iter().map(|line| format!("  {}", shown(&line))));
                lines.push("[y]es / [n]o / n REASON".to_owned());
            }
            Waiting::Doubt { step, request, evidence, .. } => {
                lines.push(format!("{} {}", printer.paint("1;33", &format!("`{step}` is in doubt:")), shown(evidence)));
                lines.push(format!("  asked for: {}", shown(request)));
                lines.push("[r]edo / [d]one / d OUTPUT (JSON) / [f]ail".to_owned());
            }
            Waiting::Signal { .. } | Waiting::Timer { .. } | Waiting::Retry { .. } | Waiting::Budget { .. } => {}
        }
        lines.iter().for_each(|line| printer.say(line));
        lines
    }

    /// What a line means as an answer.
    pub(crate) fn answer(&self, line: &str, by: &str) -> Answer {
        let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        let rest = Some(rest.trim()).filter(|rest| !rest.is_empty());
        match self {
            Self::Approval { step, item, hash } => {
                let name = match word.to_ascii_lowercase().as_str() {
                    "y" | "yes" => CommandName::Approve,
                    "n" | "no" => CommandName::Reject,
                    _ => return Answer::Unclear,
                };
                let decide =
                    Decide { step: Some(step.clone()), item: Some(*item), hash: Some(*hash), comment: rest.map(str::to_owned), by: by.to_owned() };
                Answer::Decide(name, decide)
            }
            Self::Doubt { step, item } => {
                let verdict = match word.to_ascii_lowercase().as_str() {
                    "r" | "redo" => Verdict::Redo,
                    "d" | "done" => Verdict::Done,
                    "f" | "fail" => Verdict::Fail,
                    _ => return Answer::Unclear,
                };
                let output = match rest.map(serde_json::from_str::<Value>) {
                    Some(Err(_)) => return Answer::Unclear,
                    Some(Ok(output)) => Some(output),
                    None => None,
                };
                Answer::Resolve(Resolve { step: Some(step.clone()), item: Some(*item), verdict, output, by: by.to_owned() })
            }
        }
    }
}

/// What is agreed to, in lines.
pub(crate) fn preview_lines(preview: &Value) -> Vec<String> {
    let text = match preview {
        Value::Null => return Vec::new(),
        Value::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    };
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if lines.len() > PREVIEW_LINES_MAX {
        let more = lines.len() - PREVIEW_LINES_MAX;
        lines.truncate(PREVIEW_LINES_MAX);
        lines.push(format!("… {more} more lines"));
    }
    lines
}
