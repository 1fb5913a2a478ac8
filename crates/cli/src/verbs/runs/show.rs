//! `gorgon runs show`

use std::collections::HashMap;

use clap::Args;
use gorgon_api::{Run, RunStep, Time, Waiting};
use gorgon_core::call::Request;
use gorgon_core::contract::Mend;
use gorgon_core::event::{ChargeSource, DoubtVerdict, Event};
use gorgon_core::ids::CallId;
use gorgon_core::money::{Amounts, show_usd};
use gorgon_core::run::RunStatus;

use crate::board::first_line;
use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::printer::Printer;
use crate::prompt::preview_lines;
use crate::report::{self, elapsed, glyph, shown, style};
use crate::session::{Purpose, Session};

/// Most mends of one answer that are told.
const MENDS_MAX: usize = 20;

/// Show how a run stands: its steps, what it waits for, what was in doubt, what it cost.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The run: its id, a unique beginning of it, its last six characters, or `@last`.
    #[arg(default_value = "@last")]
    run: String,
}

impl Show {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        let mut session = Session::open(context, Purpose::Look).await?;
        let result = self.show(&mut session).await;
        session.close().await;
        result
    }

    async fn show(self, session: &mut Session<'_>) -> Result<Exit, Fault> {
        let printer = &session.context.printer;
        if printer.json {
            printer.document(&session.ask(async |client| client.run(&self.run).await).await?);
            return Ok(Exit::Done);
        }
        let export = session.ask(async |client| client.export(&self.run).await).await?;
        head(printer, &export.run);
        export.run.steps.iter().for_each(|step| line(printer, &export.run, step));
        waits(printer, &export.run);
        let events: Vec<Event> = export.events.iter().filter_map(|frame| frame.events().ok()).flatten().collect();
        super::calls::show(printer, &export.run, &events);
        mends(printer, &export.run);
        doubts(printer, &events);
        budget(printer, &export.run);
        printer.data(report::cost_of(&export.run));
        cancelled(printer, &export.run, &events);
        report::outputs(printer, &export.run);
        report::ending(printer, &export.run);
        if session.is_alone() && !export.run.status.is_terminal() && !export.run.needs_somebody() {
            printer.say(format!("no process runs it now; to go on: gorgon resume {}", report::short(export.run.id)));
        }
        Ok(Exit::Done)
    }
}

fn head(printer: &Printer, run: &Run) {
    let end = run.ended_at.unwrap_or_else(Time::now);
    printer.data(format!("{}  {}  {}  {}", run.id, run.workflow, run.status.word(), elapsed(run.created_at, end)));
    if let Some(file) = &run.file {
        printer.data(format!("  file     {file}"));
    }
    if let Some(fork) = &run.fork {
        let cut = match (fork.at, &fork.from) {
            (Some(at), _) => format!(" after its append {at}"),
            (None, Some(step)) => format!(" from step `{step}` on"),
            (None, None) => String::new(),
        };
        printer.data(format!("  made of  {}{cut}: {} kept", fork.run, report::counted(fork.kept.len() as u64, "result")));
    }
    printer.data(format!("  started  {} by {}", run.created_at.strftime("%Y-%m-%d %H:%M:%SZ"), run.by));
}

fn line(printer: &Printer, run: &Run, step: &RunStep) {
    let mut depth = 0;
    let mut above = step.parent.as_ref();
    while let Some(parent) = above {
        depth += 1;
        above = run.steps.iter().find(|known| known.id == *parent).and_then(|known| known.parent.as_ref());
    }
    let mut parts = vec![step.status.word().to_owned()];
    if let Some(items) = step.items {
        parts.push(format!("{} of {} elements succeeded", items.succeeded, items.total));
        if items.failed > 0 {
            parts.push(format!("{} failed", items.failed));
        }
    } else if let Some(rounds) = step.rounds {
        parts.push(report::counted(rounds.into(), "round"));
    } else if step.attempts > 1 {
        parts.push(format!("{} attempts", step.attempts));
    }
    if let (Some(started), Some(ended)) = (step.started_at, step.ended_at) {
        parts.push(elapsed(started, ended));
    }
    if step.calls > 0 {
        let simulated = report::Simulated::of(std::iter::once((step.simulated, step.calls)));
        let charged = Amounts { cost_nano_usd: step.cost_nano_usd, tokens: step.tokens, calls: step.calls };
        parts.push(report::cost(&charged, simulated, report::Unsure { unpriced: step.unpriced, assumed: step.assumed }));
    }
    if step.kept {
        parts.push("kept".to_owned());
    }
    if let Some(reason) = step.skipped {
        parts.push(reason.sentence().to_owned());
    }
    if let Some(error) = &step.error {
        parts.push(first_line(&error.message));
    }
    let mark = printer.paint(style(step.status), glyph(step.status));
    printer.data(format!("  {}{mark} {} ({}): {}", "  ".repeat(depth), step.id, step.kind, parts.join(", ")));
}

