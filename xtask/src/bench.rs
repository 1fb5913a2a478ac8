//! `cargo xtask bench kernel` and `agent`: figures of the release binary, with the machine they were taken on.
//!
//! A measure is a function below [`MEASURES`] or [`AGENT_MEASURES`]: it writes raw lines to the report and returns the figures that the summary shows. The report goes to
//! `docs/benchmarks/SUITE-DATE.txt`, to be committed beside the README that quotes it.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use crate::shell::{cargo, give, output, program, root, say, step};

#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    suite: Suite,
}

#[derive(Subcommand)]
enum Suite {
    /// The durable kernel on the embedded store.
    Kernel(Taken),
    /// Agents: turns, first words, long conversations, against the scripted model server.
    Agent(Taken),
}

/// How measures are taken.
#[derive(Args)]
struct Taken {
    /// Only these measures, by name; all if none is given.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Processes to take the median over.
    #[arg(long, default_value_t = 5)]
    processes: usize,
    /// The folder that the data directories are made in: it has to lie on the disk that is measured.
    #[arg(long, default_value = "target/bench")]
    folder: PathBuf,
    /// Where the report goes; a dated file under docs/benchmarks if not said.
    #[arg(long)]
    output: Option<PathBuf>,
}

/// What a measure gets.
pub(crate) struct Bench {
    /// The release binary.
    pub(crate) binary: PathBuf,
    /// Where data directories are made; empty at the start.
    pub(crate) folder: PathBuf,
    /// Processes to take the median over.
    pub(crate) processes: usize,
    /// The raw lines.
    pub(crate) report: String,
}

/// One figure of the summary.
pub(crate) struct Figure {
    /// What was measured, with its unit last: `w1_step_median_ms`.
    pub(crate) name: String,
    /// The figure.
    pub(crate) value: f64,
    /// The aim, if there is one, and in words how far it is away and what bounds it.
    pub(crate) remark: String,
}

/// Takes one measure.
type Measure = fn(&mut Bench) -> Result<Vec<Figure>>;

/// All measures by name, in the order in which they are taken.
const MEASURES: &[(&str, Measure)] = &[
    ("binary_size", binary_size),
    ("start_up", start_up),
    ("one", |bench| load(bench, "one", &[("run_ms", "a run of one step from the command line, new folder; aim 60")])),
    ("w1", |bench| {
        load(
            bench,
            "w1",
            &[
                ("ratio", "median of a step over a bare commit of the same minute; aim 1.7"),
                ("step_us", "a step of a chain"),
                ("bare_commit_us", "SQLite, one row of 200 bytes, synchronous=FULL"),
            ],
        )
    }),
    ("w2", |bench| {
        load(bench, "w2", &[("steps_a_second", "10 steps a run, 50 runs at a time; aim 50,000"), ("cpu_us_a_step", "of the holder; aim 30")])
    }),
    ("w3", |bench| load(bench, "w3", &[("steps_a_second", "1,000 elements and a fan-in; aim 100,000")])),
    ("calls", |bench| load(bench, "calls", &[("calls_a_second", "held and settled on one shared budget; aim 30,000")])),
    ("history", |bench| load(bench, "history", &[("resume_ms", "until a run of that many events answers after a restart; aim 300"), ("events", "")])),
    ("sleep", |bench| {
        load(
            bench,
            "sleep",
            &[("added_mb", "by 100,000 sleeping runs; aim 100"), ("first_run_after_restart_ms", "start of the holder included; aim 1,000")],
        )
    }),
    ("bare_commit", bare_commit),
];

/// The measures of agents.
const AGENT_MEASURES: &[(&str, Measure)] = &[
    ("turns", |bench| {
        load(bench, "turns", &[("added_ms_a_turn", "beside the same requests without Gorgon, a tool and two commits included; aim 1")])
    }),
    ("first_token", |bench| {
        load(
            bench,
            "first_token",
            &[("added_ms", "to the first words of a new run that is watched; aim 5"), ("without_ms", "the same question without Gorgon")],
        )
    }),
    ("conversation", |bench| {
        load(
            bench,
            "conversation",
            &[
                ("ratio", "stored bytes over the bytes of all that was said, 1,000 turns; aim 1.3"),
                ("resume_ms", "from the start of a new process to the end of the last turn; aim 200"),
            ],
        )
    }),
];

pub(crate) fn run(options: &Options) -> Result<()> {
    match &options.suite {
        Suite::Kernel(taken) => measure("kernel", MEASURES, taken),
        Suite::Agent(taken) => measure("agent", AGENT_MEASURES, taken),
    }
}

