//! Texts of the earlier systems: their braces become ours, and everything else in them stays what it is, a text.

use std::ops::Range;

use gorgon_core::template::escape;

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    /// A path of the native language.
    Reference(String),
}

/// What a name in braces stands for.
pub(super) type Resolve<'r> = &'r mut dyn FnMut(&str, Range<usize>) -> Option<String>;

/// `{{ name }}`, where a name is a word or words joined by dots. Other braces are text, and so is a name that stands for nothing.
pub(super) fn double(text: &str, resolve: Resolve<'_>) -> Vec<Piece> {
    let mut pieces = Pieces::default();
    let mut at = 0;
    while let Some(open) = text[at..].find("{{").map(|found| at + found) {
        let name = name_before(&text[open + 2..], "}}");
        let path = name.and_then(|inner| Some((resolve(inner.trim(), open..open + inner.len() + 4)?, open + inner.len() + 4)));
        match path {
            Some((path, end)) => {
                pieces.text(&text[at..open]);
                pieces.reference(path);
                at = end;
            }
            // `{{{x}}}` is a brace before a name in braces.
            None => {
                pieces.text(&text[at..=open]);
                at = open + 1;
            }
        }
    }
    pieces.text(&text[at..]);
    pieces.0
}

/// `{name}` as Python's `format` reads it.
///
/// # Errors
/// What it is that cannot be said in the native language, and where.
pub(super) fn single(text: &str, resolve: Resolve<'_>) -> Result<Vec<Piece>, (String, Range<usize>)> {
    let mut pieces = Pieces::default();
    let mut at = 0;
    while let Some(found) = text[at..].find(['{', '}']).map(|found| at + found) {
        pieces.text(&text[at..found]);
        let rest = &text[found..];
        if rest.starts_with("{{") || rest.starts_with("}}") {
            pieces.text(&rest[..1]);
            at = found + 2;
            continue;
        }
        let close = rest.find('}').filter(|_| rest.starts_with('{'));
        let Some(close) = close else { return Err(("a brace that stands alone".to_owned(), found..found + 1)) };
        let (name, span) = (&rest[1..close], found..found + close + 1);
        if !is_path(name) || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err((format!("`{}`: only names can stand in the braces", &rest[..=close]), span));
        }
        match resolve(name, span) {
            Some(path) => pieces.reference(path),
            None => pieces.text(&rest[..=close]),
        }
        at = found + close + 1;
    }
    pieces.text(&text[at..]);
    Ok(pieces.0)
}

/// `${name}` and `{{ name }}` in a text that is nearly native: names that stand for something are replaced, all else is left as it is.
pub(super) fn open(text: &str, resolve: Resolve<'_>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(found) = text[at..].find(['$', '{']).map(|found| at + found) {
        out.push_str(&text[at..found]);
        let rest = &text[found..];
        let (begin, end) = if rest.starts_with("$${") {
            out.push_str("$${");
            at = found + 3;
            continue;
        } else if rest.starts_with("${") {
            ("${", "}")
        } else if rest.starts_with("{{") {
            ("{{", "}}")
        } else {
            out.push_str(&rest[..1]);
            at = found + 1;
            continue;
        };
        let inner = name_before(&rest[begin.len()..], end);
        let whole = inner.map_or(0, |inner| begin.len() + inner.len() + end.len());
        let path = inner.and_then(|inner| resolve(inner.trim(), found..found + whole));
        match path {
            Some(path) => {
                out.push_str(&path);
                at = found + whole;
            }
            None => {
                out.push_str(begin);
                at = found + begin.len();
            }
        }
    }
    out.push_str(&text[at..]);
    out
}

/// The text of a template.
pub(super) fn template(pieces: &[Piece]) -> String {
    let mut out = String::new();
    for (place, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Text(text) => {
                let is_before_reference = matches!(pieces.get(place + 1), Some(Piece::Reference(_)));
                match text.strip_suffix('$').filter(|_| is_before_reference) {
                    // Side by side, `$` and `${…}` would be an escape.
                    Some(before) => {
                        out.push_str(&escape(before));
                        out.push_str("{{ '$' }}");
                    }
                    None => out.push_str(&escape(text)),
                }
            }
            Piece::Reference(path) => out.push_str(&format!("${{{path}}}")),
        }
    }
    out
}

