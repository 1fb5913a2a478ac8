//! `gorgon config`

use clap::{Args, Subcommand};
use serde_json::json;

use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;

/// Look at the settings.
#[derive(Debug, Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print every setting, its value, and where it comes from.
    Show,
}

impl Config {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Fault> {
        let What::Show = self.what;
        let settings = context.settings()?;
        let shown = settings.shown();
        let unknown = settings.unknown_variables();
        if context.printer.json {
            context.printer.document(&json!({ "file": settings.file, "settings": shown, "unknown_variables": unknown }));
            return Ok(Exit::Done);
        }
        for line in &shown {
            context.printer.data(format!("{:<24} {:<40} {}", line.name, line.value.to_string(), line.source));
        }
        for name in unknown {
            context.printer.say(format!("{} the variable {name} is not a setting", context.printer.paint("1;33", "warning:")));
        }
        Ok(Exit::Done)
    }
}
