//! A tree as YAML, in a form in which people write it and from which the same tree is read.

use crate::node::{Content, Entry, Node};
use crate::scalar;

/// Writes a document.
pub(crate) fn write(root: &Node) -> String {
    let mut out = String::new();
    match &root.content {
        Content::Map(entries) if !entries.is_empty() => map(entries, 0, &mut out),
        Content::List(items) if !items.is_empty() => list(items, 0, &mut out),
        content => {
            scalar_text(content, 0, &mut out);
            out.push('\n');
        }
    }
    out
}

fn map(entries: &[Entry], depth: usize, out: &mut String) {
    for (place, entry) in entries.iter().enumerate() {
        // The first key of an element of a list stands behind its dash.
        if place > 0 || !out.ends_with("- ") {
            indent(depth, out);
        }
        out.push_str(&key(&entry.key));
        out.push(':');
        value(&entry.value, depth, out);
    }
}

fn list(items: &[Node], depth: usize, out: &mut String) {
    for (place, item) in items.iter().enumerate() {
        if place > 0 || !out.ends_with("- ") {
            indent(depth, out);
        }
        out.push_str("- ");
        match &item.content {
            Content::Map(entries) if !entries.is_empty() => map(entries, depth + 1, out),
            Content::List(items) if !items.is_empty() => list(items, depth + 1, out),
            content => {
                scalar_text(content, depth + 1, out);
                out.push('\n');
            }
        }
    }
}

/// What stands behind a key.
fn value(node: &Node, depth: usize, out: &mut String) {
    match &node.content {
        Content::Map(entries) if !entries.is_empty() => {
            out.push('\n');
            map(entries, depth + 1, out);
        }
        Content::List(items) if !items.is_empty() => {
            out.push('\n');
            list(items, depth + 1, out);
        }
        content => {
            out.push(' ');
            scalar_text(content, depth + 1, out);
            out.push('\n');
        }
    }
}

fn scalar_text(content: &Content, depth: usize, out: &mut String) {
    match content {
        Content::Null => out.push_str("null"),
        Content::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        Content::Number(_, raw) => out.push_str(raw),
        Content::List(_) => out.push_str("[]"),
        Content::Map(_) => out.push_str("{}"),
        Content::Text(text, _) if is_plain(text) => out.push_str(text),
        Content::Text(text, _) if is_block(text) => block(text, depth, out),
        Content::Text(text, _) => quoted(text, out),
    }
}

fn key(name: &str) -> String {
    let mut out = String::new();
    if is_plain(name) {
        out.push_str(name)
    } else {
        quoted(name, &mut out)
    }
    out
}

/// Whether a text needs no quotes: it is no number, boolean or null, and has none of the signs that mean something.
fn is_plain(text: &str) -> bool {
    const LONGEST: usize = 200;
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ' ' | ',' | '(' | ')' | ';' | '+' | '=' | '$');
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '/');
    begins
        && text.len() <= LONGEST
        && text.is_ascii()
        && text.chars().all(is_word)
        && !text.ends_with(' ')
        && matches!(scalar::resolve(text), Ok(Content::Text(..)))
}

/// Whether a text can stand as a literal block: several lines, nothing that a block would change or an editor would hide.
fn is_block(text: &str) -> bool {
    let first = text.split('\n').find(|line| !line.is_empty());
    text.trim_end_matches('\n').contains('\n')
        && first.is_some_and(|line| !line.starts_with([' ', '\t']))
        && !text.starts_with('\n')
        && text.chars().all(|c| c == '\n' || is_shown(c))
        && text.split('\n').all(|line| line.trim_start_matches(' ').is_empty() == line.is_empty())
}

fn block(text: &str, depth: usize, out: &mut String) {
    let body = text.trim_end_matches('\n');
    out.push_str(match text.len() - body.len() {
        0 => "|-",
        1 => "|",
        _ => "|+",
    });
    for line in body.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            indent(depth, out);
            out.push_str(line);
        }
    }
    // The line end after the block is written by whoever asked for it, and is the first of the text's.
    out.push_str(&"\n".repeat((text.len() - body.len()).saturating_sub(1)));
}

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_shown(c) => out.push(c),
            c if u32::from(c) <= 0xffff => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
}

/// Whether YAML admits a sign as it is, and a reader sees it.
fn is_shown(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..)
}

fn indent(depth: usize, out: &mut String) {
    out.push_str(&"  ".repeat(depth));
}
