//! What is sent.

use std::borrow::Cow;

use gorgon_core::call::{Message, ModelRequest, Part, Speaker, ToolSpec};
use serde::Serialize;
use serde_json::{Value, json};

use super::MaxTokensField;

/// What the settings say of the body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form<'a> {
    pub(super) max_tokens_field: MaxTokensField,
    pub(super) service_tier: Option<&'a str>,
    pub(super) stream: bool,
}

/// The body of a question. It borrows: a long conversation goes out with each of its turns, and is only written.
#[derive(Serialize)]
pub(super) struct Body<'a> {
    model: &'a str,
    messages: Vec<Said<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Value>,
    n: u8,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(tag = "role", rename_all = "snake_case")]
enum Said<'a> {
    System {
        content: &'a str,
    },
    User {
        content: &'a str,
    },
    Assistant {
        content: Option<String>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<Called<'a>>,
    },
    Tool {
        tool_call_id: &'a str,
        content: Cow<'a, str>,
    },
}

#[derive(Serialize)]
struct Called<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

/// The body of a question. The cap is always in it: it is what the hold was computed from. `n` is sent because more choices would cost more.
pub(super) fn body<'a>(request: &'a ModelRequest, form: Form<'a>) -> Body<'a> {
    let system = request.system.iter().map(|content| Said::System { content });
    let mut messages: Vec<Said<'_>> = system.chain([Said::User { content: &request.prompt }]).collect();
    for message in &request.messages {
        match message.by {
            Speaker::User => messages.extend(message.parts.iter().filter_map(of_user)),
            Speaker::Model => messages.push(of_model(message)),
        }
    }
    let cap = |field| (form.max_tokens_field == field).then_some(request.output_tokens_max);
    let tool = |tool: &ToolSpec| json!({"type": "function", "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters}});
    Body {
        model: &request.model,
        messages,
        max_tokens: cap(MaxTokensField::MaxTokens),
        max_completion_tokens: cap(MaxTokensField::MaxCompletionTokens),
        temperature: request.temperature,
        reasoning_effort: request.effort.as_deref(),
        tools: request.tools.iter().map(tool).collect(),
        response_format: request.answer.as_ref().map(|answer| {
            let (schema, strict) = lowered(&answer.schema);
            json!({"type": "json_schema", "json_schema": {"name": answer.name, "schema": schema, "strict": strict}})
        }),
        n: 1,
        stream: form.stream,
        // Without it a stream does not tell what it used.
        stream_options: form.stream.then(|| json!({"include_usage": true})),
        service_tier: form.service_tier,
    }
}

/// A part of the user's. Results of tools are messages of their own; that one is an error is said in its words, for the wire has none.
fn of_user(part: &Part) -> Option<Said<'_>> {
    match part {
        Part::Text(content) => Some(Said::User { content }),
        Part::ToolResult { id, content, is_error, .. } => {
            let content = if *is_error { Cow::Owned(format!("Error: {content}")) } else { Cow::Borrowed(content.as_str()) };
            Some(Said::Tool { tool_call_id: id, content })
        }
        Part::ToolCall { .. } | Part::Opaque { .. } => None,
    }
}

fn of_model(message: &Message) -> Said<'_> {
    let mut text = String::new();
    let mut tool_calls = Vec::new();
    for part in &message.parts {
        match part {
            Part::Text(piece) => text.push_str(piece),
            Part::ToolCall { id, name, arguments } => tool_calls.push(Called { id, kind: "function", function: Function { name, arguments } }),
            // Another provider's block means nothing here.
            Part::ToolResult { .. } | Part::Opaque { .. } => {}
        }
    }
    let content = (!text.is_empty() || tool_calls.is_empty()).then_some(text);
    Said::Assistant { content, tool_calls }
}

