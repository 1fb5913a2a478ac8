//! `cargo xtask fuzz SECONDS`: each fuzz target for that long, and how many inputs it saw.
//!
//! The targets are built by the stable toolchain: LLVM's coverage counters need no nightly, and an address sanitizer would find little where `unsafe`
//! is forbidden. What is new goes to `target/fuzz/corpus`, what crashes to `target/fuzz/artifacts`; `--keep` merges the former into the committed
//! corpora, which ordinary tests replay.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::shell::{cargo, give, output, program, root, say, step};
use crate::tidy::host_triple;

/// What `cargo fuzz` passes for coverage, without the sanitizer that only nightly has.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing";

/// The longest input: what is slower to find in a longer one is not worth the time.
const BYTES_MAX: usize = 16 * 1024;

#[derive(Args)]
pub(crate) struct Options {
    /// How long each target runs.
    seconds: u64,
    /// Only these targets.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// How many run at once.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Merge what was found into the committed corpora.
    #[arg(long)]
    keep: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let targets = chosen(&options.only)?;
    let host = host_triple()?;
    build(&host)?;
    let mut results: Vec<(String, Result<Seen>)> = Vec::new();
    for batch in targets.chunks(options.jobs.max(1)) {
        std::thread::scope(|scope| {
            let running: Vec<_> = batch
                .iter()
                .map(|target| {
                    say(&format!("fuzz: {target} for {} s", options.seconds));
                    (target, scope.spawn(|| fuzz(target, &host, options.seconds)))
                })
                .collect();
            for (target, thread) in running {
                let seen = thread.join().unwrap_or_else(|_| bail!("its thread panicked"));
                results.push((target.clone(), seen));
            }
        });
    }
    if options.keep {
        for target in &targets {
            keep(target, &host)?;
        }
    }
    give("target                 executions   per second  found");
    for (target, seen) in &results {
        match seen {
            Ok(seen) => give(&format!("{target:<20} {:>12} {:>12}  {}", seen.executions, seen.per_second, seen.new_inputs)),
            Err(problem) => give(&format!("{target:<20} FAILED: {problem:#}")),
        }
    }
    let failed = results.iter().filter(|(_, seen)| seen.is_err()).count();
    if failed > 0 {
        bail!("{failed} of {} fuzz targets failed; what crashes lies in target/fuzz/artifacts", results.len());
    }
    Ok(())
}

/// What a target did, as libFuzzer counts it.
struct Seen {
    executions: u64,
    per_second: u64,
    new_inputs: u64,
}

/// The targets that the manifest names.
fn chosen(only: &[String]) -> Result<Vec<String>> {
    let manifest: toml::Value = toml::from_str(&fs::read_to_string(root().join("fuzz/Cargo.toml"))?)?;
    let bins = manifest.get("bin").and_then(toml::Value::as_array).context("fuzz/Cargo.toml has no targets")?;
    let all: Vec<String> = bins.iter().filter_map(|bin| bin.get("name")?.as_str().map(str::to_owned)).collect();
    if let Some(unknown) = only.iter().find(|name| !all.contains(name)) {
        bail!("no fuzz target is called `{unknown}`; there are: {}", all.join(", "));
    }
    Ok(if only.is_empty() { all } else { only.to_vec() })
}

fn build(host: &str) -> Result<()> {
    // With a target named, the flags stay away from build scripts and macros.
    let arguments = ["build", "--quiet", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target-dir", "target/fuzz", "--target", host];
    step("fuzz targets", cargo().args(arguments).env("RUSTFLAGS", COVERAGE))
}

fn binary(target: &str, host: &str) -> PathBuf {
    root().join("target/fuzz").join(host).join("release").join(target)
}

fn fuzz(target: &str, host: &str, seconds: u64) -> Result<Seen> {
    let work = root().join("target/fuzz");
    let (found, artifacts, logs) = (work.join("corpus").join(target), work.join("artifacts").join(target), work.join("logs"));
    for folder in [&found, &artifacts, &logs] {
        fs::create_dir_all(folder)?;
    }
    let log = logs.join(format!("{target}.txt"));
    let file = File::create(&log)?;
    let status = program(&binary(target, host).to_string_lossy())
        .arg(&found)
        .arg(root().join("fuzz/corpus").join(target))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={BYTES_MAX}"))
        .args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1", "-use_value_profile=1"])
        .args(dictionary(target))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .stdout(Stdio::null())
        .stderr(file)
        .status()
        .with_context(|| format!("{target} cannot be started"))?;
    let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    if !status.success() {
        bail!("{status}; the end of target/fuzz/logs/{target}.txt:\n{}", tail(&text, 12));
    }
    let stat = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix("stat::")?.strip_prefix(name)?.strip_prefix(':'));
        value.and_then(|value| value.trim().parse().ok()).with_context(|| format!("target/fuzz/logs/{target}.txt does not say {name}"))
    };
    Ok(Seen { executions: stat("number_of_executed_units")?, per_second: stat("average_exec_per_sec")?, new_inputs: stat("new_units_added")? })
}

/// The words of the format, where there is a list of them.
fn dictionary(target: &str) -> Option<String> {
    let path = root().join("fuzz/dictionaries").join(format!("{target}.dict"));
    path.is_file().then(|| format!("-dict={}", path.display()))
}

/// Makes the committed corpus anew: the seeds that people named, and as few of the other inputs as reach everything that any of them reaches.
fn keep(target: &str, host: &str) -> Result<()> {
    let committed = root().join("fuzz/corpus").join(target);
    let work = root().join("target/fuzz");
    let cover = work.join("cover").join(target);
    if cover.exists() {
        fs::remove_dir_all(&cover)?;
    }
    fs::create_dir_all(&cover)?;
    let made_up: Vec<PathBuf> = inputs(&committed)?.into_iter().filter(|path| is_made_up(path)).collect();
    for seed in inputs(&committed)?.iter().filter(|path| !is_made_up(path)) {
        fs::copy(seed, cover.join(seed.file_name().unwrap_or_default()))?;
    }
    // A cover of the edges, not of how often each is taken: hundreds of small files instead of tens of thousands.
    let mut command = program(&binary(target, host).to_string_lossy());
    command.args(["-set_cover_merge=1", "-use_counters=0", "-max_len=1024"]).arg(&cover).arg(&committed).arg(work.join("corpus").join(target));
    output(command.stderr(Stdio::null()))?;
    for path in &made_up {
        fs::remove_file(path)?;
    }
    for path in inputs(&cover)? {
        fs::copy(&path, committed.join(path.file_name().unwrap_or_default()))?;
    }
    say(&format!(
        "fuzz: {target}: {} inputs are kept, {} of them made up",
        inputs(&committed)?.len(),
        inputs(&cover)?.iter().filter(|path| is_made_up(path)).count()
    ));
    Ok(())
}

fn inputs(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    Ok(paths)
}

/// Whether the fuzzer named it: by the hash of its content.
fn is_made_up(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.len() == 40 && name.to_string_lossy().bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
