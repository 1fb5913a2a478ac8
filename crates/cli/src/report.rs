//! What is said of a run when the command is done with it: outputs, cost, failure, and the way on.

use std::collections::BTreeSet;

use gorgon_api::{Run, RunStep, Time, Waiting};
use gorgon_core::budget::Scope;
use gorgon_core::diagnostic::Code;
use gorgon_core::event::Instead;
use gorgon_core::ids::{RunId, StepId};
use gorgon_core::money::{Amounts, Meter, show_usd};
use gorgon_core::run::{RunStatus, StepStatus};
use serde_json::Value;

use crate::board::first_line;
use crate::printer::Printer;

/// Most lines of a failure's detail.
const DETAIL_LINES_MAX: usize = 15;
/// Most failures of the rounds of one loop that are told.
const ROUND_FAILURES_MAX: usize = 5;

/// Most of what a run waits for that is told, each with its way on.
const WAYS_MAX: usize = 20;

/// How a run is named in commands: the last six characters of its id, which are enough on one machine.
pub(crate) fn short(id: RunId) -> String {
    let text = id.to_string();
    text[text.len().saturating_sub(6)..].to_owned()
}

/// A time span in seconds, short.
pub(crate) fn elapsed(from: Time, to: Time) -> String {
    let ms = u64::try_from(to.as_millisecond().saturating_sub(from.as_millisecond())).unwrap_or(0);
    match ms / 1_000 {
        0..60 => format!("{}.{}s", ms / 1_000, ms % 1_000 / 100),
        seconds @ 60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        seconds => format!("{}h{:02}m", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// Whether the simulator answered: for none, some or all of the calls that may cost money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Simulated {
    No,
    Partly,
    Wholly,
}

impl Simulated {
    /// Of steps: whether the simulator answered for it, and how many calls it made.
    pub(crate) fn of(steps: impl Iterator<Item = (bool, u64)>) -> Self {
        let (mut simulated, mut real) = (false, false);
        for (is_simulated, calls) in steps.filter(|(_, calls)| *calls > 0) {
            simulated |= is_simulated;
            real |= !is_simulated;
            let _ = calls;
        }
        match (simulated, real) {
            (false, _) => Self::No,
            (true, true) => Self::Partly,
            (true, false) => Self::Wholly,
        }
    }
}

/// Calls of which nobody can say what they cost.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Unsure {
    /// Whose price is not known.
    pub(crate) unpriced: u64,
    /// Whose usage is not known: they were charged all that was held for them.
    pub(crate) assumed: u64,
}

impl Unsure {
    pub(crate) fn of(all: impl Iterator<Item = (u64, u64)>) -> Self {
        all.fold(Self::default(), |sum, (unpriced, assumed)| Self { unpriced: sum.unpriced + unpriced, assumed: sum.assumed + assumed })
    }
}

/// `cost $0.00 (simulated, 321 tokens, 2 calls)`, and of how many of the calls nobody can say what they cost.
pub(crate) fn cost(charged: &Amounts, simulated: Simulated, unsure: Unsure) -> String {
    let Amounts { cost_nano_usd, tokens, calls } = *charged;
    if calls == 0 {
        return format!("cost {} (no model was called)", show_usd(cost_nano_usd));
    }
    let of_calls = |count: u64, what: &str| match count {
        0 => String::new(),
        all if all == calls => format!(", {what}"),
        some => format!(", {some} {what}"),
    };
    let unknown = of_calls(unsure.unpriced, "of unknown price") + &of_calls(unsure.assumed, "charged in full");
    let word = match simulated {
        Simulated::No => "",
        Simulated::Partly => "partly simulated, ",
        Simulated::Wholly => "simulated, ",
    };
    format!("cost {} ({word}{}, {}{unknown})", show_usd(cost_nano_usd), counted(tokens, "token"), counted(calls, "call"))
}

pub(crate) fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// The cost line of a run.
pub(crate) fn cost_of(run: &Run) -> String {
    let simulated = Simulated::of(run.steps.iter().map(|step| (step.simulated, step.calls)));
    let asked = run.steps.iter().any(|step| step.kind == "agent" && step.attempts > 0 && !step.kept);
    let mut line = if run.calls == 0 && asked {
        format!("cost {} (no call of a model was charged)", show_usd(run.cost_nano_usd))
    } else {
        let charged = Amounts { cost_nano_usd: run.cost_nano_usd, tokens: run.tokens, calls: run.calls };
        cost(&charged, simulated, Unsure::of(run.steps.iter().map(|step| (step.unpriced, step.assumed))))
    };
    if run.held.cost_nano_usd > 0 {
        line.push_str(&format!(", {} held", show_usd(run.held.cost_nano_usd)));
    }
    if run.overage.cost_nano_usd > 0 {
        line.push_str(&format!(", {} of it beyond what was held", show_usd(run.overage.cost_nano_usd)));
    }
    line
}

/// The outputs, readable: texts as they are, everything else as JSON.
pub(crate) fn outputs(printer: &Printer, run: &Run) {
    let Value::Object(outputs) = run.outputs.value() else { return };
    for (name, value) in &outputs {
        match value {
            Value::String(text) if text.contains('\n') => {
                printer.data(format!("{name}:"));
                text.lines().for_each(|line| printer.data(format!("  {}", shown(line))));
            }
            Value::String(text) => printer.data(format!("{name}: {}", shown(text))),
            Value::Array(_) | Value::Object(_) => {
                let text = serde_json::to_string_pretty(value).unwrap_or_default();
                let lines: Vec<String> = text.lines().map(shown).collect();
                printer.data(format!("{name}: {}", lines.join("\n")));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => printer.data(format!("{name}: {value}")),
        }
    }
}

/// The text without what a terminal would obey, and without what makes a text look like another one by turning its direction around.
pub(crate) fn shown(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if c.is_control() && c != '\t' || turns(c) { '\u{fffd}' } else { c }).collect()
}

/// What a wait is, in a few words, with the step that waits.
pub(crate) fn waiting_note(waiting: &Waiting) -> Option<(&StepId, String)> {
    match waiting {
        Waiting::Approval { step, prompt, .. } => Some((step, format!("waits for approval: {}", first_line(prompt)))),
        Waiting::Signal { step, name, .. } => Some((step, format!("waits for the signal `{name}`"))),
        Waiting::Timer { step, until } => Some((step, format!("waits until {until:.0}"))),
        Waiting::Retry { step, until } => Some((step, format!("is tried again at {until:.0}"))),
        Waiting::Doubt { step, request, .. } => Some((step, format!("in doubt: {request}"))),
        Waiting::Budget { .. } => None,
    }
}

/// Says how a run ended, or why it stands still, and how it can go on.
pub(crate) fn ending(printer: &Printer, run: &Run) {
    failures(printer, run);
    for line in way_on(run) {
        printer.say(line);
    }
}

/// As [`ending`], of a run that is gone with this process.
pub(crate) fn ending_of_ephemeral(printer: &Printer, run: &Run) {
    failures(printer, run);
    if !way_on(run).is_empty() {
        printer.say("  nothing of an ephemeral run is kept: to go on with one, or to answer it later, run it without `--ephemeral`");
    }
}

fn failures(printer: &Printer, run: &Run) {
    let Some(error) = &run.error else {
        for step in &run.steps {
            let in_loop = loop_around(run, step).is_some();
            // A loop tells what its rounds went on past, those before the last one as well.
            let told_by_loop = in_loop && went_past_failure(step);
            if (step.tolerated || step.instead.is_some()) && !told_by_loop {
                past(printer, step);
            }
            if !in_loop {
                past_in_rounds(printer, step);
            }
        }
        return;
    };
    let place = match (&error.step, error.attempt) {
        (Some(step), Some(attempt)) if attempt > 0 => format!(" at step `{step}`, attempt {attempt}"),
        (Some(step), _) => format!(" at step `{step}`"),
        (None, _) => String::new(),
    };
    let head = printer.paint("1;31", &format!("error[{}]:", error.code));
    let stands = match run.status {
        RunStatus::Failed => "failed".to_owned(),
        other => format!("is {}", other.word()),
    };
    printer.say(format!("{head} the run {stands}{place}"));
    for line in error.message.lines() {
        printer.say(format!("  {}", shown(line)));
    }
    let detail: Vec<&str> = error.detail.as_deref().unwrap_or_default().lines().collect();
    for line in &detail[detail.len().saturating_sub(DETAIL_LINES_MAX)..] {
        printer.say(format!("  | {}", shown(line)));
    }
}

/// The outermost loop that a step stands in.
pub(crate) fn loop_around<'r>(run: &'r Run, step: &'r RunStep) -> Option<&'r RunStep> {
    let parent = |step: &RunStep| step.parent.as_ref().and_then(|parent| run.steps.iter().find(|other| other.id == *parent));
    std::iter::successors(parent(step), |group| parent(group)).filter(|group| group.rounds.is_some()).last()
}

fn went_past_failure(step: &RunStep) -> bool {
    step.tolerated || matches!(step.instead, Some(Instead::DefaultOutput { .. } | Instead::FailedItems { .. }))
}

fn past_in_rounds(printer: &Printer, step: &RunStep) {
    let head = printer.paint("1;33", "warning:");
    for failure in step.past_failures.iter().take(ROUND_FAILURES_MAX) {
        let why = shown(&first_line(&failure.message));
        printer.say(format!("{head} step `{}` failed in round {} of `{}`, and the run went on: {why}", failure.step, failure.round, step.id));
    }
    if let Some(more) = step.past_failures.len().checked_sub(ROUND_FAILURES_MAX).filter(|more| *more > 0) {
        printer.say(format!("{head} {more} more of `{}` failed in its rounds: `--json` lists all of them", step.id));
    }
}

fn past(printer: &Printer, step: &RunStep) {
    let message = match (&step.instead, &step.error) {
        (Some(Instead::FallbackValue { failure }), _) => format!("failed, and its fallback value took its place: {}", failure.message),
        (Some(Instead::FallbackStep { step }), _) => format!("failed, and step `{step}` took its place"),
        (Some(Instead::DefaultOutput { failure }), _) => format!("failed, and its default output took its place: {}", failure.message),
        (Some(Instead::FailedItems { failed }), _) => format!("{failed} of its elements failed, and were allowed to"),
        (Some(Instead::Resolved), _) => "was in doubt, and somebody said what it gave".to_owned(),
        (None, Some(error)) => format!("failed, and the run went on without it: {}", error.message),
        (None, None) => return,
    };
    let head = printer.paint("1;33", "warning:");
    printer.say(format!("{head} step `{}` {}", step.id, shown(&first_line(&message))));
}

/// The commands that go on.
pub(crate) fn way_on(run: &Run) -> Vec<String> {
    let id = short(run.id);
    match run.status {
        RunStatus::Completed | RunStatus::Cancelled | RunStatus::Queued | RunStatus::Running | RunStatus::Compensating | RunStatus::Cancelling => {
            Vec::new()
        }
        RunStatus::Paused if run.is_out_of_budget() => all_ways(run),
        RunStatus::Paused => vec![format!("  to go on: gorgon resume {id}")],
        RunStatus::Failed if run.is_out_of_budget() => vec![format!("  to go on with more: {}", raise(run))],
        RunStatus::Failed | RunStatus::Partial if run.retryable => {
            let what = if timed_out(run) { "to go on where it was stopped, with its time counted anew" } else { "to try the failed steps again" };
            std::iter::once(format!("  {what}: gorgon retry {id}")).chain(repeated(run).map(|line| format!("    {line}"))).collect()
        }
        RunStatus::Failed if timed_out(run) => vec![format!("  to see how far it came: gorgon runs show {id}")],
        RunStatus::Failed | RunStatus::Partial => {
            let of_rounds = run.steps.iter().find(|step| !step.past_failures.is_empty() && loop_around(run, step).is_none());
            let again = |step: &RunStep| format!("  to run that loop again, and keep what came before it: gorgon fork {id} --from {}", step.id);
            of_rounds.map(again).into_iter().collect()
        }
        RunStatus::Waiting => all_ways(run),
    }
}

/// Whether its own limit on time ended it.
fn timed_out(run: &Run) -> bool {
    run.error.as_ref().is_some_and(|error| error.code == Code::RunTimedOut)
}

fn raise(run: &Run) -> String {
    let id = short(run.id);
    let (flag, key) = match run.stopped_by.as_ref().map(|key| key.meter) {
        Some(Meter::Tokens) => ("--budget-tokens", "max_tokens"),
        Some(Meter::Calls) => ("--budget-calls", "max_calls"),
        Some(Meter::Usd) | None => ("--budget-usd", "max_cost_usd"),
    };
    match run.stopped_by.as_ref().map(|key| &key.scope) {
        Some(Scope::Tenant(_) | Scope::Project(_)) => format!("raise `{key}` under `[budget]` in gorgon.toml, then gorgon resume {id}"),
        Some(Scope::Run) | None => format!("gorgon resume {id} {flag} N"),
    }
}

/// The ways on of everything that it waits for, as far as somebody would read them.
fn all_ways(run: &Run) -> Vec<String> {
    let told = run.waiting_for.iter().take(WAYS_MAX).flat_map(|waiting| ways(run, waiting));
    let more = run.waiting_for.len().saturating_sub(WAYS_MAX);
    told.chain((more > 0).then(|| format!("  … and {more} more: gorgon runs show {} --json", short(run.id)))).collect()
}

fn ways(run: &Run, waiting: &Waiting) -> Vec<String> {
    let id = short(run.id);
    match waiting {
        Waiting::Approval { step, item, prompt, .. } => {
            let item = which(run, step, *item);
            vec![
                format!("  step `{step}` waits for approval: {}", shown(&first_line(prompt))),
                format!("    gorgon approve {id} {step}{item}   or   gorgon reject {id} {step}{item}"),
            ]
        }
        Waiting::Signal { step, name, .. } => vec![format!("  step `{step}` waits for a signal: gorgon signal {id} {name}")],
        Waiting::Timer { step, until } => vec![format!("  step `{step}` waits until {until:.0}")],
        Waiting::Retry { step, until } => vec![format!("  step `{step}` is tried again at {until:.0}")],
        Waiting::Doubt { step, item, request, evidence } => vec![
            format!("  step `{step}` is in doubt: {}", shown(&first_line(evidence))),
            format!("    asked for: {}", shown(request)),
            format!("    gorgon resolve {id} {step}{} --redo | --done | --fail", which(run, step, *item)),
        ],
        Waiting::Budget { budget } => vec![format!("  the budget of the {budget} is exhausted; to go on with more: {}", raise(run))],
    }
}

/// What a retry does again of what succeeded.
pub(crate) fn repeated(run: &Run) -> Option<String> {
    const SHOWN_MAX: usize = 8;
    let names: Vec<&str> = run.retry_repeats.iter().take(SHOWN_MAX).map(StepId::as_str).collect();
    let more = run.retry_repeats.len() - names.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    // Steps stand after the group that they are in, and what one cost, those inside of it did.
    let mut again: BTreeSet<&StepId> = run.retry_repeats.iter().collect();
    let mut cost = 0;
    for step in &run.steps {
        if again.contains(&step.id) || step.parent.as_ref().is_some_and(|group| again.contains(group)) {
            again.insert(&step.id);
            cost += step.cost_nano_usd;
        }
    }
    let cost = if cost > 0 { format!("; so far this cost {} in all", show_usd(cost)) } else { String::new() };
    (!names.is_empty()).then(|| format!("runs again, though it had succeeded, whole or in part: {}{more}{cost}", names.join(", ")))
}

/// Names the element, where more than one of a step waits.
fn which(run: &Run, step: &StepId, item: u32) -> String {
    let of_step = |waiting: &&Waiting| match waiting {
        Waiting::Approval { step: other, .. } | Waiting::Doubt { step: other, .. } => other == step,
        Waiting::Signal { .. } | Waiting::Timer { .. } | Waiting::Retry { .. } | Waiting::Budget { .. } => false,
    };
    if run.waiting_for.iter().filter(of_step).count() > 1 { format!(" --item {item}") } else { String::new() }
}

/// The glyph of a status.
pub(crate) fn glyph(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Pending | StepStatus::Ready => "·",
        StepStatus::Running => "▸",
        StepStatus::Waiting => "○",
        StepStatus::Succeeded => "✓",
        StepStatus::Failed => "✗",
        StepStatus::Skipped => "–",
        StepStatus::Cancelled => "⊘",
        StepStatus::InDoubt => "?",
    }
}

/// The style of a status.
pub(crate) fn style(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Pending | StepStatus::Ready | StepStatus::Skipped => "2",
        StepStatus::Running => "36",
        StepStatus::Waiting | StepStatus::InDoubt => "33",
        StepStatus::Succeeded => "32",
        StepStatus::Failed | StepStatus::Cancelled => "31",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_line_says_of_what_nobody_is_sure() {
        let charged = Amounts { cost_nano_usd: 1_081_000, tokens: 181, calls: 2 };
        let line = |unpriced, assumed| cost(&charged, Simulated::No, Unsure { unpriced, assumed });
        assert_eq!(line(0, 0), "cost $0.001081 (181 tokens, 2 calls)");
        assert_eq!(line(0, 1), "cost $0.001081 (181 tokens, 2 calls, 1 charged in full)");
        assert_eq!(line(1, 2), "cost $0.001081 (181 tokens, 2 calls, 1 of unknown price, charged in full)");
    }
}
