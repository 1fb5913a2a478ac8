//! What a simple command does with the references in its words.

use std::ops::Range;

use super::programs::{self, Code, Program, base_name};

/// One word of a command.
#[derive(Debug, Clone)]
pub(super) struct Word {
    /// Its text without quotes; what the shell puts in place is `\0`.
    pub(super) text: String,
    /// As it is written.
    pub(super) source: String,
    /// The uses of references in it, by position in the list of all.
    pub(super) uses: Range<usize>,
    pub(super) role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Role {
    #[default]
    Argument,
    /// The file of a redirection.
    Target,
    /// What the command reads: `<<< text` or `<(commands)`.
    Input,
}

/// Why a reference may not stand in a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reader {
    /// A program that reads its argument as code.
    Program(String),
    /// Arithmetic, which runs substitutions in subscripts.
    Arithmetic,
}

/// What one simple command means for the references in and before it.
#[derive(Debug, Default)]
pub(super) struct Finding {
    /// Uses in these words are read as code.
    pub(super) refused: Vec<(Range<usize>, Reader)>,
    /// Unquoted uses in these words are split and globbed.
    pub(super) split: Vec<Range<usize>>,
    /// Variables that the command sets.
    pub(super) assigned: Vec<String>,
    /// The interpreter, if the command runs what it reads from its standard input.
    pub(super) reads_code: Option<String>,
}

const RESERVED: [&str; 14] = ["{", "}", "!", "if", "then", "elif", "else", "fi", "while", "until", "do", "done", "esac", "time"];

/// Commands that evaluate their arguments as shell text.
const EVALUATORS: [&str; 4] = ["eval", "trap", "watch", "alias"];

/// Programs whose arguments are code or become a remote or second command line.
const CODE_TAKERS: [&str; 7] = ["awk", "gawk", "mawk", "nawk", "xargs", "ssh", "script"];

/// Whether a word after these is the command's name.
pub(super) fn is_command_position(words: &[Word]) -> bool {
    words.iter().all(|word| word.role != Role::Argument || RESERVED.contains(&word.text.as_str()) || assigned_name(&word.text).is_some())
}

/// The name that `name=…` or `name+=…` sets.
fn assigned_name(text: &str) -> Option<&str> {
    let name = super::braces::shell_name(text);
    let rest = &text[name.len()..];
    (!name.is_empty() && (rest.starts_with('=') || rest.starts_with("+="))).then_some(name)
}

/// Judges one simple command.
pub(super) fn judge(words: &[Word]) -> Finding {
    let mut finding = Finding::default();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if word.role != Role::Argument {
            finding.split.push(word.uses.clone());
        } else if let Some(name) = assigned_name(&word.text) {
            finding.assigned.push(name.to_owned());
        } else if !RESERVED.contains(&word.text.as_str()) {
            break;
        }
        at += 1;
    }
    let (command, others): (Vec<&Word>, Vec<&Word>) = words[at..].iter().partition(|word| word.role == Role::Argument);
    finding.split.extend(others.iter().map(|word| word.uses.clone()));
    let Some(name) = command.first().map(|word| base_name(&word.text)) else {
        return finding;
    };
    let arguments = &command[1..];
    if !matches!(name, "case" | "[[") {
        finding.split.extend(command.iter().map(|word| word.uses.clone()));
    }
    assignments(name, arguments, &mut finding);
    takers(name, &command, &mut finding);
    interpreters(&command, &mut finding);
    if let Some(reader) = finding.reads_code.clone() {
        let inputs: Vec<&Word> = words.iter().filter(|word| word.role == Role::Input).collect();
        refuse(&inputs, &Reader::Program(reader), &mut finding);
    }
    finding
}

fn assignments(name: &str, arguments: &[&Word], finding: &mut Finding) {
    let texts = arguments.iter().map(|word| word.text.as_str());
    match name {
        "for" | "select" => finding.assigned.extend(texts.take(1).map(str::to_owned)),
        "read" | "export" | "local" | "readonly" | "declare" | "typeset" | "getopts" | "mapfile" | "readarray" | "printf" | "unset" => {
            let names = texts.map(super::braces::shell_name).filter(|name| !name.is_empty());
            finding.assigned.extend(names.map(str::to_owned));
        }
        _ => {}
    }
}

fn takers(name: &str, command: &[&Word], finding: &mut Finding) {
    let is_prefixed = programs::is_prefix(command[0]);
    for (at, word) in command.iter().enumerate() {
        let word = base_name(&word.text);
        if EVALUATORS.contains(&word) || CODE_TAKERS.contains(&word) {
            refuse(&command[at + 1..], &Reader::Program(word.to_owned()), finding);
            return;
        }
        if !is_prefixed {
            break;
        }
    }
    let compares = |word: &&Word| matches!(word.text.as_str(), "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge");
    if name == "let" || (name == "[[" && command.iter().any(compares)) {
        refuse(&command[1..], &Reader::Arithmetic, finding);
    }
}

fn refuse(words: &[&Word], reader: &Reader, finding: &mut Finding) {
    finding.refused.extend(words.iter().map(|word| (word.uses.clone(), reader.clone())));
}

/// Looks for an interpreter among all words, since any command may run another (`docker run image sh -c …`).
fn interpreters(command: &[&Word], finding: &mut Finding) {
    if matches!(command[0].text.as_str(), "." | "source") && command.get(1).is_none_or(|file| file.text == "/dev/stdin") {
        finding.reads_code = Some(command[0].text.clone());
        return;
    }
    let is_prefixed = programs::is_prefix(command[0]);
    for (at, word) in command.iter().enumerate() {
        let is_called = at == 0 || is_prefixed;
        let Some(program) = Program::of_word(word).or_else(|| Program::of_expansion(word).filter(|_| is_called)) else {
            continue;
        };
        let name = if word.text.contains('\0') { word.source.trim_matches('"') } else { base_name(&word.text) };
        match program.code_of(&command[at + 1..]) {
            Code::Argument(flag) => {
                refuse(&command[at + 1..], &Reader::Program(format!("{name} {flag}")), finding);
                return;
            }
            Code::Input if is_called && program.reads_input => {
                finding.reads_code = Some(name.to_owned());
                return;
            }
            Code::Input | Code::Words => {}
        }
    }
}
