//! Rules over an answer: `type:`, `range:`, `format:`, `schema:`, expressions over `output`, and scripts.
//!
//! ```text
//! output.confidence > 0.8        an expression that has to hold; `output` is the whole answer
//! range: min:0, max:100          the answer, or `range: score min:0 max:100` one property of it
//! type: integer                  as in a JSON Schema; also str, int, float, bool, list, dict
//! format: email                  as in a JSON Schema
//! schema: {"type": "object"}     a schema of its own
//! script: return output > 3      Lua that sees `output` and returns `true`, or `{valid = …, message = …}`
//! custom: NAME                   the same from the file `rules/NAME.lua`, which the loader puts in its place
//! ```
//!
//! Expressions are those of `when:`, with no names but `output` and bounded in every way. A script is not run here: it is a call of the step like any other.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Problem;
use super::schema::Checker;
use crate::template::{Expression, Names, Root, Scope};

/// The name of the answer in expressions.
const OUTPUT: &str = "output";

/// A rule.
#[derive(Debug, Clone)]
pub struct Rule {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Schema {
        /// What a value is converted to, where that loses nothing.
        schema: Value,
        checker: Arc<Checker>,
    },
    Range {
        property: Option<String>,
        min: Option<f64>,
        max: Option<f64>,
    },
    Holds(Box<Expression>),
    Script(String),
    /// A script whose file was not read.
    Custom,
}

/// Types by the words of the predecessor, which were Python's.
const TYPES: [(&str, &str); 13] = [
    ("str", "string"),
    ("string", "string"),
    ("int", "integer"),
    ("integer", "integer"),
    ("float", "number"),
    ("number", "number"),
    ("bool", "boolean"),
    ("boolean", "boolean"),
    ("list", "array"),
    ("array", "array"),
    ("dict", "object"),
    ("object", "object"),
    ("null", "null"),
];

const FORMATS: [&str; 7] = ["email", "url", "uri", "uuid", "date", "date-time", "ipv4"];

