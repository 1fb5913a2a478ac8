//! Whose `${…}` is it: ours or the shell's.

use super::super::names::Names;
use super::super::path::{self, Segment};

/// What a `${` begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Braced<'t> {
    /// A reference of ours, or a mistyped one.
    Ours,
    /// An expansion of the shell.
    Shell(Form<'t>),
    /// An expansion of the shell over a name that is declared: it would not see the value.
    Mixed { name: &'t str, cure: Cure },
}

/// How the shell reads its own `${…}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form<'t> {
    /// `${name}` and what needs the name to be set.
    Reads(&'t str),
    /// `${name:=x}`
    Assigns(&'t str),
    /// `${name[…]}` or `${name:…}`, whose inside is arithmetic in bash.
    Counts(&'t str),
    /// `${name:-x}`, `${1}`, `${@}` and the like: nothing to warn of.
    Other,
}

/// What to write instead of a [`Braced::Mixed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cure {
    Default,
    Length,
    Expression,
}

/// Decides by what follows `${`.
pub(super) fn classify<'t>(inside: &'t str, names: &Names) -> Braced<'t> {
    let Some(first) = inside.chars().next() else {
        return Braced::Ours;
    };
    if first == '#' || first == '!' {
        let name = shell_name(&inside[1..]);
        return match names.declares(name) {
            true => Braced::Mixed { name, cure: Cure::Length },
            false if name.is_empty() => Braced::Shell(Form::Other),
            false => Braced::Shell(Form::Reads(name)),
        };
    }
    if first.is_ascii_digit() || matches!(first, '@' | '*' | '?' | '$' | '-') {
        return Braced::Shell(Form::Other);
    }
    if let Some(found) = path::scan(inside).filter(|found| inside[found.end..].starts_with('}')) {
        if is_ours(&found.segments, &inside[..found.end], names) {
            return Braced::Ours;
        }
    } else if path::scan(inside).is_none() {
        return Braced::Ours;
    }
    let name = shell_name(inside);
    by_operator(name, &inside[name.len()..], names)
}

/// Whether a plain path that fills the braces is a reference.
fn is_ours(segments: &[Segment], written: &str, names: &Names) -> bool {
    match segments {
        [Segment::Key(name)] => names.declares(name),
        [Segment::Key(name), ..] => names.declares(name) || written.contains('.'),
        _ => true,
    }
}

fn by_operator<'t>(name: &'t str, after: &str, names: &Names) -> Braced<'t> {
    let mut chars = after.chars();
    let is_declared = names.declares(name);
    let mixed = |cure| Braced::Mixed { name, cure };
    let (form, cure) = match (chars.next(), chars.next()) {
        (Some('}'), _) => (Form::Reads(name), Cure::Default),
        (Some(':'), Some('=')) | (Some('='), _) => (Form::Assigns(name), Cure::Default),
        (Some(':'), Some('-' | '?' | '+')) | (Some('-' | '?' | '+'), _) => (Form::Other, Cure::Default),
        (Some(':'), _) => (Form::Counts(name), Cure::Expression),
        (Some('%' | '#' | '/' | '^' | ',' | '@'), _) => (Form::Reads(name), Cure::Expression),
        (Some('['), _) if !is_declared => return Braced::Shell(Form::Counts(name)),
        _ => return Braced::Ours,
    };
    if is_declared { mixed(cure) } else { Braced::Shell(form) }
}

/// The name at the start of a text, as the shell reads names.
pub(super) fn shell_name(text: &str) -> &str {
    let end = text.find(|char: char| !char.is_ascii_alphanumeric() && char != '_').unwrap_or(text.len());
    if text.starts_with(|char: char| char.is_ascii_digit()) {
        return "";
    }
    &text[..end]
}
