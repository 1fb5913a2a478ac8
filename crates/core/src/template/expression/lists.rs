//! Filters and methods of lists and objects.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

use super::super::value::kind_of;
use super::calls::{Given, Result, Subject};
use super::meter::{Fault, Meter, fault};
use super::node::{Comparison, TESTS};
use super::operate::{self, Numeric};
use super::texts;

pub(super) fn array<'v>(value: &'v Value, name: &str) -> std::result::Result<&'v [Value], Fault> {
    match value {
        Value::Array(items) => Ok(items),
        other => fault(format!("`{name}` takes a list, not {}", kind_of(other))),
    }
}

fn made<'e>(value: impl Into<Value>) -> Result<'e> {
    Ok(Cow::Owned(value.into()))
}

/// Follows `a.b.0` into an element.
fn attribute<'v>(item: &'v Value, way: &str) -> Option<&'v Value> {
    let mut at = item;
    for key in way.split('.') {
        at = match at {
            Value::Object(map) => map.get(key)?,
            Value::Array(items) => items.get(key.parse::<usize>().ok()?)?,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
        };
    }
    Some(at)
}

/// What an element is judged by: itself, or the attribute that was asked for.
fn key<'v>(item: &'v Value, way: Option<&str>) -> std::result::Result<&'v Value, Fault> {
    match way {
        None => Ok(item),
        Some(way) => match attribute(item, way) {
            Some(found) => Ok(found),
            None => fault(format!("an element has no `{way}`")),
        },
    }
}

pub(super) fn length<'e>(meter: &mut Meter, subject: Subject<'e>, _: &Given<'e>) -> Result<'e> {
    match subject.as_ref() {
        Value::String(text) => {
            meter.read(text)?;
            made(text.chars().count())
        }
        Value::Array(items) => made(items.len()),
        Value::Object(map) => made(map.len()),
        other => fault(format!("`length` takes text, a list or an object, not {}", kind_of(other))),
    }
}

pub(super) fn first<'e>(meter: &mut Meter, subject: Subject<'e>, _: &Given<'e>) -> Result<'e> {
    at_end(meter, &subject, 0, "first")
}

pub(super) fn last<'e>(meter: &mut Meter, subject: Subject<'e>, _: &Given<'e>) -> Result<'e> {
    at_end(meter, &subject, -1, "last")
}

fn at_end<'e>(meter: &mut Meter, subject: &Value, at: i64, name: &str) -> Result<'e> {
    if !matches!(subject, Value::Array(_) | Value::String(_)) {
        return fault(format!("`{name}` takes a list or text, not {}", kind_of(subject)));
    }
    match operate::index(subject, &Value::from(at)) {
        Some(found) => meter.own(found).map(Cow::Owned),
        None => fault(format!("`{name}` of what is empty; test `length` first")),
    }
}

pub(super) fn list<'e>(meter: &mut Meter, subject: Subject<'e>, given: &Given<'e>) -> Result<'e> {
    match subject.as_ref() {
        Value::Array(_) => Ok(subject),
        Value::Object(_) => keys(meter, subject, given),
        Value::String(text) => {
            meter.make(text.len().saturating_mul(size_of::<Value>()))?;
            made(text.chars().map(|char| Value::String(char.to_string())).collect::<Vec<_>>())
        }
        other => fault(format!("`list` takes text, a list or an object, not {}", kind_of(other))),
    }
}

pub(super) fn reverse<'e>(meter: &mut Meter, subject: Subject<'e>, _: &Given<'e>) -> Result<'e> {
    operate::slice(meter, &subject, [None, None, Some(-1)]).map(Cow::Owned)
}

pub(super) fn keys<'e>(meter: &mut Meter, subject: Subject<'e>, _: &Given<'e>) -> Result<'e> {
    entries(meter, &subject, "keys", |key, _| Value::String(key.to_owned()))
}

