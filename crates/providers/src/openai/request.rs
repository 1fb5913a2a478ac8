//! What is sent.

use gorgon_core::call::ModelRequest;
use serde_json::{Map, Value, json};

use super::MaxTokensField;

/// The body of a question. The cap is always in it: it is what the hold was computed from. `n` is sent because more choices would cost more.
pub(super) fn body(request: &ModelRequest, max_tokens_field: MaxTokensField, service_tier: Option<&str>) -> Value {
    let system = request.system.iter().map(|text| json!({"role": "system", "content": text}));
    let messages: Vec<Value> = system.chain([json!({"role": "user", "content": request.prompt})]).collect();
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(request.model));
    body.insert("messages".to_owned(), Value::Array(messages));
    body.insert(max_tokens_field.name().to_owned(), json!(request.output_tokens_max));
    if let Some(temperature) = request.temperature {
        body.insert("temperature".to_owned(), json!(temperature));
    }
    body.insert("n".to_owned(), json!(1));
    body.insert("stream".to_owned(), json!(false));
    if let Some(tier) = service_tier {
        body.insert("service_tier".to_owned(), json!(tier));
    }
    Value::Object(body)
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
            body(&request, MaxTokensField::MaxCompletionTokens, Some("default")),
            json!({
                "model": "m-1",
                "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Why?"}],
                "max_completion_tokens": 77, "temperature": 0.5, "n": 1, "stream": false, "service_tier": "default",
            })
        );
        let bare = ModelRequest { system: None, temperature: None, ..request };
        assert_eq!(
            body(&bare, MaxTokensField::MaxTokens, None),
            json!({"model": "m-1", "messages": [{"role": "user", "content": "Why?"}], "max_tokens": 77, "n": 1, "stream": false})
        );
    }
}
