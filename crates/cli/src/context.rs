//! What every verb is given.

use std::path::PathBuf;

use gorgon_core::diagnostic::Code;

use crate::args::Global;
use crate::fault::Fault;
use crate::printer::Printer;
use crate::settings::Settings;

/// What every verb is given.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) printer: Printer,
    /// The folder that the process was started in.
    pub(crate) cwd: PathBuf,
    /// Who sits here.
    pub(crate) user: String,
    data_dir: Option<PathBuf>,
}

impl Context {
    pub(crate) fn of(global: &Global) -> Result<Self, Fault> {
        let printer = Printer::new(global.json, global.color);
        let cwd = std::env::current_dir().map_err(|error| {
            let fault = Fault::new(Code::StoreUnavailable, format!("the current folder cannot be used: {error}")).help("change to a folder that exists");
            printer.fault(&fault);
            fault
        })?;
        let user = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
        let user = user.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
        Ok(Self { printer, cwd, user, data_dir: global.data_dir.clone() })
    }

    /// The settings. Read only by verbs that need them, so a broken file does not keep the others from working.
    pub(crate) fn settings(&self) -> Result<Settings, Fault> {
        Settings::resolve(self.data_dir.as_deref(), &self.cwd)
    }
}
