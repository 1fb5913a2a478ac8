//! Filters and methods by name.

use std::borrow::Cow;

use serde_json::{Number, Value};

use super::super::value::{kind_of, text_of};
use super::meter::{Fault, Meter, fault};
use super::operate::{Numeric, int_value};
use super::{lists, operate, texts};

/// What a filter or method runs on.
pub(super) type Subject<'e> = Cow<'e, Value>;

/// What it gives.
pub(super) type Result<'e> = std::result::Result<Cow<'e, Value>, Fault>;

type Run = for<'e> fn(&mut Meter, Subject<'e>, &Given<'e>) -> Result<'e>;

/// The arguments of one call.
#[derive(Debug, Default)]
pub(super) struct Given<'e> {
    pub(super) by_position: Vec<Cow<'e, Value>>,
    pub(super) by_name: Vec<(&'e str, Cow<'e, Value>)>,
}

impl Given<'_> {
    pub(super) fn get(&self, at: usize, name: &str) -> Option<&Value> {
        let named = || self.by_name.iter().find(|(known, _)| *known == name).map(|(_, value)| value);
        self.by_position.get(at).or_else(named).map(AsRef::as_ref)
    }

    pub(super) fn text(&self, at: usize, name: &str) -> std::result::Result<Option<&str>, Fault> {
        match self.get(at, name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => fault(format!("`{name}` is text, not {}", kind_of(other))),
        }
    }

    pub(super) fn int(&self, at: usize, name: &str) -> std::result::Result<Option<i64>, Fault> {
        match self.get(at, name) {
            None | Some(Value::Null) => Ok(None),
            Some(other) => match other.as_i64() {
                Some(int) => Ok(Some(int)),
                None => fault(format!("`{name}` is a whole number, not {}", kind_of(other))),
            },
        }
    }

    pub(super) fn flag(&self, at: usize, name: &str) -> bool {
        self.get(at, name).is_some_and(operate::is_true)
    }
}

/// `value | name(…)`
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) name: &'static str,
    /// Least and most arguments by position.
    pub(super) arguments: (usize, usize),
    /// Arguments by name.
    pub(super) names: &'static [&'static str],
    pub(super) run: Run,
}

/// `value.name(…)`
#[derive(Debug)]
pub(super) struct Method {
    pub(super) name: &'static str,
    pub(super) arguments: (usize, usize),
    pub(super) run: Run,
}

impl Filter {
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        FILTERS.iter().find(|filter| filter.name == name)
    }
}

impl Method {
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        METHODS.iter().find(|method| method.name == name)
    }
}

