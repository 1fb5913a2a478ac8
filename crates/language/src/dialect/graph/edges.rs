//! The edges of a graph: where they lead from and to.

use std::collections::BTreeSet;
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

pub(super) struct Edges(Vec<Edge>);

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
        Self(edges)
    }

    pub(super) fn out(&self, from: usize) -> impl Iterator<Item = &Edge> {
        self.0.iter().filter(move |edge| edge.from == from)
    }

    pub(super) fn into(&self, to: usize) -> impl Iterator<Item = &Edge> {
        self.0.iter().filter(move |edge| edge.to == to)
    }

    /// Everything that comes after some nodes, these included.
    pub(super) fn after(&self, from: impl Iterator<Item = usize>) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut open: Vec<usize> = from.collect();
        while let Some(at) = open.pop() {
            if found.insert(at) {
                open.extend(self.out(at).map(|edge| edge.to));
            }
        }
        found
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
    if found.is_none() {
        let way = if key == "source" { "comes from" } else { "leads to" };
        let help = did_you_mean(&id, graph.ids.originals());
        cx.error(Code::UnknownStep, &node.span, format!("an edge {way} `{id}`, but there is no such node"), help);
    }
    Some((found?, node.span.clone()))
}
