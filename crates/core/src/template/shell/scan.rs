//! The lexer of shell text: it copies the text, puts variables in the place of references, and knows at each of them
//! which quotes and which command it stands in.

mod heredoc;
mod pipeline;
mod report;

use std::collections::BTreeSet;
use std::ops::Range;

use super::super::limits::SHELL_DEPTH_MAX;
use super::super::names::Names;
use super::super::piece::{self, Braces, Piece};
use super::super::problem::Problem;
use super::super::reference::Reference;
use super::braces::{self, Braced, Form};
use super::words::{Reader, Role, Word};
use super::{ShellText, Slot};
use pipeline::{Group, Pipeline};

/// Where a piece of text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Bare,
    Quoted,
    Heredoc,
    Arithmetic,
}

/// What ends a list of commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Text,
    Paren,
    Backtick,
}

struct Use {
    text: String,
    span: Range<usize>,
    is_bare: bool,
    /// Something has been said about it already.
    is_settled: bool,
}

struct Scan<'t> {
    text: &'t str,
    at: usize,
    /// Where scanning stops: the end of the text, or of the heredoc at hand.
    stop: usize,
    names: &'t Names,
    out: String,
    slots: Vec<Slot>,
    references: Vec<Reference>,
    uses: Vec<Use>,
    problems: Vec<Problem>,
    heredocs: Vec<heredoc::Heredoc>,
    assigned: BTreeSet<String>,
    read: Vec<(String, Range<usize>)>,
    depth: usize,
}

