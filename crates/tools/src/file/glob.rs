//! Files by pattern.
//!
//! `*` and `?` stay within one name, `**` crosses folders, `[a-z]` and `{a,b}` are as in a shell. As there, names that begin with a dot are
//! found only if the pattern names one: nobody means the insides of `.git`. Links are matched, not walked through.

use std::io;

use globset::{GlobBuilder, GlobMatcher};
use gorgon_core::call::Failure;
use gorgon_core::payload::Payload;

use super::entries::{Entry, joined, payload, too_many};
use super::root::Root;
use crate::outcome::{invalid, refused};

const PATTERN_BYTES_MAX: usize = 4_096;

/// The files that match, sorted by path. `stopped` is asked between folders.
pub(super) fn glob(root: &Root, text: &str, entries_max: usize, stopped: &dyn Fn() -> bool) -> Result<Payload, Failure> {
    let pattern = Pattern::parse(root, text)?;
    if !pattern.base.is_empty() {
        root.path(&pattern.base)?;
    }
    let mut seen = 0_usize;
    let mut found = Vec::new();
    let mut folders = vec![(pattern.base.clone(), pattern.depth_max)];
    while let Some((folder, depth)) = folders.pop() {
        if stopped() {
            return Err(refused("the search was stopped"));
        }
        let path = if folder.is_empty() { "." } else { &folder };
        let broken = |error| root.failure("list", path, &error);
        let entries = match root.dir.read_dir(path) {
            // No folder, no match: it may also have gone a moment ago.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => continue,
            other => other.map_err(broken)?,
        };
        for entry in entries {
            let entry = entry.map_err(broken)?;
            seen += 1;
            if seen > entries_max {
                return Err(too_many(entries_max));
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') && !pattern.names_hidden {
                continue;
            }
            let path = joined(&folder, &name);
            let file_type = entry.file_type().map_err(broken)?;
            if file_type.is_dir() {
                if depth > 1 && !root.is_closed(std::path::Path::new(&path)) {
                    folders.push((path, depth - 1));
                }
            } else if pattern.matcher.is_match(&path) && leads_to_file(root, &path, file_type) {
                found.push(Entry::of(root, path, file_type));
            }
        }
    }
    Ok(payload(found))
}

fn leads_to_file(root: &Root, path: &str, file_type: cap_std::fs::FileType) -> bool {
    file_type.is_file() || file_type.is_symlink() && root.dir.is_file(path)
}

struct Pattern {
    matcher: GlobMatcher,
    /// The folder that every match lies in: only it is walked.
    base: String,
    /// How many levels of folders a match can lie below the base.
    depth_max: usize,
    names_hidden: bool,
}

impl Pattern {
    fn parse(root: &Root, text: &str) -> Result<Self, Failure> {
        if text.is_empty() || text.len() > PATTERN_BYTES_MAX || text.contains('\0') {
            return Err(invalid(format!("{:?} is no pattern of files", text.chars().take(100).collect::<String>())));
        }
        let names: Vec<&str> = text.split('/').filter(|name| !name.is_empty() && *name != ".").collect();
        if text.starts_with('/') || names.contains(&"..") {
            return Err(root.outside(text));
        }
        let normal = names.join("/");
        let matcher = GlobBuilder::new(&normal)
            .literal_separator(true)
            .backslash_escape(true)
            .empty_alternates(true)
            .build()
            .map_err(|error| invalid(format!("the pattern `{text}` cannot be read: {}", error.kind())))?
            .compile_matcher();
        let plain = names.iter().take(names.len().saturating_sub(1)).take_while(|name| !name.contains(['*', '?', '[', '{', '\\'])).count();
        let depth_max = if normal.contains("**") { usize::MAX } else { names.len() - plain };
        let names_hidden = names[plain..].iter().any(|name| name.starts_with('.') || name.contains("{.") || name.contains(",."));
        Ok(Self { matcher, base: names[..plain].join("/"), depth_max, names_hidden })
    }
}
