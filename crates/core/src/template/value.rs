//! Values as text, and how much room they take.

use std::borrow::Cow;

use serde_json::Value;

/// A value as text: strings as they are, the rest as compact JSON. `None` for null, which has no text.
pub(super) fn text_of(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Bool(true) => Some(Cow::Borrowed("true")),
        Value::Bool(false) => Some(Cow::Borrowed("false")),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Array(_) | Value::Object(_) => Some(Cow::Owned(value.to_string())),
    }
}

/// About how many bytes a value takes, counted only until `bytes_max` is passed.
pub(super) fn size_of(value: &Value, bytes_max: usize) -> usize {
    // 16 stands for the enum and its container slot; exactness does not matter for a limit.
    let mut bytes = 16;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => bytes += text.len(),
        Value::Array(items) => {
            for item in items {
                if bytes > bytes_max {
                    break;
                }
                bytes += size_of(item, bytes_max - bytes);
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                if bytes > bytes_max {
                    break;
                }
                bytes += key.len() + 16;
                bytes += size_of(item, bytes_max.saturating_sub(bytes));
            }
        }
    }
    bytes
}

/// The word for a value's kind in messages.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A text cut for a message.
pub(super) fn shorten(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 60;
    let mut shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
