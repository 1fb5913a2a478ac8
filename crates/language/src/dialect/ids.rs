//! Ids of the earlier systems: any text or number. One that cannot be a name becomes one.

use indexmap::IndexMap;

use super::Lowering;
use crate::limits::NAME_CHARS_MAX;
use crate::node::Node;
use crate::read::is_name;

/// The names that the ids of a file get: the same, if they can be names.
pub(super) struct Ids {
    names: IndexMap<String, String>,
}

impl Ids {
    pub(super) fn of(originals: impl Iterator<Item = String>) -> Self {
        let originals: Vec<String> = originals.collect();
        let mut names = IndexMap::with_capacity(originals.len());
        let mut taken: std::collections::HashSet<String> = originals.iter().filter(|id| is_name(id)).cloned().collect();
        for original in originals {
            if names.contains_key(&original) {
                continue;
            }
            let name = if is_name(&original) { original.clone() } else { free(&named(&original), &mut taken) };
            names.insert(original, name);
        }
        Self { names }
    }

    /// The name of an id, if the file has it.
    pub(super) fn find(&self, id: &str) -> Option<&str> {
        self.names.get(id).map(String::as_str)
    }

    /// Whether a step has this name.
    pub(super) fn has_name(&self, name: &str) -> bool {
        self.names.values().any(|other| other == name)
    }

    /// The ids as the file says them.
    pub(super) fn originals(&self) -> impl Iterator<Item = &str> + Clone {
        self.names.keys().map(String::as_str)
    }
}

/// Other signs become `_`; what begins with a digit or `-` gets an `n` before it.
fn named(id: &str) -> String {
    let signs: String = id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' }).collect();
    let begins = signs.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let mut name = if begins { signs } else { format!("n{signs}") };
    name.truncate(NAME_CHARS_MAX - 8);
    name
}

fn free(wanted: &str, taken: &mut std::collections::HashSet<String>) -> String {
    let mut name = wanted.to_owned();
    let mut number = 1;
    while !taken.insert(name.clone()) {
        number += 1;
        name = format!("{wanted}_{number}");
    }
    name
}

impl Lowering<'_> {
    /// The id of a step or node: a text, or a number as it is written.
    pub(super) fn id(&mut self, map: &Node, key: &str, what: &str) -> Option<String> {
        let Some(node) = super::given(map, key) else {
            self.missing(map, what, key, "a name that is unique in the file");
            return None;
        };
        let id = node.scalar().filter(|id| !id.trim().is_empty());
        if id.is_none() {
            self.wrong_type(node, &format!("`{key}`"), "a text");
        }
        id
    }
}

/// The id of a node, if it can be read; problems are told elsewhere.
pub(super) fn of_node(map: &Node, key: &str) -> Option<String> {
    map.get(key).and_then(Node::scalar).filter(|id| !id.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_a_name_stays_and_what_cannot_becomes_one() {
        let ids = Ids::of(["plan", "1", "n1", "3f2a", "a b", "a_b", "a/b", "ü", "-x"].into_iter().map(str::to_owned));
        let names: Vec<&str> = ids.originals().filter_map(|id| ids.find(id)).collect();
        assert_eq!(names, ["plan", "n1_2", "n1", "n3f2a", "a_b_2", "a_b", "a_b_3", "_", "n-x"]);
        assert!(names.iter().all(|name| is_name(name)));
    }
}
