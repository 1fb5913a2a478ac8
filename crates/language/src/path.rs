//! Paths into a document, as people read them: `steps[2].params.command`.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use gorgon_core::diagnostic::Diagnostic;

use crate::node::{Content, Node};

/// Adds a key to a path.
pub(crate) fn push_key(path: &mut String, key: &str) {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    if !plain {
        path.push_str(&format!("[{key:?}]"));
        return;
    }
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(key);
}

/// The node at a path, or the last one on the way that exists.
pub(crate) fn find<'n>(root: &'n Node, path: &str) -> &'n Node {
    let mut at = root;
    let mut rest = path;
    while let Some((segment, after)) = next(rest) {
        let Some(child) = at.child(&segment) else {
            return at;
        };
        at = child;
        rest = after;
    }
    at
}

fn next(path: &str) -> Option<(String, &str)> {
    let path = path.strip_prefix('.').unwrap_or(path);
    if let Some(inner) = path.strip_prefix("[\"") {
        let end = inner.find("\"]")?;
        return Some((inner[..end].to_owned(), &inner[end + 2..]));
    }
    if let Some(inner) = path.strip_prefix('[') {
        let end = inner.find(']')?;
        return Some((inner[..end].to_owned(), &inner[end + 1..]));
    }
    let end = path.find(['.', '[']).unwrap_or(path.len());
    (end > 0).then(|| (path[..end].to_owned(), &path[end..]))
}

/// The paths of some nodes of this very tree. Found by identity: two aliases of one anchor are two places.
pub(crate) fn of<'n>(root: &'n Node, wanted: impl Iterator<Item = &'n Node>) -> HashMap<*const Node, String> {
    let wanted: HashSet<*const Node> = wanted.map(std::ptr::from_ref).collect();
    let mut found = HashMap::with_capacity(wanted.len());
    search(root, &wanted, &mut String::new(), &mut found);
    found
}

/// Writes the path of the innermost value or key at whose bytes each problem stands.
pub(crate) fn by_span(root: &Node, problems: &mut [Diagnostic]) {
    for problem in problems {
        if let Some(span) = problem.place.span.clone() {
            problem.place.path = innermost(root, &span);
        }
    }
}

fn innermost(root: &Node, span: &Range<usize>) -> String {
    let holds = |outer: &Range<usize>| outer.start <= span.start && span.end <= outer.end && outer.end > outer.start;
    let mut path = String::new();
    let mut at = root;
    loop {
        let next = match &at.content {
            Content::List(items) => items.iter().enumerate().find(|(_, item)| holds(&item.span)).map(|(index, item)| {
                path.push_str(&format!("[{index}]"));
                item
            }),
            Content::Map(entries) => {
                let Some(entry) = entries.iter().find(|entry| holds(&entry.key_span) || holds(&entry.value.span)) else { return path };
                push_key(&mut path, &entry.key);
                (!holds(&entry.key_span)).then_some(&entry.value)
            }
            Content::Null | Content::Boolean(_) | Content::Number(..) | Content::Text(..) => None,
        };
        let Some(next) = next else { return path };
        at = next;
    }
}

fn search(at: &Node, wanted: &HashSet<*const Node>, path: &mut String, found: &mut HashMap<*const Node, String>) {
    let own = std::ptr::from_ref(at);
    if wanted.contains(&own) {
        found.insert(own, path.clone());
    }
    let before = path.len();
    match &at.content {
        Content::List(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push_str(&format!("[{index}]"));
                search(item, wanted, path, found);
                path.truncate(before);
            }
        }
        Content::Map(entries) => {
            for entry in entries {
                push_key(path, &entry.key);
                search(&entry.value, wanted, path, found);
                path.truncate(before);
            }
        }
        Content::Null | Content::Boolean(_) | Content::Number(..) | Content::Text(..) => {}
    }
}
