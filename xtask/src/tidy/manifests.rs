//! What every package says of itself, how every crate opens, and the files that are written by programs.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::packages::{Metadata, Package};
use crate::shell::root;

/// Crates whose every public item is documented.
const DOCUMENTED: [&str; 3] = ["gorgon-core", "gorgon-ports", "gorgon-api"];

/// Crates with lints of their own, each with its reason.
const OTHER_LINTS: [(&str, &str); 1] = [("gorgon-testkit-vfs", "a file system for SQLite is made of C functions: `unsafe` is allowed in it")];

/// Files that a program wrote, and the test that keeps each true: `UPDATE_GOLDENS=1 cargo nextest run -p PACKAGE` writes it anew.
const GENERATED: [(&str, &str); 3] =
    [("schemas/workflow.schema.json", "gorgon-language"), ("docs/reference/workflow.md", "gorgon-language"), ("docs/reference/cli.md", "gorgon-cli")];

pub(super) fn problems() -> Result<Vec<String>> {
    let metadata = Metadata::load()?;
    let mut problems = Vec::new();
    for package in metadata.members() {
        let manifest = Path::new(&package.manifest_path);
        problems.extend(of_package(package, manifest)?);
        problems.extend(of_root(package, manifest)?);
    }
    Ok(problems)
}

pub(super) fn missing_generated() -> Result<Vec<String>> {
    Ok(GENERATED
        .iter()
        .filter(|(path, _)| !root().join(path).is_file())
        .map(|(path, package)| format!("{path} is missing: `UPDATE_GOLDENS=1 cargo nextest run -p {package}` writes it"))
        .collect())
}

fn of_package(package: &Package, manifest: &Path) -> Result<Vec<String>> {
    let name = &package.name;
    let folder = manifest.parent().and_then(Path::file_name).context("a manifest without a folder")?.to_string_lossy();
    let lints: toml::Value = toml::from_str(&fs::read_to_string(manifest)?).with_context(|| format!("{}", manifest.display()))?;
    let inherits = lints.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool) == Some(true);
    let rules = [
        (*name == format!("gorgon-{folder}") || (name == "xtask" && folder == "xtask"), "is not called as its folder"),
        (package.license.as_deref() == Some("MIT"), "has another licence than MIT"),
        (package.authors == ["The Gorgon authors"], "has other authors than `The Gorgon authors`"),
        (package.edition == "2024", "has another edition than 2024"),
        (package.rust_version.is_some(), "does not say which Rust it needs"),
        (package.publish.as_ref().is_some_and(Vec::is_empty), "could be published by mistake"),
        (inherits || OTHER_LINTS.iter().any(|(other, _)| other == name), "does not take the lints of the workspace"),
    ];
    Ok(rules.into_iter().filter(|(kept, _)| !kept).map(|(_, problem)| format!("{name} {problem}")).collect())
}

fn of_root(package: &Package, manifest: &Path) -> Result<Vec<String>> {
    let name = &package.name;
    let source = manifest.with_file_name("src");
    let (file, is_library) = if source.join("lib.rs").is_file() { ("lib.rs", true) } else { ("main.rs", false) };
    let text = fs::read_to_string(source.join(file)).with_context(|| format!("{name} has no {file}"))?;
    let mut problems = Vec::new();
    if !text.starts_with("//!") {
        problems.push(format!("{name} does not open with its purpose (`//!` in {file})"));
    }
    if is_library && DOCUMENTED.contains(&name.as_str()) && !text.contains("#![warn(missing_docs)]") {
        problems.push(format!("{name} does not ask for documentation of its public items (`#![warn(missing_docs)]`)"));
    }
    Ok(problems)
}
