//! Where the data lie.

use std::path::{Path, PathBuf};

use gorgon_core::diagnostic::Code;

use super::environment::Environment;
use super::setting::{Setting, Source};
use crate::fault::Fault;

/// The name of the database file in the data directory.
pub(crate) const DATABASE: &str = "gorgon-state.db";

/// The file by which a data directory is known.
pub(crate) const MARKER: &str = "data-directory";

/// The data directory, if no database is named: `--data-dir`, `GORGON_DATA_DIR`, `.gorgon` beside the settings file, or the user's state folder.
fn data_dir(flag: Option<&Path>, env: &Environment, file: Option<&Path>, cwd: &Path) -> Result<Setting<PathBuf>, Fault> {
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

/// The data directory and the database in it; or the database that `DATABASE_URL` names, and the data directory beside it. All that belongs to one database
/// lies in one place, whoever opens it: its socket, its logs, and the notes of the processes that its holder started.
pub(super) fn place(flag: Option<&Path>, env: &Environment, file: Option<&Path>, cwd: &Path) -> Result<(Setting<PathBuf>, Setting<PathBuf>), Fault> {
    let beside = |database: &Path| {
        let mut own = database.as_os_str().to_owned();
        own.push(".gorgon");
        PathBuf::from(own)
    };
    // What lies there decides, and not who asks: both ways of naming one database lead to one place.
    let Some(named) = database(env, cwd)? else {
        let data_dir = data_dir(flag, env, file, cwd)?;
        let database = data_dir.value.join(DATABASE);
        let own = beside(&database);
        let data_dir = if own.join(MARKER).exists() { Setting::new(own, data_dir.source) } else { data_dir };
        return Ok((data_dir, Setting::default(database)));
    };
    let own = beside(&named.value);
    let dir = match named.value.parent() {
        Some(folder) if named.value.ends_with(DATABASE) && !own.join(MARKER).exists() && folder.join(MARKER).exists() => folder.to_owned(),
        _ => own,
    };
    Ok((Setting::new(dir, named.source.clone()), named))
}

/// The database that `DATABASE_URL` names, if it names one: by the path that all its other paths lead to.
fn database(env: &Environment, cwd: &Path) -> Result<Option<Setting<PathBuf>>, Fault> {
    const VARIABLE: &str = "DATABASE_URL";
    let Some(url) = env.get(VARIABLE) else { return Ok(None) };
    let source = env.source(VARIABLE);
    let path = url.strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest)).filter(|path| !path.is_empty() && !path.contains('?'));
    match path {
        Some(":memory:") => {
            let fault = Fault::new(Code::BadSetting, "DATABASE_URL names a database in memory, and runs are to outlive a process");
            Err(fault.help("`--ephemeral` keeps nothing of a run; else name a file by `sqlite:PATH`"))
        }
        Some(path) => {
            let path = cwd.join(path);
            let real = path.canonicalize().ok().or_else(|| Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?)));
            Ok(Some(Setting::new(real.unwrap_or(path), source)))
        }
        None => {
            let scheme = url.split(':').next().unwrap_or_default();
            let message = format!("DATABASE_URL names a database that this build cannot open (`{scheme}:…`)");
            Err(Fault::new(Code::BadSetting, message)
                .help("this build opens `sqlite:PATH`; unset DATABASE_URL to use the file in the data directory"))
        }
    }
}