/// The text of a shell command: what the file leaves to the shell stays the shell's.
pub(super) fn shell(pieces: &[Piece]) -> String {
    let mut out = String::new();
    for (place, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Text(text) => {
                let text = text.replace("${", "$${");
                let is_before_reference = matches!(pieces.get(place + 1), Some(Piece::Reference(_)));
                match text.strip_suffix('$').filter(|_| is_before_reference) {
                    Some(before) => out.push_str(&format!("{before}\\$")),
                    None => out.push_str(&text),
                }
            }
            Piece::Reference(path) => out.push_str(&format!("${{{path}}}")),
        }
    }
    out
}

/// Longest name that is looked for: without a bound, a text of nothing but open braces would be read once for each of them.
const NAME_BYTES_MAX: usize = 512;

/// The name, spaces around it included, that ends with these braces.
fn name_before<'t>(text: &'t str, close: &str) -> Option<&'t str> {
    let bytes = &text.as_bytes()[..text.len().min(NAME_BYTES_MAX)];
    let end = bytes.windows(close.len()).position(|window| window == close.as_bytes())?;
    Some(&text[..end]).filter(|inner| is_path(inner.trim()))
}

/// A word, or words joined by dots. Ids may begin with a digit, as those of editors do.
fn is_path(name: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    !name.starts_with('-') && name.split('.').all(is_word)
}

/// Pieces in order, texts joined.
#[derive(Default)]
struct Pieces(Vec<Piece>);

impl Pieces {
    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        match self.0.last_mut() {
            Some(Piece::Text(before)) => before.push_str(text),
            _ => self.0.push(Piece::Text(text.to_owned())),
        }
    }

    fn reference(&mut self, path: String) {
        self.0.push(Piece::Reference(path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str, _: Range<usize>) -> Option<String> {
        (name != "other").then(|| format!("inputs.{name}"))
    }

    #[test]
    fn double_braces_become_references_and_all_else_stays_text() {
        for (text, expected) in [
            ("", ""),
            ("{{a}}", "${inputs.a}"),
            ("x {{ a.b }} y", "x ${inputs.a.b} y"),
            ("{{{a}}}", "{${inputs.a}}"),
            ("${{a}}", "{{ '$' }}${inputs.a}"),
            ("$${{a}}", "${{ '$' }}${inputs.a}"),
            ("${a} {{other}} {{ 1 + 2 }} {{", "$${a} {{ '{{' }}other}} {{ '{{' }} 1 + 2 }} {{ '{{' }}"),
            ("é{{a}}é", "é${inputs.a}é"),
        ] {
            assert_eq!(template(&double(text, &mut known)), expected, "{text}");
        }
        assert_eq!(shell(&double("echo ${HOME} $x {{a}} ${{a}}", &mut known)), "echo $${HOME} $x ${inputs.a} \\$${inputs.a}");
    }

    #[test]
    fn single_braces_are_those_of_python() {
        let read = |text: &str| single(text, &mut known).map(|pieces| template(&pieces));
        assert_eq!(read("a {b} {{c}} }} {{").unwrap(), "a ${inputs.b} {c} } {");
        assert_eq!(read("{other}").unwrap(), "{other}");
        for bad in ["{", "}", "{}", "{0}", "{a:>3}", "{a!r}", "{a[0]}", "{a"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nearly_native_texts_keep_what_is_native() {
        let text = "${a} {{ a.b }} $${a} ${other} ${a | upper} $ { {{ '{{' }} ${";
        let mut known = |name: &str, at: Range<usize>| known(name, at).map(|path| format!("<{path}>"));
        assert_eq!(open(text, &mut known), "<inputs.a> <inputs.a.b> $${a} ${other} ${a | upper} $ { {{ '{{' }} ${");
    }
}
