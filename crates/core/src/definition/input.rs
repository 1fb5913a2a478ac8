//! What a workflow wants to be given, and the check that it was.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// Its type.
    #[serde(rename = "type")]
    pub ty: InputType,
    /// Whether it has to be given. One with a default never has to.
    pub required: bool,
    /// The value if it is not given.
    pub default: Option<Value>,
    /// What it is for.
    pub description: String,
}

/// The type of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputType {
    /// Text.
    String,
    /// Any number.
    Number,
    /// A number without a fraction.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A list.
    Array,
    /// A map.
    Object,
    /// Anything.
    Any,
}

/// Why a value does not fit an input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} must be {expected}, but it is {found}")]
pub struct InputError {
    /// The input.
    pub name: String,
    /// What was expected, with its article.
    pub expected: &'static str,
    /// What was found.
    pub found: String,
}

impl InputType {
    /// All types.
    pub const ALL: [Self; 7] = [Self::String, Self::Number, Self::Integer, Self::Boolean, Self::Array, Self::Object, Self::Any];

    /// The type of this name; the predecessors' files also say `list`, `str`, `int`, `bool`, `dict`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "string" | "str" | "text" => Self::String,
            "number" | "float" => Self::Number,
            "integer" | "int" => Self::Integer,
            "boolean" | "bool" => Self::Boolean,
            "array" | "list" => Self::Array,
            "object" | "dict" | "map" => Self::Object,
            "any" => Self::Any,
            _ => return None,
        })
    }

    /// The name of the type.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::Array => "array",
            Self::Object => "object",
            Self::Any => "any",
        }
    }

    fn with_article(self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Number => "a number",
            Self::Integer => "an integer",
            Self::Boolean => "true or false",
            Self::Array => "an array",
            Self::Object => "an object",
            Self::Any => "any value",
        }
    }

    /// Whether a value has this type.
    #[must_use]
    pub fn admits(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Number => value.is_number(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Boolean => value.is_boolean(),
            Self::Array => value.is_array(),
            Self::Object => value.is_object(),
            Self::Any => true,
        }
    }

    /// Checks a value.
    ///
    /// # Errors
    /// What was expected and what was found.
    pub fn check(self, name: &str, value: &Value) -> Result<(), InputError> {
        if self.admits(value) {
            return Ok(());
        }
        Err(InputError { name: name.to_owned(), expected: self.with_article(), found: show(value) })
    }

    /// Reads the text of a command line as this type: JSON for arrays, objects and `any` where it parses; the text itself for strings.
    ///
    /// # Errors
    /// What was expected and what was found.
    pub fn read(self, name: &str, text: &str) -> Result<Value, InputError> {
        let refuse = || InputError { name: name.to_owned(), expected: self.with_article(), found: format!("the text `{}`", shorten(text)) };
        match self {
            Self::String => Ok(Value::String(text.to_owned())),
            Self::Any => Ok(serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))),
            Self::Boolean => match text {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                _ => Err(refuse()),
            },
            Self::Number | Self::Integer | Self::Array | Self::Object => {
                serde_json::from_str(text).ok().filter(|value| self.admits(value)).ok_or_else(refuse)
            }
        }
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(b) => format!("`{b}`"),
        Value::Number(n) => format!("the number `{n}`"),
        Value::String(s) => format!("the text `{}`", shorten(s)),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn shorten(text: &str) -> String {
    const SHOWN_CHARS: usize = 40;
    if text.chars().count() <= SHOWN_CHARS { text.to_owned() } else { format!("{}…", text.chars().take(SHOWN_CHARS).collect::<String>()) }
}
