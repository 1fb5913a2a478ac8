//! The words of an expression.

use std::ops::Range;

use super::super::problem::Problem;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Name(String),
    Text(String),
    Int(i128),
    Float(f64),
    Sign(&'static str),
    End,
}

// Longer signs first: the first that fits is taken.
const SIGNS: [&str; 26] =
    ["==", "!=", "<=", ">=", "**", "//", "+", "-", "*", "/", "%", "~", "<", ">", "(", ")", "[", "]", "{", "}", ",", ":", ".", "|", "=", "!"];

/// Reads the token at or after `at`, with its place in `source`.
pub(super) fn read(source: &str, at: usize) -> Result<(Token, Range<usize>), Problem> {
    let rest = &source[at..];
    let start = at + rest.len() - rest.trim_start().len();
    let rest = &source[start..];
    let Some(first) = rest.chars().next() else {
        return Ok((Token::End, start..start));
    };
    if first.is_ascii_alphabetic() || first == '_' {
        let len = rest.find(|char: char| !char.is_ascii_alphanumeric() && char != '_').unwrap_or(rest.len());
        return Ok((Token::Name(rest[..len].to_owned()), start..start + len));
    }
    if first.is_ascii_digit() {
        return read_number(rest, start);
    }
    if first == '\'' || first == '"' {
        return read_text(rest, start, first);
    }
    match SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
        Some(sign) => Ok((Token::Sign(sign), start..start + sign.len())),
        None => Err(Problem::error(start..start + first.len_utf8(), format!("`{first}` has no meaning in an expression"))),
    }
}

fn read_number(rest: &str, start: usize) -> Result<(Token, Range<usize>), Problem> {
    let bytes = rest.as_bytes();
    let digits = |from: usize| {
        let found = bytes[from..].iter().position(|byte| !byte.is_ascii_digit() && *byte != b'_');
        found.map_or(bytes.len(), |found| from + found)
    };
    let mut end = digits(0);
    let mut is_float = false;
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
        is_float = true;
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        if bytes.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
            is_float = true;
            end = digits(end + 1 + sign);
        }
    }
    let span = start..start + end;
    let text = rest[..end].replace('_', "");
    let token =
        if is_float { text.parse().ok().filter(|float: &f64| float.is_finite()).map(Token::Float) } else { text.parse().ok().map(Token::Int) };
    token.map(|token| (token, span.clone())).ok_or_else(|| Problem::error(span, "the number is too large"))
}

fn read_text(rest: &str, start: usize, quote: char) -> Result<(Token, Range<usize>), Problem> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, char)) = chars.next() {
        if char == quote {
            return Ok((Token::Text(text), start..start + at + 1));
        }
        if char != '\\' {
            text.push(char);
            continue;
        }
        match chars.next() {
            Some((_, 'n')) => text.push('\n'),
            Some((_, 't')) => text.push('\t'),
            Some((_, 'r')) => text.push('\r'),
            Some((_, 'u')) => {
                let digits: String = chars.by_ref().take(4).map(|(_, digit)| digit).collect();
                let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                text.push(code.ok_or_else(|| Problem::error(start + at..start + at + 2, "`\\u` needs the four digits of a character"))?);
            }
            Some((_, other @ ('\\' | '\'' | '"' | '/'))) => text.push(other),
            Some((_, other)) => {
                text.push('\\');
                text.push(other);
            }
            None => break,
        }
    }
    Err(Problem::error(start..start + 1, "the text is never closed"))
}
