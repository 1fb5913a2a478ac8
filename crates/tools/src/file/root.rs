//! The folder of the run, and what can go wrong below it.

use std::io;
use std::path::{Component, Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions, OpenOptionsExt};
use gorgon_core::call::Failure;
use gorgon_core::step::leads_out;
use rustix::fs::OFlags;

use crate::outcome::{denied, invalid, refused};

/// How an action came to nothing.
pub(super) enum Broken {
    /// Nothing was changed, or the failure says what.
    Failed(Failure),
    /// How far it came is not known.
    InDoubt(String),
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

fn beneath(mut place: PathBuf, name: &std::ffi::OsString) -> PathBuf {
    if name == ".." {
        place.pop();
    } else {
        place.push(name);
    }
    place
}

/// The folder of the run.
pub(super) struct Root {
    pub(super) dir: Dir,
    shown: PathBuf,
    /// Absolute, without links.
    closed: Vec<PathBuf>,
}

/// The places that are closed to runs of this folder, without links. Whoever starts runs within what is closed has opened it to them.
#[must_use]
pub fn closed_in(folder: &Path, closed: &[PathBuf]) -> Vec<PathBuf> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = real(folder);
    closed.iter().map(|path| real(path)).filter(|closed| !folder.starts_with(closed)).collect()
}

/// Whether a file of a folder holds keys, or is Gorgon's own: what no workflow reads or changes. The folder and the place in it are without links; by their
/// names `.env`, `gorgon.toml`, `gorgon-state.db…` and the folder `.gorgon` are closed in every folder, and what is named absolutely is besides.
#[must_use]
pub fn is_closed(folder: &Path, place: &Path, closed: &[PathBuf]) -> bool {
    let name = |component: Component<'_>| component.as_os_str().to_string_lossy().to_ascii_lowercase();
    let last = place.components().next_back().map(name).unwrap_or_default();
    let by_name = place.components().any(|component| name(component) == ".gorgon")
        || [".env", "gorgon.toml"].contains(&last.as_str())
        || last.starts_with("gorgon-state.db");
    let whole = folder.join(place);
    by_name || closed.iter().any(|closed| whole.starts_with(closed))
}

impl Root {
    pub(super) fn open(folder: &Path, closed: &[PathBuf]) -> Result<Self, Failure> {
        let dir = Dir::open_ambient_dir(folder, ambient_authority())
            .map_err(|error| refused(format!("the folder of the run, {}, cannot be opened: {error}", folder.display())))?;
        Ok(Self { dir, shown: folder.to_owned(), closed: closed_in(folder, closed) })
    }

    /// The path, proven to be relative, not to climb out by its text, and to lead to nothing that is closed. Links out are judged when it is opened.
    pub(super) fn path(&self, text: &str) -> Result<PathBuf, Failure> {
        if text.is_empty() || text.contains('\0') {
            return Err(invalid(format!("{text:?} is no path of a file")));
        }
        if leads_out(text) {
            return Err(self.outside(text));
        }
        let path = PathBuf::from(text);
        if self.is_closed(&path) {
            return Err(denied(format!(
                "`{text}` is closed to file actions: `.env` holds keys, and the settings and the data of Gorgon are not for steps to read or change"
            )));
        }
        Ok(path)
    }

    /// Whether a path leads to what no step may touch, also by a link.
    pub(super) fn is_closed(&self, path: &Path) -> bool {
        let place = self.place(path);
        let folder = self.shown.canonicalize().unwrap_or_else(|_| self.shown.clone());
        is_closed(&folder, &place, &self.closed)
    }

    /// The path without links and dots, as far as it exists.
    fn place(&self, path: &Path) -> PathBuf {
        let mut rest = Vec::new();
        let mut here = path;
        loop {
            let found = if here.as_os_str().is_empty() { Ok(PathBuf::new()) } else { self.dir.canonicalize(here) };
            match (found, here.parent(), here.components().next_back()) {
                (Ok(found), ..) => return rest.iter().rev().fold(found, beneath),
                (Err(_), Some(parent), Some(last)) => {
                    rest.push(last.as_os_str().to_owned());
                    here = parent;
                }
                (Err(_), ..) => return path.to_owned(),
            }
        }
    }

    /// Opens a file. What could block, such as a named pipe without a writer, does not.
    pub(super) fn open_file(&self, path: &Path, options: &mut OpenOptions) -> io::Result<File> {
        self.dir.open_with(path, options.custom_flags(OFlags::NONBLOCK.bits().cast_signed()))
    }

    pub(super) fn outside(&self, path: impl AsRef<Path>) -> Failure {
        denied(format!(
            "the path `{}` is not below the folder of the run, {}: paths are relative to it and may not lead out of it, neither by `..` nor by a link",
            path.as_ref().display(),
            self.shown.display()
        ))
    }

    /// What an error of the system means for this path.
    pub(super) fn failure(&self, action: &str, path: impl AsRef<Path>, error: &io::Error) -> Failure {
        // An attempt to leave the root is the one error of this kind that does not come from the system.
        if error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none() {
            return self.outside(path);
        }
        let path = path.as_ref().display();
        refused(match error.kind() {
            io::ErrorKind::NotFound => format!("cannot {action} `{path}`: there is no such file or folder below {}", self.shown.display()),
            _ => format!("cannot {action} `{path}` below {}: {error}", self.shown.display()),
        })
    }
}
