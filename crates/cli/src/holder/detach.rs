//! Leaving a holder behind in the background.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use gorgon_tools::process_group::MARK;

use super::folder::make_private;
use crate::fault::Fault;
use crate::settings::Settings;

/// The file, in the data directory, that takes what a background holder has to say.
pub(crate) const LOG: &str = "holder.log";

/// Starts a holder that outlives this process. If somebody holds the store now, it waits for its turn.
pub(crate) fn spawn(settings: &Settings) -> Result<(), Fault> {
    make_private(&settings.data_dir.value)?;
    let log = settings.data_dir.value.join(LOG);
    let open = OpenOptions::new().create(true).append(true).mode(0o600).open(&log).map_err(|error| Fault::io(&log, &error))?;
    let mut holder = holder_of(settings)?;
    let ended = holder
        .arg("--leave-group")
        // If a step of a run started this, it serves others as well, and does not end with that step; nor with the command by a Ctrl-C.
        .env_remove(MARK)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(open)
        .status();
    ended.map(drop).map_err(|error| Fault::io(holder.get_program(), &error))
}

/// Starts this process anew, as one that leads no group and so can leave the session of the terminal.
pub(crate) fn respawn(settings: &Settings, idle_seconds: u64) -> Result<(), Fault> {
    let mut holder = holder_of(settings)?;
    let child = holder.args(["--idle-seconds", &idle_seconds.to_string()]).spawn();
    child.map(drop).map_err(|error| Fault::io(holder.get_program(), &error))
}

/// This program as the holder of the data directory.
fn holder_of(settings: &Settings) -> Result<Command, Fault> {
    let binary = std::env::current_exe().map_err(|error| Fault::internal(error.to_string()))?;
    let mut holder = Command::new(binary);
    holder.arg("--data-dir").arg(&settings.data_dir.value).arg("holder");
    Ok(holder)
}