pub(super) fn values<'e>(meter: &mut Meter, subject: Subject<'e>, _: &Given<'e>) -> Result<'e> {
    entries(meter, &subject, "values", |_, value| value.clone())
}

pub(super) fn items<'e>(meter: &mut Meter, subject: Subject<'e>, _: &Given<'e>) -> Result<'e> {
    entries(meter, &subject, "items", |key, value| Value::Array(vec![Value::String(key.to_owned()), value.clone()]))
}

fn entries<'e>(meter: &mut Meter, subject: &Value, name: &str, make: fn(&str, &Value) -> Value) -> Result<'e> {
    let Value::Object(map) = subject else {
        return fault(format!("`{name}` takes an object, not {}", kind_of(subject)));
    };
    meter.make(super::size_of(subject, usize::MAX / 2).saturating_mul(2))?;
    made(map.iter().map(|(key, value)| make(key, value)).collect::<Vec<_>>())
}

pub(super) fn get<'e>(meter: &mut Meter, subject: Subject<'e>, given: &Given<'e>) -> Result<'e> {
    if !subject.is_object() {
        return fault(format!("`get` takes an object, not {}", kind_of(&subject)));
    }
    let found = operate::index(&subject, given.get(0, "key").unwrap_or(&Value::Null));
    let otherwise = given.get(1, "default").unwrap_or(&Value::Null);
    meter.own(found.unwrap_or(Cow::Borrowed(otherwise))).map(Cow::Owned)
}

pub(super) fn join<'e>(meter: &mut Meter, subject: Subject<'e>, given: &Given<'e>) -> Result<'e> {
    let separator = given.text(0, "d")?.unwrap_or_default();
    let way = given.text(1, "attribute")?;
    let mut items = Vec::new();
    for item in array(&subject, "join")? {
        meter.burn(1)?;
        items.push(key(item, way)?);
    }
    texts::joined(meter, items.into_iter(), separator)
}

pub(super) fn map<'e>(meter: &mut Meter, subject: Subject<'e>, given: &Given<'e>) -> Result<'e> {
    let Some(way) = given.text(usize::MAX, "attribute")? else {
        return fault("`map` takes `attribute='name'`");
    };
    let mut found = Vec::new();
    for item in array(&subject, "map")? {
        meter.burn(1)?;
        let value = match (attribute(item, way), given.get(usize::MAX, "default")) {
            (Some(value), _) | (None, Some(value)) => value,
            (None, None) => return fault(format!("an element has no `{way}`; add `default=...`")),
        };
        found.push(meter.copy(value)?);
    }
    made(found)
}

pub(super) fn selectattr<'e>(meter: &mut Meter, subject: Subject<'e>, given: &Given<'e>) -> Result<'e> {
    filtered(meter, &subject, given, true)
}

pub(super) fn rejectattr<'e>(meter: &mut Meter, subject: Subject<'e>, given: &Given<'e>) -> Result<'e> {
    filtered(meter, &subject, given, false)
}

fn filtered<'e>(meter: &mut Meter, subject: &Value, given: &Given<'e>, wanted: bool) -> Result<'e> {
    let way = given.text(0, "attribute")?.unwrap_or_default();
    let name = given.text(1, "test")?;
    let test = match name {
        None | Some("defined" | "undefined") => None,
        Some(name) => match TESTS.iter().find(|(known, ..)| *known == name) {
            Some((_, test, _)) => Some(*test),
            None => return fault(format!("there is no test `{name}`")),
        },
    };
    let argument = given.get(2, "value").unwrap_or(&Value::Null);
    let mut found = Vec::new();
    for item in array(subject, "selectattr")? {
        meter.burn(1)?;
        let value = attribute(item, way);
        let holds = match (name, test, value) {
            (Some("undefined"), ..) => value.is_none(),
            (Some("defined"), ..) => value.is_some(),
            (_, None, value) => value.is_some_and(operate::is_true),
            (_, Some(_), None) => false,
            (_, Some(test), Some(value)) => operate::test(meter, test, value, argument)?,
        };
        if holds == wanted {
            found.push(meter.copy(item)?);
        }
    }
    made(found)
}

