//! What the lexer says about a reference, and how to cure it.

use std::ops::Range;

use super::super::super::names::nearest;
use super::super::super::problem::Problem;
use super::super::braces::Cure;
use super::super::words::Reader;
use super::Scan;

/// Variables that every shell or system sets.
const WELL_KNOWN: [&str; 20] = [
    "HOME", "PATH", "PWD", "OLDPWD", "USER", "LOGNAME", "SHELL", "TMPDIR", "IFS", "LANG", "LC_ALL", "TERM", "PPID", "HOSTNAME", "EDITOR", "UID",
    "OPTARG", "OPTIND", "RANDOM", "LINENO",
];

impl Scan<'_> {
    pub(super) fn refuse(&mut self, uses: Range<usize>, reader: &Reader) {
        for found in &mut self.uses[uses] {
            if !std::mem::replace(&mut found.is_settled, true) {
                self.problems.push(refused(&found.text, found.span.clone(), reader));
            }
        }
    }

    pub(super) fn warn_split(&mut self, uses: Range<usize>) {
        for found in &mut self.uses[uses] {
            // Judged once: a use inside a substitution belongs to the inner command, not to the word around it.
            if std::mem::take(&mut found.is_bare) && !found.is_settled {
                self.problems.push(
                    Problem::warning(
                        found.span.clone(),
                        format!("`${{{}}}` is not quoted: the shell splits its value at spaces and expands `*` in it", found.text),
                    )
                    .with_help(format!("write `\"${{{}}}\"`", found.text)),
                );
            }
        }
    }

    pub(super) fn warn_unset(&mut self) {
        for (name, span) in &self.read {
            if self.assigned.contains(name) || WELL_KNOWN.contains(&name.as_str()) {
                continue;
            }
            let known = self.names.inputs.iter().chain(self.names.outputs.keys()).chain(&self.names.variables);
            let help = match nearest(name, known.map(String::as_str)) {
                Some(known) => format!("did you mean `${{{known}}}`?"),
                None => format!("declare it under `inputs:`, or write `$${{{name}}}` if the environment sets it"),
            };
            self.problems.push(
                Problem::warning(
                    span.clone(),
                    format!("`{name}` is neither declared nor set in this text; the shell will most likely put nothing there"),
                )
                .with_help(help),
            );
        }
    }
}

pub(super) fn mixed(span: Range<usize>, name: &str, cure: Cure) -> Problem {
    let help = match cure {
        Cure::Default => format!("write `${{{name} | default('...')}}`"),
        Cure::Length => format!("write `${{{name} | length}}`"),
        Cure::Expression => {
            format!("write an expression with spaces around its operators, such as `${{{name}.replace('a', 'b')}}`")
        }
    };
    Problem::error(span, format!("`{name}` is a value of the workflow; the shell's own forms of `${{...}}` do not see it"))
        .with_help(format!("{help}; to leave it to the shell, write `$${{`"))
}

pub(super) fn refused(path: &str, span: Range<usize>, reader: &Reader) -> Problem {
    match reader {
        Reader::Arithmetic => Problem::error(span, format!("`${{{path}}}` stands in shell arithmetic, which would run a substitution in its value"))
            .with_help(format!("compute it before: `${{{path} | int + 1}}` outside of the arithmetic")),
        Reader::Program(program) => {
            Problem::error(span, format!("`{program}` would read the value of `${{{path}}}` as its own code")).with_help(format!(
                "pass it as data: with `argv: [{}, ..., \"${{{path}}}\"]` and a parameter in the code, or with `stdin: \"${{{path}}}\"`",
                program.replace(' ', ", ")
            ))
        }
    }
}
