//! Contracts: what an answer of a model has to be, and how far it may be helped to be that.
//!
//! A contract is a JSON Schema and rules over the value. An answer is read down a ladder: as it stands; without the fence or the prose around it; and,
//! only if the model ended it by itself, because a text that was cut off could be mended into something that nobody said, with mends of its spelling and
//! with conversions that the schema asks for. None of them loses anything, and every one is told: a value that breaks a rule is never bent to it. Then the
//! whole schema and all rules are checked here, whatever the provider promised.

mod coerce;
mod json_text;
mod rule;
mod schema;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use self::rule::Rule;
use self::schema::Checker;
use crate::call::CutOff;

/// Most problems that are told of one answer.
const PROBLEMS_MAX: usize = 8;

/// Most bytes of one problem: what a model is told should not be longer than what it was asked.
const PROBLEM_BYTES_MAX: usize = 300;

/// What an answer has to be.
#[derive(Debug, Clone)]
pub struct Contract {
    schema: Value,
    checker: Arc<Checker>,
    rules: Vec<Rule>,
}

/// Something that is not as it has to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Where: a JSON pointer into the answer; empty for the whole.
    pub path: String,
    /// What.
    pub message: String,
}

/// A mend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mend {
    /// Where: a JSON pointer into the answer; empty for its text.
    pub path: String,
    /// What was done.
    pub what: String,
}

/// Why an answer does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// It is empty.
    Empty,
    /// It was cut off by its cap.
    CutOff,
    /// It holds no JSON, or more than one.
    NoJson,
    /// It is JSON of another shape.
    Shape,
    /// It is a text, as it may be, and another one than it has to be.
    Text,
}

/// An answer, read.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// It holds.
    Holds {
        /// The value.
        value: Value,
        /// What was done to make it hold.
        mends: Vec<Mend>,
    },
    /// It does not.
    Fails {
        /// In a word.
        why: Broken,
        /// In detail.
        problems: Vec<Problem>,
    },
}

impl Contract {
    /// A contract of this schema and these rules.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(schema: Value, rules: &[String]) -> Result<Self, String> {
        let checker = Arc::new(Checker::new(&schema)?);
        let rules = rules.iter().map(|rule| Rule::parse(rule)).collect::<Result<_, _>>()?;
        Ok(Self { schema, checker, rules })
    }

    /// The contract of a step that declares these outputs and says nothing more: an object that has them.
    #[must_use]
    pub fn schema_of(outputs: &[&str]) -> Value {
        let properties: Map<String, Value> = outputs.iter().map(|name| ((*name).to_owned(), json!({}))).collect();
        json!({ "type": "object", "properties": properties, "required": outputs })
    }

    /// Its schema.
    #[must_use]
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// What of a value is not as it has to be.
    #[must_use]
    pub fn check(&self, value: &Value) -> Vec<Problem> {
        let mut problems = self.checker.problems(value, PROBLEMS_MAX);
        if problems.is_empty() {
            problems.extend(self.rules.iter().filter_map(|rule| rule.check(value).err()).take(PROBLEMS_MAX));
        }
        problems
    }

    /// The scripts that judge as well, in order.
    pub fn scripts(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().filter_map(Rule::script)
    }

    /// Reads an answer that ended for this reason.
    #[must_use]
    pub fn read(&self, text: &str, finish_reason: &str) -> Reading {
        let fails = |why, message: &str| Reading::Fails { why, problems: vec![Problem { path: String::new(), message: message.to_owned() }] };
        if text.trim().is_empty() {
            return fails(Broken::Empty, "the answer is empty");
        }
        // Whatever cut it off, the same question is cut off again.
        if let Some(how) = CutOff::of(finish_reason) {
            let where_and_cure = match how {
                CutOff::Window => "where the model's context window ended: ask for less, or give it less to read",
                CutOff::MaxTokens => "by `max_tokens` before it was complete: raise it, or ask for less",
            };
            return fails(Broken::CutOff, &format!("the answer was cut off {where_and_cure}"));
        }
        let whole = finish_reason == "stop";
        let mut mends = Vec::new();
        let found = json_text::find(text, whole, &mut mends);
        let Some(mut value) = found else {
            return self.read_text(text).unwrap_or_else(|| fails(Broken::NoJson, "the answer has to be one JSON value and nothing else"));
        };
        // An object in a prose is what was asked for, with words around it. A list may be a part of what is said: where the rules can judge that, they do.
        if value.is_array()
            && mends.iter().any(|mend| mend.what == json_text::OUT_OF_PROSE)
            && let Some(reading) = self.read_text(text)
        {
            return reading;
        }
        let rounded = json_text::rounded(text, &value);
        if !rounded.is_empty() {
            return Reading::Fails { why: Broken::Shape, problems: rounded };
        }
        if whole && !self.checker.holds(&value) {
            coerce::coerce(&self.schema, &mut value, &mut String::new(), &mut mends);
        }
        for rule in self.rules.iter().filter(|_| whole) {
            if let (Err(_), Some(schema)) = (rule.check(&value), rule.wants()) {
                coerce::coerce(&schema, &mut value, &mut String::new(), &mut mends);
            }
        }
        let problems = self.check(&value);
        if problems.is_empty() {
            return Reading::Holds { value, mends };
        }
        // A text that is spelled as a number, or as `null`, is a text all the same.
        match self.read_text(text) {
            Some(holds @ Reading::Holds { .. }) if !value.is_object() && !value.is_array() => holds,
            _ => Reading::Fails { why: Broken::Shape, problems },
        }
    }

    /// The answer as the text that it is, if there are only rules, and each of them can judge a text. Scripts were written for what JSON gives.
    fn read_text(&self, text: &str) -> Option<Reading> {
        if self.schema != Value::Bool(true) || self.scripts().next().is_some() {
            return None;
        }
        let value = Value::String(text.trim().to_owned());
        let said: Option<Vec<bool>> = self.rules.iter().map(|rule| rule.says_of_text(&value)).collect();
        let holds = said?.into_iter().all(|holds| holds);
        Some(if holds { Reading::Holds { value, mends: Vec::new() } } else { Reading::Fails { why: Broken::Text, problems: self.check(&value) } })
    }
}

/// What a model is told whose answer does not hold: what is wrong, and nothing else.
#[must_use]
pub fn ask_again(why: Broken, problems: &[Problem]) -> String {
    let mut text = "Your answer is not as it has to be:\n".to_owned();
    for Problem { path, message } in problems.iter().take(PROBLEMS_MAX) {
        let place = if path.is_empty() { String::new() } else { format!("at {path}: ") };
        text.push_str(&format!("- {place}{}\n", shorten(message)));
    }
    let what = if why == Broken::Text { "text" } else { "JSON" };
    text.push_str(&format!("Answer again with the whole corrected {what} and nothing else."));
    text
}

fn shorten(text: &str) -> &str {
    &text[..text.floor_char_boundary(PROBLEM_BYTES_MAX)]
}

#[cfg(test)]
mod tests;