const fn filter(name: &'static str, arguments: (usize, usize), names: &'static [&'static str], run: Run) -> Filter {
    Filter { name, arguments, names, run }
}

const fn method(name: &'static str, arguments: (usize, usize), run: Run) -> Method {
    Method { name, arguments, run }
}

/// Every filter but `default`, which is part of the grammar: it alone may stand on a missing value.
pub(super) static FILTERS: [Filter; 37] = [
    filter("abs", (0, 0), &[], abs),
    filter("attr", (1, 1), &[], attr),
    filter("bool", (0, 0), &[], bool),
    filter("capitalize", (0, 0), &[], texts::capitalize),
    filter("count", (0, 0), &[], lists::length),
    filter("endswith", (1, 1), &[], texts::endswith),
    filter("first", (0, 0), &[], lists::first),
    filter("float", (0, 1), &["default"], float),
    filter("int", (0, 1), &["default"], int),
    filter("items", (0, 0), &[], lists::items),
    filter("join", (0, 2), &["d", "attribute"], lists::join),
    filter("keys", (0, 0), &[], lists::keys),
    filter("last", (0, 0), &[], lists::last),
    filter("length", (0, 0), &[], lists::length),
    filter("lines", (0, 0), &[], texts::lines),
    filter("list", (0, 0), &[], lists::list),
    filter("lower", (0, 0), &[], texts::lower),
    filter("map", (0, 0), &["attribute", "default"], lists::map),
    filter("max", (0, 0), &["attribute"], lists::max),
    filter("min", (0, 0), &["attribute"], lists::min),
    filter("rejectattr", (1, 3), &[], lists::rejectattr),
    filter("replace", (2, 2), &[], texts::replace),
    filter("reverse", (0, 0), &[], lists::reverse),
    filter("round", (0, 1), &["precision"], round),
    filter("selectattr", (1, 3), &[], lists::selectattr),
    filter("sort", (0, 1), &["reverse", "attribute"], lists::sort),
    filter("split", (0, 2), &[], texts::split_filter),
    filter("startswith", (1, 1), &[], texts::startswith),
    filter("string", (0, 0), &[], string),
    filter("strip", (0, 1), &[], texts::strip),
    filter("sum", (0, 0), &["attribute"], lists::sum),
    filter("title", (0, 0), &[], texts::title),
    filter("tojson", (0, 0), &[], tojson),
    filter("trim", (0, 1), &[], texts::strip),
    filter("unique", (0, 0), &["attribute"], lists::unique),
    filter("upper", (0, 0), &[], texts::upper),
    filter("values", (0, 0), &[], lists::values),
];

/// The usual methods of Python's text, list and dictionary that do not change their object.
pub(super) static METHODS: [Method; 23] = [
    method("capitalize", (0, 0), texts::capitalize),
    method("count", (1, 1), texts::count),
    method("endswith", (1, 1), texts::endswith),
    method("find", (1, 1), texts::find),
    method("get", (1, 2), lists::get),
    method("items", (0, 0), lists::items),
    method("join", (1, 1), texts::join),
    method("keys", (0, 0), lists::keys),
    method("length", (0, 0), lists::length),
    method("lower", (0, 0), texts::lower),
    method("lstrip", (0, 1), texts::lstrip),
    method("removeprefix", (1, 1), texts::removeprefix),
    method("removesuffix", (1, 1), texts::removesuffix),
    method("replace", (2, 3), texts::replace),
    method("rsplit", (0, 2), texts::rsplit),
    method("rstrip", (0, 1), texts::rstrip),
    method("split", (0, 2), texts::split),
    method("splitlines", (0, 0), texts::lines),
    method("startswith", (1, 1), texts::startswith),
    method("strip", (0, 1), texts::strip),
    method("title", (0, 0), texts::title),
    method("upper", (0, 0), texts::upper),
    method("values", (0, 0), lists::values),
];

fn abs<'e>(_: &mut Meter, subject: Subject<'e>, _: &Given<'e>) -> Result<'e> {
    match Numeric::of(&subject) {
        Some(Numeric::Int(int)) => Numeric::Int(int.abs()).value(),
        Some(Numeric::Float(float)) => Numeric::Float(float.abs()).value(),
        None => fault(format!("`abs` takes a number, not {}", kind_of(&subject))),
    }
    .map(Cow::Owned)
}

fn attr<'e>(meter: &mut Meter, subject: Subject<'e>, given: &Given<'e>) -> Result<'e> {
    let key = given.get(0, "name").unwrap_or(&Value::Null);
    match operate::index(&subject, key) {
        Some(found) => meter.own(found).map(Cow::Owned),
        None => fault(format!("the value has no `{}`", text_of(key).unwrap_or_default())),
    }
}

fn bool<'e>(_: &mut Meter, subject: Subject<'e>, _: &Given<'e>) -> Result<'e> {
    Ok(Cow::Owned(Value::Bool(operate::is_true(&subject))))
}

fn float<'e>(_: &mut Meter, subject: Subject<'e>, given: &Given<'e>) -> Result<'e> {
    let parsed = match subject.as_ref() {
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(bool) => Some(f64::from(u8::from(*bool))),
        other => Numeric::of(other).map(Numeric::float),
    };
    let found = parsed.and_then(Number::from_f64).map(Value::Number);
    number(found, &subject, given, "float")
}

#[expect(clippy::cast_possible_truncation, reason = "a float beyond the range saturates and is refused as too large")]
fn int<'e>(_: &mut Meter, subject: Subject<'e>, given: &Given<'e>) -> Result<'e> {
    let parsed = match subject.as_ref() {
        Value::String(text) => {
            let text = text.trim();
            let float = || text.parse().ok().filter(|float: &f64| float.is_finite());
            text.parse().ok().or_else(|| float().map(|float| float.trunc() as i128))
        }
        Value::Bool(bool) => Some(i128::from(*bool)),
        other => Numeric::of(other).map(|number| match number {
            Numeric::Int(int) => int,
            Numeric::Float(float) => float.trunc() as i128,
        }),
    };
    number(parsed.and_then(int_value), &subject, given, "int")
}

fn number<'e>(found: Option<Value>, subject: &Value, given: &Given<'e>, name: &str) -> Result<'e> {
    match found.or_else(|| given.get(0, "default").cloned()) {
        Some(value) => Ok(Cow::Owned(value)),
        None => fault(format!("`{name}` cannot read `{}` as a number", super::shorten(&text_of(subject).unwrap_or_default()))),
    }
}

fn round<'e>(_: &mut Meter, subject: Subject<'e>, given: &Given<'e>) -> Result<'e> {
    // More digits than a float has change nothing.
    let precision = given.int(0, "precision")?.unwrap_or(0).clamp(-18, 18);
    let rounded = match Numeric::of(&subject) {
        Some(Numeric::Int(_)) if precision >= 0 => return Ok(subject),
        Some(numeric) => {
            let scale = 10_f64.powi(i32::try_from(precision).unwrap_or(0));
            (numeric.float() * scale).round_ties_even() / scale
        }
        None => return fault(format!("`round` takes a number, not {}", kind_of(&subject))),
    };
    Numeric::Float(rounded).value().map(Cow::Owned)
}

fn string<'e>(meter: &mut Meter, subject: Subject<'e>, _: &Given<'e>) -> Result<'e> {
    if subject.is_string() {
        return Ok(subject);
    }
    meter.make(super::size_of(&subject, usize::MAX / 2))?;
    match text_of(&subject) {
        Some(text) => Ok(Cow::Owned(Value::String(text.into_owned()))),
        None => fault("`string` cannot write null; give it a default"),
    }
}

fn tojson<'e>(meter: &mut Meter, subject: Subject<'e>, _: &Given<'e>) -> Result<'e> {
    meter.make(super::size_of(&subject, usize::MAX / 2))?;
    Ok(Cow::Owned(Value::String(subject.to_string())))
}