impl Rule {
    /// Reads a rule.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: String| format!("the rule `{text}` {why}");
        let rest = |prefix: &str| text.trim_start().strip_prefix(prefix).map(str::trim);
        let schema =
            |schema: &Value| Checker::new(schema).map(|checker| Kind::Schema { schema: schema.clone(), checker: Arc::new(checker) }).map_err(&wrong);
        let kind = if let Some(rest) = rest("schema:") {
            let value: Value = serde_json::from_str(rest).map_err(|error| wrong(format!("has a schema that is not JSON: {error}")))?;
            schema(&value)?
        } else if let Some(rest) = rest("type:") {
            let Some((_, ty)) = TYPES.iter().find(|(word, _)| *word == rest) else {
                let known: Vec<&str> = TYPES.iter().map(|(word, _)| *word).collect();
                return Err(wrong(format!("names no type; the types are: {}", known.join(", "))));
            };
            schema(&json!({ "type": ty }))?
        } else if let Some(rest) = rest("format:") {
            if !FORMATS.contains(&rest) {
                return Err(wrong(format!("names no format; the formats are: {}", FORMATS.join(", "))));
            }
            schema(&json!({ "type": "string", "format": if rest == "url" { "uri" } else { rest } }))?
        } else if let Some(rest) = rest("range:") {
            range(rest).map_err(&wrong)?
        } else if let Some(source) = rest("script:") {
            if source.is_empty() {
                return Err(wrong("has no script".to_owned()));
            }
            Kind::Script(source.to_owned())
        } else if let Some(name) = rest("custom:") {
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
                return Err(wrong("names no file `rules/NAME.lua`: a name has letters, digits, `_` and `-`".to_owned()));
            }
            Kind::Custom
        } else if rest("semantic:").is_some() {
            return Err(wrong("asks a model, which is not in this release".to_owned()));
        } else {
            let mut expression = Expression::parse(text).map_err(|problem| wrong(format!("is no expression: {}", problem.message)))?;
            let names = Names { variables: [OUTPUT.to_owned()].into(), ..Names::default() };
            if let Some(problem) = expression.bind(&names).first() {
                return Err(wrong(format!("may name nothing but `output`: {}", problem.message)));
            }
            if expression.references().iter().any(|reference| reference.root != Root::Variable(OUTPUT.to_owned())) {
                return Err(wrong("may name nothing but `output`".to_owned()));
            }
            Kind::Holds(Box::new(expression))
        };
        Ok(Self { text: text.to_owned(), kind })
    }

    /// The script that judges, if it is one.
    #[must_use]
    pub fn script(&self) -> Option<&str> {
        if let Kind::Script(source) = &self.kind { Some(source) } else { None }
    }

    /// The schema by which a value is converted before it is judged, if the rule says of what type it is.
    pub(super) fn wants(&self) -> Option<Value> {
        match &self.kind {
            Kind::Schema { schema, .. } => Some(schema.clone()),
            Kind::Range { property: None, .. } => Some(json!({ "type": "number" })),
            Kind::Range { property: Some(name), .. } => Some(json!({ "properties": { name: { "type": "number" } } })),
            Kind::Holds(_) | Kind::Script(_) | Kind::Custom => None,
        }
    }

    /// What the rule says of a text; nothing if it wants something else to judge.
    pub(super) fn says_of_text(&self, text: &Value) -> Option<bool> {
        match &self.kind {
            Kind::Schema { schema, checker } => match checker.holds(text) {
                true => Some(true),
                false => (schema.get("type").and_then(Value::as_str) == Some("string")).then_some(false),
            },
            Kind::Holds(expression) => expression.evaluate(&Output(text)).ok()?.as_bool(),
            Kind::Range { .. } | Kind::Script(_) | Kind::Custom => None,
        }
    }

    /// Whether a value is as it has to be, as far as that can be said here.
    pub(super) fn check(&self, value: &Value) -> Result<(), Problem> {
        match &self.kind {
            Kind::Schema { checker, .. } => checker.problems(value, 1).pop().map_or(Ok(()), Err),
            Kind::Range { property, min, max } => {
                let place = property.as_ref().map_or_else(String::new, |name| format!("/{name}"));
                let fails = |message: String| Err(Problem { path: place.clone(), message });
                let Some(number) = number(value, property.as_deref()).and_then(Value::as_f64) else {
                    return fails(format!("the rule `{}` wants a number here", self.text));
                };
                if min.is_some_and(|min| number < min) || max.is_some_and(|max| number > max) {
                    return fails(format!("{number} lies outside of the rule `{}`", self.text));
                }
                Ok(())
            }
            Kind::Script(_) => Ok(()),
            Kind::Custom => Err(Problem { path: String::new(), message: format!("the file of the rule `{}` was not read", self.text) }),
            Kind::Holds(expression) => {
                let fails = |why: &str| Problem { path: String::new(), message: format!("the rule `{}` {why}", self.text) };
                match expression.evaluate(&Output(value)).map(Cow::into_owned) {
                    Ok(Value::Bool(true)) => Ok(()),
                    Ok(Value::Bool(false)) => Err(fails("does not hold")),
                    Ok(_) => Err(fails("is neither true nor false for this answer")),
                    Err(error) => Err(fails(&format!("cannot be judged: {error}"))),
                }
            }
        }
    }
}

fn number<'v>(value: &'v Value, property: Option<&str>) -> Option<&'v Value> {
    property.map_or(Some(value), |name| value.get(name))
}

/// `score min:0, max:100`
fn range(text: &str) -> Result<Kind, String> {
    let (mut property, mut min, mut max) = (None, None, None);
    for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
        let bound = |number: &str| {
            number.parse::<f64>().ok().filter(|number| number.is_finite()).ok_or_else(|| format!("has a bound `{number}` that is no number"))
        };
        match word.split_once(':') {
            Some(("min", number)) => min = Some(bound(number)?),
            Some(("max", number)) => max = Some(bound(number)?),
            None if property.is_none() => property = Some(word.to_owned()),
            _ => return Err(format!("has `{word}`, which is no bound; write `range: min:0, max:100`")),
        }
    }
    if min.is_none() && max.is_none() {
        return Err("has no bound; write `range: min:0, max:100`".to_owned());
    }
    if min.zip(max).is_some_and(|(min, max)| min > max) {
        return Err("has a `min` above its `max`".to_owned());
    }
    Ok(Kind::Range { property, min, max })
}

/// Nothing but the answer.
struct Output<'v>(&'v Value);

impl Scope for Output<'_> {
    fn lookup(&self, root: &Root) -> Option<Cow<'_, Value>> {
        matches!(root, Root::Variable(name) if name == OUTPUT).then(|| Cow::Borrowed(self.0))
    }
}
