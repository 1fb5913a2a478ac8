//! The graph JSON of Gorgon (Python), as ReactFlow keeps it: `{id, name, nodes: [{id, type, data, position}], edges: [{source, target, …}], variables}`.

mod branch;
mod condition;
mod edges;
mod node;

use std::collections::{HashMap, HashSet};

use gorgon_core::diagnostic::Code;

pub(super) use self::condition::literal;
use self::edges::Edges;
use super::ids::Ids;
use super::references::{self, first_result};
use super::{Lowering, given};
use crate::build::{self, Map};
use crate::keys::TOP;
use crate::node::Node;
use crate::report::did_you_mean;

/// The nodes of a graph, and what their names mean.
pub(super) struct Graph<'n> {
    pub(super) nodes: Vec<(String, &'n Node)>,
    pub(super) ids: Ids,
    /// First result of each node, by its id in the file.
    pub(super) results: Vec<&'static str>,
    places: HashMap<String, usize>,
    variables: HashSet<&'n str>,
    /// Names that nodes, and steps inside of them, give to their results, and loops to their elements.
    outputs: HashSet<&'n str>,
    /// The first results of steps that stand inside of nodes, by their ids.
    inner: HashMap<&'n str, &'static str>,
}

pub(super) fn lower(cx: &mut Lowering<'_>, root: &Node) -> Node {
    cx.no_effect(root, &["id", "name", "description", "version", "variables", "nodes", "edges", "metadata", "viewport", "created_at", "updated_at"]);
    let mut top = Map::new(&root.span);
    super::classic::name(cx, root, &mut top, "id");
    top.copy(root, "id");
    let graph = Graph::of(cx, root);
    let edges = Edges::of(cx, root, &graph);
    let inputs = references::variables(cx, root, &["_outputs"]);
    if !inputs.is_empty() {
        let inputs = inputs.finish();
        let at = inputs.span.clone();
        top.put_at("inputs", &at, inputs);
    }
    let at = root.entry("nodes").map_or_else(|| super::head(root), |entry| entry.key_span.clone());
    top.put_at("outputs", &at, graph.exported(cx, root, &edges));
    let mut steps: Vec<Node> = (0..graph.nodes.len()).filter(|&at| !graph.is_marker(at)).map(|at| graph.step(cx, at, &edges)).collect();
    super::results::name(&mut steps);
    if steps.is_empty() && !graph.nodes.is_empty() {
        cx.error(Code::MissingKey, &at, "the graph has no node that does something", "add one of type `agent` or `shell`");
    }
    let list = root.get("nodes").map_or_else(|| at.clone(), |node| node.span.clone());
    top.put_at("steps", &at, build::list(&list, steps));
    top.finish_by(TOP)
}

impl<'n> Graph<'n> {
    fn of(cx: &mut Lowering<'_>, root: &'n Node) -> Self {
        let listed = cx.list(root, "nodes", "a graph", "its nodes, at least one");
        let mut nodes = Vec::with_capacity(listed.len());
        for node in listed {
            if node.as_map().is_none() {
                cx.wrong_type(node, "a node", "a map");
            } else if let Some(id) = cx.id(node, "id", "a node") {
                nodes.push((id, node));
            }
        }
        if listed.is_empty()
            && let Some(node) = root.get("nodes").filter(|node| node.as_list().is_some())
        {
            cx.error(Code::MissingKey, &node.span, "`nodes` is empty", "a graph needs at least one node");
        }
        let ids = Ids::of(nodes.iter().map(|(id, _)| id.clone()));
        let results = nodes.iter().map(|(_, node)| result_of(node, node.get("data").unwrap_or(node))).collect();
        let variables = root.get("variables").and_then(Node::as_map).unwrap_or_default().iter().map(|entry| entry.key.as_str()).collect();
        let named = |name: &'static str| nodes.iter().filter_map(move |(_, node)| node.get("data")?.get(name));
        let mut outputs: HashSet<&str> = named("outputs").flat_map(texts).chain(named("item_variable").filter_map(Node::as_text)).collect();
        let mut inner = HashMap::new();
        let mut steps: Vec<&Node> = nodes.iter().filter_map(|(_, node)| node.get("data")).flat_map(steps_in).collect();
        while let Some(step) = steps.pop() {
            outputs.extend(step.get("outputs").into_iter().flat_map(texts));
            if let Some(id) = step.get("id").and_then(Node::as_text) {
                inner.insert(id, result_of(step, step));
            }
            steps.extend(steps_in(step));
        }
        let mut places = HashMap::with_capacity(nodes.len());
        for (at, (id, _)) in nodes.iter().enumerate() {
            places.entry(id.clone()).or_insert(at);
        }
        Self { nodes, ids, results, places, variables, outputs, inner }
    }