fn measure(suite: &str, measures: &[(&str, Measure)], options: &Taken) -> Result<()> {
    if let Some(unknown) = options.only.iter().find(|name| !measures.iter().any(|(known, _)| known == name)) {
        let known: Vec<&str> = measures.iter().map(|(name, _)| *name).collect();
        bail!("no measure is called `{unknown}`; there are: {}", known.join(", "));
    }
    step("release binary", cargo().args(["build", "--release", "--quiet", "--bin", "gorgon"]))?;
    let folder = root().join(&options.folder);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", options.folder.display()))?;
    }
    fs::create_dir_all(&folder)?;
    let mut bench = Bench { binary: root().join("target/release/gorgon"), folder, processes: options.processes.max(1), report: machine()? };
    let mut figures = Vec::new();
    for (name, measure) in measures {
        if options.only.is_empty() || options.only.iter().any(|only| only == name) {
            say(&format!("bench: {name}"));
            writeln!(bench.report, "\n== {name}")?;
            figures.extend(measure(&mut bench)?);
        }
    }
    if figures.is_empty() {
        bail!("nothing was measured");
    }
    writeln!(bench.report, "\n== summary")?;
    for figure in &figures {
        let line = format!("{:<40} {:>14.3}  {}", figure.name, figure.value, figure.remark);
        writeln!(bench.report, "{line}")?;
        give(&line);
    }
    let path = match &options.output {
        Some(path) => root().join(path),
        None => root().join(format!("docs/benchmarks/{suite}-{}.txt", today()?)),
    };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&path, &bench.report)?;
    say(&format!("bench: written to {}", path.strip_prefix(root()).unwrap_or(&path).display()));
    Ok(())
}

fn today() -> Result<String> {
    Ok(output(program("date").args(["-u", "+%Y-%m-%d"]))?.trim().to_owned())
}

/// The machine, the toolchain and the commit that the figures belong to.
fn machine() -> Result<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).map_or("unknown", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory.lines().next().unwrap_or_default().trim_start_matches("MemTotal:").trim().to_owned();
    let disk = output(program("stat").args(["-f", "-c", "%T", "."])).unwrap_or_default();
    let dirty = if output(program("git").args(["status", "--porcelain"]))?.trim().is_empty() { "" } else { ", with changes that are not committed" };
    let mut text = String::new();
    writeln!(text, "date      {}", output(program("date").args(["-u", "+%Y-%m-%dT%H:%MZ"]))?.trim())?;
    writeln!(text, "commit    {}{dirty}", output(program("git").args(["rev-parse", "--short=12", "HEAD"]))?.trim())?;
    writeln!(text, "toolchain {}", output(program("rustc").arg("--version"))?.trim())?;
    writeln!(text, "cpu       {cores} x {model}")?;
    writeln!(text, "memory    {memory}")?;
    writeln!(text, "kernel    {}", output(program("uname").args(["-sr"]))?.trim())?;
    writeln!(text, "disk      {}", disk.trim())?;
    Ok(text)
}

fn binary_size(bench: &mut Bench) -> Result<Vec<Figure>> {
    let bytes = fs::metadata(&bench.binary)?.len();
    writeln!(bench.report, "{bytes} bytes")?;
    #[expect(clippy::cast_precision_loss, reason = "a binary has fewer bytes than a float has exact integers")]
    let value = bytes as f64 / 1e6;
    Ok(vec![Figure { name: "binary_size_mb".to_owned(), value, remark: "symbols kept, debug information stripped".to_owned() }])
}

/// `gorgon --version`, from start to end.
fn start_up(bench: &mut Bench) -> Result<Vec<Figure>> {
    let mut times = Vec::new();
    for _ in 0..bench.processes.max(20) {
        let started = Instant::now();
        output(program(&bench.binary.to_string_lossy()).arg("--version"))?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    writeln!(bench.report, "{times:.3?} ms")?;
    Ok(vec![Figure { name: "version_ms".to_owned(), value: median(times), remark: "aim 10".to_owned() }])
}

/// Runs a load of `kernel_load` in processes of its own, and takes the middle of each figure over them.
fn load(bench: &mut Bench, name: &str, wanted: &[(&str, &str)]) -> Result<Vec<Figure>> {
    step("load generator", cargo().args(["build", "--release", "--quiet", "-p", "gorgon-cli", "--example", "kernel_load"]))?;
    let generator = root().join("target/release/examples/kernel_load");
    // The long loads are their own repetition.
    let processes = if matches!(name, "history" | "sleep" | "turns" | "first_token" | "conversation") { 1 } else { bench.processes };
    let mut values: Vec<Vec<f64>> = vec![Vec::new(); wanted.len()];
    for _ in 0..processes {
        let folder = bench.folder.join(name);
        let raw = output(program(&generator.to_string_lossy()).arg(&bench.binary).arg(&folder).arg(name))?;
        bench.report.push_str(&raw);
        for line in raw.lines() {
            let line: serde_json::Value = serde_json::from_str(line).with_context(|| format!("`{line}` is no JSON"))?;
            // A load that tries several widths is summed up by the one that the peers were measured at.
            if line.get("at_a_time").is_some_and(|width| width != 50) {
                continue;
            }
            for (values, (key, _)) in values.iter_mut().zip(wanted) {
                values.extend(line.get(*key).and_then(serde_json::Value::as_f64));
            }
        }
    }
    let figure = |(values, (key, remark)): (Vec<f64>, &(&str, &str))| Figure {
        name: format!("{name}_{key}"),
        value: median(values),
        remark: (*remark).to_owned(),
    };
    Ok(values.into_iter().zip(wanted).map(figure).collect())
}

/// One commit of SQLite with `synchronous=FULL` and nothing else, on the disk of the data directories.
fn bare_commit(bench: &mut Bench) -> Result<Vec<Figure>> {
    let folder = bench.folder.join("bare");
    fs::create_dir_all(&folder)?;
    let raw = output(cargo().args(["run", "--release", "--quiet", "-p", "gorgon-store-sqlite", "--example", "floor", "--"]).arg(&folder))?;
    bench.report.push_str(&raw);
    Ok(Vec::new())
}

/// The middle of the values.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