pub(super) fn min<'e>(meter: &mut Meter, subject: Subject<'e>, given: &Given<'e>) -> Result<'e> {
    extreme(meter, &subject, given, Ordering::Less)
}

pub(super) fn max<'e>(meter: &mut Meter, subject: Subject<'e>, given: &Given<'e>) -> Result<'e> {
    extreme(meter, &subject, given, Ordering::Greater)
}

fn extreme<'e>(meter: &mut Meter, subject: &Value, given: &Given<'e>, wanted: Ordering) -> Result<'e> {
    let way = given.text(usize::MAX, "attribute")?;
    let mut best: Option<&Value> = None;
    for item in array(subject, "min and max")? {
        let is_better = match best {
            None => true,
            Some(best) => operate::order(meter, key(item, way)?, key(best, way)?)? == wanted,
        };
        if is_better {
            best = Some(item);
        }
    }
    match best {
        Some(best) => meter.copy(best).map(Cow::Owned),
        None => fault("an empty list has neither least nor greatest"),
    }
}

pub(super) fn sum<'e>(meter: &mut Meter, subject: Subject<'e>, given: &Given<'e>) -> Result<'e> {
    let way = given.text(usize::MAX, "attribute")?;
    let mut sum = Value::from(0);
    for item in array(&subject, "sum")? {
        meter.burn(1)?;
        let value = key(item, way)?;
        if Numeric::of(value).is_none() {
            return fault(format!("`sum` takes numbers, not {}", kind_of(value)));
        }
        sum = operate::binary(meter, super::node::Operation::Add, &sum, value)?;
    }
    made(sum)
}

/// Stable; without regard to the case of ASCII letters, as Jinja sorts.
pub(super) fn sort<'e>(meter: &mut Meter, subject: Subject<'e>, given: &Given<'e>) -> Result<'e> {
    let way = given.text(usize::MAX, "attribute")?;
    let is_reversed = given.flag(0, "reverse");
    let mut keyed = Vec::new();
    for item in array(&subject, "sort")? {
        let folded = match key(item, way)? {
            Value::String(text) => {
                meter.make(text.len())?;
                Cow::Owned(Value::String(text.to_ascii_lowercase()))
            }
            other => Cow::Borrowed(other),
        };
        keyed.push((folded, item));
    }
    let mut stopped = None;
    keyed.sort_by(|(a, _), (b, _)| {
        if stopped.is_some() {
            return Ordering::Equal;
        }
        match operate::order(meter, a, b) {
            Ok(order) if is_reversed => order.reverse(),
            Ok(order) => order,
            Err(fault) => {
                stopped = Some(fault);
                Ordering::Equal
            }
        }
    });
    if let Some(fault) = stopped {
        return Err(fault);
    }
    let mut sorted = Vec::with_capacity(keyed.len());
    for (_, item) in keyed {
        sorted.push(meter.copy(item)?);
    }
    made(sorted)
}

/// Keeps the first of equal elements. Quadratic, so the fuel bounds it to some hundreds of different elements.
pub(super) fn unique<'e>(meter: &mut Meter, subject: Subject<'e>, given: &Given<'e>) -> Result<'e> {
    let way = given.text(usize::MAX, "attribute")?;
    let mut kept: Vec<&Value> = Vec::new();
    for item in array(&subject, "unique")? {
        let mut is_new = true;
        for known in &kept {
            if operate::compare(meter, Comparison::Equal, key(known, way)?, key(item, way)?)? {
                is_new = false;
                break;
            }
        }
        if is_new {
            kept.push(item);
        }
    }
    let mut found = Vec::with_capacity(kept.len());
    for item in kept {
        found.push(meter.copy(item)?);
    }
    made(found)
}
