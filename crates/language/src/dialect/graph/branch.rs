//! A branch: the nodes at its edges `true` and `false` are its ways.

use gorgon_core::diagnostic::Code;

use super::Graph;
use super::edges::Edges;
use crate::build::{self, Map};
use crate::dialect::{Lowering, given, head};
use crate::node::Node;

impl Graph<'_> {
    /// The parameters of a branch; `None` if they cannot be read, which is told.
    pub(super) fn branch(&self, cx: &mut Lowering<'_>, at: usize, data: &Node, edges: &Edges, params: &mut Map) -> Option<()> {
        let (id, node) = &self.nodes[at];
        let mut is_read = true;
        match given(data, "condition") {
            Some(condition) => match self.expression(cx, condition) {
                Some(expression) => params.put_text("if", &condition.span, expression),
                None => is_read = false,
            },
            None if params.has("if") => {}
            None => {
                is_read = false;
                cx.missing(
                    if data.as_map().is_some_and(|map| !map.is_empty()) { data } else { node },
                    &format!("branch `{id}`"),
                    "condition",
                    "`{field, operator, value}`",
                );
            }
        }
        for edge in edges.out(at).filter(|edge| edge.way().is_none()) {
            let span = edge.handle.as_ref().map_or_else(|| edge.at.clone(), |(_, span)| span.clone());
            let message = format!("an edge out of branch `{id}` does not say for which answer it stands");
            cx.error(Code::BadValue, &span, message, "set `sourceHandle` to `true` or `false`");
        }
        for (key, answer) in [("then", true), ("else", false)] {
            let chosen = edges.out(at).filter(|edge| edge.way() == Some(answer) && !self.is_marker(edge.to) && edges.chooses(at, edge.to));
            let chosen = build::names(chosen.map(|edge| (self.name(edge.to), edge.at.clone())));
            params.put_at(key, &head(node), build::list(&head(node), chosen));
        }
        is_read.then_some(())
    }
}
