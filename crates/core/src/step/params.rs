//! What a step type takes: one table serves the check, the defaults, the JSON Schema and the reference page.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::call::{Failure, FailureClass};

/// One parameter of a step type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param {
    /// Its key under `params`.
    pub name: &'static str,
    /// Its type. A text that holds a template is admitted everywhere, and what it renders to is checked when the step starts.
    pub ty: ParamType,
    /// Whether it must be there.
    pub required: bool,
    /// Its default as JSON text, written out when a file is normalised.
    pub default: Option<&'static str>,
    /// How its text is read.
    pub syntax: Syntax,
    /// What it is for.
    pub help: &'static str,
}

impl Param {
    /// A parameter that may be left out and has no default.
    #[must_use]
    pub const fn optional(name: &'static str, ty: ParamType, help: &'static str) -> Self {
        Self { name, ty, required: false, default: None, syntax: Syntax::Template, help }
    }

    /// A parameter that must be there.
    #[must_use]
    pub const fn required(name: &'static str, ty: ParamType, help: &'static str) -> Self {
        Self { required: true, ..Self::optional(name, ty, help) }
    }

    /// The same with a default, as JSON text.
    #[must_use]
    pub const fn or(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    /// The same with another syntax.
    #[must_use]
    pub const fn read_as(self, syntax: Syntax) -> Self {
        Self { syntax, ..self }
    }
}

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamType {
    /// Text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A whole number within these bounds.
    Integer(u64, u64),
    /// A number that is not negative.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list of anything.
    List,
    /// A list of texts.
    Texts,
    /// A map.
    Map,
    /// Anything.
    Any,
}

/// How the text of a parameter is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// Every text in it is a template.
    Template,
    /// Shell text: only `${…}` is a reference, and it becomes a variable of the environment.
    Shell,
    /// One expression; its value takes its place.
    Expression,
    /// A map whose values are expressions; their values take their place.
    Expressions,
    /// As it stands.
    Raw,
}

/// Reads the rendered parameters of a step as the type's own structure.
///
/// # Errors
/// An `invalid` failure that names what does not fit.
pub fn read<T: DeserializeOwned>(params: &Map<String, Value>) -> Result<T, Failure> {
    serde_json::from_value(Value::Object(params.clone()))
        .map_err(|error| Failure::new(FailureClass::Invalid, format!("a parameter has a value that does not fit: {error}")))
}
