//! Agent types and their actions: which native step does the work of each.
//!
//! What GOATCLAW only pretended to do (searching, deploying) is a step type of the agent's name, which loads and is refused at the start.

use gorgon_core::diagnostic::Code;

use super::Tasks;
use crate::build::{self, Map};
use crate::dialect::action::text_of;
use crate::dialect::{Lowering, given, head};
use crate::node::Node;
use crate::report::did_you_mean;

/// An action of an agent type.
struct Action {
    agent: &'static str,
    name: &'static str,
    /// Keys of `input_data` that have to be there.
    needs: &'static [&'static str],
    work: Work,
}

/// What does the work.
#[derive(Clone, Copy)]
enum Work {
    /// A model in this role, with this instruction.
    Ask(&'static str, &'static str),
    Call,
    GraphQl,
    File,
    /// Nothing in this release.
    Nothing,
}

const fn action(agent: &'static str, name: &'static str, needs: &'static [&'static str], work: Work) -> Action {
    Action { agent, name, needs, work }
}

/// The first action of an agent is the one that is meant if a node names none.
const ACTIONS: &[Action] = &[
    action("PlannerAgent", "plan", &[], Work::Ask("planner", "Make a plan for this.")),
    action("ResearchAgent", "search", &["query"], Work::Nothing),
    action("ResearchAgent", "analyze", &["content"], Work::Ask("analyst", "Analyze this content.")),
    action("ResearchAgent", "synthesize", &[], Work::Ask("analyst", "Synthesize these sources into one answer to the goal.")),
    action("CodeAgent", "generate", &["spec"], Work::Ask("builder", "Write the code for this specification.")),
    action("CodeAgent", "review", &[], Work::Ask("reviewer", "Review this code.")),
    action("CodeAgent", "refactor", &[], Work::Ask("builder", "Refactor this code without changing what it does.")),
    action("CodeAgent", "test", &[], Work::Ask("tester", "Write the tests of this code.")),
    action("DevOpsAgent", "deploy", &[], Work::Nothing),
    action("DevOpsAgent", "provision", &[], Work::Nothing),
    action("DevOpsAgent", "monitor", &[], Work::Nothing),
    action("APIAgent", "call", &["url"], Work::Call),
    action("APIAgent", "graphql", &["url", "query"], Work::GraphQl),
    action("DataProcessingAgent", "analyze", &[], Work::Ask("data_analyst", "Analyze this data.")),
    action("DataProcessingAgent", "transform", &[], Work::Ask("data_engineer", "Transform this data as asked, and give only the result.")),
    action("DataProcessingAgent", "clean", &[], Work::Ask("data_engineer", "Clean this data, and count what you drop.")),
    action("FileSystemAgent", "read", &["path"], Work::File),
    action("FileSystemAgent", "write", &["path", "content"], Work::File),
    action("FileSystemAgent", "list", &[], Work::File),
];

/// Agent types for which GOATCLAW itself had nothing.
const BARE: &[&str] = &[
    "BrowserAgent",
    "ShellAgent",
    "SchedulerAgent",
    "MemoryAgent",
    "ValidationAgent",
    "MonitorAgent",
    "SecurityAgent",
    "NotifierAgent",
    "DatabaseAgent",
    "MLAgent",
];

/// The member names of the enum, which graphs that were built in Python may say.
const MEMBERS: &[(&str, &str)] = &[
    ("PLANNER", "PlannerAgent"),
    ("RESEARCH", "ResearchAgent"),
    ("CODE", "CodeAgent"),
    ("DEVOPS", "DevOpsAgent"),
    ("BROWSER", "BrowserAgent"),
    ("SHELL", "ShellAgent"),
    ("FILESYSTEM", "FileSystemAgent"),
    ("API", "APIAgent"),
    ("DATA_PROCESSING", "DataProcessingAgent"),
    ("SCHEDULER", "SchedulerAgent"),
    ("MEMORY", "MemoryAgent"),
    ("VALIDATION", "ValidationAgent"),
    ("MONITOR", "MonitorAgent"),
    ("SECURITY", "SecurityAgent"),
    ("NOTIFIER", "NotifierAgent"),
    ("DATABASE", "DatabaseAgent"),
    ("ML", "MLAgent"),
];

/// The agent type of a node; a planner if it names none.
fn agent_of(node: &Node) -> &str {
    let said = given(node, "agent_type").map_or("PlannerAgent", |node| node.as_text().unwrap_or_default());
    let member = said.strip_prefix("AgentType.").unwrap_or(said);
    MEMBERS.iter().find(|(name, _)| *name == member).map_or(said, |(_, agent)| agent)
}