/// The schema as this wire takes it, and whether it can be enforced strictly: every object has to name all its properties as required and forbid others.
fn lowered(schema: &Value) -> (Value, bool) {
    fn close(schema: &mut Value) -> bool {
        let Value::Object(map) = schema else { return true };
        // A schema that says nothing is refused where it is to be enforced.
        let mut strict = ["type", "enum", "const", "anyOf"].iter().any(|key| map.contains_key(*key));
        let properties: Option<Vec<String>> = map.get("properties").and_then(Value::as_object).map(|all| all.keys().cloned().collect());
        if let Some(names) = properties {
            let required: Vec<&str> = map.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
            strict &= names.iter().all(|name| required.contains(&name.as_str()));
            match map.get("additionalProperties") {
                None => {
                    map.insert("additionalProperties".to_owned(), Value::Bool(false));
                }
                Some(other) => strict &= *other == Value::Bool(false),
            }
        } else if map.get("type").and_then(Value::as_str) == Some("object") {
            strict = false;
        }
        for (key, value) in map.iter_mut() {
            match value {
                // No schemas.
                _ if matches!(key.as_str(), "enum" | "const" | "default" | "examples") => {}
                Value::Object(inner) if matches!(key.as_str(), "properties" | "$defs") => {
                    for schema in inner.values_mut() {
                        strict &= close(schema);
                    }
                }
                Value::Object(_) => strict &= close(value),
                Value::Array(list) => {
                    for schema in list.iter_mut().filter(|schema| schema.is_object()) {
                        strict &= close(schema);
                    }
                }
                _ => {}
            }
        }
        strict
    }
    let mut closed = schema.clone();
    if close(&mut closed) { (closed, true) } else { (schema.clone(), false) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(request: &ModelRequest, form: Form<'_>) -> Value {
        serde_json::to_value(body(request, form)).unwrap()
    }

    #[test]
    fn the_body_is_as_the_wire_wants_it() {
        let request = ModelRequest {
            provider: "openai".to_owned(),
            model: "m-1".to_owned(),
            system: Some("Be short.".to_owned()),
            prompt: "Why?".to_owned(),
            output_tokens_max: 77,
            temperature: Some(0.5),
            ..ModelRequest::default()
        };
        assert_eq!(
            sent(&request, Form { max_tokens_field: MaxTokensField::MaxCompletionTokens, service_tier: Some("default"), stream: false }),
            json!({
                "model": "m-1",
                "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Why?"}],
                "max_completion_tokens": 77, "temperature": 0.5, "n": 1, "stream": false, "service_tier": "default",
            })
        );
        let bare = ModelRequest { system: None, temperature: None, ..request };
        assert_eq!(
            sent(&bare, Form { max_tokens_field: MaxTokensField::MaxTokens, service_tier: None, stream: false }),
            json!({"model": "m-1", "messages": [{"role": "user", "content": "Why?"}], "max_tokens": 77, "n": 1, "stream": false})
        );
    }

    #[test]
    fn a_conversation_goes_out_in_the_words_of_the_wire() {
        let request = ModelRequest {
            model: "m".to_owned(),
            prompt: "do it".to_owned(),
            output_tokens_max: 9,
            effort: Some("low".to_owned()),
            messages: [
                Message {
                    by: Speaker::Model,
                    parts: vec![
                        Part::Opaque { provider: "anthropic".to_owned(), block: json!({"type": "thinking"}) },
                        Part::ToolCall { id: "t1".to_owned(), name: "shell".to_owned(), arguments: "{ \"command\": \"ls\" }".to_owned() },
                    ],
                },
                Message {
                    by: Speaker::User,
                    parts: vec![
                        Part::ToolResult { id: "t1".to_owned(), name: "shell".to_owned(), content: "no".to_owned(), is_error: true },
                        Part::Text("go on".to_owned()),
                    ],
                },
                Message { by: Speaker::Model, parts: vec![Part::Text("well".to_owned())] },
            ]
            .map(std::sync::Arc::new)
            .to_vec(),
            tools: vec![gorgon_core::call::ToolSpec {
                name: "shell".to_owned(),
                description: "Runs.".to_owned(),
                parameters: json!({"type": "object"}),
            }],
            ..ModelRequest::default()
        };
        let form = Form { max_tokens_field: MaxTokensField::MaxTokens, service_tier: None, stream: true };
        assert_eq!(
            sent(&request, form),
            json!({
                "model": "m",
                "messages": [
                    {"role": "user", "content": "do it"},
                    {"role": "assistant", "content": null, "tool_calls": [
                        {"id": "t1", "type": "function", "function": {"name": "shell", "arguments": "{ \"command\": \"ls\" }"}},
                    ]},
                    {"role": "tool", "tool_call_id": "t1", "content": "Error: no"},
                    {"role": "user", "content": "go on"},
                    {"role": "assistant", "content": "well"},
                ],
                "max_tokens": 9, "reasoning_effort": "low",
                "tools": [{"type": "function", "function": {"name": "shell", "description": "Runs.", "parameters": {"type": "object"}}}],
                "n": 1, "stream": true, "stream_options": {"include_usage": true},
            })
        );
    }

    #[test]
    fn a_schema_is_strict_only_where_nothing_is_left_open() {
        let closed = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "array", "items": {"type": "object", "properties": {"c": {"type": "null"}}, "required": ["c"]}}}, "required": ["a", "b"]});
        let (schema, strict) = lowered(&closed);
        assert!(strict);
        assert_eq!((&schema["additionalProperties"], &schema["properties"]["b"]["items"]["additionalProperties"]), (&json!(false), &json!(false)));
        for open in [
            json!({"type": "object", "properties": {"a": {}}}),
            json!({"type": "object"}),
            json!({"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": true}),
            json!({"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {}}}}, "required": ["a"]}),
        ] {
            assert_eq!(lowered(&open), (open.clone(), false));
        }
    }
}
