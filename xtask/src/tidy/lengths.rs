//! A file holds one noun. Past 500 lines, look for the next noun: a hint, not a rule.

use std::fs;

use anyhow::Result;

use crate::shell::{files, root};

const LINES_MAX: usize = 500;

pub(super) fn warnings() -> Result<Vec<String>> {
    let mut long: Vec<(usize, String)> = Vec::new();
    for path in files()?.into_iter().filter(|path| path.ends_with(".rs")) {
        let lines = fs::read_to_string(root().join(&path))?.lines().count();
        if lines > LINES_MAX {
            long.push((lines, path));
        }
    }
    long.sort_by(|a, b| b.cmp(a));
    Ok(long.into_iter().map(|(lines, path)| format!("{path} has {lines} lines; look for its second noun")).collect())
}
