//! Finding the JSON in an answer.

use serde_json::Value;

use super::{Mend, Problem};

/// From here on an integer is no longer kept as one: 2⁶³, beneath which both signs fit.
const BEYOND_INTEGERS: f64 = 9_223_372_036_854_775_808.0;
/// The digits of the smallest of them.
const INTEGER_DIGITS: usize = 19;

/// The mend of a value that is only a part of what was said.
pub(super) const OUT_OF_PROSE: &str = "taken out of the prose around it";

/// The one JSON value of a text. Mends that change its letters are made only if `whole`: the model ended the text by itself.
pub(super) fn find(text: &str, whole: bool, mends: &mut Vec<Mend>) -> Option<Value> {
    if let Ok(value) = serde_json::from_str(text) {
        return Some(value);
    }
    let told = |what: &str| Mend { path: String::new(), what: what.to_owned() };
    let inner = without_fence(text);
    if let Some(inner) = inner
        && let Ok(value) = serde_json::from_str(inner)
    {
        mends.push(told("taken out of a code fence"));
        return Some(value);
    }
    let inner = inner.unwrap_or(text);
    if let Some(value) = embedded(inner) {
        mends.push(told(OUT_OF_PROSE));
        return Some(value);
    }
    if !whole {
        return None;
    }
    let mended = mend(inner.trim());
    let value = serde_json::from_str(&mended).ok().or_else(|| embedded(&mended))?;
    mends.push(told("commas before closing brackets left out, and True, False and None spelled as JSON has them"));
    Some(value)
}

/// The integers that a text spells and that its value cannot hold: they became floating-point numbers, and lost their last digits.
pub(super) fn rounded(text: &str, value: &Value) -> Vec<Problem> {
    fn gather(value: &Value, path: &mut String, problems: &mut Vec<Problem>) {
        let mut inside = |name: &str, value: &Value| {
            let length = path.len();
            path.push('/');
            path.push_str(&name.replace('~', "~0").replace('/', "~1"));
            gather(value, path, problems);
            path.truncate(length);
        };
        match value {
            Value::Object(map) => map.iter().for_each(|(name, value)| inside(name, value)),
            Value::Array(list) => list.iter().enumerate().for_each(|(place, value)| inside(&place.to_string(), value)),
            Value::Number(number) if number.is_f64() && number.as_f64().is_some_and(|number| number.abs() >= BEYOND_INTEGERS) => {
                let message = "the number has more digits than 64 bits hold: give it as a text, or round it".to_owned();
                problems.push(Problem { path: path.clone(), message });
            }
            _ => {}
        }
    }
    // A number that large may also be meant as one: `1e30` has no digits to lose.
    let mut run = 0_usize;
    let spells_one = text.bytes().any(|byte| {
        run = if byte.is_ascii_digit() { run + 1 } else { 0 };
        run >= INTEGER_DIGITS
    });
    let mut problems = Vec::new();
    if spells_one {
        gather(value, &mut String::new(), &mut problems);
    }
    problems
}

/// What stands in the only code fence of a text.
fn without_fence(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("```")?;
    let (inner, after) = rest.split_once("```")?;
    if after.contains("```") {
        return None;
    }
    // The first line of a fence names a language.
    let (first, body) = inner.split_once('\n').unwrap_or(("", inner));
    Some(if first.trim().chars().all(|c| c.is_ascii_alphanumeric()) { body } else { inner }.trim())
}

/// The only object or list in a prose.
fn embedded(text: &str) -> Option<Value> {
    let start = text.find(['{', '['])?;
    let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
    let value = values.next()?.ok()?;
    let after = &text[start + values.byte_offset()..];
    // Where there are two nobody knows which one is meant.
    (!after.contains(['{', '['])).then_some(value)
}

/// Leaves out commas before closing brackets, and spells Python's words for true, false and null as JSON does: outside of strings, so nothing is lost.
fn mend(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let end = string_end(rest);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        if first == ',' && rest[1..].trim_start().starts_with(['}', ']']) {
            rest = &rest[1..];
            continue;
        }
        let word = [("True", "true"), ("False", "false"), ("None", "null")].into_iter().find(|(python, _)| {
            let after = rest.strip_prefix(python).map(|after| after.chars().next());
            after.is_some_and(|next| next.is_none_or(|next| !next.is_alphanumeric() && next != '_'))
                && !out.ends_with(|c: char| c.is_alphanumeric() || c == '_')
        });
        if let Some((python, word)) = word {
            out.push_str(word);
            rest = &rest[python.len()..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// Where the string ends that a text begins with.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}
