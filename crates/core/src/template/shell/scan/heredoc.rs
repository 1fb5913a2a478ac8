//! Heredocs: announced in a line, read after it.

use super::super::words::Reader;
use super::{Place, Scan};

/// A heredoc whose body begins after the line at hand.
pub(super) struct Heredoc {
    delimiter: String,
    is_quoted: bool,
    strips_tabs: bool,
}

impl Scan<'_> {
    pub(super) fn heredoc(&mut self) {
        let strips_tabs = self.peek() == Some(b'-');
        if strips_tabs {
            self.copy();
        }
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.copy();
        }
        let mut delimiter = String::new();
        let mut is_quoted = false;
        while let Some(char) = self.rest().chars().next() {
            match char {
                '\'' | '"' | '\\' => is_quoted = true,
                ' ' | '\t' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')' => break,
                _ => delimiter.push(char),
            }
            self.copy();
        }
        self.heredocs.push(Heredoc { delimiter, is_quoted, strips_tabs });
    }

    pub(super) fn read_heredocs(&mut self, reader: Option<&str>) {
        for heredoc in std::mem::take(&mut self.heredocs) {
            let (body_end, end) = self.find_end(&heredoc);
            if heredoc.is_quoted {
                self.inert(body_end, &format!("the heredoc with a quoted `{}`", heredoc.delimiter));
            } else {
                let uses_from = self.uses.len();
                let stop = std::mem::replace(&mut self.stop, body_end);
                while let Some(byte) = self.peek() {
                    match byte {
                        b'\\' => {
                            self.copy_escaped();
                        }
                        b'$' => self.dollar(Place::Heredoc),
                        b'`' => self.backtick(),
                        _ => self.copy(),
                    }
                }
                self.stop = stop;
                if let Some(reader) = reader {
                    self.refuse(uses_from..self.uses.len(), &Reader::Program(reader.to_owned()));
                }
            }
            while self.at < end {
                self.copy();
            }
        }
    }

    /// Where the body ends, and where the line of the delimiter does.
    fn find_end(&self, heredoc: &Heredoc) -> (usize, usize) {
        let mut at = self.at;
        for line in self.rest().split_inclusive('\n') {
            let text = line.strip_suffix('\n').unwrap_or(line);
            let text = if heredoc.strips_tabs { text.trim_start_matches('\t') } else { text };
            if text == heredoc.delimiter {
                return (at, at + line.len());
            }
            at += line.len();
        }
        (at, at)
    }
}
