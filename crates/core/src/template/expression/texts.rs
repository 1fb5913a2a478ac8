//! Filters and methods of text.

use std::borrow::Cow;

use serde_json::Value;

use super::super::value::{kind_of, text_of};
use super::calls::{Given, Result, Subject};
use super::lists::array;
use super::meter::{Fault, Meter, fault};

fn text<'s>(subject: &'s Subject<'_>, name: &str) -> std::result::Result<&'s str, Fault> {
    match subject.as_str() {
        Some(text) => Ok(text),
        None => fault(format!("`{name}` takes text, not {}", kind_of(subject))),
    }
}

fn made<'e>(text: impl Into<String>) -> Result<'e> {
    Ok(Cow::Owned(Value::String(text.into())))
}

/// Makes a text that is at most three times as long: no character grows more when its case changes.
fn changed<'e>(meter: &mut Meter, subject: &Subject<'e>, name: &str, change: impl FnOnce(&str) -> String) -> Result<'e> {
    let text = text(subject, name)?;
    meter.make(text.len().saturating_mul(3))?;
    made(change(text))
}

pub(super) fn upper<'e>(meter: &mut Meter, subject: Subject<'e>, _: &Given<'e>) -> Result<'e> {
    changed(meter, &subject, "upper", str::to_uppercase)
}

pub(super) fn lower<'e>(meter: &mut Meter, subject: Subject<'e>, _: &Given<'e>) -> Result<'e> {
    changed(meter, &subject, "lower", str::to_lowercase)
}

pub(super) fn capitalize<'e>(meter: &mut Meter, subject: Subject<'e>, _: &Given<'e>) -> Result<'e> {
    changed(meter, &subject, "capitalize", |text| {
        let mut chars = text.chars();
        let first = chars.next().map(|first| first.to_uppercase().to_string());
        first.unwrap_or_default() + &chars.as_str().to_lowercase()
    })
}

pub(super) fn title<'e>(meter: &mut Meter, subject: Subject<'e>, _: &Given<'e>) -> Result<'e> {
    changed(meter, &subject, "title", |text| {
        let mut out = String::with_capacity(text.len());
        let mut starts = true;
        for char in text.chars() {
            if char.is_whitespace() || matches!(char, '-' | '(' | '{' | '[' | '<') {
                out.push(char);
                starts = true;
            } else if starts {
                out.extend(char.to_uppercase());
                starts = false;
            } else {
                out.extend(char.to_lowercase());
            }
        }
        out
    })
}

fn stripped<'e>(
    meter: &mut Meter,
    subject: &Subject<'e>,
    given: &Given<'e>,
    strip: for<'t> fn(&'t str, &dyn Fn(char) -> bool) -> &'t str,
) -> Result<'e> {
    let text = text(subject, "strip")?;
    let chars = given.text(0, "chars")?;
    let is_stripped = |char: char| chars.map_or(char.is_whitespace(), |chars| chars.contains(char));
    let rest = strip(text, &is_stripped);
    meter.make(text.len())?;
    made(rest)
}

pub(super) fn strip<'e>(meter: &mut Meter, subject: Subject<'e>, given: &Given<'e>) -> Result<'e> {
    stripped(meter, &subject, given, |text, is| text.trim_matches(is))
}

pub(super) fn lstrip<'e>(meter: &mut Meter, subject: Subject<'e>, given: &Given<'e>) -> Result<'e> {
    stripped(meter, &subject, given, |text, is| text.trim_start_matches(is))
}

pub(super) fn rstrip<'e>(meter: &mut Meter, subject: Subject<'e>, given: &Given<'e>) -> Result<'e> {
    stripped(meter, &subject, given, |text, is| text.trim_end_matches(is))
}

pub(super) fn replace<'e>(meter: &mut Meter, subject: Subject<'e>, given: &Given<'e>) -> Result<'e> {
    let text = text(&subject, "replace")?;
    let old = given.text(0, "old")?.unwrap_or_default();
    let new = given.text(1, "new")?.unwrap_or_default();
    let count = given.int(2, "count")?.and_then(|count| usize::try_from(count).ok());
    meter.read(text)?;
    let found = text.matches(old).count().min(count.unwrap_or(usize::MAX));
    meter.burn(found)?;
    meter.make(text.len().saturating_add(found.saturating_mul(new.len())))?;
    made(text.replacen(old, new, found))
}

pub(super) fn startswith<'e>(_: &mut Meter, subject: Subject<'e>, given: &Given<'e>) -> Result<'e> {
    let start = given.text(0, "prefix")?.unwrap_or_default();
    let starts = text(&subject, "startswith")?.starts_with(start);
    Ok(Cow::Owned(Value::Bool(starts)))
}

pub(super) fn endswith<'e>(_: &mut Meter, subject: Subject<'e>, given: &Given<'e>) -> Result<'e> {
    let end = given.text(0, "suffix")?.unwrap_or_default();
    let ends = text(&subject, "endswith")?.ends_with(end);
    Ok(Cow::Owned(Value::Bool(ends)))
}

