//! Words that may not stand in the repository: places of one machine, hosts of package registries, the private plans behind it.
//!
//! Each is put together here from its parts, so that this file keeps its own rule.

use std::fs;

use anyhow::Result;

use crate::shell::{files, root};

/// Written by programs: cargo names the registry in every line, and what a fuzzer makes up means nothing.
const NOT_READ: [&str; 3] = ["Cargo.lock", "fuzz/Cargo.lock", "fuzz/corpus/"];

const WORDS: [(&str, &str); 13] = [
    (concat!("<!-- ", "lead"), "is a place that has still to be filled"),
    (concat!("../", "shared"), "names a folder that is not in the repository"),
    (concat!("crates", ".io"), "names the host of a package registry"),
    (concat!("py", "pi.org"), "names the host of a package registry"),
    (concat!("python", "hosted.org"), "names the host of a package registry"),
    (concat!("npm", "js."), "names the host of a package registry"),
    (concat!("npm", "mirror."), "names the host of a package registry"),
    (concat!("deb.", "debian.org"), "names the host of a package registry"),
    (concat!("archive.", "ubuntu.com"), "names the host of a package registry"),
    (concat!("proxy.", "golang.org"), "names the host of a package registry"),
    (concat!("repo.", "maven"), "names the host of a package registry"),
    (concat!("repo1.", "maven"), "names the host of a package registry"),
    (concat!("rust-", "lang.org/dist"), "names the host of a toolchain"),
];

/// Folders of one machine: an absolute path below one of them.
const FOLDERS: [&str; 3] = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/home/", "runner/")];

pub(super) fn problems() -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for path in files()?.into_iter().filter(|path| !NOT_READ.iter().any(|unread| path.starts_with(unread))) {
        // What is not text is a picture or a database: nobody reads words in it.
        let Ok(text) = String::from_utf8(fs::read(root().join(&path))?) else { continue };
        for (number, line) in text.lines().enumerate() {
            problems.extend(of_line(line).into_iter().map(|problem| format!("{path}:{}: {problem}", number + 1)));
        }
    }
    Ok(problems)
}

fn of_line(line: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let lower = line.to_lowercase();
    problems.extend(WORDS.iter().filter(|(word, _)| lower.contains(word)).map(|(word, reason)| format!("`{word}` {reason}")));
    for folder in FOLDERS {
        let absolute =
            lower.match_indices(folder).any(|(at, _)| !lower[..at].ends_with(|before: char| before.is_alphanumeric() || "._-}*".contains(before)));
        if absolute {
            problems.push(format!("`{folder}` is a folder of one machine"));
        }
    }
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric() && c != '#' && c != '@' && c != '.' && c != '-' && c != '_').collect();
    for pair in words.windows(2) {
        let number = pair[1].trim_start_matches('#').trim_end_matches('.');
        let numbered = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        if numbered && matches!(pair[0], "law" | "laws" | "issue" | "issues") {
            problems.push(format!("`{} {}` is the number of a private plan", pair[0], pair[1]));
        }
    }
    problems.extend(words.iter().filter(|word| is_mail_address(word)).map(|word| format!("`{word}` is a mail address")));
    problems
}

/// An address that could be somebody's. The domains that are kept for examples are nobody's.
fn is_mail_address(word: &str) -> bool {
    let Some((name, domain)) = word.trim_end_matches('.').split_once('@') else { return false };
    let last = domain.rsplit('.').next().unwrap_or_default();
    let reserved = ["example", "test", "invalid", "localhost", "internal"].contains(&last)
        || ["example.com", "example.org", "example.net"].iter().any(|example| domain == *example || domain.ends_with(&format!(".{example}")));
    let is_domain = domain.contains('.') && last.len() >= 2 && last.bytes().all(|byte| byte.is_ascii_alphabetic());
    !name.is_empty() && is_domain && !reserved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_stand_here_is_found() {
        let found = [
            concat!("see ../", "shared/plan.md"),
            concat!("cd /wo", "rk/main"),
            concat!("\"/ro", "ot/.cache\""),
            concat!("as la", "w 3 says"),
            concat!("fixes is", "sue #12"),
            concat!("somebody", "@", "mail.dev"),
            concat!("from Crates", ".io"),
        ];
        for line in found {
            assert_eq!(of_line(line).len(), 1, "{line}");
        }
        let fine = [
            "an issue of trust, 12 of them",
            "target/wo\u{72}k/main",
            "lawful 3",
            "user@example.com",
            "gorgon@0.1.0",
            "{{wo\u{72}k}}",
            "index@last",
            "the rules in docs/ARCHITECTURE.md",
        ];
        for line in fine {
            assert_eq!(of_line(line), Vec::<String>::new(), "{line}");
        }
    }
}
