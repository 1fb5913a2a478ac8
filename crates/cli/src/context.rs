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
            let fault =
                Fault::new(Code::StoreUnavailable, format!("the current folder cannot be used: {error}")).help("change to a folder that exists");
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

    /// A full disk has many faces; where it is full, that is what is told. What is damaged is told with its place.
    pub(crate) fn explain(&self, fault: Fault) -> Fault {
        if fault.message.contains("is damaged") && fault.help.is_none() {
            let Ok(settings) = self.settings() else { return fault };
            return fault.help(format!("the database is {}", settings.database.value.display()));
        }
        let folder = || self.settings().ok().map(|settings| settings.data_dir.value);
        if fault.code != Code::StoreUnavailable || !folder().is_some_and(|folder| is_full(&folder)) {
            return fault;
        }
        let way_on = fault.help.filter(|help| help.contains("gorgon resume")).map_or_else(String::new, |help| format!("; {help}"));
        Fault::new(Code::StoreFull, fault.message).help(format!("make room on that disk, or name another data directory{way_on}"))
    }
}

/// Below this a store cannot even be opened.
const FREE_BYTES_MIN: u64 = 128 << 10;

fn is_full(folder: &std::path::Path) -> bool {
    let existing = folder.ancestors().find(|folder| folder.is_dir());
    existing.and_then(|folder| rustix::fs::statvfs(folder).ok()).is_some_and(|stat| stat.f_bavail.saturating_mul(stat.f_frsize) < FREE_BYTES_MIN)
}