pub(super) fn removeprefix<'e>(meter: &mut Meter, subject: Subject<'e>, given: &Given<'e>) -> Result<'e> {
    let start = given.text(0, "prefix")?.unwrap_or_default();
    changed(meter, &subject, "removeprefix", |text| text.strip_prefix(start).unwrap_or(text).to_owned())
}

pub(super) fn removesuffix<'e>(meter: &mut Meter, subject: Subject<'e>, given: &Given<'e>) -> Result<'e> {
    let end = given.text(0, "suffix")?.unwrap_or_default();
    changed(meter, &subject, "removesuffix", |text| text.strip_suffix(end).unwrap_or(text).to_owned())
}

pub(super) fn count<'e>(meter: &mut Meter, subject: Subject<'e>, given: &Given<'e>) -> Result<'e> {
    let text = text(&subject, "count")?;
    meter.read(text)?;
    let part = given.text(0, "part")?.unwrap_or_default();
    Ok(Cow::Owned(Value::from(text.matches(part).count())))
}

/// Position in characters, or -1.
pub(super) fn find<'e>(meter: &mut Meter, subject: Subject<'e>, given: &Given<'e>) -> Result<'e> {
    let text = text(&subject, "find")?;
    meter.read(text)?;
    let found = text.find(given.text(0, "part")?.unwrap_or_default());
    let at = found.map_or(-1, |at| i64::try_from(text[..at].chars().count()).unwrap_or(-1));
    Ok(Cow::Owned(Value::from(at)))
}

pub(super) fn lines<'e>(meter: &mut Meter, subject: Subject<'e>, _: &Given<'e>) -> Result<'e> {
    parts(meter, text(&subject, "lines")?.lines())
}

/// As a filter, `split` without a separator splits at white space, and with `""` into characters as a method cannot.
pub(super) fn split_filter<'e>(meter: &mut Meter, subject: Subject<'e>, given: &Given<'e>) -> Result<'e> {
    split(meter, subject, given)
}

pub(super) fn split<'e>(meter: &mut Meter, subject: Subject<'e>, given: &Given<'e>) -> Result<'e> {
    let text = text(&subject, "split")?;
    let splits = given.int(1, "maxsplit")?.and_then(|splits| usize::try_from(splits).ok());
    let pieces = splits.map_or(usize::MAX, |splits| splits.saturating_add(1));
    match given.text(0, "sep")? {
        Some("") => fault("`split` cannot split at an empty text"),
        Some(separator) => parts(meter, text.splitn(pieces, separator)),
        None if splits.is_none() => parts(meter, text.split_whitespace()),
        None => parts(meter, words(text, pieces)),
    }
}

/// At most `pieces` words; the last one is the rest.
fn words(text: &str, mut pieces: usize) -> impl Iterator<Item = &str> {
    let mut rest = text.trim_start();
    std::iter::from_fn(move || {
        if rest.is_empty() || pieces == 0 {
            return None;
        }
        pieces -= 1;
        let end = if pieces == 0 { None } else { rest.find(char::is_whitespace) };
        let word = &rest[..end.unwrap_or(rest.len())];
        rest = rest[word.len()..].trim_start();
        Some(word)
    })
}

pub(super) fn rsplit<'e>(meter: &mut Meter, subject: Subject<'e>, given: &Given<'e>) -> Result<'e> {
    let (Some(separator), Some(splits)) = (given.text(0, "sep")?, given.int(1, "maxsplit")?) else {
        return split(meter, subject, given);
    };
    if separator.is_empty() {
        return fault("`rsplit` cannot split at an empty text");
    }
    let text = text(&subject, "rsplit")?;
    let pieces = usize::try_from(splits).map_or(usize::MAX, |splits| splits.saturating_add(1));
    let mut found = Vec::new();
    for part in text.rsplitn(pieces, separator) {
        meter.burn(1)?;
        found.push(part);
    }
    parts(meter, found.into_iter().rev())
}

fn parts<'e, 't>(meter: &mut Meter, parts: impl Iterator<Item = &'t str>) -> Result<'e> {
    let mut found = Vec::new();
    for part in parts {
        meter.burn(1)?;
        meter.make(part.len() + size_of::<Value>())?;
        found.push(Value::String(part.to_owned()));
    }
    Ok(Cow::Owned(Value::Array(found)))
}

/// `separator.join(list)`
pub(super) fn join<'e>(meter: &mut Meter, subject: Subject<'e>, given: &Given<'e>) -> Result<'e> {
    let separator = text(&subject, "join")?;
    let items = array(given.get(0, "items").unwrap_or(&Value::Null), "join")?;
    joined(meter, items.iter(), separator)
}

pub(super) fn joined<'e, 'v>(meter: &mut Meter, items: impl Iterator<Item = &'v Value>, separator: &str) -> Result<'e> {
    let mut out = String::new();
    for (at, item) in items.enumerate() {
        meter.burn(1)?;
        meter.make(super::size_of(item, usize::MAX / 2) + separator.len())?;
        if at > 0 {
            out.push_str(separator);
        }
        match text_of(item) {
            Some(text) => out.push_str(&text),
            None => return fault("`join` cannot write null; filter or replace it first"),
        }
    }
    made(out)
}
