//! `gorgon init`

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use gorgon_core::diagnostic::Code;

use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::workflow::shorten;

/// The file that is written.
const TEMPLATE: &str = include_str!("../../../../examples/quickstart.yaml");

/// Its name in the template.
const TEMPLATE_NAME: &str = "quickstart";

/// Write a workflow to begin with: it runs as it is, offline.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The name of the workflow; it is written to `workflows/NAME.yaml`.
    #[arg(default_value = TEMPLATE_NAME)]
    name: String,
    /// Write it to this file instead.
    #[arg(long, short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write over a file that exists.
    #[arg(long, short = 'f')]
    force: bool,
}

impl Init {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Fault> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.name.is_empty() || !self.name.chars().all(plain) {
            let fault = Fault::new(Code::BadName, format!("`{}` cannot be the name of a workflow", self.name));
            return Err(fault.help("use letters, digits, `-` and `_`; another place is named by `--output FILE`"));
        }
        let path = context.cwd.join(self.output.unwrap_or_else(|| PathBuf::from(format!("workflows/{}.yaml", self.name))));
        let shown = shorten(context, &path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| Fault::io(folder, &error))?;
        }
        let text = TEMPLATE.replacen(&format!("name: {TEMPLATE_NAME}"), &format!("name: {}", self.name), 1);
        let mut options = std::fs::OpenOptions::new();
        options.write(true);
        if self.force {
            options.create(true).truncate(true)
        } else {
            options.create_new(true)
        };
        let written = options.open(&path).and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Fault::new(Code::BadInput, format!("{shown} exists already")).help("choose another name, or write over it with --force")
            }
            _ => Fault::io(&path, &error),
        })?;
        if context.printer.json {
            context.printer.document(&serde_json::json!({ "file": shown }));
        } else {
            context.printer.data(format!("wrote {shown}"));
            context.printer.say(format!("run it: gorgon run {shown}"));
        }
        Ok(Exit::Done)
    }
}
