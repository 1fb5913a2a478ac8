//! What is sent.

use gorgon_core::call::{Message, ModelRequest, Part, Speaker};
use serde_json::{Map, Value, json};

use super::MaxTokensField;

/// What the settings say of the body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form<'a> {
    pub(super) max_tokens_field: MaxTokensField,
    pub(super) service_tier: Option<&'a str>,
    pub(super) stream: bool,
}

/// The body of a question. The cap is always in it: it is what the hold was computed from. `n` is sent because more choices would cost more.
pub(super) fn body(request: &ModelRequest, form: Form<'_>) -> Value {
    let system = request.system.iter().map(|text| json!({"role": "system", "content": text}));
    let mut messages: Vec<Value> = system.chain([json!({"role": "user", "content": request.prompt})]).collect();
    for message in &request.messages {
        match message.by {
            Speaker::User => messages.extend(message.parts.iter().filter_map(of_user)),
            Speaker::Model => messages.push(of_model(message)),
        }
    }
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(request.model));
    body.insert("messages".to_owned(), Value::Array(messages));
    body.insert(form.max_tokens_field.name().to_owned(), json!(request.output_tokens_max));
    if let Some(temperature) = request.temperature {
        body.insert("temperature".to_owned(), json!(temperature));
    }
    if let Some(effort) = &request.effort {
        body.insert("reasoning_effort".to_owned(), json!(effort));
    }
    if !request.tools.is_empty() {
        let tools = request
            .tools
            .iter()
            .map(|tool| json!({"type": "function", "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters}}));
        body.insert("tools".to_owned(), Value::Array(tools.collect()));
    }
    if let Some(answer) = &request.answer {
        let (schema, strict) = lowered(&answer.schema);
        let format = json!({"type": "json_schema", "json_schema": {"name": answer.name, "schema": schema, "strict": strict}});
        body.insert("response_format".to_owned(), format);
    }
    body.insert("n".to_owned(), json!(1));
    body.insert("stream".to_owned(), json!(form.stream));
    if form.stream {
        // Without it a stream does not tell what it used.
        body.insert("stream_options".to_owned(), json!({"include_usage": true}));
    }
    if let Some(tier) = form.service_tier {
        body.insert("service_tier".to_owned(), json!(tier));
    }
    Value::Object(body)
}

/// A part of the user's. Results of tools are messages of their own; that one is an error is said in its words, for the wire has none.
fn of_user(part: &Part) -> Option<Value> {
    match part {
        Part::Text(text) => Some(json!({"role": "user", "content": text})),
        Part::ToolResult { id, content, is_error, .. } => {
            let content = if *is_error { format!("Error: {content}") } else { content.clone() };
            Some(json!({"role": "tool", "tool_call_id": id, "content": content}))
        }
        Part::ToolCall { .. } | Part::Opaque { .. } => None,
    }
}

fn of_model(message: &Message) -> Value {
    let mut text = String::new();
    let mut calls = Vec::new();
    for part in &message.parts {
        match part {
            Part::Text(piece) => text.push_str(piece),
            Part::ToolCall { id, name, arguments } => {
                calls.push(json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}));
            }
            // Another provider's block means nothing here.
            Part::ToolResult { .. } | Part::Opaque { .. } => {}
        }
    }
    let content = if text.is_empty() && !calls.is_empty() { Value::Null } else { Value::String(text) };
    let mut said = json!({"role": "assistant", "content": content});
    if !calls.is_empty() {
        said["tool_calls"] = Value::Array(calls);
    }
    said
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
            body(&request, Form { max_tokens_field: MaxTokensField::MaxCompletionTokens, service_tier: Some("default"), stream: false }),
            json!({
                "model": "m-1",
                "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Why?"}],
                "max_completion_tokens": 77, "temperature": 0.5, "n": 1, "stream": false, "service_tier": "default",
            })
        );
        let bare = ModelRequest { system: None, temperature: None, ..request };
        assert_eq!(
            body(&bare, Form { max_tokens_field: MaxTokensField::MaxTokens, service_tier: None, stream: false }),
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
            body(&request, form),
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
