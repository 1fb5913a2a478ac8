//! `gorgon runs diff`

use clap::Args;
use gorgon_api::{Run, RunStep};
use gorgon_core::money::show_usd;
use gorgon_core::payload::Payload;
use serde::Serialize;
use serde_json::{Map, Value};
use similar::TextDiff;

use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::printer::Printer;
use crate::report::{loop_around, shown};
use crate::session::{Purpose, Session};

/// Most lines that are shown of the difference between two results.
const LINES_MAX: usize = 40;

/// Compare two runs step by step: results, cost, time.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The first run: its id, a unique beginning of it, its last six characters, or `@last`.
    before: String,
    /// The second run.
    after: String,
}

/// Two runs beside one another.
#[derive(Debug, Serialize)]
struct Compared {
    before: Side,
    after: Side,
    /// Whether both run the same definition.
    same_definition: bool,
    /// Inputs that differ: first and second value.
    inputs: Map<String, Value>,
    steps: Vec<ComparedStep>,
    /// Outputs of the runs that differ: first and second value.
    outputs: Map<String, Value>,
}

/// What one of the two came to.
#[derive(Debug, Serialize)]
struct Side {
    id: String,
    status: &'static str,
    cost_nano_usd: u64,
    tokens: u64,
    calls: u64,
    elapsed_ms: Option<i64>,
}

/// A step of either run.
#[derive(Debug, Serialize)]
struct ComparedStep {
    id: String,
    /// Whether both gave the same; absent if one of them gave nothing.
    same_outputs: Option<bool>,
    before: Option<StepSide>,
    after: Option<StepSide>,
}

#[derive(Debug, Serialize)]
struct StepSide {
    status: &'static str,
    kept: bool,
    cost_nano_usd: u64,
    tokens: u64,
    ms: Option<i64>,
    /// Then it is compared by its last round, and its loop by all of them.
    #[serde(skip)]
    in_loop: bool,
    #[serde(skip)]
    outputs: Option<Payload>,
}

impl Diff {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        let mut session = Session::open(context, Purpose::Look).await?;
        let before = session.ask(async |client| client.run(&self.before).await).await;
        let after = session.ask(async |client| client.run(&self.after).await).await;
        session.close().await;
        let compared = Compared::of(&before?, &after?);
        if context.printer.json {
            context.printer.document(&compared);
        } else {
            compared.show(&context.printer);
        }
        Ok(Exit::Done)
    }
}

impl Compared {
    fn of(before: &Run, after: &Run) -> Self {
        let mut ids: Vec<&str> = before.steps.iter().map(|step| step.id.as_str()).collect();
        ids.extend(after.steps.iter().map(|step| step.id.as_str()).filter(|id| before.steps.iter().all(|step| step.id.as_str() != *id)));
        let find = |run: &Run, id: &str| run.steps.iter().find(|step| step.id.as_str() == id).map(|step| StepSide::of(run, step));
        let steps = ids
            .into_iter()
            .map(|id| {
                let (before, after) = (find(before, id), find(after, id));
                let given = |side: &Option<StepSide>| side.as_ref().and_then(|side| side.outputs.as_ref()).map(Payload::value);
                let same_outputs = given(&before).zip(given(&after)).map(|(before, after)| before == after);
                ComparedStep { id: id.to_owned(), same_outputs, before, after }
            })
            .collect();
        Self {
            before: Side::of(before),
            after: Side::of(after),
            same_definition: before.definition == after.definition,
            inputs: differing(&before.inputs, &after.inputs),
            steps,
            outputs: differing(&before.outputs, &after.outputs),
        }
    }

