//! A streamed answer, put together into the one that would have come whole.
//!
//! Facts of the wire are from the official Python SDK, `openai` 3.51.0: `types/chat/chat_completion_chunk.py`. Tool calls are put together by `index`;
//! their id and name come in the first piece only; usage comes in a last chunk without choices.

use gorgon_ports::{CallCx, Steer};
use serde_json::{Map, Value, json};

use super::response::{Said, arguments, first_choice};
use crate::answer::show;
use crate::http::{Heard, Listener};

/// The pieces so far.
pub(super) struct Assembly<'a> {
    cx: &'a CallCx,
    text: String,
    refusal: String,
    calls: Vec<Call>,
    finish_reason: Option<String>,
    model: Option<Value>,
    usage: Option<Value>,
    error: Option<Value>,
    /// What came and was no chunk.
    unreadable: Option<String>,
}

#[derive(Default)]
struct Call {
    index: u64,
    id: String,
    name: String,
    arguments: String,
}

impl<'a> Assembly<'a> {
    pub(super) fn new(cx: &'a CallCx) -> Self {
        Self {
            cx,
            text: String::new(),
            refusal: String::new(),
            calls: Vec::new(),
            finish_reason: None,
            model: None,
            usage: None,
            error: None,
            unreadable: None,
        }
    }

    /// What was told of usage.
    pub(super) fn usage(&self) -> Option<&Value> {
        self.usage.as_ref()
    }

    /// The answer as it would have come whole.
    ///
    /// # Errors
    /// Why it is not complete.
    pub(super) fn into_body(mut self) -> Result<Value, String> {
        if let Some(error) = self.error {
            return Ok(json!({ "error": error, "usage": self.usage }));
        }
        if let Some(unreadable) = self.unreadable {
            return Err(format!("a piece of its stream is not JSON: {}", crate::failure::shorten(&unreadable)));
        }
        let Some(finish_reason) = self.finish_reason else { return Err("its stream ended before its answer did".to_owned()) };
        let text = |text: String| if text.is_empty() { Value::Null } else { Value::String(text) };
        self.calls.sort_by_key(|call| call.index);
        let calls: Vec<Value> = self
            .calls
            .into_iter()
            .map(|call| json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}))
            .collect();
        let mut message = json!({"role": "assistant", "content": text(self.text), "refusal": text(self.refusal)});
        if !calls.is_empty() {
            message["tool_calls"] = Value::Array(calls);
        }
        let mut body = Map::new();
        body.insert("model".to_owned(), self.model.unwrap_or_default());
        body.insert("choices".to_owned(), json!([{"index": 0, "message": message, "finish_reason": finish_reason}]));
        body.insert("usage".to_owned(), self.usage.unwrap_or_default());
        Ok(Value::Object(body))
    }

    fn take_delta(&mut self, delta: &Value) -> Steer {
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let said = Said::read(delta);
        self.refusal.push_str(&said.refusal.unwrap_or_default());
        for piece in delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
            let function = piece.get("function").unwrap_or(&Value::Null);
            let index = piece.get("index").and_then(Value::as_u64).unwrap_or(0);
            let call = self.call(index, &text(piece, "id"), &text(function, "name"));
            for (part, text) in [(&mut call.id, text(piece, "id")), (&mut call.name, text(function, "name"))] {
                // Some compatible servers repeat them in every piece.
                if part.is_empty() {
                    *part = text;
                }
            }
            call.arguments.push_str(&arguments(function));
        }
        self.text.push_str(&said.text);
        show(self.cx, &said.text)
    }

    /// The call that a piece belongs to. Some compatible servers give all calls of an answer one index: another id that comes with a name is another call. Others
    /// give each piece of one call an id of its own.
    fn call(&mut self, index: u64, id: &str, name: &str) -> &mut Call {
        let is_another = |call: &Call| !name.is_empty() && !id.is_empty() && !call.name.is_empty() && !call.id.is_empty() && call.id != id;
        let at = self.calls.iter().rposition(|call| call.index == index).filter(|&at| !is_another(&self.calls[at]));
        let at = at.unwrap_or_else(|| {
            self.calls.push(Call { index, ..Call::default() });
            self.calls.len() - 1
        });
        &mut self.calls[at]
    }
}

impl Listener for Assembly<'_> {
    fn take(&mut self, _name: &str, data: &str) -> Heard {
        match data.trim() {
            "[DONE]" => return Heard::Last,
            // A sign of life.
            "" => return Heard::More,
            _ => {}
        }
        let Ok(chunk) = serde_json::from_str::<Value>(data) else {
            self.unreadable = Some(data.to_owned());
            return Heard::Last;
        };
        if let Some(error) = chunk.get("error").filter(|error| !error.is_null()) {
            self.error = Some(error.clone());
            return Heard::Last;
        }
        if let Some(model) = chunk.get("model").filter(|model| model.is_string()) {
            self.model.get_or_insert_with(|| model.clone());
        }
        if let Some(usage) = chunk.get("usage").filter(|usage| !usage.is_null()) {
            self.usage = Some(usage.clone());
        }
        let Some(choice) = first_choice(&chunk) else { return Heard::More };
        if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str) {
            self.finish_reason = Some(reason.to_owned());
        }
        match choice.get("delta").map_or(Steer::Continue, |delta| self.take_delta(delta)) {
            Steer::Continue => Heard::More,
            Steer::Stop => Heard::Stop,
        }
    }
}
