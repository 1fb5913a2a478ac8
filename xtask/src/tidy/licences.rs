//! `deny.toml`, kept: the licences that a dependency may have, and the crates that nobody or only some may use.
//!
//! The file is cargo-deny's, so that tool can be run on it; this reads the two parts that have to hold on every change.

use std::fs;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::packages::Metadata;
use crate::shell::root;

#[derive(Deserialize)]
struct Deny {
    licenses: Licences,
    bans: Bans,
}

#[derive(Deserialize)]
struct Licences {
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    #[serde(default)]
    wrappers: Vec<String>,
    reason: String,
}

pub(super) fn problems() -> Result<Vec<String>> {
    let deny: Deny = toml::from_str(&fs::read_to_string(root().join("deny.toml"))?).context("deny.toml")?;
    let metadata = Metadata::load()?;
    let mut problems = Vec::new();
    for package in metadata.foreign() {
        let Some(expression) = &package.license else {
            let file = package.license_file.as_deref().unwrap_or("none");
            problems.push(format!("{} {} names no licence (its file: {file})", package.name, package.version));
            continue;
        };
        if !allowed(expression, &deny.licenses.allow) {
            problems.push(format!("{} {} is under `{expression}`, which deny.toml does not allow", package.name, package.version));
        }
    }
    let users = metadata.users();
    for ban in &deny.bans.deny {
        for user in users.get(ban.name.as_str()).into_iter().flatten() {
            if !ban.wrappers.iter().any(|wrapper| wrapper == user) {
                problems.push(format!("{user} may not use {}: {}", ban.name, ban.reason));
            }
        }
    }
    Ok(problems)
}

/// Whether a licence expression can be met with these licences: `OR` is a choice, `AND` is both.
fn allowed(expression: &str, licences: &[String]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut tokens = spaced.split_whitespace().peekable();
    choice(&mut tokens, licences)
}

type Tokens<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn choice(tokens: &mut Tokens<'_>, licences: &[String]) -> bool {
    let mut met = both(tokens, licences);
    while tokens.next_if_eq(&"OR").is_some() {
        met |= both(tokens, licences);
    }
    met
}

fn both(tokens: &mut Tokens<'_>, licences: &[String]) -> bool {
    let mut met = one(tokens, licences);
    while tokens.next_if_eq(&"AND").is_some() {
        met &= one(tokens, licences);
    }
    met
}

fn one(tokens: &mut Tokens<'_>, licences: &[String]) -> bool {
    match tokens.next() {
        Some("(") => {
            let met = choice(tokens, licences);
            tokens.next_if_eq(&")").is_some() && met
        }
        Some(name) => {
            let mut name = name.to_owned();
            if tokens.next_if_eq(&"WITH").is_some() {
                name = format!("{name} WITH {}", tokens.next().unwrap_or_default());
            }
            licences.contains(&name)
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_met_by_a_choice_of_what_is_allowed() {
        let licences = ["MIT".to_owned(), "Apache-2.0 WITH LLVM-exception".to_owned(), "Zlib".to_owned()];
        for met in ["MIT", "MIT OR GPL-3.0", "GPL-3.0/MIT", "(GPL-3.0 OR MIT) AND Zlib", "Apache-2.0 WITH LLVM-exception OR GPL-3.0"] {
            assert!(allowed(met, &licences), "{met}");
        }
        for refused in ["GPL-3.0", "MIT AND GPL-3.0", "Apache-2.0", "(MIT OR Zlib) AND GPL-3.0", "", "(MIT"] {
            assert!(!allowed(refused, &licences), "{refused}");
        }
    }
}
