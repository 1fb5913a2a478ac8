//! Results: from a value of the interpreter to JSON text, and from its errors to failures.

use gorgon_core::call::Failure;
use gorgon_core::payload::Payload;
use mlua::{Error, Table, Value};

use super::sandbox::Sandbox;
use crate::outcome::{invalid, refused};

/// Deepest nesting of a result. A table that contains itself ends here too.
const DEPTH_MAX: usize = 64;

/// Up to here a number without fraction is written as an integer.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// The JSON text of what a script returned. Written straight from the interpreter's tables, so that its length is the only memory it takes.
pub(super) fn payload(sandbox: &Sandbox, value: &Value, bytes_max: usize, memory_bytes_max: u64) -> Result<Payload, Failure> {
    let mut writer = Writer { sandbox, text: String::new(), bytes_max, memory_bytes_max, path: Vec::new() };
    writer.value(value)?;
    Payload::from_json(writer.text).map_err(|error| refused(format!("the result of the script has no readable form: {error}")))
}

struct Writer<'a> {
    sandbox: &'a Sandbox,
    text: String,
    bytes_max: usize,
    memory_bytes_max: u64,
    path: Vec<Segment>,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value) -> Result<(), Failure> {
        match value {
            Value::Nil => self.push("null"),
            Value::Boolean(truth) => self.push(if *truth { "true" } else { "false" }),
            #[expect(clippy::cast_precision_loss, reason = "what the interpreter calls an integer is one of its floating numbers without fraction")]
            Value::Integer(number) => self.number(*number as f64),
            Value::Number(number) => self.number(*number),
            Value::String(text) => match text.to_str() {
                Ok(text) => self.quoted(&text),
                Err(_) => Err(self.problem("is no UTF-8 text")),
            },
            Value::Table(table) => self.table(table),
            other if other.is_null() => self.push("null"),
            other => Err(self.problem(&format!("is a {}, which is no value of JSON", other.type_name()))),
        }
    }

    fn table(&mut self, table: &Table) -> Result<(), Failure> {
        if self.path.len() >= DEPTH_MAX {
            return Err(self.problem(&format!("is nested deeper than {DEPTH_MAX} levels, or contains itself")));
        }
        if !self.sandbox.leash.step() {
            return Err(refused("the script was stopped"));
        }
        match self.keys(table)? {
            Keys::Numbers(0) if table.metatable().as_ref() != Some(&self.sandbox.array_mark) => self.push("{}"),
            Keys::Numbers(length) => self.array(table, length),
            Keys::Texts(names) => self.object(table, names),
        }
    }

    fn array(&mut self, table: &Table, length: usize) -> Result<(), Failure> {
        self.push("[")?;
        for index in 1..=length {
            if index > 1 {
                self.push(",")?;
            }
            let item: Value = table.raw_get(index).map_err(|error| failure(&error, self.memory_bytes_max))?;
            self.path.push(Segment::Position(index));
            self.value(&item)?;
            self.path.pop();
        }
        self.push("]")
    }

    /// Sorted by name: the order of a table is chance.
    fn object(&mut self, table: &Table, mut names: Vec<String>) -> Result<(), Failure> {
        names.sort_unstable();
        self.push("{")?;
        for (index, name) in names.into_iter().enumerate() {
            if index > 0 {
                self.push(",")?;
            }
            self.quoted(&name)?;
            self.push(":")?;
            let field: Value = table.raw_get(name.as_str()).map_err(|error| failure(&error, self.memory_bytes_max))?;
            self.path.push(Segment::Name(name));
            self.value(&field)?;
            self.path.pop();
        }
        self.push("}")
    }

    /// What the keys of a table are: the numbers from 1 without a gap, or texts.
    fn keys(&self, table: &Table) -> Result<Keys, Failure> {
        let (mut count, mut highest, mut names, mut bytes) = (0_usize, 0_usize, Vec::new(), self.text.len());
        let mut wrong = None;
        let visited = table.for_each::<Value, Value>(|key, _| {
            bytes += 2;
            match &key {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "guarded: at least 1, without fraction, and exact")]
                Value::Number(number) if *number >= 1.0 && *number <= EXACT_MAX && number.fract() == 0.0 => {
                    count += 1;
                    highest = highest.max(*number as usize);
                }
                Value::Integer(number) if *number >= 1 => {
                    count += 1;
                    highest = highest.max(usize::try_from(*number).unwrap_or(usize::MAX));
                }
                Value::String(name) => match name.to_str() {
                    Ok(name) => {
                        bytes += name.len();
                        names.push(name.to_owned());
                    }
                    Err(_) => wrong = Some("has a key that is no UTF-8 text".to_owned()),
                },
                Value::Number(_) | Value::Integer(_) => wrong = Some("has a number as a key that is no position from 1".to_owned()),
                other => wrong = Some(format!("has a {} as a key", other.type_name())),
            }
            if wrong.is_some() || bytes > self.bytes_max {
                // Ends the walk; what the error says is not read.
                return Err(Error::runtime(""));
            }
            Ok(())
        });
        if let Some(wrong) = wrong {
            return Err(self.problem(&wrong));
        }
        if bytes > self.bytes_max {
            return Err(self.too_long());
        }
        visited.map_err(|error| failure(&error, self.memory_bytes_max))?;
        match (count, names.is_empty()) {
            (0, false) => Ok(Keys::Texts(names)),
            (_, false) => Err(self.problem("has both positions and names as keys")),
            (_, true) if highest == count => Ok(Keys::Numbers(count)),
            (_, true) => Err(self.problem("is an array with gaps; write `null` where nothing is")),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "guarded: without fraction, and exact")]
    fn number(&mut self, number: f64) -> Result<(), Failure> {
        if !number.is_finite() {
            return Err(self.problem(&format!("is {number}, which is no number of JSON")));
        }
        if number.fract() == 0.0 && number.abs() <= EXACT_MAX {
            return self.push(&(number as i64).to_string());
        }
        self.push(&serde_json::Number::from_f64(number).map(|n| n.to_string()).unwrap_or_default())
    }

    fn quoted(&mut self, text: &str) -> Result<(), Failure> {
        self.push(&serde_json::Value::from(text).to_string())
    }

    fn push(&mut self, text: &str) -> Result<(), Failure> {
        if text.len() > self.bytes_max - self.text.len() {
            return Err(self.too_long());
        }
        self.text.push_str(text);
        Ok(())
    }

    fn too_long(&self) -> Failure {
        refused(format!("the script returned more than {} bytes", self.bytes_max))
    }

    fn problem(&self, what: &str) -> Failure {
        invalid(format!(
            "the script returned something that cannot be a result: result{} {what}",
            self.path.iter().map(ToString::to_string).collect::<String>()
        ))
    }
}