fn action_of(node: &Node) -> Option<&'static Action> {
    let agent = agent_of(node);
    let mut actions = ACTIONS.iter().filter(|action| action.agent == agent);
    match given(node, "input_data").and_then(|input| given(input, "action")) {
        Some(said) => actions.find(|action| Some(action.name) == said.as_text()),
        None => actions.next(),
    }
}

/// The native step type of a node.
pub(super) fn native_type(node: &Node) -> &str {
    match action_of(node).map(|action| action.work) {
        Some(Work::Ask(..)) => "agent",
        Some(Work::Call | Work::GraphQl) => "http",
        Some(Work::File) => "files",
        Some(Work::Nothing) | None => agent_of(node),
    }
}

/// Whether something does the work of a node.
pub(super) fn is_available(node: &Node) -> bool {
    gorgon_core::step::find(native_type(node)).is_some_and(|kind| kind.unavailable().is_none())
}

impl Tasks<'_> {
    /// The type of the step and what it wants to know.
    pub(super) fn work(&self, cx: &mut Lowering<'_>, node: &Node, native: &mut Map, params: &mut Map) {
        let agent = agent_of(node);
        let ty_at = given(node, "agent_type").map_or_else(|| head(node), |node| node.span.clone());
        cx.map(node, "input_data");
        let empty = Map::new(&head(node)).finish();
        let input = given(node, "input_data").unwrap_or(&empty);
        let known = || ACTIONS.iter().map(|action| action.agent).chain(BARE.iter().copied());
        if !known().any(|name| name == agent) {
            let mut names: Vec<&str> = known().collect();
            names.dedup();
            let said = given(node, "agent_type").map_or_else(String::new, build::said);
            cx.error(Code::UnknownStepType, &ty_at, format!("there is no agent type {said}"), did_you_mean(agent, names.into_iter()));
            native.put_text("type", &ty_at, build::unread());
            return;
        }
        let Some(action) = action_of(node) else {
            if let (Some(said), false) = (given(input, "action"), BARE.contains(&agent)) {
                let names: Vec<&str> = ACTIONS.iter().filter(|action| action.agent == agent).map(|action| action.name).collect();
                let help = did_you_mean(said.as_text().unwrap_or_default(), names.into_iter());
                cx.error(Code::BadValue, &said.span, format!("`{agent}` has no action {}", build::said(said)), help);
                native.put_text("type", &ty_at, build::unread());
            }
            native.put_text("type", &ty_at, agent);
            return self.free(cx, node, input, params);
        };
        let is_whole = action.needs.iter().all(|key| given(input, key).is_some());
        native.put_text("type", &ty_at, if is_whole { native_type(node) } else { build::unread() });
        for key in action.needs.iter().filter(|key| given(input, key).is_none()) {
            let holder = if input.as_map().is_some_and(|map| !map.is_empty()) { input } else { node };
            cx.missing(holder, &format!("the action `{}`", action.name), key, "it stands in `input_data`");
        }
        match action.work {
            Work::Ask(role, instruction) => self.ask(cx, node, input, (role, instruction), params),
            Work::Call => self.call(cx, input, params),
            Work::GraphQl => self.graphql(cx, input, params),
            Work::File => self.file(cx, input, action.name, params),
            Work::Nothing => self.free(cx, node, input, params),
        }
    }

    /// Everything that a type might want to know that nothing runs.
    fn free(&self, cx: &mut Lowering<'_>, node: &Node, input: &Node, params: &mut Map) {
        for entry in input.as_map().unwrap_or_default() {
            let value = self.value(cx, &entry.value);
            params.put_at(&entry.key, &entry.key_span, value);
        }
        params.copy(node, "validation_rule");
    }

    /// The name of the task, the instruction, and every key of `input_data` with its value.
    fn ask(&self, cx: &mut Lowering<'_>, node: &Node, input: &Node, (role, instruction): (&str, &str), params: &mut Map) {
        let mut parts: Vec<String> = Vec::new();
        for key in ["name", "description"] {
            if let (Some(text), Some(at)) = (cx.text(node, key).filter(|text| !text.trim().is_empty()), node.get(key)) {
                parts.push(self.template(cx, at, text));
            }
        }
        parts.push(instruction.to_owned());
        let mut lines: Vec<String> = Vec::new();
        for entry in input.as_map().unwrap_or_default().iter().filter(|entry| entry.key != "action" && !entry.value.is_null()) {
            let value = match entry.value.as_text() {
                Some(text) => self.template(cx, &entry.value, text),
                None => gorgon_core::template::escape(&text_of(&entry.value)),
            };
            lines.push(format!("{}: {value}", gorgon_core::template::escape(&entry.key)));
        }
        if !lines.is_empty() {
            parts.push(lines.join("\n"));
        }
        let at = if input.as_map().is_some_and(|map| !map.is_empty()) { input.span.clone() } else { head(node) };
        params.put_text("prompt", &at, parts.join("\n\n"));
        params.put_text("role", &head(node), role);
        if let Some(rule) = given(node, "validation_rule") {
            match rule.as_text() {
                Some("") => {}
                Some(_) => params.put("rules", build::list(&rule.span, vec![rule.clone()])),
                None => cx.wrong_type(rule, "`validation_rule`", "a text"),
            }
        }
        model(cx, node, params);
    }

    fn call(&self, cx: &mut Lowering<'_>, input: &Node, params: &mut Map) {
        cx.no_effect(input, &["action", "url", "method", "headers", "payload"]);
        if let Some(method) = given(input, "method") {
            // The case of a method did not matter.
            params.put("method", method.as_text().map_or_else(|| method.clone(), |word| build::text(&method.span, word.to_uppercase())));
        }
        for (key, name) in [("url", "url"), ("headers", "headers"), ("payload", "json")] {
            if let Some(entry) = input.entry(key).filter(|entry| !entry.value.is_null()) {
                let value = self.value(cx, &entry.value);
                params.put_at(name, &entry.key_span, value);
            }
        }
    }

    fn graphql(&self, cx: &mut Lowering<'_>, input: &Node, params: &mut Map) {
        cx.no_effect(input, &["action", "url", "query", "variables", "headers"]);
        for key in ["url", "headers"] {
            if let Some(entry) = input.entry(key).filter(|entry| !entry.value.is_null()) {
                let value = self.value(cx, &entry.value);
                params.put_at(key, &entry.key_span, value);
            }
        }
        let mut body = Map::new(&input.span);
        for key in ["query", "variables"] {
            if let Some(entry) = input.entry(key).filter(|entry| !entry.value.is_null()) {
                let value = self.value(cx, &entry.value);
                body.put_at(key, &entry.key_span, value);
            }
        }
        params.put_text("method", &head(input), "POST");
        params.put("json", body.finish());
    }

    fn file(&self, cx: &mut Lowering<'_>, input: &Node, action: &str, params: &mut Map) {
        cx.no_effect(input, &["action", "path", "content"]);
        params.put_text("action", &given(input, "action").map_or_else(|| head(input), |node| node.span.clone()), action);
        for key in ["path", "content"] {
            if let Some(entry) = input.entry(key).filter(|entry| !entry.value.is_null() && (key == "path" || action == "write")) {
                let value = self.value(cx, &entry.value);
                params.put_at(key, &entry.key_span, value);
            }
        }
        if action == "list" {
            params.put_text("path", &head(input), ".");
        }
    }
}

