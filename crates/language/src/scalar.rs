//! What a plain scalar means: the core schema of YAML 1.2. `yes`, `on` and `12:30` are texts.

use serde_json::Number;

use crate::node::{Content, TextStyle};

/// Reads a plain scalar.
///
/// # Errors
/// Why it is a number that cannot be kept.
pub(crate) fn resolve(raw: &str) -> Result<Content, String> {
    Ok(match raw {
        "" | "~" | "null" | "Null" | "NULL" => Content::Null,
        "true" | "True" | "TRUE" => Content::Boolean(true),
        "false" | "False" | "FALSE" => Content::Boolean(false),
        _ => match number(raw)? {
            Some(number) => Content::Number(number, raw.to_owned()),
            None => Content::Text(raw.to_owned(), TextStyle::Plain),
        },
    })
}

fn number(raw: &str) -> Result<Option<Number>, String> {
    let too_large = || format!("the number `{raw}` is too large to be kept exactly");
    let (negative, digits) = match raw.as_bytes().first() {
        Some(b'-') => (true, &raw[1..]),
        Some(b'+') => (false, &raw[1..]),
        _ => (false, raw),
    };
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(rest) = raw.strip_prefix(prefix)
            && !rest.is_empty()
            && rest.chars().all(|c| c.is_digit(radix))
        {
            return u64::from_str_radix(rest, radix).map(|n| Some(n.into())).map_err(|_| too_large());
        }
    }
    if matches!(digits, ".inf" | ".Inf" | ".INF") || matches!(raw, ".nan" | ".NaN" | ".NAN") {
        return Err(format!("`{raw}` is not a number that JSON knows"));
    }
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        let found = if negative { format!("-{digits}").parse::<i64>().map(Into::into).ok() } else { digits.parse::<u64>().map(Into::into).ok() };
        return found.map(Some).ok_or_else(too_large);
    }
    if !is_float(digits) {
        return Ok(None);
    }
    // Rust's grammar of floats is wider, but the shape has been checked.
    raw.parse::<f64>().ok().and_then(Number::from_f64).map(Some).ok_or_else(too_large)
}

/// `.5`, `1.`, `1.5e-3`: digits around at most one dot, then perhaps an exponent.
fn is_float(digits: &str) -> bool {
    let (mantissa, exponent) = match digits.find(['e', 'E']) {
        Some(at) => (&digits[..at], Some(&digits[at + 1..])),
        None => (digits, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['-', '+']).unwrap_or(e);
        !e.is_empty() && all_digits(e)
    });
    all_digits(whole) && all_digits(fraction) && !(whole.is_empty() && fraction.is_empty()) && exponent_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(raw: &str) -> String {
        match resolve(raw) {
            Ok(Content::Null) => "null".to_owned(),
            Ok(Content::Boolean(b)) => b.to_string(),
            Ok(Content::Number(n, _)) => n.to_string(),
            Ok(Content::Text(t, _)) => format!("{t:?}"),
            Ok(Content::List(_) | Content::Map(_)) => unreachable!("a scalar is neither"),
            Err(why) => why,
        }
    }

    #[test]
    fn only_the_core_schema_has_a_type() {
        for (raw, expected) in [
            ("", "null"),
            ("~", "null"),
            ("true", "true"),
            ("yes", "\"yes\""),
            ("on", "\"on\""),
            ("12", "12"),
            ("-7", "-7"),
            ("+7", "7"),
            ("0x1F", "31"),
            ("0o17", "15"),
            ("1.50", "1.5"),
            (".5", "0.5"),
            ("1e3", "1000.0"),
            ("1.0.0", "\"1.0.0\""),
            ("12:30", "\"12:30\""),
            ("e3", "\"e3\""),
            (".", "\".\""),
            ("-", "\"-\""),
            ("1_000", "\"1_000\""),
            ("inf", "\"inf\""),
            ("nan", "\"nan\""),
        ] {
            assert_eq!(json(raw), expected, "{raw}");
        }
        for raw in ["99999999999999999999", ".inf", "-.inf", ".nan", "1e999"] {
            assert!(resolve(raw).is_err(), "{raw}");
        }
    }
}
