//! Entries of folders.

use std::path::Path;

use cap_std::fs::{FileType, Metadata};
use gorgon_core::call::Failure;
use gorgon_core::payload::Payload;
use serde::Serialize;

use super::root::Root;
use crate::outcome::refused;

/// One entry.
#[derive(Debug, Serialize)]
pub(super) struct Entry {
    /// Relative to the folder of the run, with `/` between names.
    pub(super) path: String,
    kind: &'static str,
    /// Length of a file, also of one that a link leads to; 0 for everything else.
    bytes: u64,
}

impl Entry {
    pub(super) fn of(root: &Root, path: String, file_type: FileType) -> Self {
        let kind = match file_type {
            _ if file_type.is_file() => "file",
            _ if file_type.is_dir() => "dir",
            _ if file_type.is_symlink() => "symlink",
            _ => "other",
        };
        let leads_to_file = file_type.is_file() || file_type.is_symlink();
        let bytes = if leads_to_file { root.dir.metadata(&path).ok().filter(Metadata::is_file).map_or(0, |metadata| metadata.len()) } else { 0 };
        Self { path, kind, bytes }
    }
}

/// The value of a list or a glob: sorted by path.
pub(super) fn payload(mut entries: Vec<Entry>) -> Payload {
    #[derive(Serialize)]
    struct Entries {
        entries: Vec<Entry>,
    }
    entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Payload::of(&Entries { entries })
}

pub(super) fn too_many(entries_max: usize) -> Failure {
    refused(format!("there are more than {entries_max} entries to look at; name a smaller folder"))
}

/// A path below a folder, as text.
pub(super) fn joined(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// The entries of one folder.
pub(super) fn list(root: &Root, text: &str, entries_max: usize) -> Result<Payload, Failure> {
    let path = root.path(if text.is_empty() { "." } else { text })?;
    let broken = |error| root.failure("list", &path, &error);
    let folder = folder_text(&path);
    let mut entries = Vec::new();
    for entry in root.dir.read_dir(&path).map_err(broken)? {
        let entry = entry.map_err(broken)?;
        if entries.len() == entries_max {
            return Err(too_many(entries_max));
        }
        let path = joined(&folder, &entry.file_name().to_string_lossy());
        entries.push(Entry::of(root, path, entry.file_type().map_err(broken)?));
    }
    Ok(payload(entries))
}

/// The text of a folder's path without `.` and doubled separators.
fn folder_text(path: &Path) -> String {
    let names = path.components().filter(|component| !matches!(component, std::path::Component::CurDir));
    names.map(|component| component.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}