/// `llm_config`: who answers. Without one the settings say it.
fn model(cx: &mut Lowering<'_>, node: &Node, params: &mut Map) {
    const KEYS: &[&str] = &["provider", "model", "temperature", "max_tokens", "timeout_seconds", "fallback_providers", "api_key", "endpoint"];
    const PROVIDERS: &[(&str, &str)] = &[("claude", "anthropic"), ("gpt4", "openai"), ("llama", "ollama"), ("local", "ollama")];
    let Some(config) = given(node, "llm_config") else { return };
    cx.map(node, "llm_config");
    cx.no_effect(config, KEYS);
    if let Some(provider) = given(config, "provider") {
        let said = provider.as_text().unwrap_or_default();
        match PROVIDERS.iter().find(|(word, _)| *word == said) {
            Some((_, name)) => params.put_text("provider", &provider.span, *name),
            None => params.put("provider", provider.clone()),
        }
    }
    for key in ["model", "temperature", "max_tokens"] {
        params.copy(config, key);
    }
    if let Some(key) = given(config, "api_key").filter(|node| node.as_text() != Some("")) {
        cx.warning(
            Code::UnknownKey,
            &key.span,
            "`api_key` is not read from a file",
            "put the key into the environment, and change it: it stood in a file",
        );
    }
    for key in ["fallback_providers", "endpoint", "timeout_seconds"] {
        let said = given(config, key).filter(|node| node.as_list().is_none_or(|list| !list.is_empty()));
        if let Some(node) = said {
            let help = match key {
                "fallback_providers" => {
                    "`gorgon convert` it, and name who else may answer by `fallbacks: [PROVIDER/MODEL]` of the step; or leave it out"
                }
                _ => "set it in `gorgon.toml`, or leave it out",
            };
            cx.warning(Code::UnknownKey, &node.span, format!("`{key}` of a node has no effect"), help);
        }
    }
}
