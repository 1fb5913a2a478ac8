//! What a simple command does with the references in its words.

use std::ops::Range;

/// One word of a command.
#[derive(Debug, Clone)]
pub(super) struct Word {
    /// Its text without quotes; what the shell puts in place is `\0`.
    pub(super) text: String,
    /// The uses of references in it, by position in the list of all.
    pub(super) uses: Range<usize>,
    /// Whether it is the file of a redirection.
    pub(super) is_target: bool,
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

/// Commands whose arguments are a command again.
const PREFIXES: [&str; 18] = [
    "sudo", "doas", "env", "nohup", "exec", "command", "builtin", "nice", "ionice", "timeout", "stdbuf", "setsid", "chroot", "unshare", "busybox",
    "find", "parallel", "time",
];

/// Commands that evaluate their arguments as shell text.
const EVALUATORS: [&str; 4] = ["eval", "trap", "watch", "alias"];

/// Programs whose arguments are code or become a remote or second command line.
const CODE_TAKERS: [&str; 6] = ["awk", "gawk", "mawk", "nawk", "xargs", "ssh"];

/// Interpreters: how the name begins, the flags that take code, and the flags that take another value.
const INTERPRETERS: [(&str, &str, &str); 15] = [
    ("sh", "c", "oO"),
    ("bash", "c", "oO"),
    ("dash", "c", "oO"),
    ("zsh", "c", "oO"),
    ("ksh", "c", "oO"),
    ("ash", "c", "oO"),
    ("su", "c", "sg"),
    ("python", "c", "WX"),
    ("perl", "eE", "I"),
    ("ruby", "e", "Ir"),
    ("node", "ep", "r"),
    ("nodejs", "ep", "r"),
    ("php", "r", "d"),
    ("lua", "e", "l"),
    ("osascript", "e", "l"),
];

/// Whether a word after these is the command's name.
pub(super) fn is_command_position(words: &[Word]) -> bool {
    words.iter().all(|word| word.is_target || RESERVED.contains(&word.text.as_str()) || assigned_name(&word.text).is_some())
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
        if let Some(name) = assigned_name(&word.text) {
            finding.assigned.push(name.to_owned());
        } else if word.is_target {
            finding.split.push(word.uses.clone());
        } else if !RESERVED.contains(&word.text.as_str()) {
            break;
        }
        at += 1;
    }
    let command: Vec<&Word> = words[at..].iter().filter(|word| !word.is_target).collect();
    let targets = words[at..].iter().filter(|word| word.is_target);
    finding.split.extend(targets.map(|word| word.uses.clone()));
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
    finding
}

fn base_name(text: &str) -> &str {
    text.rsplit('/').next().unwrap_or(text)
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
    let is_prefixed = PREFIXES.contains(&name);
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
    for (at, word) in command.iter().enumerate() {
        let name = base_name(&word.text);
        let Some((_, code_flags, value_flags)) = INTERPRETERS.iter().find(|(known, ..)| is_named(name, known)) else {
            continue;
        };
        match code_of(&command[at + 1..], code_flags, value_flags) {
            Code::Argument(flag) => {
                refuse(&command[at + 1..], &Reader::Program(format!("{name} {flag}")), finding);
                return;
            }
            Code::Input if at == 0 || PREFIXES.contains(&base_name(&command[0].text)) => {
                finding.reads_code = Some(name.to_owned());
                return;
            }
            Code::Input | Code::File => {}
        }
    }
}

/// `python` also names `python3` and `python3.12`.
fn is_named(name: &str, known: &str) -> bool {
    name.strip_prefix(known).is_some_and(|version| version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
}

/// Where an interpreter finds its code.
enum Code {
    Argument(String),
    File,
    Input,
}

fn code_of(arguments: &[&Word], code_flags: &str, value_flags: &str) -> Code {
    let mut arguments = arguments.iter();
    while let Some(word) = arguments.next() {
        let text = word.text.as_str();
        if matches!(text, "--eval" | "--print" | "--command") || text.starts_with("--eval=") {
            return Code::Argument(text.to_owned());
        }
        if text == "-" || text == "-s" {
            return Code::Input;
        }
        if text.starts_with("--") || text.contains('\0') {
            // An unknown word may be a flag or nothing at all.
            continue;
        }
        let Some(flags) = text.strip_prefix(['-', '+']) else {
            return Code::File;
        };
        if flags.contains(|flag| code_flags.contains(flag)) {
            return Code::Argument(text.to_owned());
        }
        if flags == "m" {
            return Code::File;
        }
        if flags.ends_with(|flag| value_flags.contains(flag)) {
            arguments.next();
        }
    }
    Code::Input
}
