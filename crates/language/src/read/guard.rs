//! `condition` and `when`.

use gorgon_core::definition::Guard;
use gorgon_core::diagnostic::Code;
use gorgon_core::template::Condition;

use super::{Reader, present};
use crate::keys::CONDITION;
use crate::node::Node;
use crate::report::Spot;
use crate::words::OPERATORS;

impl<'n> Reader<'n> {
    /// The guard of a step, and the node whose text it reads.
    pub(super) fn guard(&mut self, when: Option<&'n Node>, condition: Option<&'n Node>) -> Option<(Guard, &'n Node)> {
        if let (Some(_), Some(node)) = (when, condition) {
            self.report.error(
                Code::BadValue,
                Spot::of(node),
                "the step says both `when` and `condition`",
                "keep `when`, and join the two with `and`",
            );
        }
        if let Some(node) = condition {
            let (condition, field) = self.condition(node)?;
            return Some((Guard::Condition(condition), field));
        }
        let node = when?;
        let Some(source) = node.scalar() else {
            self.wrong_type(node, "`when`", "an expression");
            return None;
        };
        // What cannot be parsed is reported with the other texts of the step.
        Some((Guard::Expression(source), node))
    }

    fn condition(&mut self, node: &'n Node) -> Option<(Condition, &'n Node)> {
        self.fields(node, "`condition`", CONDITION)?;
        let operator = present(node, "operator").and_then(|node| self.word(node, "`operator`", OPERATORS, Code::UnknownOperator));
        let field_node = present(node, "field")?;
        let field = self.text(field_node, "`field`")?;
        let operator = operator?;
        let value = node.get("value").map(Node::to_json);
        if operator.needs_value() && value.is_none() {
            self.missing_key(
                node,
                "`condition`",
                "value",
                "what the field is compared with; only `not_empty`, `is_true` and `is_false` stand without one",
            );
            return None;
        }
        match Condition::new(without_braces(field), operator, value) {
            Ok(condition) => Some((condition, field_node)),
            Err(problem) => {
                self.report.error(Code::BadTemplate, Spot::of(field_node), problem.message, problem.help.unwrap_or_default());
                None
            }
        }
    }
}

/// `${x}` and `{{ x }}` as `x`: a field is a path anyway.
fn without_braces(field: &str) -> &str {
    let inner = field
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'))
        .or_else(|| field.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")));
    inner.unwrap_or(field).trim()
}
