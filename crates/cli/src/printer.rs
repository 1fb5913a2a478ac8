//! Output: data to stdout, talk to stderr, nowhere else.

use std::cell::Cell;
use std::io::{ErrorKind, IsTerminal, Write};

use gorgon_core::diagnostic::{Code, Severity};
use serde::Serialize;

use crate::fault::{Fault, Located};

/// How colours are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Writes what a verb has to say.
#[derive(Debug)]
pub(crate) struct Printer {
    pub(crate) json: bool,
    color: bool,
    /// Nothing more can be written to stdout, and what follows a run may stop: whoever read it has gone, or it broke.
    gone: Cell<bool>,
    /// Why it broke.
    broken: Cell<Option<ErrorKind>>,
}

impl Printer {
    pub(crate) fn new(json: bool, color: Color) -> Self {
        let color = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        };
        Self { json, color, gone: Cell::new(false), broken: Cell::new(None) }
    }

    pub(crate) fn color(&self) -> bool {
        self.color
    }

    /// Whether somebody sits before a terminal and can be asked.
    pub(crate) fn is_interactive(&self) -> bool {
        !self.json && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Data that could not be written, unless whoever read them has gone: then nobody misses them.
    pub(crate) fn lost(&self) -> Option<Fault> {
        self.broken.get().and_then(unwritten)
    }

    /// Whether whoever read stdout has gone.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.get()
    }

    /// A line of data.
    pub(crate) fn data(&self, line: impl AsRef<str>) {
        if self.gone.get() {
            return;
        }
        let mut out = std::io::stdout().lock();
        if let Err(error) = writeln!(out, "{}", line.as_ref()).and_then(|()| out.flush()) {
            self.gone.set(true);
            self.broken.set(Some(error.kind()));
        }
    }

    /// One JSON document as data.
    pub(crate) fn document<T: Serialize + ?Sized>(&self, value: &T) {
        self.data(serde_json::to_string_pretty(value).unwrap_or_default());
    }

    /// One JSON value on one line.
    pub(crate) fn row<T: Serialize + ?Sized>(&self, value: &T) {
        self.data(serde_json::to_string(value).unwrap_or_default());
    }

    /// A line of talk.
    pub(crate) fn say(&self, line: impl AsRef<str>) {
        // Nobody is left to be told that nobody listens.
        let _ = writeln!(std::io::stderr().lock(), "{}", line.as_ref());
    }

    /// Why it did not work.
    pub(crate) fn fault(&self, fault: &Fault) {
        if self.json && !self.gone.get() {
            self.document(&serde_json::json!({ "error": Told::of(fault) }));
            return;
        }
        match &fault.located {
            Some(located) => return self.diagnostics(located),
            None => self.say(format!("{} {}", self.paint("1;31", &format!("error[{}]:", fault.code)), fault.message)),
        }
        if let Some(help) = &fault.help {
            self.say(format!("  help: {help}"));
        }
    }

    /// Problems of a text: with the text on a terminal, as plain lines elsewhere.
    pub(crate) fn diagnostics(&self, located: &Located) {
        if self.color && !located.text.is_empty() {
            return self.say(crate::pretty::render(located));
        }
        if located.text.is_empty() {
            for problem in &located.diagnostics {
                let word = if problem.severity == Severity::Error { "error" } else { "warning" };
                let style = if problem.severity == Severity::Error { "1;31" } else { "1;33" };
                self.say(format!("{} {}", self.paint(style, &format!("{word}[{}]:", problem.code)), problem.message));
                if let Some(help) = &problem.help {
                    self.say(format!("  help: {help}"));
                }
            }
            return;
        }
        self.say(gorgon_language::render(&located.file, &located.text, &located.diagnostics).trim_end());
    }

    /// The text in this style, where styles are shown.
    pub(crate) fn paint(&self, style: &str, text: &str) -> String {
        if self.color { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Why what was said to stdout is lost, unless its reader has gone: then nobody misses it.
pub(crate) fn unwritten(kind: ErrorKind) -> Option<Fault> {
    let fault = Fault::new(Code::StoreUnavailable, format!("what this command had to say could not be written to its standard output: {kind}"));
    (kind != ErrorKind::BrokenPipe).then(|| fault.help("what it did is done; make room where its output goes, or send it elsewhere"))
}

/// A fault as JSON.
#[derive(Serialize)]
pub(crate) struct Told<'a> {
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    diagnostics: Vec<ToldDiagnostic<'a>>,
}

/// A diagnostic as JSON, with its place in lines and columns.
#[derive(Serialize)]
pub(crate) struct ToldDiagnostic<'a> {
    code: &'static str,
    severity: Severity,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    path: &'a str,
}

impl<'a> Told<'a> {
    fn of(fault: &'a Fault) -> Self {
        let diagnostics = fault.located.as_deref().map(ToldDiagnostic::all).unwrap_or_default();
        Self { code: fault.code.as_str(), message: &fault.message, help: fault.help.as_deref(), diagnostics }
    }
}

impl<'a> ToldDiagnostic<'a> {
    pub(crate) fn all(located: &'a Located) -> Vec<Self> {
        let place = |offset: usize| gorgon_language::line_col(&located.text, offset);
        let told = located.diagnostics.iter().map(|problem| {
            let at = problem.place.span.as_ref().filter(|_| !located.text.is_empty()).map(|span| place(span.start));
            Self {
                code: problem.code.as_str(),
                severity: problem.severity,
                message: &problem.message,
                help: problem.help.as_deref(),
                file: &located.file,
                line: at.map(|(line, _)| line),
                column: at.map(|(_, column)| column),
                path: &problem.place.path,
            }
        });
        told.collect()
    }
}
