//! Goldens that may never change: a folder that holds a `SHA256SUMS` holds forms that were released, such as one of every event.
//!
//! Editing one is red, and so is a file without a sum. `cargo xtask goldens` adds the sums of new files and touches no other line.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use gorgon_core::event::Event;
use sha2::{Digest, Sha256};

use crate::shell::{files, root, say};

const SUMS: &str = "SHA256SUMS";

/// Every event in every form that was released: `NAME.jsonl`, one form a line, and `NAME.2.jsonl` and so on for later versions.
const EVENTS: &str = "crates/core/tests/events";

/// What is wrong with the goldens.
pub(crate) fn problems() -> Result<Vec<String>> {
    let mut problems = missing_events();
    for folder in folders()? {
        let known = sums(&folder)?;
        let found = members(&folder)?;
        for (name, sum) in &known {
            match found.get(name) {
                None => problems.push(format!("{folder}/{name} is gone: a form that was released stays readable")),
                Some(now) if now != sum => {
                    problems.push(format!("{folder}/{name} was changed: a released form never changes; add a new version beside it"))
                }
                Some(_) => {}
            }
        }
        problems.extend(
            found.keys().filter(|name| !known.contains_key(*name)).map(|name| format!("{folder}/{name} has no checksum: `cargo xtask goldens`")),
        );
    }
    Ok(problems)
}

/// One golden of every event, counted from the enum.
fn missing_events() -> Vec<String> {
    let folder = root().join(EVENTS);
    let mut problems: Vec<String> = Event::NAMES
        .iter()
        .filter(|name| !folder.join(format!("{name}.jsonl")).is_file())
        .map(|name| format!("{EVENTS}/{name}.jsonl is missing: every event has a golden"))
        .collect();
    if !folder.join(SUMS).is_file() {
        problems.push(format!("{EVENTS}/{SUMS} is missing: it makes a released form one that never changes"));
    }
    problems
}

/// Adds the sums of files that have none.
pub(crate) fn add_new() -> Result<()> {
    for folder in folders()? {
        let mut known = sums(&folder)?;
        let before = known.len();
        for (name, sum) in members(&folder)? {
            known.entry(name).or_insert(sum);
        }
        let text: String = known.iter().map(|(name, sum)| format!("{sum}  {name}\n")).collect();
        fs::write(root().join(&folder).join(SUMS), text)?;
        say(&format!("{folder}: {} new", known.len() - before));
    }
    Ok(())
}

fn folders() -> Result<Vec<String>> {
    Ok(files()?.iter().filter_map(|path| path.strip_suffix(SUMS)?.strip_suffix('/')).map(str::to_owned).collect())
}

fn sums(folder: &str) -> Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(root().join(folder).join(SUMS))?;
    text.lines()
        .map(|line| {
            let (sum, name) = line.split_once("  ").with_context(|| format!("{folder}/{SUMS}: `{line}` is not a sum and a name"))?;
            Ok((name.to_owned(), sum.to_owned()))
        })
        .collect()
}

fn members(folder: &str) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(root().join(folder))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_file() && name != SUMS {
            found.insert(name, sum(&path)?);
        }
    }
    Ok(found)
}

fn sum(path: &Path) -> Result<String> {
    Ok(data_encoding::HEXLOWER.encode(&Sha256::digest(fs::read(path)?)))
}
