//! Where the data lie.

use std::path::{Path, PathBuf};

use gorgon_core::diagnostic::Code;

use super::environment::Environment;
use super::setting::{Setting, Source};
use crate::fault::Fault;

/// The name of the database file in the data directory.
pub(crate) const DATABASE: &str = "gorgon-state.db";

/// The data directory: `--data-dir`, `GORGON_DATA_DIR`, `.gorgon` beside the settings file, or the user's state folder.
pub(super) fn data_dir(flag: Option<&Path>, env: &Environment, file: Option<&Path>, cwd: &Path) -> Result<Setting<PathBuf>, Fault> {
    if let Some(flag) = flag {
        return Ok(Setting::new(cwd.join(flag), Source::Flag("--data-dir")));
    }
    const VARIABLE: &str = "GORGON_DATA_DIR";
    if let Some(path) = env.get(VARIABLE) {
        return Ok(Setting::new(cwd.join(path), env.source(VARIABLE)));
    }
    if let Some(folder) = file.and_then(Path::parent) {
        return Ok(Setting::default(folder.join(".gorgon")));
    }
    let state = env
        .get("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(Path::new(&env.get("HOME")?).join(".local/state")));
    let state = state.ok_or_else(|| {
        Fault::new(Code::BadSetting, "there is no place for the data: neither HOME nor XDG_STATE_HOME is set").help("set GORGON_DATA_DIR")
    })?;
    Ok(Setting::default(state.join("gorgon")))
}

/// The database file: in the data directory, unless `DATABASE_URL` names another one.
pub(super) fn database(env: &Environment, data_dir: &Path, cwd: &Path) -> Result<Setting<PathBuf>, Fault> {
    const VARIABLE: &str = "DATABASE_URL";
    let Some(url) = env.get(VARIABLE) else { return Ok(Setting::default(data_dir.join(DATABASE))) };
    let source = env.source(VARIABLE);
    let path = url.strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest)).filter(|path| !path.is_empty() && !path.contains('?'));
    match path {
        Some(path) => Ok(Setting::new(cwd.join(path), source)),
        None => {
            let scheme = url.split(':').next().unwrap_or_default();
            let message = format!("DATABASE_URL names a database that this build cannot open (`{scheme}:…`)");
            Err(Fault::new(Code::BadSetting, message)
                .help("this build opens `sqlite:PATH`; unset DATABASE_URL to use the file in the data directory"))
        }
    }
}
