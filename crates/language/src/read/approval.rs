//! Agreement: `approval` on a step, and the `approval` step type.

use gorgon_core::definition::Approval;
use gorgon_core::diagnostic::Code;
use serde_json::{Map, Value};

use super::{Reader, present};
use crate::keys::APPROVAL;
use crate::node::{Content, Node};
use crate::report::Spot;

impl<'n> Reader<'n> {
    /// The approval of a step, and the node of its prompt.
    pub(super) fn approval(&mut self, node: &'n Node, is_fan_out: bool) -> Option<(Approval, &'n Node)> {
        if let Content::Text(prompt, _) = &node.content {
            return Some((Approval { prompt: prompt.clone(), per_item: false, timeout_ms: None }, node));
        }
        if node.as_map().is_none() {
            self.wrong_type(node, "`approval`", "a text, or a map with `prompt`");
            return None;
        }
        self.fields(node, "`approval`", APPROVAL)?;
        let per = present(node, "per");
        let per_item = per.and_then(|node| self.word(node, "`per`", &[("all", false), ("item", true)], Code::BadValue)).unwrap_or(false);
        if let Some(per) = per.filter(|_| per_item && !is_fan_out) {
            self.report.error(Code::BadValue, Spot::of(per), "only a `fan_out` has items to ask for", "leave `per` out");
        }
        let timeout_ms = present(node, "timeout_hours").and_then(|node| self.duration_ms(node, "`timeout_hours`", 3_600_000.0));
        let at = present(node, "prompt")?;
        let prompt = self.text(at, "`prompt`")?.to_owned();
        Some((Approval { prompt, per_item, timeout_ms }, at))
    }

    /// Replaces `preview_from` by the `preview` that it stands for. Which names are outputs is known when all steps are read.
    pub(crate) fn preview(
        &mut self,
        from: &'n Node,
        params: &mut Map<String, Value>,
        step_outputs: &dyn Fn(&str) -> Option<Vec<String>>,
        is_name: &dyn Fn(&str) -> bool,
    ) {
        params.remove("preview_from");
        if params.contains_key("preview") {
            self.report.error(Code::BadValue, Spot::of(from), "the step says both `preview` and `preview_from`", "keep `preview`");
            return;
        }
        let mut preview = Map::new();
        for item in from.as_list().unwrap_or_default() {
            let Some(name) = item.as_text() else { continue };
            // What was skipped shows as null: a preview does not fail the run.
            let value = if is_name(name) {
                Value::String(format!("${{{name} | default(none)}}"))
            } else if let Some(outputs) = step_outputs(name) {
                let fields =
                    outputs.iter().map(|output| (output.clone(), Value::String(format!("${{steps['{name}']['{output}'] | default(none)}}"))));
                Value::Object(fields.collect())
            } else {
                self.report.error(
                    Code::UnknownReference,
                    Spot::of(item),
                    format!("`{name}` is neither a step nor an output of one"),
                    "name steps, outputs or inputs",
                );
                continue;
            };
            preview.insert(name.to_owned(), value);
        }
        params.insert("preview".to_owned(), Value::Object(preview));
    }
}
