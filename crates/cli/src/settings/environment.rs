//! Variables: those of the process, and behind them those of a `.env` file, which nobody has to have.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gorgon_core::diagnostic::Code;

use super::setting::Source;
use crate::fault::Fault;

/// The name of the file.
const FILE_NAME: &str = ".env";

/// Variables by name. Those of the file never reach the steps of a run: they hold keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    file: Option<PathBuf>,
    more: BTreeMap<String, String>,
}

impl Environment {
    /// The process's, and those of `.env` in this folder, or else beside the settings file.
    pub(super) fn load(cwd: &Path, settings: Option<&Path>) -> Result<Self, Fault> {
        let folders = [Some(cwd), settings.and_then(Path::parent)];
        let Some(file) = folders.into_iter().flatten().map(|folder| folder.join(FILE_NAME)).find(|path| path.is_file()) else {
            return Ok(Self::default());
        };
        let refuse = |error: dotenvy::Error| {
            // A line that cannot be read may hold a key: it is not repeated.
            let why = match error {
                dotenvy::Error::LineParse(line, at) => {
                    let before = line.split('=').next().unwrap_or_default().trim().to_owned();
                    format!("the line of `{before}` makes no sense at character {}", at + 1)
                }
                dotenvy::Error::Io(error) => error.to_string(),
                other => other.to_string(),
            };
            Fault::new(Code::BadSetting, format!("{}: {why}", file.display()))
                .help("write one `NAME=value` a line; put values with spaces or `#` into quotes")
        };
        let more = dotenvy::from_path_iter(&file).and_then(Iterator::collect).map_err(refuse)?;
        Ok(Self { file: Some(file), more })
    }

    /// A variable that is set and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let own = std::env::var(name).ok().filter(|value| !value.is_empty());
        own.or_else(|| self.more.get(name).filter(|value| !value.is_empty()).cloned())
    }

    /// Where a variable that is set comes from.
    pub(super) fn source(&self, name: &str) -> Source {
        match &self.file {
            Some(file) if std::env::var_os(name).is_none_or(|value| value.is_empty()) => {
                Source::DotEnv { file: file.display().to_string(), name: name.to_owned() }
            }
            _ => Source::Env(name.to_owned()),
        }
    }

    /// The variables, of the process and of the file, whose names say that they hold a secret.
    pub(super) fn secrets(&self) -> impl Iterator<Item = String> {
        let own = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let all = own.chain(self.more.iter().map(|(name, value)| (name.clone(), value.clone())));
        all.filter(|(name, _)| is_secret(name)).map(|(_, value)| value)
    }

    /// Names that the file sets.
    pub(super) fn of_file(&self) -> impl Iterator<Item = &String> {
        self.more.keys()
    }
}

/// Whether a variable says by its name that it holds a secret: its name ends as that of a key, a token, a secret or a password. Names are written in many
/// ways, `PGPASSWORD` too, so no underscore is asked for.
pub(super) fn is_secret(name: &str) -> bool {
    const WORDS: [&str; 4] = ["KEY", "TOKEN", "SECRET", "PASSWORD"];
    let name = name.to_ascii_uppercase();
    WORDS.iter().any(|word| name.ends_with(word))
}
