//! The keys of a workflow.

use gorgon_core::definition::{Budget, CONCURRENCY_DEFAULT, Definition, Order};
use gorgon_core::diagnostic::Code;
use serde_json::{Map, Value};

use super::{Reader, present};
use crate::keys::{SETTINGS, TOP};
use crate::limits::{CONCURRENCY_MAX, STEPS_MAX};
use crate::node::{Node, map_to_json};
use crate::report::Spot;

impl<'n> Reader<'n> {
    /// The definition as far as it could be read; `None` if the document is no workflow of this language at all.
    pub(crate) fn workflow(&mut self, root: &'n Node) -> Option<Definition> {
        if root.is_null() {
            self.report.error(Code::NotYaml, Spot::of(root), "the file is empty", "a workflow needs at least `name:` and `steps:`");
            return None;
        }
        self.fields(root, "a workflow", TOP)?;
        let (auto_parallel, workers) = self.settings(root);
        let steps = present(root, "steps").map(|node| self.step_list(node, "`steps`", true)).unwrap_or_default();
        if self.sources.len() > STEPS_MAX
            && let Some(node) = root.get("steps")
        {
            self.report.error(Code::TooLarge, Spot::head(node), format!("the file has more than {STEPS_MAX} steps"), "use a `fan_out` over a list");
        }
        let order = if auto_parallel {
            Order::EdgesOnly
        } else if steps.iter().all(|step| step.depends_on.is_none()) {
            Order::File
        } else {
            Order::Edges
        };
        Some(Definition {
            name: self.workflow_name(root),
            version: self.version(root),
            description: self.optional_text(root, "description", "`description`"),
            inputs: present(root, "inputs").map(|node| self.inputs(node)).unwrap_or_default(),
            outputs: present(root, "outputs").map(|node| self.outputs(node)).unwrap_or_default(),
            budget: self.budget(root),
            timeout_ms: present(root, "timeout_seconds").and_then(|node| self.duration_ms(node, "`timeout_seconds`", 1_000.0)),
            goals: present(root, "goals").map(|node| self.goals(node)).unwrap_or_default(),
            concurrency: self.concurrency(root, workers),
            order,
            metadata: self.metadata(root),
            steps,
        })
    }

    fn workflow_name(&mut self, root: &'n Node) -> String {
        let Some(node) = present(root, "name") else { return String::new() };
        let Some(name) = self.text(node, "`name`") else { return String::new() };
        let reason = if name.trim().is_empty() {
            "is blank"
        } else if name.contains("..") {
            "has `..` in it"
        } else if name.contains(['/', '\\']) {
            "has a slash in it"
        } else if name.chars().any(char::is_control) {
            "has a control character in it"
        } else if name.chars().count() > crate::limits::NAME_CHARS_MAX {
            "is too long"
        } else {
            return name.to_owned();
        };
        self.report.error(
            Code::BadName,
            Spot::of(node),
            format!("the name of the workflow {reason}"),
            format!("a name is a line of at most {} characters that could be the name of a file", crate::limits::NAME_CHARS_MAX),
        );
        String::new()
    }

    fn version(&mut self, root: &'n Node) -> String {
        let Some(node) = present(root, "version") else { return "1.0".to_owned() };
        // `version: 1.10` means the text, not the number 1.1.
        match node.scalar() {
            Some(text) if !matches!(node.content, crate::node::Content::Boolean(_)) => text,
            _ => {
                self.wrong_type(node, "`version`", "a text");
                String::new()
            }
        }
    }

    pub(super) fn optional_text(&mut self, map: &'n Node, key: &str, what: &str) -> String {
        present(map, key).and_then(|node| self.text(node, what)).unwrap_or_default().to_owned()
    }

    fn settings(&mut self, root: &'n Node) -> (bool, Option<&'n Node>) {
        let Some(node) = present(root, "settings") else { return (false, None) };
        if self.fields(node, "`settings`", SETTINGS).is_none() {
            return (false, None);
        }
        let auto = present(node, "auto_parallel").and_then(|node| self.boolean(node, "`auto_parallel`")).unwrap_or(false);
        (auto, present(node, "auto_parallel_max_workers"))
    }

    fn concurrency(&mut self, root: &'n Node, workers: Option<&'n Node>) -> u32 {
        let said = present(root, "concurrency");
        let workers_said = workers.and_then(|node| self.integer(node, "`auto_parallel_max_workers`", 1, CONCURRENCY_MAX));
        if let (Some(_), Some(node)) = (said, workers) {
            self.report.error(
                Code::BadValue,
                Spot::of(node),
                "the file says both `concurrency` and `auto_parallel_max_workers`",
                "keep `concurrency`",
            );
        }
        let is_parallel =
            root.get("settings").and_then(|settings| settings.get("auto_parallel")).is_some_and(|node| node.to_json() == Value::Bool(true));
        let found = match said {
            Some(node) => self.integer(node, "`concurrency`", 1, CONCURRENCY_MAX),
            // Without `auto_parallel` the number of workers says nothing: steps follow one another.
            None => workers_said.filter(|_| is_parallel),
        };
        found.and_then(|n| u32::try_from(n).ok()).unwrap_or(CONCURRENCY_DEFAULT)
    }

    fn goals(&mut self, node: &'n Node) -> Vec<String> {
        self.names(node, "`goals`").into_iter().map(|(_, name)| name.to_owned()).collect()
    }

    fn metadata(&mut self, root: &'n Node) -> Map<String, Value> {
        let mut metadata = present(root, "metadata").and_then(|node| self.map(node, "`metadata`")).map(map_to_json).unwrap_or_default();
        if let Some(node) = present(root, "id")
            && let Some(id) = self.text(node, "`id`")
            && !metadata.contains_key("id")
        {
            metadata.insert("id".to_owned(), Value::String(id.to_owned()));
        }
        metadata
    }

    fn budget(&mut self, root: &'n Node) -> Budget {
        let node = present(root, "budget");
        let token_budget = present(root, "token_budget");
        self.limits(node, token_budget)
    }
}
