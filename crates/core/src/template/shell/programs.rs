//! Which programs run code, and where they find it.

use super::words::Word;

/// Commands whose arguments are a command again.
const PREFIXES: [&str; 25] = [
    "sudo", "doas", "su", "runuser", "env", "nohup", "exec", "command", "builtin", "nice", "ionice", "timeout", "stdbuf", "setsid", "flock",
    "chroot", "unshare", "nsenter", "busybox", "docker", "podman", "kubectl", "find", "parallel", "time",
];

const SHELLS: [&str; 7] = ["sh", "bash", "dash", "zsh", "ksh", "ash", "shell"];

/// Other interpreters: how the name begins, the flags that take code, and the flags that take another value.
const LANGUAGES: [(&str, &str, &str); 8] = [
    ("python", "c", "WX"),
    ("perl", "eE", "I"),
    ("ruby", "e", "Ir"),
    ("node", "ep", "r"),
    ("nodejs", "ep", "r"),
    ("php", "r", "d"),
    ("lua", "e", "l"),
    ("osascript", "e", "l"),
];

/// Programs that start a shell or a command: the flags that take its text, the flags that take another value, and how
/// many words (a user, a file, a folder) may stand before the text. Without a text the shell reads its input.
const STARTERS: [(&str, &str, &str, usize); 10] = [
    ("su", "c", "sgGw", 1),
    ("runuser", "c", "sgGw", 1),
    ("sg", "c", "", 1),
    ("flock", "c", "wE", 1),
    ("env", "S", "uC", 0),
    ("sudo", "", "ughpCDRTrt", 0),
    ("doas", "", "uC", 0),
    ("chroot", "", "", 1),
    ("unshare", "", "SGRw", 0),
    ("nsenter", "", "tSG", 0),
];

/// Starters that start nothing where they are given nothing.
const IDLE: [&str; 2] = ["env", "flock"];

const LONG_CODE_FLAGS: [&str; 5] = ["--eval", "--print", "--command", "--session-command", "--split-string"];

/// A program that runs code.
pub(super) struct Program {
    pub(super) is_shell: bool,
    /// Whether it runs its input where it is given no code.
    pub(super) reads_input: bool,
    code_flags: &'static str,
    value_flags: &'static str,
    operands: usize,
}

/// Where a program finds its code.
pub(super) enum Code {
    /// Behind a flag.
    Argument(String),
    /// In a file, or in the words of a command.
    Words,
    Input,
}

pub(super) fn base_name(text: &str) -> &str {
    text.rsplit('/').next().unwrap_or(text)
}

pub(super) fn is_prefix(word: &Word) -> bool {
    PREFIXES.contains(&base_name(&word.text))
}

/// `python` also names `python3` and `python3.12`.
fn is_named(name: &str, known: &str) -> bool {
    name.strip_prefix(known).is_some_and(|version| version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
}

fn interpreter(name: &str) -> Option<Program> {
    let is_shell = SHELLS.iter().any(|known| is_named(name, known));
    let (code_flags, value_flags) = match LANGUAGES.iter().find(|(known, ..)| is_named(name, known)) {
        Some((_, code, values)) => (*code, *values),
        None if is_shell => ("c", "oO"),
        None => return None,
    };
    Some(Program { is_shell, reads_input: true, code_flags, value_flags, operands: 0 })
}

fn starter(name: &str) -> Option<Program> {
    let (_, code_flags, value_flags, operands) = *STARTERS.iter().find(|(known, ..)| *known == name)?;
    Some(Program { is_shell: false, reads_input: !IDLE.contains(&name), code_flags, value_flags, operands })
}

impl Program {
    /// The program that a word names.
    pub(super) fn of_word(word: &Word) -> Option<Self> {
        let name = base_name(&word.text);
        interpreter(name).or_else(|| starter(name))
    }

    /// The interpreter that a command names by an expansion, as `"$SHELL"`, `${PYTHON:-python3}` or `$(command -v sh)`.
    pub(super) fn of_expansion(word: &Word) -> Option<Self> {
        if !word.text.contains('\0') {
            return None;
        }
        let source = word.source.trim_matches('"');
        if matches!(source, "$0" | "${0}") {
            return interpreter("sh");
        }
        let parts = base_name(source).split(|char: char| !char.is_ascii_alphanumeric());
        parts.map(str::to_ascii_lowercase).find_map(|part| interpreter(&part))
    }

    pub(super) fn code_of(&self, arguments: &[&Word]) -> Code {
        let mut operands = self.operands;
        let mut arguments = arguments.iter();
        while let Some(word) = arguments.next() {
            // Of `-c"$x"` the flag is known.
            let (text, is_whole) = match word.text.split_once('\0') {
                Some((known, _)) => (known, false),
                None => (word.text.as_str(), true),
            };
            let long = text.split('=').next().unwrap_or(text);
            if LONG_CODE_FLAGS.contains(&long) {
                return Code::Argument(long.to_owned());
            }
            if self.operands == 0 && matches!(text, "-" | "/dev/stdin") && is_whole {
                return Code::Input;
            }
            if text.starts_with("--") {
                continue;
            }
            let Some(flags) = text.strip_prefix(['-', '+']) else {
                match operands {
                    // An unknown word may be a flag or nothing at all.
                    0 if text.is_empty() => {}
                    0 => return Code::Words,
                    _ => operands -= 1,
                }
                continue;
            };
            if flags.contains(|flag| self.code_flags.contains(flag)) {
                return Code::Argument(text.to_owned());
            }
            if self.is_shell && flags.contains('s') {
                return Code::Input;
            }
            if flags == "m" {
                return Code::Words;
            }
            if is_whole && flags.ends_with(|flag| self.value_flags.contains(flag)) {
                arguments.next();
            }
        }
        Code::Input
    }
}
