//! What cargo says of the workspace and of everything that it uses on this machine's platform.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::shell::{cargo, output, program};

#[derive(Deserialize)]
pub(super) struct Metadata {
    pub(super) packages: Vec<Package>,
    pub(super) workspace_members: Vec<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
pub(super) struct Package {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) edition: String,
    pub(super) license: Option<String>,
    pub(super) license_file: Option<String>,
    pub(super) authors: Vec<String>,
    pub(super) rust_version: Option<String>,
    pub(super) publish: Option<Vec<String>>,
    pub(super) manifest_path: String,
    pub(super) dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
pub(super) struct Dependency {
    pub(super) name: String,
    pub(super) kind: Option<String>,
    pub(super) path: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<EdgeKind>,
}

#[derive(Deserialize)]
struct EdgeKind {
    kind: Option<String>,
}

impl Edge {
    fn is_for_tests_only(&self) -> bool {
        self.dep_kinds.iter().all(|edge| edge.kind.as_deref() == Some("dev"))
    }
}

impl Metadata {
    pub(super) fn load() -> Result<Self> {
        let host = host()?;
        let text = output(cargo().args(["metadata", "--format-version", "1", "--filter-platform", &host]))?;
        serde_json::from_str(&text).context("cargo metadata has another shape than expected")
    }

    /// The packages of this workspace.
    pub(super) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }

    /// The packages that are built on this platform, and who uses each directly, in more than its tests.
    pub(super) fn users(&self) -> BTreeMap<&str, Vec<&str>> {
        let names: BTreeMap<&str, &str> = self.packages.iter().map(|package| (package.id.as_str(), package.name.as_str())).collect();
        let name = |id: &str| names.get(id).copied().unwrap_or_default();
        let mut users: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for node in &self.resolve.nodes {
            users.entry(name(&node.id)).or_default();
            for used in node.deps.iter().filter(|edge| !edge.is_for_tests_only()) {
                users.entry(name(&used.pkg)).or_default().push(name(&node.id));
            }
        }
        users
    }

    /// The packages of other houses that are built on this platform.
    pub(super) fn foreign(&self) -> impl Iterator<Item = &Package> {
        let built: std::collections::BTreeSet<&str> = self.resolve.nodes.iter().map(|node| node.id.as_str()).collect();
        self.packages.iter().filter(move |package| built.contains(package.id.as_str()) && !self.workspace_members.contains(&package.id))
    }
}

fn host() -> Result<String> {
    let text = output(program("rustc").arg("-vV"))?;
    text.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned).context("rustc does not say what it builds for")
}

/// The host triple, for whoever has to name it.
pub(crate) fn host_triple() -> Result<String> {
    host()
}
