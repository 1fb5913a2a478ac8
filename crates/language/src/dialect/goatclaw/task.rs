//! One node of a task graph as a step.

use gorgon_core::diagnostic::Code;
use serde_json::json;

use super::Tasks;
use super::agents;
use crate::build::{self, Map};
use crate::dialect::braces;
use crate::dialect::{Lowering, given, head};
use crate::keys::STEP;
use crate::node::{Content, Node};
use crate::report::did_you_mean;
use crate::words::{BACKOFFS, names};

/// Keys of a node. Those behind `tags` say how it went when the graph was run.
const KEYS: &[&str] = &[
    "node_id",
    "name",
    "description",
    "agent_type",
    "dependencies",
    "required_permissions",
    "validation_rule",
    "input_data",
    "retry_config",
    "llm_config",
    "timeout_seconds",
    "priority",
    "tags",
    "output_data",
    "status",
    "retries",
    "error_log",
    "created_at",
    "started_at",
    "completed_at",
    "metrics",
];

/// GOATCLAW's retries, where a `retry_config` leaves their number out.
const MAX_RETRIES: u64 = 3;

impl Tasks<'_> {
    pub(super) fn step(&self, cx: &mut Lowering<'_>, id: &str, node: &Node) -> Node {
        cx.no_effect(node, KEYS);
        let id_at = node.get("node_id").map_or_else(|| head(node), |node| node.span.clone());
        let mut native = Map::new(&node.span);
        native.put("id", build::text(&id_at, self.name(id)));
        let description = cx.text(node, "description").filter(|text| !text.is_empty());
        native.copy_as(node, if description.is_some() { "description" } else { "name" }, "description");
        native.put_at("depends_on", &head(node), self.dependencies(cx, node));
        native.copy(node, "timeout_seconds");
        retry(cx, node, &mut native);
        let mut params = Map::new(&given(node, "input_data").map_or_else(|| head(node), |node| node.span.clone()));
        self.work(cx, node, &mut native, &mut params);
        native.put("params", params.finish());
        told(cx, node);
        native.finish_by(STEP)
    }

    fn dependencies(&self, cx: &mut Lowering<'_>, node: &Node) -> Node {
        let Some(list) = given(node, "dependencies") else { return build::list(&head(node), Vec::new()) };
        let mut before = Vec::new();
        if list.as_list().is_none() {
            cx.wrong_type(list, "`dependencies`", "a list of ids");
        }
        for item in list.as_list().unwrap_or_default() {
            let Some(id) = item.scalar() else {
                cx.wrong_type(item, "an element of `dependencies`", "the id of a node");
                continue;
            };
            if let Some(name) = self.ids.find(&id) {
                before.push((name, item.span.clone()));
            } else if !cx.is_full() {
                let help = did_you_mean(&id, self.ids.originals());
                cx.error(Code::UnknownStep, &item.span, format!("`dependencies` names `{id}`, but there is no such node"), help);
            }
        }
        build::list(&list.span, build::names(before.into_iter()))
    }

    /// A value of `input_data`, with the nodes that it names.
    pub(super) fn value(&self, cx: &mut Lowering<'_>, node: &Node) -> Node {
        build::with_texts(node, &mut |node, text| self.template(cx, node, text))
    }

    pub(super) fn template(&self, cx: &mut Lowering<'_>, node: &Node, text: &str) -> String {
        let pieces = braces::double(text, &mut |name, inner| {
            let path = self.resolve(name);
            // GOATCLAW itself had no references: braces around anything else are text, unless an id was meant.
            let head = name.split('.').next().unwrap_or(name);
            if path.is_none()
                && !cx.is_full()
                && let Some(near) = cx.guess(head, self.ids.originals())
            {
                let at = cx.inside(node, &inner);
                cx.warning(Code::UnknownReference, &at, format!("`{head}` is no node, so these braces are text"), format!("did you mean `{near}`?"));
            }
            path
        });
        braces::template(&pieces)
    }
}

fn retry(cx: &mut Lowering<'_>, node: &Node, native: &mut Map) {
    const KEYS: &[&str] =
        &["max_retries", "strategy", "initial_delay_seconds", "max_delay_seconds", "backoff_multiplier", "jitter", "retry_on_status"];
    let Some(config) = given(node, "retry_config") else { return };
    cx.map(node, "retry_config");
    cx.no_effect(config, KEYS);
    let mut retry = Map::new(&config.span);
    match given(config, "max_retries") {
        Some(Node { content: Content::Number(number, _), span }) if number.as_u64().is_some() => {
            let attempts = number.as_u64().unwrap_or(MAX_RETRIES).saturating_add(1);
            retry.put("max_attempts", build::value(span, &json!(attempts)));
        }
        Some(other) => cx.wrong_type(other, "`max_retries`", "a whole number"),
        None => retry.put("max_attempts", build::value(&config.span, &json!(MAX_RETRIES + 1))),
    }
    if let Some(strategy) = given(config, "strategy") {
        let word = strategy.as_text().unwrap_or_default();
        let word = if word == "exponential_backoff" { "exponential" } else { word };
        if names(BACKOFFS).contains(&word) {
            retry.put_text("backoff", &strategy.span, word);
        } else {
            let known = ["exponential_backoff", "linear", "fixed", "fibonacci", "adaptive"];
            cx.error(
                Code::BadValue,
                &strategy.span,
                format!("`strategy` cannot be {}", build::said(strategy)),
                did_you_mean(word, known.into_iter()),
            );
        }
    }
    for key in ["initial_delay_seconds", "max_delay_seconds", "jitter"] {
        retry.copy(config, key);
    }
    retry.copy_as(config, "backoff_multiplier", "multiplier");
    native.put("retry", retry.finish());
}

/// What a node says and a run does not heed.
fn told(cx: &mut Lowering<'_>, node: &Node) {
    if let Some(scopes) = given(node, "required_permissions").filter(|node| node.as_list().is_some_and(|list| !list.is_empty())) {
        let help = "what a step may do is said by the settings and by its type; leave it out";
        cx.warning(Code::UnknownKey, &scopes.span, "`required_permissions` has no effect in this release", help);
    }
    if let Some(status) = node.get("status").filter(|node| node.as_text().is_some_and(|status| !matches!(status, "pending" | "queued"))) {
        let help = "what a node gave in GOATCLAW is not read; leave the node out if it is done";
        cx.warning(Code::UnknownKey, &status.span, format!("the node is {}, but it runs again", status.describe()), help);
    }
    let rule = given(node, "validation_rule").filter(|node| node.as_text().is_none_or(|text| !text.trim().is_empty()));
    if let Some(rule) = rule.filter(|_| agents::native_type(node) != "agent" && agents::is_available(node)) {
        let message = "`validation_rule` judges the answer of a model, and this node asks none";
        cx.error(Code::BadValue, &rule.span, message, "leave it out, or let a node after it judge the result");
    }
}
