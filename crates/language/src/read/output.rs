//! `outputs` of a workflow: names, names with descriptions, or a map.

use gorgon_core::diagnostic::Code;
use indexmap::IndexMap;

use super::{Reader, present};
use crate::keys::OUTPUT;
use crate::node::{Content, Node};
use crate::report::Spot;

impl<'n> Reader<'n> {
    pub(super) fn outputs(&mut self, node: &'n Node) -> IndexMap<String, String> {
        let mut outputs = IndexMap::new();
        match &node.content {
            Content::Map(entries) => {
                for entry in entries {
                    if self.check_name(Spot::key(node, entry), "the name of an output", &entry.key) {
                        let description = self.output_description(&entry.value);
                        outputs.insert(entry.key.clone(), description);
                    }
                }
            }
            Content::List(items) => {
                for item in items {
                    self.listed_output(item, &mut outputs);
                }
            }
            _ => self.wrong_type(node, "`outputs`", "a list of names or a map"),
        }
        outputs
    }

    fn listed_output(&mut self, item: &'n Node, outputs: &mut IndexMap<String, String>) {
        let (at, description) = match &item.content {
            Content::Map(_) => {
                if self.fields(item, "an output", OUTPUT).is_none() {
                    return;
                }
                let Some(name) = present(item, "name") else { return };
                (name, self.optional_text(item, "description", "`description`"))
            }
            _ => (item, String::new()),
        };
        let Some(name) = self.name(at, "the name of an output") else { return };
        if outputs.insert(name.to_owned(), description).is_some() {
            self.report.error(Code::DuplicateOutput, Spot::of(at), format!("the workflow names the output `{name}` twice"), "keep one of them");
        }
    }

    fn output_description(&mut self, node: &'n Node) -> String {
        match &node.content {
            Content::Null => String::new(),
            Content::Map(entries) => {
                for entry in entries.iter().filter(|entry| entry.key != "description") {
                    self.unknown_key(node, entry, "an output", ["description"].into_iter());
                }
                self.optional_text(node, "description", "`description`")
            }
            _ => self.text(node, "the description of an output").unwrap_or_default().to_owned(),
        }
    }
}
