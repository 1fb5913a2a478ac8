//! What is sent.

use std::borrow::Cow;

use gorgon_core::call::{Message, ModelRequest, Part, Speaker, ToolSpec};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::AnthropicConfig;

/// The owner of blocks that only this wire understands.
pub(super) const OWNER: &str = "anthropic";

/// Keywords of a schema that this wire refuses. The whole schema is checked when the answer is there.
const REFUSED: [&str; 13] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
];

/// The body of a question. It borrows: a long conversation goes out with each of its turns, and is only written.
#[derive(Serialize)]
pub(super) struct Body<'a> {
    model: &'a str,
    max_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<&'a str>,
    messages: Vec<Said<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    output_config: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    stream: bool,
}

#[derive(Serialize)]
struct Said<'a> {
    role: &'static str,
    content: Content<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(&'a str),
    Blocks(Vec<Block<'a>>),
}

#[derive(Serialize)]
#[serde(untagged)]
enum Block<'a> {
    Own(OwnBlock<'a>),
    /// As it came.
    Opaque(&'a Value),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum OwnBlock<'a> {
    Text {
        text: &'a str,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: &'a str,
        input: Input<'a>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        content: &'a str,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
    },
}

/// The arguments of a tool.
#[derive(Serialize)]
#[serde(untagged)]
enum Input<'a> {
    AsWritten(&'a RawValue),
    Empty {},
}

/// The body of a question. The cap is always in it: it is what the hold was computed from.
pub(super) fn body<'a>(request: &'a ModelRequest, config: &'a AnthropicConfig, stream: bool) -> Body<'a> {
    let opening = Said { role: "user", content: Content::Text(&request.prompt) };
    let mut output_config = Map::new();
    if let Some(effort) = &request.effort {
        output_config.insert("effort".to_owned(), json!(effort));
    }
    if let Some(answer) = &request.answer {
        output_config.insert("format".to_owned(), json!({"type": "json_schema", "schema": lowered(&answer.schema)}));
    }
    let tool = |tool: &ToolSpec| json!({"name": tool.name, "description": tool.description, "input_schema": tool.parameters});
    Body {
        model: &request.model,
        max_tokens: request.output_tokens_max,
        system: request.system.as_deref().filter(|text| !text.is_empty()),
        messages: std::iter::once(opening).chain(request.messages.iter().filter_map(|message| said(message))).collect(),
        temperature: request.temperature.filter(|_| config.version.takes_temperature()),
        tools: request.tools.iter().map(tool).collect(),
        output_config,
        thinking: config.thinking.map(|thinking| json!({"type": thinking.word()})),
        service_tier: config.service_tier(),
        stream,
    }
}

/// A message; `None` if nothing of it means anything on this wire, which wants no empty ones.
fn said(message: &Message) -> Option<Said<'_>> {
    let role = match message.by {
        Speaker::User => "user",
        Speaker::Model => "assistant",
    };
    let blocks: Vec<Block<'_>> = message.parts.iter().filter_map(block).collect();
    (!blocks.is_empty()).then_some(Said { role, content: Content::Blocks(blocks) })
}

fn block(part: &Part) -> Option<Block<'_>> {
    match part {
        // This wire refuses a text that says nothing.
        Part::Text(text) if text.trim().is_empty() => None,
        Part::Text(text) => Some(Block::Own(OwnBlock::Text { text })),
        Part::ToolCall { id, name, arguments } => {
            // What was no JSON object cannot go back as it came: this wire takes objects only. The result says what was wrong with it.
            let object = serde_json::from_str::<&RawValue>(arguments).ok().filter(|input| input.get().starts_with('{'));
            // Half of a surrogate pair is found only by reading the text.
            let object = object.filter(|input| !input.get().contains("\\u") || serde_json::from_str::<Value>(input.get()).is_ok());
            let input = object.map_or(Input::Empty {}, Input::AsWritten);
            Some(Block::Own(OwnBlock::ToolUse { id: own_id(id), name, input }))
        }
        Part::ToolResult { id, content, is_error, .. } => {
            Some(Block::Own(OwnBlock::ToolResult { tool_use_id: own_id(id), content, is_error: *is_error }))
        }
        Part::Opaque { provider, block } => (provider == OWNER).then_some(Block::Opaque(block)),
    }
}

/// The id of a call as this wire takes it: letters, digits, `_` and `-`. Another wire, on which the conversation began, may have given it others.
fn own_id(id: &str) -> Cow<'_, str> {
    let is_taken = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if id.chars().all(is_taken) { Cow::Borrowed(id) } else { Cow::Owned(id.chars().map(|c| if is_taken(c) { c } else { '_' }).collect()) }
}