/// A step down into a result.
enum Segment {
    Position(usize),
    Name(String),
}

impl std::fmt::Display for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Position(position) => write!(f, "[{position}]"),
            Self::Name(name) => write!(f, ".{name}"),
        }
    }
}

/// What the keys of a table are.
enum Keys {
    /// From 1 to this.
    Numbers(usize),
    Texts(Vec<String>),
}

/// What an error of the interpreter means.
pub(super) fn failure(error: &Error, memory_bytes_max: u64) -> Failure {
    match error {
        Error::MemoryError(_) => refused(format!("the script needed more than {memory_bytes_max} bytes of memory; `memory_bytes_max` allows more")),
        Error::SyntaxError { message, .. } => invalid(format!("the script cannot be read: {}", located(message, ""))),
        Error::CallbackError { traceback, cause } => match &**cause {
            Error::RuntimeError(message) => refused(format!("the script failed: {}", located(message, traceback))),
            cause => failure(cause, memory_bytes_max),
        },
        Error::RuntimeError(message) => {
            let (message, traceback) = message.split_once("\nstack traceback:").unwrap_or((message, ""));
            refused(format!("the script failed: {}", located(message, traceback)))
        }
        other => refused(format!("the script failed: {other}")),
    }
}

/// `script:3: what` as `line 3: what`. An error of the library has no line of the script in front; the traceback knows it.
fn located(message: &str, traceback: &str) -> String {
    if let Some((line, what)) = message.strip_prefix("script:").and_then(|rest| rest.split_once(": ")) {
        return format!("line {line}: {what}");
    }
    let what = message.strip_prefix("string:").and_then(|rest| rest.split_once(": ")).map_or(message, |(_, what)| what);
    let line = traceback.split("script:").nth(1).map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
    match line.filter(|line| !line.is_empty()) {
        Some(line) => format!("line {line}: {what}"),
        None => what.to_owned(),
    }
}