pub(super) fn scan(text: &str, names: &Names) -> (ShellText, Vec<Problem>) {
    let mut scan = Scan {
        text,
        at: 0,
        stop: text.len(),
        names,
        out: String::with_capacity(text.len()),
        slots: Vec::new(),
        references: Vec::new(),
        uses: Vec::new(),
        problems: Vec::new(),
        heredocs: Vec::new(),
        assigned: BTreeSet::new(),
        read: Vec::new(),
        depth: 0,
    };
    scan.commands(End::Text, None);
    scan.warn_unset();
    let parsed = ShellText { command: scan.out, slots: scan.slots, references: scan.references };
    (parsed, scan.problems)
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.ahead(0)
    }

    fn ahead(&self, by: usize) -> Option<u8> {
        let at = self.at + by;
        (at < self.stop).then(|| self.text.as_bytes()[at])
    }

    fn rest(&self) -> &str {
        &self.text[self.at..self.stop]
    }

    /// Copies one character.
    fn copy(&mut self) {
        if let Some(char) = self.rest().chars().next() {
            self.out.push(char);
            self.at += char.len_utf8();
        }
    }

    /// Copies a backslash and what it protects.
    fn copy_escaped(&mut self) -> Option<char> {
        self.copy();
        let escaped = self.rest().chars().next();
        self.copy();
        escaped.filter(|char| *char != '\n')
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self)) {
        self.depth += 1;
        if self.depth > SHELL_DEPTH_MAX {
            self.problems.push(Problem::error(self.at..self.at, format!("the shell text nests deeper than {SHELL_DEPTH_MAX} levels")));
            self.at = self.stop;
        } else {
            read(self);
        }
        self.depth -= 1;
    }

    /// Reads a list of commands; gives the interpreter among them that reads code from the input of the group around.
    fn commands(&mut self, end: End, around: Option<Group>) -> Option<String> {
        let mut pipeline = Pipeline::new(self.uses.len(), around);
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' => self.copy(),
                b'\\' if self.ahead(1) == Some(b'\n') => {
                    self.copy_escaped();
                }
                b'\n' => self.newline(&mut pipeline),
                b'#' => {
                    while self.peek().is_some_and(|byte| byte != b'\n') {
                        self.copy();
                    }
                }
                b'&' if self.ahead(1) == Some(b'>') => {
                    self.copy();
                    self.redirect(&mut pipeline);
                }
                b';' | b'&' => self.semicolon(&mut pipeline),
                b'|' => self.bar(&mut pipeline),
                b'<' | b'>' => self.redirect(&mut pipeline),
                b'(' => self.subshell(&mut pipeline),
                b')' => {
                    if self.close_paren(&mut pipeline, end) {
                        return pipeline.into_reader();
                    }
                }
                b'`' if end == End::Backtick => break,
                _ => self.add_word(&mut pipeline, end),
            }
        }
        self.end_command(&mut pipeline, false);
        pipeline.into_reader()
    }

    fn word(&mut self, end: End) -> Word {
        let (start, uses_from) = (self.at, self.uses.len());
        let mut text = String::new();
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')' => break,
                b'`' if end == End::Backtick => break,
                b'\\' => text.extend(self.copy_escaped()),
                b'\'' => text.push_str(&self.single()),
                b'"' => text.push_str(&self.double()),
                b'`' => {
                    self.backtick();
                    text.push('\0');
                }
                b'$' => {
                    self.dollar(Place::Bare);
                    text.push('\0');
                }
                _ => {
                    text.extend(self.rest().chars().next());
                    self.copy();
                }
            }
        }
        let source = self.text[start..self.at].to_owned();
        Word { text, source, uses: uses_from..self.uses.len(), role: Role::Argument }
    }

    fn single(&mut self) -> String {
        self.copy();
        let length = self.rest().find('\'').unwrap_or(self.rest().len());
        let end = self.at + length;
        let text = self.text[self.at..end].to_owned();
        self.inert(end, "single quotes");
        self.copy();
        text
    }

    fn double(&mut self) -> String {
        self.copy();
        let mut text = String::new();
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => break,
                b'\\' => text.extend(self.copy_escaped()),
                b'$' => {
                    self.dollar(Place::Quoted);
                    text.push('\0');
                }
                b'`' => {
                    self.backtick();
                    text.push('\0');
                }
                _ => {
                    text.extend(self.rest().chars().next());
                    self.copy();
                }
            }
        }
        self.copy();
        text
    }

    fn backtick(&mut self) {
        self.copy();
        self.nested(|scan| {
            scan.commands(End::Backtick, None);
        });
        self.copy();
    }

    fn dollar(&mut self, place: Place) {
        let rest = self.rest();
        if rest.starts_with("$${") {
            self.out.push_str("${");
            self.at += 3;
            self.nested(|scan| scan.expansion(place));
        } else if rest.starts_with("${") {
            self.nested(|scan| scan.braces(place));
        } else if rest.starts_with("$((") {
            (0..3).for_each(|_| self.copy());
            self.nested(Self::arithmetic);
        } else if rest.starts_with("$(") {
            (0..2).for_each(|_| self.copy());
            self.nested(|scan| {
                scan.commands(End::Paren, None);
            });
        } else if rest.starts_with("$$") {
            (0..2).for_each(|_| self.copy());
        } else {
            self.copy();
        }
    }

    fn arithmetic(&mut self) {
        let mut parens = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'(' => parens += 1,
                b')' if parens > 0 => parens -= 1,
                b')' => {
                    self.copy();
                    if self.peek() == Some(b')') {
                        self.copy();
                    }
                    return;
                }
                b'$' => {
                    self.dollar(Place::Arithmetic);
                    continue;
                }
                b'`' => {
                    self.backtick();
                    continue;
                }
                b'\\' => {
                    self.copy_escaped();
                    continue;
                }
                _ => {}
            }
            self.copy();
        }
    }

    /// The inside of an expansion of the shell, up to its brace.
    fn expansion(&mut self, place: Place) {
        while let Some(byte) = self.peek() {
            match byte {
                b'}' => break,
                b'\\' => {
                    self.copy_escaped();
                }
                b'\'' if place == Place::Bare => {
                    self.single();
                }
                b'"' => {
                    self.double();
                }
                b'$' => self.dollar(place),
                b'`' => self.backtick(),
                _ => self.copy(),
            }
        }
        self.copy();
    }

    fn braces(&mut self, place: Place) {
        let start = self.at;
        let inside = &self.text[self.at + 2..self.stop];
        let form = match braces::classify(inside, self.names) {
            Braced::Ours => return self.reference(place),
            Braced::Mixed { name, cure } => {
                let problem = report::mixed(start..start + 2 + name.len(), name, cure);
                self.problems.push(problem);
                Form::Other
            }
            Braced::Shell(form) => form,
        };
        let place = match form {
            Form::Counts(_) => Place::Arithmetic,
            Form::Reads(_) | Form::Assigns(_) | Form::Other => place,
        };
        match form {
            Form::Reads(name) | Form::Counts(name) => {
                let end = start + 2 + name.len();
                self.read.push((name.to_owned(), start..end));
            }
            Form::Assigns(name) => {
                self.assigned.insert(name.to_owned());
            }
            Form::Other => {}
        }
        (0..2).for_each(|_| self.copy());
        // `${#name}`: the sign is no comment.
        self.expansion(place);
    }

    fn reference(&mut self, place: Place) {
        let start = self.at;
        let Some((source, end)) = self.parse_reference() else {
            return;
        };
        let span = start..end;
        if place == Place::Arithmetic {
            self.problems.push(report::refused(&source, span.clone(), &Reader::Arithmetic));
        }
        self.uses.push(Use { text: source.clone(), span, is_bare: place == Place::Bare, is_settled: place == Place::Arithmetic });
        self.at = end;
        let variable = self.slots.iter().find(|slot| slot.source == source);
        let variable = variable.map_or_else(String::new, |slot| slot.variable.clone());
        self.out.push_str("${");
        self.out.push_str(&variable);
        self.out.push('}');
    }

    /// Parses the reference at hand into a slot; gives its source and the end of its braces.
    fn parse_reference(&mut self) -> Option<(String, usize)> {
        let from = self.at + 2;
        let Some(end) = piece::closing(&self.text[..self.stop], from, Braces::Dollar) else {
            self.problems
                .push(Problem::error(self.at..from, "`${` is never closed").with_help("close it with `}`, or write `$${` to leave it to the shell"));
            self.at = self.stop;
            return None;
        };
        let content = &self.text[from..end];
        let source = content.trim().to_owned();
        let known = self.references.len();
        let parsed = Piece::parse(content, from, &mut self.references);
        let mut problems = self.names.bind(&mut self.references[known..]);
        let piece = parsed.unwrap_or_else(|problem| {
            problems.push(problem);
            Piece::Text(String::new())
        });
        self.problems.append(&mut problems);
        if !self.slots.iter().any(|slot| slot.source == source) {
            self.slots.push(Slot { variable: format!("GORGON_{}", self.slots.len() + 1), source: source.clone(), piece });
        }
        Some((source, end + 1))
    }

    /// Copies text in which the shell expands nothing; a reference there is an error.
    fn inert(&mut self, end: usize, place: &str) {
        while self.at < end {
            let rest = &self.text[self.at..end];
            if rest.starts_with("$${") {
                self.out.push_str("${");
                self.at += 3;
                continue;
            }
            if rest.starts_with("${") && braces::classify(&rest[2..], self.names) == Braced::Ours {
                let close = piece::closing(&self.text[..end], self.at + 2, Braces::Dollar);
                let span = self.at..close.map_or(end, |close| close + 1);
                let written = super::super::value::shorten(&self.text[span.clone()]);
                self.problems.push(
                    Problem::error(span, format!("`{written}` stands inside {place}, where the shell puts no value in place"))
                        .with_help("use double quotes, or close the quotes before it; to keep the characters, write `$${`"),
                );
            }
            self.copy();
        }
    }
}
