//! What a request asks, as far as rules look at it.

use serde_json::Value;

use super::script::{Expect, When};

/// Whose words a request is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    /// Chat Completions.
    OpenAi,
    /// Messages.
    Anthropic,
}

impl Wire {
    /// The interface at this address, if there is one.
    pub(super) fn at(path: &str) -> Option<Self> {
        match path {
            "/v1/chat/completions" => Some(Self::OpenAi),
            "/v1/messages" => Some(Self::Anthropic),
            _ => None,
        }
    }
}

/// A request to the model.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) model: String,
    pub(super) max_tokens: Option<u64>,
    pub(super) system: Vec<String>,
    pub(super) prompts: Vec<String>,
    pub(super) wire: Wire,
    pub(super) stream: bool,
    /// Whether it lets the model show its thinking.
    pub(super) thinks: bool,
    /// Texts that neither the user nor the system said.
    others: u64,
    body: Value,
}

impl Question {
    /// # Errors
    /// A sentence that says why this is no request of the interface.
    pub(super) fn read(body: &Value, wire: Wire) -> Result<Self, String> {
        let model = body.get("model").and_then(Value::as_str).ok_or("the body has no `model`")?.to_owned();
        let messages = body.get("messages").and_then(Value::as_array).filter(|list| !list.is_empty()).ok_or("the body has no `messages`")?;
        let stream = body.get("stream").and_then(Value::as_bool) == Some(true);
        if wire == Wire::Anthropic && body.get("max_tokens").and_then(Value::as_u64).is_none() {
            return Err("the body has no `max_tokens`, which this interface wants".to_owned());
        }
        let by = |roles: &[&str]| {
            let of_role = messages.iter().filter(|message| message.get("role").and_then(Value::as_str).is_some_and(|role| roles.contains(&role)));
            of_role.filter_map(text_of).collect::<Vec<_>>()
        };
        let mut system = by(&["system", "developer"]);
        system.extend(body.get("system").and_then(Value::as_str).map(str::to_owned));
        let max_tokens = ["max_completion_tokens", "max_tokens"].iter().find_map(|name| body.get(name)?.as_u64());
        let prompts = by(&["user"]);
        let others = by(&["assistant", "tool"]).iter().map(|text| text.len() as u64).sum();
        let thinks = body.get("thinking").is_some_and(|thinking| thinking.get("type") != Some(&Value::from("disabled")));
        Ok(Self { model, max_tokens, system, prompts, wire, stream, thinks, others, body: body.clone() })
    }

    /// Bytes of all texts.
    pub(super) fn bytes(&self) -> u64 {
        self.system.iter().chain(&self.prompts).map(|text| text.len() as u64).sum::<u64>() + self.others
    }

    /// Whether every condition but the count is met.
    pub(super) fn meets(&self, when: &When) -> bool {
        let holds = |texts: &[String], part: &Option<String>| part.as_ref().is_none_or(|part| texts.iter().any(|text| text.contains(part)));
        holds(&self.prompts, &when.prompt_contains)
            && holds(&self.system, &when.system_contains)
            && when.model.as_ref().is_none_or(|model| *model == self.model)
    }

    /// What is not as it was expected.
    pub(super) fn breaks(&self, expect: &Expect, header: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
        let mut broken = Vec::new();
        if expect.max_tokens_le.is_some_and(|most| self.max_tokens.is_none_or(|cap| cap > most)) {
            broken.push(format!("the cap is {:?}, expected at most {:?}", self.max_tokens, expect.max_tokens_le));
        }
        if expect.max_tokens_ge.is_some_and(|least| self.max_tokens.is_none_or(|cap| cap < least)) {
            broken.push(format!("the cap is {:?}, expected at least {:?}", self.max_tokens, expect.max_tokens_ge));
        }
        for (name, value) in &expect.fields {
            let is = self.body.get(name).unwrap_or(&Value::Null);
            if is != value {
                broken.push(format!("field `{name}` is {is}, expected {value}"));
            }
        }
        for (name, value) in &expect.headers {
            let is = header(name);
            if is != *value {
                broken.push(format!("header `{name}` is {is:?}, expected {value:?}"));
            }
        }
        broken
    }
}

/// The text of a message: as it stands, or that of its blocks.
fn text_of(message: &Value) -> Option<String> {
    match message.get("content")? {
        Value::String(text) => Some(text.clone()),
        Value::Array(blocks) => {
            let texts = blocks.iter().filter_map(|block| block.get("text").or_else(|| block.get("content"))?.as_str());
            Some(texts.collect::<Vec<_>>().join("\n"))
        }
        _ => None,
    }
}
