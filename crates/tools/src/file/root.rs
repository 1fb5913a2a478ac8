//! The folder of the run, and what can go wrong below it.

use std::io;
use std::path::{Component, Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions, OpenOptionsExt};
use gorgon_core::call::Failure;
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

/// The folder of the run.
pub(super) struct Root {
    pub(super) dir: Dir,
    shown: PathBuf,
}

impl Root {
    pub(super) fn open(folder: &Path) -> Result<Self, Failure> {
        let dir = Dir::open_ambient_dir(folder, ambient_authority())
            .map_err(|error| refused(format!("the folder of the run, {}, cannot be opened: {error}", folder.display())))?;
        Ok(Self { dir, shown: folder.to_owned() })
    }

    /// The path, proven to be relative and not to climb out by its text alone. Links are judged when it is opened.
    pub(super) fn path(&self, text: &str) -> Result<PathBuf, Failure> {
        if text.is_empty() || text.contains('\0') {
            return Err(invalid(format!("{text:?} is no path of a file")));
        }
        let mut depth = 0_usize;
        for component in Path::new(text).components() {
            match component {
                Component::Normal(_) => depth += 1,
                Component::CurDir => {}
                Component::ParentDir => depth = depth.checked_sub(1).ok_or_else(|| self.outside(text))?,
                Component::RootDir | Component::Prefix(_) => return Err(self.outside(text)),
            }
        }
        Ok(PathBuf::from(text))
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
