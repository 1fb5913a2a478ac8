//! The command line of Gorgon: settings, wiring, verbs, and what they print.
//!
//! Every verb that needs runs is a client of whoever holds the data directory, and becomes the holder when nobody does. No verb knows anything of
//! runs that the API does not tell. stdout is data, stderr is talk.

mod args;
mod asked;
mod board;
mod context;
mod exit;
mod fault;
mod follow;
mod holder;
mod inputs;
mod interrupts;
mod pretty;
mod printer;
mod prompt;
mod prompt_file;
mod reference;
mod report;
mod roles;
mod scripts;
mod session;
mod settings;
mod shipped;
mod verbs;
mod view;
mod workflow;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use gorgon_core::diagnostic::Code;

use crate::args::Cli;
use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::printer::{Color, Printer};

/// Runs the command line that this process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misunderstood(&error),
    };
    let context = match Context::of(&cli.global) {
        Ok(context) => context,
        Err(fault) => return fault.exit().into(),
    };
    start_log();
    let exit = match run(cli, &context) {
        Ok(exit) => match context.printer.lost() {
            Some(fault) if exit == Exit::Done => {
                context.printer.fault(&fault);
                Exit::Environment
            }
            _ => exit,
        },
        Err(fault) => {
            let fault = context.explain(fault);
            context.printer.fault(&fault);
            fault.exit()
        }
    };
    exit.into()
}

/// A command line that makes no sense, or a question about it. Whoever reads JSON is told in JSON.
fn misunderstood(error: &clap::Error) -> ExitCode {
    let wants_json = std::env::args_os().any(|arg| arg == "--json" || arg == "-j");
    let printer = Printer::new(wants_json, Color::Never);
    if !error.use_stderr() {
        let kind = error.print().err().map(|error| error.kind());
        let Some(fault) = kind.and_then(printer::unwritten) else { return Exit::Done.into() };
        printer.fault(&fault);
        return Exit::Environment.into();
    }
    if !wants_json {
        error.exit();
    }
    let message = error.render().to_string();
    printer.fault(&Fault::new(Code::BadSetting, message.trim().trim_start_matches("error: ")));
    Exit::Invalid.into()
}

fn run(cli: Cli, context: &Context) -> Result<Exit, Fault> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| Fault::internal(error.to_string()))?;
    let exit = runtime.block_on(cli.verb.run(context));
    // A thread that waits for a line of the terminal cannot be ended, and needs no end.
    runtime.shutdown_background();
    exit
}

/// Logs go to stderr, and only what may matter to somebody who did not ask for them.
fn start_log() {
    let filter = std::env::var("GORGON_LOG").unwrap_or_else(|_| "error".to_owned());
    let filter = tracing_subscriber::EnvFilter::builder().parse_lossy(filter);
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr).try_init();
}

/// The command line as clap knows it, for tests and generators.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// The reference page of the command line.
#[must_use]
pub fn reference() -> String {
    reference::markdown(&mut command())
}
