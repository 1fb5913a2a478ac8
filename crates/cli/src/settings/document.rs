//! `gorgon.toml` as a tree in which every value knows where it stands, and numbers keep the text that was written.
//!
//! Money is read from that text, so no amount ever passes through a float.

use std::ops::Range;

use gorgon_core::diagnostic::{Code, Diagnostic, Severity};
use gorgon_core::template::nearest;
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Problems are gathered here; the file is refused if there is one.
#[derive(Debug, Default)]
pub(super) struct Problems(pub(super) Vec<Diagnostic>);

impl Problems {
    pub(super) fn add(&mut self, at: &At, message: impl Into<String>) -> &mut Diagnostic {
        let mut problem = Diagnostic::error(Code::BadSetting, at.path.clone(), message);
        problem.place.span = Some(at.span.clone());
        problem.severity = Severity::Error;
        self.0.push(problem);
        let last = self.0.len() - 1;
        &mut self.0[last]
    }
}

/// Where something stands.
#[derive(Debug, Clone)]
pub(super) struct At {
    pub(super) path: String,
    pub(super) span: Range<usize>,
}

/// A table that is being read.
pub(super) struct Table<'a> {
    at: At,
    entries: Vec<(&'a str, At, &'a DeValue<'a>)>,
    known: Vec<&'static str>,
}

impl<'a> Table<'a> {
    pub(super) fn root(table: &'a Spanned<DeTable<'a>>) -> Self {
        Self::of(table.get_ref(), At { path: String::new(), span: table.span() })
    }

    fn of(table: &'a DeTable<'a>, at: At) -> Self {
        let prefix = if at.path.is_empty() { String::new() } else { format!("{}.", at.path) };
        let entries = table.iter().map(|(key, value)| {
            let name: &str = key.get_ref();
            (name, At { path: format!("{prefix}{name}"), span: key.span().start..value.span().end.max(key.span().end) }, value.get_ref())
        });
        Self { entries: entries.collect(), at, known: Vec::new() }
    }

    /// The value of a key, which is known from now on.
    pub(super) fn take(&mut self, key: &'static str) -> Option<(At, &'a DeValue<'a>)> {
        self.known.push(key);
        let place = self.entries.iter().position(|(name, ..)| *name == key)?;
        let (_, at, value) = self.entries.remove(place);
        Some((at, value))
    }

    pub(super) fn table(&mut self, key: &'static str, problems: &mut Problems) -> Option<Self> {
        let (at, value) = self.take(key)?;
        Self::of_value(at, value, problems)
    }

    pub(super) fn of_value(at: At, value: &'a DeValue<'a>, problems: &mut Problems) -> Option<Self> {
        if let DeValue::Table(table) = value {
            return Some(Self::of(table, at));
        }
        problems.add(&at, format!("`{}` must be a table, but it is {}", at.path, described(value)));
        None
    }

    pub(super) fn text(&mut self, key: &'static str, problems: &mut Problems) -> Option<(At, String)> {
        let (at, value) = self.take(key)?;
        if let DeValue::String(text) = value {
            return Some((at, text.to_string()));
        }
        problems.add(&at, format!("`{}` must be a text, but it is {}", at.path, described(value)));
        None
    }

    pub(super) fn flag(&mut self, key: &'static str, problems: &mut Problems) -> Option<bool> {
        let (at, value) = self.take(key)?;
        if let DeValue::Boolean(flag) = value {
            return Some(*flag);
        }
        problems.add(&at, format!("`{}` must be true or false, but it is {}", at.path, described(value)));
        None
    }

    pub(super) fn whole(&mut self, key: &'static str, problems: &mut Problems) -> Option<(At, u64)> {
        let (at, value) = self.take(key)?;
        if let DeValue::Integer(number) = value
            && let Ok(number) = u64::from_str_radix(number.as_str(), number.radix())
        {
            return Some((at, number));
        }
        problems.add(&at, format!("`{}` must be a whole number that is not negative, but it is {}", at.path, described(value)));
        None
    }

    /// An amount of dollars, in nano-dollars, read from the text as it was written.
    pub(super) fn usd(&mut self, key: &'static str, problems: &mut Problems) -> Option<(At, u64)> {
        let (at, value) = self.take(key)?;
        let text = match value {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            DeValue::Float(number) => number.as_str(),
            DeValue::String(text) => text,
            other => {
                problems.add(&at, format!("`{}` must be an amount of dollars such as 2.50, but it is {}", at.path, described(other)));
                return None;
            }
        };
        match gorgon_core::money::parse_usd(&text.replace('_', "")) {
            Ok(nano) => Some((at, nano)),
            Err(message) => {
                problems.add(&at, message);
                None
            }
        }
    }

    pub(super) fn texts(&mut self, key: &'static str, problems: &mut Problems) -> Option<(At, Vec<String>)> {
        let (at, value) = self.take(key)?;
        let texts = value.as_array().and_then(|list| list.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect::<Option<Vec<_>>>());
        if texts.is_none() {
            problems.add(&at, format!("`{}` must be a list of texts, but it is {}", at.path, described(value)));
        }
        Some((at, texts?))
    }

    /// Entries whose names the user chose.
    pub(super) fn named(&mut self) -> Vec<(String, At, &'a DeValue<'a>)> {
        std::mem::take(&mut self.entries).into_iter().map(|(name, at, value)| (name.to_owned(), at, value)).collect()
    }

    pub(super) fn at(&self) -> &At {
        &self.at
    }

    /// What is left is not known.
    pub(super) fn finish(self, problems: &mut Problems) {
        for (name, at, _) in self.entries {
            let known = &self.known;
            let help = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            problems.add(&at, format!("`{}` is not a setting", at.path)).help = Some(help);
        }
    }
}

/// The value as JSON, for types that bring their own reader.
pub(super) fn json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or_else(|_| Value::String(number.to_string()), Value::from)
        }
        DeValue::Float(number) => number.as_str().parse::<f64>().ok().and_then(serde_json::Number::from_f64).map_or(Value::Null, Value::Number),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(datetime) => Value::String(datetime.to_string()),
        DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect(),
        DeValue::Table(table) => {
            table.iter().map(|(key, value)| (key.get_ref().to_string(), json(value.get_ref()))).collect::<serde_json::Map<_, _>>().into()
        }
    }
}

fn described(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text `{text}`"),
        DeValue::Integer(number) => format!("the number `{number}`"),
        DeValue::Float(number) => format!("the number `{number}`"),
        DeValue::Boolean(flag) => format!("`{flag}`"),
        DeValue::Datetime(datetime) => format!("the date `{datetime}`"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
