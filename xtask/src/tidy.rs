//! `cargo xtask tidy`: the rules of this house that no compiler checks.

mod dependencies;
mod lengths;
mod licences;
mod links;
mod manifests;
mod packages;
mod words;

pub(crate) use self::packages::host_triple;

use anyhow::{Result, bail};

use crate::shell::say;
use crate::{errors, goldens};

/// A rule: what it is called, and what breaks it now.
type Rule = (&'static str, fn() -> Result<Vec<String>>);

const RULES: [Rule; 8] = [
    ("dependency table", dependencies::problems),
    ("licences and bans", licences::problems),
    ("manifests and crate roots", manifests::problems),
    ("error index and pages", errors::problems),
    ("goldens", goldens::problems),
    ("generated files", manifests::missing_generated),
    ("links", links::problems),
    ("words", words::problems),
];

pub(crate) fn run() -> Result<()> {
    let mut broken = 0;
    for (name, problems) in RULES {
        let problems = problems()?;
        for problem in &problems {
            say(&format!("{name}: {problem}"));
        }
        broken += problems.len();
    }
    for warning in lengths::warnings()? {
        say(&format!("warning: {warning}"));
    }
    if broken > 0 {
        bail!("tidy: {broken} problems");
    }
    say(&format!("tidy: {} rules kept", RULES.len()));
    Ok(())
}
