//! Checks and generators of this repository: `cargo xtask --help` names them.
//!
//! Nothing here is part of the product, and nothing in the product depends on it.

mod bench;
mod errors;
mod fuzz;
mod goldens;
mod prices;
mod shell;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Checks and generators of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything that has to be green: format, lints, house rules, doc tests, tests. Installs what it needs.
    Test(test::Options),
    /// The house rules alone: dependency table, licences, goldens, generated files, words that may not stand here.
    Tidy,
    /// Writes docs/errors/index.md from the error codes.
    Errors {
        /// Only say whether it is stale.
        #[arg(long)]
        check: bool,
    },
    /// Adds the checksums of new goldens to their SHA256SUMS. A golden that stands there already is never changed.
    Goldens,
    /// Makes assets/prices.toml from a copy of LiteLLM's map of models, and its checksum.
    Prices {
        /// The map: a JSON file.
        map: std::path::PathBuf,
        /// The day of its data, such as 2026-10-21.
        #[arg(long)]
        taken: String,
        /// What it was taken from: package, version, file.
        #[arg(long)]
        source: String,
    },
    /// Measures, and keeps the raw output.
    Bench(bench::Options),
    /// Runs each fuzz target for some seconds.
    Fuzz(fuzz::Options),
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Test(options) => test::run(&options),
        Task::Tidy => tidy::run(),
        Task::Errors { check } => errors::run(check),
        Task::Goldens => goldens::add_new(),
        Task::Prices { map, taken, source } => prices::import(&map, &taken, &source),
        Task::Bench(options) => bench::run(&options),
        Task::Fuzz(options) => fuzz::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // `{:#}`: the chain of reasons without the backtrace, which tells nothing about a failed check.
            shell::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