/// The schema as this wire takes it.
fn lowered(schema: &Value) -> Value {
    match schema {
        Value::Object(map) => {
            let mut out = Map::new();
            for (key, value) in map.iter().filter(|(key, _)| !REFUSED.contains(&key.as_str())) {
                // The names of properties are no keywords.
                let value = match (key.as_str(), value) {
                    ("properties" | "$defs" | "definitions", Value::Object(named)) => {
                        Value::Object(named.iter().map(|(name, schema)| (name.clone(), lowered(schema))).collect())
                    }
                    ("enum" | "const" | "default" | "examples" | "required", value) => value.clone(),
                    (_, value) => lowered(value),
                };
                out.insert(key.clone(), value);
            }
            if out.contains_key("properties") || out.get("type").and_then(Value::as_str) == Some("object") {
                out.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            Value::Object(out)
        }
        Value::Array(list) => Value::Array(list.iter().map(lowered).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use gorgon_core::call::AnswerSchema;

    use super::super::Version;
    use super::super::config::Thinking;
    use super::*;

    fn sent(request: &ModelRequest, config: &AnthropicConfig, stream: bool) -> Value {
        serde_json::to_value(body(request, config, stream)).unwrap()
    }

    #[test]
    fn what_another_wire_wrote_goes_out_as_this_one_takes_it() {
        let call = |id: &str, arguments: &str| Part::ToolCall { id: id.to_owned(), name: "f".to_owned(), arguments: arguments.to_owned() };
        let given = Part::ToolResult { id: "functions.f:0".to_owned(), name: "f".to_owned(), content: "x".to_owned(), is_error: false };
        let parts = vec![call("functions.f:0", r#"{"a": 1.50}"#), call("b", r#"{"a": "\ud800"}"#), call("c", r#"{"a": "\u00e9"}"#), given];
        let message = Message { by: Speaker::Model, parts };
        let sent = serde_json::to_value(said(&message).unwrap()).unwrap();
        let ids: Vec<&Value> = sent["content"].as_array().unwrap().iter().map(|block| block.get("id").unwrap_or(&block["tool_use_id"])).collect();
        assert_eq!(ids, ["functions_f_0", "b", "c", "functions_f_0"]);
        assert_eq!((&sent["content"][1]["input"], &sent["content"][2]["input"]), (&json!({}), &json!({ "a": "é" })));
    }

    fn request() -> ModelRequest {
        let thinking = json!({"type": "thinking", "thinking": "hm", "signature": "sig"});
        ModelRequest {
            provider: "claude".to_owned(),
            model: "claude-m".to_owned(),
            system: Some("Be short.".to_owned()),
            prompt: "do it".to_owned(),
            output_tokens_max: 77,
            temperature: Some(0.5),
            effort: Some("low".to_owned()),
            messages: [
                Message {
                    by: Speaker::Model,
                    parts: vec![
                        Part::Opaque { provider: "anthropic".to_owned(), block: thinking },
                        Part::Opaque { provider: "other".to_owned(), block: json!({}) },
                        Part::ToolCall { id: "t1".to_owned(), name: "shell".to_owned(), arguments: "{\"command\": \"ls\"}".to_owned() },
                        Part::ToolCall { id: "t2".to_owned(), name: "shell".to_owned(), arguments: "{\"comm".to_owned() },
                    ],
                },
                Message {
                    by: Speaker::User,
                    parts: vec![
                        Part::ToolResult { id: "t1".to_owned(), name: "shell".to_owned(), content: "ok".to_owned(), is_error: false },
                        Part::ToolResult { id: "t2".to_owned(), name: "shell".to_owned(), content: "no".to_owned(), is_error: true },
                        Part::Text(" \n".to_owned()),
                    ],
                },
                Message { by: Speaker::Model, parts: vec![Part::Text(String::new())] },
            ]
            .map(std::sync::Arc::new)
            .to_vec(),
            tools: vec![ToolSpec { name: "shell".to_owned(), description: "Runs.".to_owned(), parameters: json!({"type": "object"}) }],
            ..ModelRequest::default()
        }
    }

    #[test]
    fn the_body_is_as_the_wire_wants_it() {
        let config = AnthropicConfig { thinking: Some(Thinking::Adaptive), ..AnthropicConfig::default() };
        assert_eq!(
            sent(&request(), &config, true),
            json!({
                "model": "claude-m", "max_tokens": 77, "system": "Be short.",
                "messages": [
                    {"role": "user", "content": "do it"},
                    {"role": "assistant", "content": [
                        {"type": "thinking", "thinking": "hm", "signature": "sig"},
                        {"type": "tool_use", "id": "t1", "name": "shell", "input": {"command": "ls"}},
                        {"type": "tool_use", "id": "t2", "name": "shell", "input": {}},
                    ]},
                    {"role": "user", "content": [
                        {"type": "tool_result", "tool_use_id": "t1", "content": "ok"},
                        {"type": "tool_result", "tool_use_id": "t2", "content": "no", "is_error": true},
                    ]},
                ],
                "tools": [{"name": "shell", "description": "Runs.", "input_schema": {"type": "object"}}],
                "output_config": {"effort": "low"}, "thinking": {"type": "adaptive"}, "service_tier": "standard_only", "stream": true,
            })
        );
    }

    #[test]
    fn a_temperature_goes_to_the_version_that_takes_one() {
        let old = AnthropicConfig { version: Version::V2023, ..AnthropicConfig::default() };
        assert_eq!(sent(&request(), &old, false)["temperature"], json!(0.5));
        assert_eq!(sent(&request(), &AnthropicConfig::default(), false).get("temperature"), None);
    }

    #[test]
    fn a_schema_loses_what_the_wire_refuses_and_nothing_else() {
        let schema = json!({
            "type": "object", "required": ["minimum"],
            "properties": {
                "minimum": {"type": "integer", "minimum": 1, "description": "d"},
                "list": {"type": "array", "maxItems": 3, "items": {"type": "object", "properties": {"a": {"enum": ["x"], "minLength": 2}}}},
            },
        });
        let request = ModelRequest { answer: Some(AnswerSchema { name: "s".to_owned(), schema }), ..ModelRequest::default() };
        assert_eq!(
            sent(&request, &AnthropicConfig::default(), false)["output_config"],
            json!({"format": {"type": "json_schema", "schema": {
                "type": "object", "required": ["minimum"], "additionalProperties": false,
                "properties": {
                    "minimum": {"type": "integer", "description": "d"},
                    "list": {"type": "array", "items": {"type": "object", "additionalProperties": false, "properties": {"a": {"enum": ["x"]}}}},
                },
            }}})
        );
    }
}
