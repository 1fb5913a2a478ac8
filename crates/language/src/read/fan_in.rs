//! `fan_in`: a computation, or the question to a model that it was in the predecessors' files.

use gorgon_core::definition::Step;
use gorgon_core::diagnostic::Code;
use serde_json::{Map, Value};

use super::Reader;
use super::step::agent_defaults;
use crate::node::Node;
use crate::report::Spot;
use crate::types::{ASKING, Form};

/// What stands between the items of an aggregated prompt.
const SEPARATOR: &str = "\n---\n";

/// Parameters that only a question to a model has.
const OF_AGENT: [&str; 4] = ["aggregate_prompt", "role", "model", "max_tokens"];

/// Most tokens of the answer, if the file does not say.
const MAX_TOKENS: u64 = 4_096;

impl<'n> Reader<'n> {
    pub(super) fn fan_in(&mut self, at: usize, step: &mut Step) {
        if let Some(node) = self.sources[at].params.get("callback").copied() {
            self.report.error(
                Code::BadValue,
                Spot::of(node),
                "a fan_in cannot call back into a program",
                "use a `script` step that is given the list",
            );
        }
        let asked = step.params.get("aggregation").and_then(Value::as_str).and_then(|word| ASKING.iter().find(|(name, _)| *name == word));
        let Some((word, Form::Agent { provider, model, .. })) = asked else {
            for key in OF_AGENT {
                step.params.remove(key);
                if let Some(node) = self.sources[at].params.get(key).copied() {
                    self.report.warning(
                        Code::BadValue,
                        Spot::of(node),
                        format!("`{key}` has no effect without `aggregation: claude_code` or `openai`"),
                        "leave it out",
                    );
                }
            }
            return;
        };
        let Some(prompt_node) = self.sources[at].params.get("aggregate_prompt").copied() else {
            let node = self.sources[at].node;
            self.missing_key(node, &format!("a fan_in with `aggregation: {word}`"), "aggregate_prompt", "what is asked; `${items}` is the list");
            return;
        };
        let own = std::mem::take(&mut step.params);
        let mut params = Map::new();
        if let (Some(prompt), Some(input)) = (own.get("aggregate_prompt").and_then(Value::as_str), own.get("input")) {
            let prompt = self.aggregate_prompt(at, prompt_node, prompt, input);
            params.insert("prompt".to_owned(), Value::String(prompt));
        }
        for key in ["model", "role", "max_tokens"] {
            params.extend(own.get(key).map(|value| (key.to_owned(), value.clone())));
        }
        params.entry("max_tokens").or_insert_with(|| MAX_TOKENS.into());
        agent_defaults(&mut params, provider, model, Some("analyst"));
        step.kind = "agent".to_owned();
        step.params = params;
        // Both are checked as they were written, not as the prompt that they became.
        self.sources[at].aggregated = self.sources[at].params.get("input").map(|input| (prompt_node, *input));
    }

    /// The prompt with the list in the place of `${items}`.
    fn aggregate_prompt(&mut self, at: usize, node: &'n Node, prompt: &str, input: &Value) -> String {
        let list = match input {
            Value::String(text) => one_reference(text).map(|path| format!("${{{path} | join('{}')}}", SEPARATOR.replace('\n', "\\n"))),
            Value::Array(items) => literal(items),
            _ => None,
        };
        let Some(list) = list else {
            let input = self.sources[at].params.get("input").copied().unwrap_or(node);
            self.report.error(
                Code::BadValue,
                Spot::of(input),
                "`input` of a fan_in that asks a model must be one reference, or a list of plain texts",
                "name one list, such as `${results}`",
            );
            return prompt.to_owned();
        };
        let written = ["${items}", "${ items }", "{{ items }}", "{{items}}"].into_iter().find(|form| prompt.contains(form));
        match written {
            Some(form) => prompt.replace(form, &list),
            None => {
                self.report.warning(
                    Code::BadValue,
                    Spot::of(node),
                    "`aggregate_prompt` does not say `${items}`, so the model does not see the list",
                    "add `${items}` where the list belongs",
                );
                prompt.to_owned()
            }
        }
    }
}

/// The inside of a text that is one reference and nothing else.
fn one_reference(text: &str) -> Option<&str> {
    let text = text.trim();
    let inner = text
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'))
        .or_else(|| text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")))?;
    (!inner.contains(['{', '}'])).then(|| inner.trim())
}

fn literal(items: &[Value]) -> Option<String> {
    let texts: Option<Vec<&str>> = items.iter().map(|item| item.as_str().filter(|text| !gorgon_core::template::is_computed(text))).collect();
    Some(texts?.join(SEPARATOR))
}
