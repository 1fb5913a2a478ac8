//! Diagnostics as plain lines: for logs, pipes and tests. Terminals get a richer form from the spans.

use std::fmt::Write;

use gorgon_core::diagnostic::{Diagnostic, Severity};

/// Line and column, from 1, of a byte offset; columns count characters.
#[must_use]
pub fn line_col(text: &str, offset: usize) -> (usize, usize) {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// One block for each diagnostic: `file:line:column: error[GOR0105]: message (at path)`, and its cure below.
#[must_use]
pub fn render(file: &str, text: &str, diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for problem in diagnostics {
        let place = problem.place.span.as_ref().map_or_else(String::new, |span| {
            let (line, column) = line_col(text, span.start);
            format!("{line}:{column}:")
        });
        let severity = match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let at = if problem.place.path.is_empty() { String::new() } else { format!(" (at {})", problem.place.path) };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{file}:{place} {severity}[{}]: {}{at}", problem.code, problem.message);
        if let Some(help) = &problem.help {
            let _ = writeln!(out, "    help: {help}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let text = "a\nbß→c\n";
        assert_eq!(line_col(text, 0), (1, 1));
        assert_eq!(line_col(text, 2), (2, 1));
        assert_eq!(line_col(text, text.find('c').unwrap_or_default()), (2, 4));
        assert_eq!(line_col(text, 999), (3, 1));
    }
}
