//! The edges of a graph: where they lead from and to.

use std::collections::HashSet;
use std::ops::Range;

use gorgon_core::diagnostic::Code;

use super::Graph;
use crate::dialect::{Lowering, given, ids};
use crate::node::Node;
use crate::report::did_you_mean;

/// An edge between two nodes that exist.
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    /// `sourceHandle`: of a branch, which of its ways.
    pub(super) handle: Option<(String, Range<usize>)>,
    /// The bytes that say where it comes from.
    pub(super) at: Range<usize>,
}

pub(super) struct Edges {
    all: Vec<Edge>,
    /// By node: the edges out of it, and into it.
    out: Vec<Vec<usize>>,
    into: Vec<Vec<usize>>,
    /// Branch and node: the nodes that run only on one way of a branch.
    chosen: HashSet<(usize, usize)>,
}

const KEYS: &[&str] = &[
    "id",
    "source",
    "target",
    "sourceHandle",
    "targetHandle",
    "label",
    "type",
    "animated",
    "style",
    "markerEnd",
    "markerStart",
    "data",
    "selected",
    "zIndex",
    "className",
];

impl Edges {
    pub(super) fn of(cx: &mut Lowering<'_>, root: &Node, graph: &Graph<'_>) -> Self {
        let mut edges = Vec::new();
        for edge in cx.list(root, "edges", "a graph", "its edges; an empty list if there are none") {
            if edge.as_map().is_none() {
                cx.wrong_type(edge, "an edge", "a map");
                continue;
            }
            cx.no_effect(edge, KEYS);
            let (from, to) = (end(cx, edge, "source", graph), end(cx, edge, "target", graph));
            let (Some((from, at)), Some((to, to_at))) = (from, to) else { continue };
            if graph.kind(to) == "start" {
                cx.error(
                    Code::BadValue,
                    &to_at,
                    format!("an edge leads into `{}`, where the graph starts", graph.nodes[to].0),
                    "turn the edge around, or take it out",
                );
            } else if graph.kind(from) == "end" {
                cx.error(
                    Code::BadValue,
                    &at,
                    format!("an edge comes out of `{}`, where the graph ends", graph.nodes[from].0),
                    "turn the edge around, or take it out",
                );
            } else {
                let handle = given(edge, "sourceHandle").and_then(|node| Some((node.scalar()?, node.span.clone())));
                edges.push(Edge { from, to, handle, at });
            }
        }
        let mut found =
            Self { out: vec![Vec::new(); graph.nodes.len()], into: vec![Vec::new(); graph.nodes.len()], all: edges, chosen: HashSet::new() };
        for (number, edge) in found.all.iter().enumerate() {
            found.out[edge.from].push(number);
            found.into[edge.to].push(number);
        }
        for branch in (0..graph.nodes.len()).filter(|&at| graph.kind(at) == "branch") {
            found.choose(branch);
        }
        found
    }

    pub(super) fn out(&self, from: usize) -> impl Iterator<Item = &Edge> {
        self.out[from].iter().map(|&number| &self.all[number])
    }

    pub(super) fn into(&self, to: usize) -> impl Iterator<Item = &Edge> {
        self.into[to].iter().map(|&number| &self.all[number])
    }

    /// Whether a node runs only on one way of a branch. A node that the other way leads to as well runs in any case, after the branch.
    pub(super) fn chooses(&self, branch: usize, target: usize) -> bool {
        self.chosen.contains(&(branch, target))
    }

    fn choose(&mut self, branch: usize) {
        let ways =
            [true, false].map(|answer| -> Vec<usize> { self.out(branch).filter(|edge| edge.way() == Some(answer)).map(|edge| edge.to).collect() });
        for (own, other) in [(0, 1), (1, 0)] {
            let reached = self.after(&ways[other]);
            self.chosen.extend(ways[own].iter().filter(|&&target| !reached[target]).map(|&target| (branch, target)));
        }
    }

    /// Which nodes come after some, these included.
    fn after(&self, from: &[usize]) -> Vec<bool> {
        let mut found = vec![false; self.out.len()];
        let mut open = from.to_vec();
        while let Some(at) = open.pop() {
            if !found[at] {
                found[at] = true;
                open.extend(self.out(at).map(|edge| edge.to));
            }
        }
        found
    }
}

impl Edge {
    /// Of a branch: the answer for which it stands.
    pub(super) fn way(&self) -> Option<bool> {
        match self.handle.as_ref()?.0.as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }
}

/// One end of an edge.
fn end(cx: &mut Lowering<'_>, edge: &Node, key: &str, graph: &Graph<'_>) -> Option<(usize, Range<usize>)> {
    let Some(node) = given(edge, key) else {
        cx.missing(edge, "an edge", key, "the id of a node");
        return None;
    };
    let Some(id) = ids::of_node(edge, key) else {
        cx.wrong_type(node, &format!("`{key}`"), "the id of a node");
        return None;
    };
    let found = graph.place(&id);
    if found.is_none() && !cx.is_full() {
        let way = if key == "source" { "comes from" } else { "leads to" };
        let help = did_you_mean(&id, graph.ids.originals());
        cx.error(Code::UnknownStep, &node.span, format!("an edge {way} `{id}`, but there is no such node"), help);
    }
    Some((found?, node.span.clone()))
}
