//! Writing: whole, by renaming a finished file into place, or at the end of what is there.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use cap_std::fs::{Dir, OpenOptions, Permissions};
use gorgon_core::call::Failure;
use gorgon_core::payload::Payload;
use rustix::io::Errno;
use serde::Serialize;

use super::root::{Broken, Root};
use crate::outcome::{invalid, refused};

#[derive(Serialize)]
struct Written<'a> {
    path: &'a str,
    bytes: usize,
}

/// Replaces the file as a whole: whoever reads it sees the old text or the new one, also after a crash.
pub(super) fn replace(root: &Root, text: &str, content: &str, key: &str) -> Result<Payload, Broken> {
    let target = Target::of(root, text)?;
    let broken = |error| root.failure("write", text, &error);
    let temporary = temporary(key, text);
    // The name belongs to this write alone: what is there was left by an earlier try of it.
    match target.folder.remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(broken(error).into()),
        _ => {}
    }
    let finished = fill(&target, &temporary, content).and_then(|()| target.folder.rename(&temporary, &target.folder, &target.name));
    if let Err(error) = finished {
        let _ = target.folder.remove_file(&temporary);
        return Err(broken(error).into());
    }
    target.keep().map_err(|error| Broken::InDoubt(format!("`{text}` is written, but may not survive a loss of power: {error}")))?;
    Ok(Payload::of(&Written { path: text, bytes: content.len() }))
}

fn fill(target: &Target, temporary: &Path, content: &str) -> io::Result<()> {
    let mut file = target.folder.open_with(temporary, OpenOptions::new().write(true).create_new(true))?;
    if let Some(permissions) = &target.permissions {
        file.set_permissions(permissions.clone())?;
    }
    file.write_all(content.as_bytes())?;
    file.sync_all()
}

/// Adds to the end of the file, which is made if there is none.
pub(super) fn append(root: &Root, text: &str, content: &str) -> Result<Payload, Broken> {
    let target = Target::of(root, text)?;
    let mut file =
        root.open_file(&target.path, OpenOptions::new().append(true).create(true)).map_err(|error| root.failure("append to", text, &error))?;
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Err(refused(format!("cannot append to `{text}`: it is no regular file")).into());
    }
    let done = file.write_all(content.as_bytes()).and_then(|()| file.sync_all()).and_then(|()| target.keep());
    done.map_err(|error| Broken::InDoubt(format!("a part of the text may stand at the end of `{text}`: {error}")))?;
    Ok(Payload::of(&Written { path: text, bytes: content.len() }))
}

/// Where a text is to go.
struct Target {
    path: PathBuf,
    folder: Dir,
    name: PathBuf,
    /// Those of the file that is there.
    permissions: Option<Permissions>,
    /// Folders that were made on the way, and the one that holds the first of them.
    made: Vec<Dir>,
}

impl Target {
    /// Makes the folders that are missing. A link is followed, so that it stays one.
    fn of(root: &Root, text: &str) -> Result<Self, Failure> {
        let mut path = root.path(text)?;
        let broken = |error| root.failure("write", text, &error);
        match root.dir.symlink_metadata(&path) {
            Ok(metadata) if metadata.is_symlink() => path = root.dir.canonicalize(&path).map_err(broken)?,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(broken(error)),
        }
        let Some(name) = path.file_name().map(PathBuf::from) else {
            return Err(invalid(format!("`{text}` names no file to write")));
        };
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let missing = parent.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !root.dir.exists(folder)).count();
        root.dir.create_dir_all(parent).map_err(broken)?;
        let folder = root.dir.open_dir(parent).map_err(broken)?;
        let mut made = Vec::with_capacity(missing);
        for above in parent.ancestors().skip(1).take(missing) {
            let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
            made.push(root.dir.open_dir(above).map_err(broken)?);
        }
        let there = folder.symlink_metadata(&name).ok();
        if there.as_ref().is_some_and(cap_std::fs::Metadata::is_dir) {
            return Err(refused(format!("cannot write `{text}`: it is a folder")));
        }
        let permissions = there.filter(cap_std::fs::Metadata::is_file).map(|metadata| metadata.permissions());
        Ok(Self { path, folder, name, permissions, made })
    }

    /// Makes the names durable: that of the file, and those of the folders that were made for it.
    fn keep(&self) -> io::Result<()> {
        std::iter::once(&self.folder).chain(&self.made).try_for_each(sync)
    }
}

fn sync(folder: &Dir) -> io::Result<()> {
    // The handle of a folder is only a place to start from; what can be synchronised is opened anew.
    match folder.open(".").and_then(|file| file.sync_all()) {
        // Some file systems keep their names without being asked, and refuse to be.
        Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => Ok(()),
        other => other,
    }
}

/// The name under which a text is prepared: the same for each try of the same write, and of no other.
fn temporary(key: &str, path: &str) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    (key, path).hash(&mut hasher);
    PathBuf::from(format!(".gorgon-{:016x}.tmp", hasher.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_takes_up_what_its_earlier_try_left() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join(temporary("key", "a.txt"));
        let of_another = folder.path().join(temporary("other", "a.txt"));
        std::fs::write(&left, "hal").unwrap();
        std::fs::write(&of_another, "x").unwrap();
        let root = Root::open(folder.path(), &[]).unwrap_or_else(|failure| panic!("{failure:?}"));
        assert!(replace(&root, "a.txt", "whole", "key").is_ok());
        assert_eq!(std::fs::read_to_string(folder.path().join("a.txt")).unwrap(), "whole");
        assert!(!left.exists() && of_another.exists());
    }
}