    /// `start` and `end`: they only mark where the graph begins and ends.
    pub(super) fn is_marker(&self, at: usize) -> bool {
        matches!(self.kind(at), "start" | "end")
    }

    pub(super) fn kind(&self, at: usize) -> &'n str {
        self.nodes[at].1.get("type").and_then(Node::as_text).unwrap_or_default()
    }

    pub(super) fn place(&self, id: &str) -> Option<usize> {
        self.places.get(id).copied()
    }

    /// The name of a node as a step.
    pub(super) fn name(&self, at: usize) -> &str {
        let id = &self.nodes[at].0;
        self.ids.find(id).unwrap_or(id)
    }

    /// The native path of a name: a variable, a node, or `NODE_output`; what a node names as its output is native as it stands.
    pub(super) fn resolve(&self, name: &str) -> Option<String> {
        let (head, rest) = name.split_once('.').unwrap_or((name, ""));
        if self.outputs.contains(head) {
            return Some(name.to_owned());
        }
        if self.variables.contains(head) {
            return Some(format!("inputs.{name}"));
        }
        let Some(at) = self.place(head).or_else(|| self.place(head.strip_suffix("_output")?)) else {
            let field = if rest.is_empty() { *self.inner.get(head)? } else { rest };
            return self.inner.contains_key(head).then(|| format!("steps.{head}.{field}"));
        };
        let field = if rest.is_empty() { self.results[at] } else { rest };
        Some(format!("steps.{}.{field}", self.name(at)))
    }

    /// Whether a name is native, or left to be judged there.
    pub(super) fn is_native(name: &str) -> bool {
        matches!(name.split('.').next(), Some("item" | "index" | "previous" | "map_results" | "inputs" | "steps" | "run" | "env" | "secrets"))
    }

    /// A cure for a name that means nothing here.
    pub(super) fn known(&self, name: &str) -> String {
        did_you_mean(
            name,
            self.variables.iter().copied().filter(|name| *name != "_outputs").chain(self.ids.originals()).chain(self.outputs.iter().copied()),
        )
    }

    /// What a run gives: `variables._outputs`, else the nodes before an `end`, else those that nothing follows.
    fn exported(&self, cx: &mut Lowering<'_>, root: &Node, edges: &Edges) -> Node {
        if let Some(node) = root.get("variables").and_then(|variables| given(variables, "_outputs")) {
            if node.as_list().is_none() {
                cx.wrong_type(node, "`_outputs`", "a list of names");
            }
            let names = node.as_list().unwrap_or_default().iter().map(|item| match item.as_text() {
                // A node is named by its step, an output of one by itself; what is neither is told to be so.
                Some(text) => build::text(&item.span, self.ids.find(text.strip_suffix("_output").unwrap_or(text)).unwrap_or(text)),
                None => item.clone(),
            });
            return build::list(&node.span, names.collect());
        }
        let is_last = |at: &usize| {
            let mut targets = edges.out(*at).map(|edge| edge.to).peekable();
            !self.is_marker(*at) && (targets.peek().is_none() || targets.any(|to| self.kind(to) == "end"))
        };
        let names = build::names((0..self.nodes.len()).filter(is_last).map(|at| (self.name(at), self.nodes[at].1.span.clone())));
        build::list(&super::head(root), names)
    }
}

/// The first result of a node or a step; `map_reduce` gives what its second step does.
fn result_of(node: &Node, data: &Node) -> &'static str {
    let reduce = || data.get("params").unwrap_or(data).get("reduce_step").or_else(|| data.get("reduce_step"));
    match (node::native_type(node), reduce()) {
        ("map_reduce", Some(reduce)) => result_of(reduce, reduce),
        (ty, _) => first_result(ty),
    }
}

/// The steps that stand in a node or a step, under `steps` or `params.steps`.
fn steps_in(around: &Node) -> impl Iterator<Item = &Node> {
    let lists = [around.get("steps"), around.get("params").and_then(|params| params.get("steps"))];
    lists.into_iter().flatten().filter_map(Node::as_list).flatten()
}

/// A text, or the texts of a list.
fn texts(node: &Node) -> impl Iterator<Item = &str> {
    node.as_list().unwrap_or(std::slice::from_ref(node)).iter().filter_map(Node::as_text)
}