    fn show(&self, printer: &Printer) {
        let Self { before, after, .. } = self;
        printer.data(format!("before  {}", before.id));
        printer.data(format!("after   {}", after.id));
        printer.data(format!("{:<24} {:>24} {:>24}", "", "before", "after"));
        let row = |name: &str, one: String, other: String, note: &str| {
            printer.data(format!("{name:<24} {one:>24} {other:>24}  {note}").trim_end());
        };
        row("status", before.status.to_owned(), after.status.to_owned(), "");
        for step in &self.steps {
            let note = match (step.same_outputs, &step.before, &step.after) {
                (Some(true), Some(side), _) if side.in_loop => "same result in the last round",
                (Some(false), Some(side), _) if side.in_loop => "another result in the last round",
                (Some(true), ..) => "same result",
                (Some(false), ..) => "another result",
                (None, None, _) | (None, _, None) => "only in one",
                _ => "",
            };
            let side = |side: &Option<StepSide>| side.as_ref().map_or_else(|| "-".to_owned(), StepSide::text);
            row(&step.id, side(&step.before), side(&step.after), note);
        }
        row("cost", show_usd(before.cost_nano_usd), show_usd(after.cost_nano_usd), &change(before.cost_nano_usd, after.cost_nano_usd));
        row("tokens", before.tokens.to_string(), after.tokens.to_string(), "");
        row("calls", before.calls.to_string(), after.calls.to_string(), "");
        row("time", seconds(before.elapsed_ms), seconds(after.elapsed_ms), "");
        if !self.same_definition {
            printer.data("they run different versions of the workflow");
        }
        for (name, pair) in &self.inputs {
            printer.data(format!("input {name}: {} -> {}", one_line(&pair[0]), one_line(&pair[1])));
        }
        for step in self.steps.iter().filter(|step| step.same_outputs == Some(false)) {
            let text = |side: &Option<StepSide>| side.as_ref().and_then(|side| side.outputs.as_ref()).map(|outputs| readable(&outputs.value()));
            let (Some(one), Some(other)) = (text(&step.before), text(&step.after)) else { continue };
            printer.data(format!("step {}:", step.id));
            let diff = TextDiff::from_lines(one.as_str(), other.as_str());
            let lines = diff.unified_diff().context_radius(1).to_string();
            let lines: Vec<&str> = lines.lines().filter(|line| !line.starts_with("@@")).collect();
            lines.iter().take(LINES_MAX).for_each(|line| printer.data(format!("  {}", shown(line))));
            if lines.len() > LINES_MAX {
                printer.data(format!("  … {} more lines", lines.len() - LINES_MAX));
            }
        }
    }
}

impl Side {
    fn of(run: &Run) -> Self {
        Self {
            id: run.id.to_string(),
            status: run.status.word(),
            cost_nano_usd: run.cost_nano_usd,
            tokens: run.tokens,
            calls: run.calls,
            elapsed_ms: run.ended_at.map(|ended| ended.as_millisecond() - run.created_at.as_millisecond()),
        }
    }
}

impl StepSide {
    fn of(run: &Run, step: &RunStep) -> Self {
        let ms = step.started_at.zip(step.ended_at).map(|(started, ended)| ended.as_millisecond() - started.as_millisecond());
        Self {
            status: step.status.word(),
            kept: step.kept,
            cost_nano_usd: step.cost_nano_usd,
            tokens: step.tokens,
            ms: ms.filter(|_| !step.kept),
            in_loop: loop_around(run, step).is_some(),
            outputs: step.outputs.clone(),
        }
    }

    fn text(&self) -> String {
        if self.kept {
            return "kept".to_owned();
        }
        let time = self.ms.map(|ms| format!(" {}", seconds(Some(ms)))).unwrap_or_default();
        format!("{} {}{time}", self.status, show_usd(self.cost_nano_usd))
    }
}

/// The values of both, where they differ.
fn differing(before: &Payload, after: &Payload) -> Map<String, Value> {
    let map = |payload: &Payload| if let Value::Object(map) = payload.value() { map } else { Map::new() };
    let (before, after) = (map(before), map(after));
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    let pair = |name: &String| (before.get(name).cloned().unwrap_or_default(), after.get(name).cloned().unwrap_or_default());
    names
        .filter_map(|name| {
            let (one, other) = pair(name);
            (one != other).then(|| (name.clone(), Value::Array(vec![one, other])))
        })
        .collect()
}

/// Outputs as lines: texts as they are.
fn readable(outputs: &Value) -> String {
    let Value::Object(map) = outputs else { return format!("{outputs}\n") };
    map.iter().fold(String::new(), |mut text, (name, value)| {
        match value {
            Value::String(value) => text.push_str(&format!("{name}: {value}\n")),
            value => text.push_str(&format!("{name}: {}\n", serde_json::to_string_pretty(value).unwrap_or_default())),
        }
        text
    })
}

fn one_line(value: &Value) -> String {
    const CHARS_MAX: usize = 60;
    let text = shown(&value.to_string());
    if text.chars().count() <= CHARS_MAX { text } else { format!("{}…", text.chars().take(CHARS_MAX).collect::<String>()) }
}

fn seconds(ms: Option<i64>) -> String {
    ms.map_or_else(|| "-".to_owned(), |ms| format!("{}.{:03}s", ms / 1_000, ms % 1_000))
}

/// By how much it became dearer or cheaper.
fn change(before: u64, after: u64) -> String {
    match after.cmp(&before) {
        std::cmp::Ordering::Equal => String::new(),
        std::cmp::Ordering::Greater => format!("{} more", show_usd(after - before)),
        std::cmp::Ordering::Less => format!("{} less", show_usd(before - after)),
    }
}
