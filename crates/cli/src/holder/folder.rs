//! Folders that only the user may look into.

use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use gorgon_core::diagnostic::Code;

use crate::fault::Fault;

/// Makes a folder, with all above it, that only its owner may look into.
pub(crate) fn make_private(path: &Path) -> Result<(), Fault> {
    let cure = "name another data directory by GORGON_DATA_DIR or --data-dir, or make that one writable";
    if !path.is_dir() {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|error| Fault::io(parent, &error).help(cure))?;
        }
        match std::fs::DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(Fault::io(path, &error).help(cure)),
            _ => {}
        }
    }
    let metadata = std::fs::metadata(path).map_err(|error| Fault::io(path, &error).help(cure))?;
    if !metadata.is_dir() {
        return Err(Fault::new(Code::StoreUnavailable, format!("{} is not a folder", path.display())).help(cure));
    }
    if metadata.mode() & 0o077 != 0 && metadata.uid() == rustix::process::getuid().as_raw() {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).map_err(|error| Fault::io(path, &error).help(cure))?;
    }
    Ok(())
}

/// The user's run folder under `/tmp`, which belongs to this user and nobody else. No variable says where it is: a desktop, a job of cron and a step of a run
/// have different ones, and have to find the same holder.
pub(super) fn run_folder() -> Result<PathBuf, Fault> {
    let user = rustix::process::getuid().as_raw();
    let folder = PathBuf::from(format!("/tmp/gorgon-{user}"));
    // A link there would be somebody else's; what it leads to is left alone.
    if std::fs::symlink_metadata(&folder).is_err() {
        make_private(&folder)?;
    }
    let metadata = std::fs::symlink_metadata(&folder).map_err(|error| Fault::io(&folder, &error))?;
    // Anybody can make a folder in /tmp; a socket in somebody else's would talk to them.
    if !metadata.is_dir() || metadata.uid() != user || metadata.mode() & 0o077 != 0 {
        let fault = Fault::new(Code::StoreUnavailable, format!("{} belongs to somebody else", folder.display()));
        return Err(fault.help("use a data directory with a shorter path"));
    }
    Ok(folder)
}