fn waits(printer: &Printer, run: &Run) {
    for waiting in &run.waiting_for {
        if let Waiting::Approval { step, prompt, preview, hash, .. } = waiting {
            printer.data(format!("  `{step}` asks: {}", shown(prompt)));
            preview_lines(preview).iter().for_each(|line| printer.data(format!("    {}", shown(line))));
            printer.data(format!("    hash {hash}"));
        }
    }
}

/// Tells how the answers of steps were mended until they were what they have to be.
fn mends(printer: &Printer, run: &Run) {
    for step in &run.steps {
        let outputs = step.outputs.as_ref().map(|outputs| outputs.value());
        let mends = outputs.as_ref().and_then(|outputs| outputs.get("mends")?.as_array()).filter(|_| step.kind == "agent");
        let mends: Vec<Mend> = mends.into_iter().flatten().filter_map(|mend| serde_json::from_value(mend.clone()).ok()).collect();
        let told: Vec<String> = mends.iter().take(MENDS_MAX).map(|Mend { path, what }| format!("{path} {what}").trim().to_owned()).collect();
        if !told.is_empty() {
            printer.data(format!("  the answer of {} was mended: {}", step.id, shown(&told.join("; "))));
        }
    }
}

/// What was in flight when a process died, and what became of it: also when that is long over.
fn doubts(printer: &Printer, events: &[Event]) {
    let mut asked: HashMap<&CallId, &Request> = HashMap::new();
    for event in events {
        if let Event::CallStarted(started) = event {
            asked.insert(&started.call, &started.request);
        }
        if let Event::CallDoubted { call, evidence, verdict, settlement } = event {
            let became = match verdict {
                DoubtVerdict::Redo => "made again",
                DoubtVerdict::Fail => "counted as failed",
                DoubtVerdict::Ask => "left for somebody to say",
                DoubtVerdict::Leave => "left, as the run was ending",
            };
            let charged = settlement.filter(|settlement| !settlement.charged.is_zero()).map(|settlement| {
                let ground = if settlement.source == ChargeSource::AssumedMax { "in full, as nobody knows what was used" } else { "as was told" };
                format!("; charged {} {ground}", show_usd(settlement.charged.cost_nano_usd))
            });
            printer.data(format!("  in doubt: call {call} was {became} ({}){}", first_line(evidence), charged.unwrap_or_default()));
            if let Some(asked) = asked.get(call) {
                printer.data(format!("    asked for: {}", shown(&asked.in_words())));
            }
        }
    }
}

/// Who ended it, and why.
fn cancelled(printer: &Printer, run: &Run, events: &[Event]) {
    let last = events.iter().rev().find_map(|event| if let Event::RunFinished { failure, .. } = event { Some(failure) } else { None });
    if let (RunStatus::Cancelled, Some(Some(failure))) = (run.status, last) {
        printer.data(shown(&failure.message));
    }
}

fn budget(printer: &Printer, run: &Run) {
    for row in &run.budget {
        let amount = |amount: u64| row.meter.shown(amount);
        let beyond = if row.overage > 0 { format!(", {} of it beyond what was held", amount(row.overage)) } else { String::new() };
        let frozen = if row.frozen { ", frozen" } else { "" };
        let spent = row.spent.saturating_add(row.overage);
        printer.data(format!("  budget   {} spent{beyond} and {} held of {}{frozen}", amount(spent), amount(row.reserved), amount(row.limit)));
    }
}
