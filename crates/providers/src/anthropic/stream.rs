//! A streamed answer, put together into the one that would have come whole.

use std::collections::BTreeMap;

use gorgon_ports::{CallCx, Steer};
use serde_json::{Map, Value, json};

use crate::answer::show;
use crate::failure::shorten;
use crate::http::{Heard, Listener};

/// The events so far.
pub(super) struct Assembly<'a> {
    cx: &'a CallCx,
    model: Value,
    blocks: BTreeMap<u64, Value>,
    /// Arguments of tools, as text, by the place of their block.
    arguments: BTreeMap<u64, String>,
    end: Map<String, Value>,
    /// What was told at the beginning, and at the end: the latter is cumulative and takes the place of the former.
    usage: Map<String, Value>,
    /// Whether the end told of the output. The beginning counts it too, before there is any.
    counted: bool,
    ended: bool,
    error: Option<Value>,
    unreadable: Option<String>,
}

impl<'a> Assembly<'a> {
    pub(super) fn new(cx: &'a CallCx) -> Self {
        Self {
            cx,
            model: Value::Null,
            blocks: BTreeMap::new(),
            arguments: BTreeMap::new(),
            end: Map::new(),
            usage: Map::new(),
            counted: false,
            ended: false,
            error: None,
            unreadable: None,
        }
    }

    /// What was told of usage, if it is the last word on it.
    pub(super) fn usage(&self) -> Option<&Value> {
        self.end.get("usage").filter(|_| self.counted)
    }

    /// The answer as it would have come whole.
    ///
    /// # Errors
    /// Why it is not complete.
    pub(super) fn into_body(self) -> Result<Value, String> {
        let usage = if self.counted { Value::Object(self.usage) } else { Value::Null };
        if let Some(error) = self.error {
            return Ok(json!({ "error": error, "usage": usage }));
        }
        if let Some(unreadable) = self.unreadable {
            return Err(format!("an event of its stream is not JSON: {}", shorten(&unreadable)));
        }
        if !self.ended {
            return Err("its stream ended before its answer did".to_owned());
        }
        if self.end.get("stop_reason").and_then(Value::as_str).is_none() {
            return Err("its stream ended without a word on why".to_owned());
        }
        let mut blocks = self.blocks;
        // Without a word of its own, a tool's input is what its block began with.
        for (place, arguments) in self.arguments.into_iter().filter(|(_, arguments)| !arguments.is_empty()) {
            let Some(block) = blocks.get_mut(&place) else { continue };
            if block.get("type").and_then(Value::as_str) == Some("tool_use") {
                block["input"] = Value::String(arguments);
            } else if let Ok(input) = serde_json::from_str(&arguments) {
                // A tool of the server goes back as it came, and there its input is an object.
                block["input"] = input;
            }
        }
        let mut body = self.end;
        body.insert("model".to_owned(), self.model);
        body.insert("content".to_owned(), blocks.into_values().collect());
        body.insert("usage".to_owned(), usage);
        Ok(Value::Object(body))
    }

    fn begin(&mut self, message: &Value) {
        self.model = message.get("model").cloned().unwrap_or_default();
        self.note_usage(message.get("usage"));
    }

    /// A count that is told again takes the place of what was told before; one that is not stays.
    fn note_usage(&mut self, usage: Option<&Value>) {
        for (name, count) in usage.and_then(Value::as_object).into_iter().flatten().filter(|(_, count)| !count.is_null()) {
            self.usage.insert(name.clone(), count.clone());
        }
    }

    fn take_delta(&mut self, place: u64, delta: &Value) -> Steer {
        let text = |name: &str| delta.get(name).and_then(Value::as_str).unwrap_or_default();
        let block = self.blocks.entry(place).or_insert_with(|| json!({}));
        match text("type") {
            "text_delta" => {
                append(block, "text", text("text"));
                return show(self.cx, text("text"));
            }
            "thinking_delta" => append(block, "thinking", text("thinking")),
            // A signature comes whole: the official SDK lets a second one take the place of the first.
            "signature_delta" => block["signature"] = json!(text("signature")),
            "input_json_delta" => self.arguments.entry(place).or_default().push_str(text("partial_json")),
            // Citations, and what is not known yet: the answer is the same without them.
            _ => {}
        }
        Steer::Continue
    }

    fn take_end(&mut self, event: &Value) {
        for (name, value) in event.get("delta").and_then(Value::as_object).into_iter().flatten() {
            self.end.insert(name.clone(), value.clone());
        }
        if let Some(usage) = event.get("usage").filter(|usage| usage.is_object()) {
            self.note_usage(Some(usage));
            self.counted |= usage.get("output_tokens").is_some_and(|count| !count.is_null());
            self.end.insert("usage".to_owned(), Value::Object(self.usage.clone()));
        }
    }
}

fn append(block: &mut Value, name: &str, piece: &str) {
    match block.get_mut(name) {
        Some(Value::String(text)) => text.push_str(piece),
        _ => block[name] = Value::String(piece.to_owned()),
    }
}

impl Listener for Assembly<'_> {
    fn take(&mut self, _name: &str, data: &str) -> Heard {
        let Ok(event) = serde_json::from_str::<Value>(data) else {
            self.unreadable = Some(data.to_owned());
            return Heard::Last;
        };
        let place = event.get("index").and_then(Value::as_u64).unwrap_or(0);
        let nothing = Value::Null;
        let part = |name: &str| event.get(name).unwrap_or(&nothing);
        match event.get("type").and_then(Value::as_str).unwrap_or_default() {
            "message_start" => self.begin(part("message")),
            "content_block_start" => {
                let block = part("content_block");
                self.blocks.insert(place, if block.is_object() { block.clone() } else { json!({}) });
            }
            "content_block_delta" => match self.take_delta(place, part("delta")) {
                Steer::Continue => {}
                Steer::Stop => return Heard::Stop,
            },
            "message_delta" => self.take_end(&event),
            "message_stop" => {
                self.ended = true;
                return Heard::Last;
            }
            "error" => {
                self.error = Some(part("error").clone());
                return Heard::Last;
            }
            // Pings, ends of blocks, and what is not known yet.
            _ => {}
        }
        Heard::More
    }
}
