//! Links in the documents lead to files that exist.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::shell::{files, root};

pub(super) fn problems() -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for path in files()?.into_iter().filter(|path| Path::new(path).extension().is_some_and(|extension| extension == "md")) {
        let text = fs::read_to_string(root().join(&path))?;
        let folder = root().join(&path).parent().map(Path::to_path_buf).unwrap_or_default();
        for target in targets(&text) {
            let file = target.split('#').next().unwrap_or_default();
            if !file.is_empty() && !folder.join(file).exists() {
                problems.push(format!("{path} links to `{target}`, which is not there"));
            }
        }
    }
    Ok(problems)
}

/// The targets of `[text](target)` outside of code, but for addresses.
fn targets(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for (at, _) in line.match_indices("](") {
            let inside_code = line[..at].matches('`').count() % 2 == 1;
            let rest = &line[at + 2..];
            let target = &rest[..rest.find(')').unwrap_or(rest.len())];
            if !inside_code && !target.contains("://") && !target.contains(' ') {
                found.push(target);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_outside_of_code() {
        let text = "see [a](a.md) and [b](b/c.md#d)\n`x[1](no)` [web](http://example.org)\n```\n[no](no.md)\n```\n";
        assert_eq!(targets(text), ["a.md", "b/c.md#d"]);
    }
}
