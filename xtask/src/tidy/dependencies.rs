//! Which crate may use which: arrows only downwards, and the core uses nobody.

use anyhow::Result;

use super::packages::{Metadata, Package};
use crate::shell::{cargo, output};

/// A package, and the packages of this workspace that it may use; `*` is all. In order: nobody may use what stands below.
const TABLE: [(&str, &[&str]); 19] = [
    ("gorgon-core", &[]),
    ("gorgon-language", &["gorgon-core"]),
    ("gorgon-ports", &["gorgon-core"]),
    ("gorgon-testkit-vfs", &[]),
    ("gorgon-testkit", &["gorgon-core", "gorgon-ports"]),
    ("gorgon-store-memory", &["gorgon-core", "gorgon-ports"]),
    ("gorgon-store-sqlite", &["gorgon-core", "gorgon-ports"]),
    ("gorgon-store-postgres", &["gorgon-core", "gorgon-ports"]),
    ("gorgon-providers", &["gorgon-core", "gorgon-ports"]),
    ("gorgon-tools", &["gorgon-core", "gorgon-ports"]),
    ("gorgon-agents", &["gorgon-core", "gorgon-ports"]),
    ("gorgon-forge", &["gorgon-core", "gorgon-ports"]),
    ("gorgon-api", &["gorgon-core"]),
    ("gorgon-engine", &["gorgon-core", "gorgon-ports"]),
    ("gorgon-client", &["gorgon-api"]),
    ("gorgon-server", &["gorgon-core", "gorgon-ports", "gorgon-engine", "gorgon-api"]),
    ("gorgon-tui", &["gorgon-api", "gorgon-client"]),
    ("gorgon-cli", &["*"]),
    ("xtask", &["gorgon-core"]),
];

/// What the tests of every crate above the ports may use besides: test tools, and the store that is the oracle.
const IN_TESTS: [&str; 3] = ["gorgon-testkit", "gorgon-testkit-vfs", "gorgon-store-memory"];

/// Crates that tie others together: their tests use whatever stands below them, as the binary does.
const TIED_IN_TESTS: [&str; 2] = ["gorgon-engine", "gorgon-server"];

/// Crates that may not stand anywhere below the core: runtimes, clocks, chance, files, networks, databases.
const NOT_BELOW_CORE: [&str; 25] = [
    "async-std",
    "async-trait",
    "chrono",
    "fastrand",
    "futures-executor",
    "getrandom",
    "hyper",
    "libc",
    "mio",
    "parking_lot",
    "rand",
    "rand_core",
    "rayon",
    "reqwest",
    "rusqlite",
    "rustix",
    "smol",
    "socket2",
    "sqlx",
    "tempfile",
    "time",
    "tokio",
    "tokio-util",
    "tracing",
    "walkdir",
];

/// Of those, what comes in by way of another crate and is never called. Each with the way, and why it may stay.
const TOLERATED: [(&str, &str); 3] = [
    ("getrandom", "jsonschema > ahash: seeds of hash tables inside the validator, whose order nobody sees"),
    ("libc", "jsonschema > ahash > getrandom"),
    ("parking_lot", "jsonschema > referencing: a lock around a cache inside the validator"),
];

pub(super) fn problems() -> Result<Vec<String>> {
    let metadata = Metadata::load()?;
    let mut problems = Vec::new();
    for package in metadata.members() {
        problems.extend(of(package));
    }
    problems.extend(below_core()?);
    Ok(problems)
}

fn of(package: &Package) -> Vec<String> {
    let Some(place) = TABLE.iter().position(|(name, _)| *name == package.name) else {
        return vec![format!("{} is not in the table in xtask/src/tidy/dependencies.rs", package.name)];
    };
    let (_, allowed) = TABLE[place];
    let mut problems = Vec::new();
    for used in package.dependencies.iter().filter(|dependency| dependency.path.is_some()) {
        let name = used.name.as_str();
        let in_tests = used.kind.as_deref() == Some("dev");
        let listed = allowed.contains(&"*") || allowed.contains(&name);
        let below = TABLE.iter().position(|(other, _)| *other == name).is_some_and(|other| other < place);
        let tied = below && TIED_IN_TESTS.contains(&package.name.as_str());
        let is_low = matches!(package.name.as_str(), "gorgon-core" | "gorgon-ports");
        let for_tests = in_tests && !is_low && (IN_TESTS.contains(&name) || tied);
        if !listed && !for_tests {
            let kind = if in_tests { " in its tests" } else { "" };
            problems.push(format!("{} may not use {name}{kind}", package.name));
        }
        if !below && !for_tests {
            problems.push(format!("{} uses {name}, which does not stand below it", package.name));
        }
    }
    problems
}

/// The core's own tree, features as it alone asks for them.
fn below_core() -> Result<Vec<String>> {
    let tree = output(cargo().args(["tree", "--package", "gorgon-core", "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"]))?;
    let mut found: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).filter(|name| NOT_BELOW_CORE.contains(name)).collect();
    found.sort_unstable();
    found.dedup();
    Ok(found
        .into_iter()
        .filter(|name| !TOLERATED.iter().any(|(tolerated, _)| tolerated == name))
        .map(|name| {
            format!("gorgon-core may not use {name}, not even by way of another crate: `cargo tree -p gorgon-core -e normal -i {name}` shows which")
        })
        .collect())
}
