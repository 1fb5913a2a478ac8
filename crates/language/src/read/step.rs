//! One step: what every type has, and which form reads the rest.

use gorgon_core::definition::{EffectClass, OnInDoubt, Step};
use gorgon_core::diagnostic::Code;
use gorgon_core::ids::StepId;
use serde_json::{Map, Value};

use super::params::ParamNodes;
use super::{Reader, present};
use crate::keys::STEP;
use crate::node::Node;
use crate::report::{Spot, did_you_mean};
use crate::types::{self, Form, StepType};
use crate::words::{EFFECTS, IN_DOUBT};

/// Where the parts of a step stand in the document.
#[derive(Debug, Clone)]
pub(crate) struct StepSource<'n> {
    pub(crate) node: &'n Node,
    pub(crate) id: Option<&'n Node>,
    pub(crate) params: ParamNodes<'n>,
    pub(crate) depends_on: Vec<&'n Node>,
    pub(crate) guard: Option<&'n Node>,
    pub(crate) key: Option<&'n Node>,
    pub(crate) prompt: Option<&'n Node>,
    pub(crate) outputs: Vec<&'n Node>,
    pub(crate) fallback: Option<&'n Node>,
    /// Of a fan_in that became a question to a model: its prompt, in which `items` is the list, and the list.
    pub(crate) aggregated: Option<(&'n Node, &'n Node)>,
    /// Whether its texts are checked: those of an unknown type, or one of a later release, may mean anything.
    pub(crate) is_checked: bool,
}

/// Default time of an attempt of a step whose type is not known.
const TIMEOUT_MS: u64 = 300_000;

impl<'n> Reader<'n> {
    pub(super) fn step_list(&mut self, node: &'n Node, what: &str, needs_one: bool) -> Vec<Step> {
        let Some(items) = self.list(node, what) else { return Vec::new() };
        if items.is_empty() && needs_one {
            self.report.error(Code::MissingKey, Spot::of(node), format!("{what} is empty"), "a workflow needs at least one step");
        }
        items.iter().filter_map(|item| self.step(item)).collect()
    }

    fn step(&mut self, node: &'n Node) -> Option<Step> {
        self.map(node, "a step")?;
        let id_node = present(node, "id");
        let id = match id_node {
            Some(id) => self.name(id, "the id of a step"),
            None => {
                self.missing_key(node, "a step", "id", "a name that is unique in the file");
                None
            }
        };
        // A step without a name still has parts to check; it gets one that no file can write.
        let id = id.map_or_else(|| format!("#{}", self.sources.len() + 1), str::to_owned);
        let what = if id.starts_with('#') { "this step".to_owned() } else { format!("step `{id}`") };
        let ty = self.step_type(node, &what);
        let at = self.sources.len();
        self.sources.push(StepSource {
            node,
            id: id_node,
            params: ParamNodes::new(),
            depends_on: Vec::new(),
            guard: None,
            key: present(node, "idempotency_key"),
            prompt: None,
            outputs: Vec::new(),
            fallback: None,
            aggregated: None,
            is_checked: ty.is_some_and(|ty| ty.form != Form::Unavailable),
        });
        let errors = self.report.errors();
        let keys: Vec<&'static str> = STEP.iter().map(|key| key.name).collect();
        let params = self.gather(node, ty, &what, &keys);
        let mut step = self.common(node, id, at, ty);
        self.sources[at].params.clone_from(&params);
        let Some(ty) = ty else { return Some(step) };
        step.params = self.params(node, ty, &what, &params);
        self.finish_form(node, ty, &what, at, &mut step);
        if self.report.errors() == errors {
            self.check_kind(at, &step);
        }
        Some(step)
    }

    fn step_type(&mut self, node: &'n Node, what: &str) -> Option<StepType> {
        let Some(at) = present(node, "type") else {
            self.missing_key(node, what, "type", "what the step does, such as `shell` or `agent`");
            return None;
        };
        let name = self.text(at, "the type of a step")?;
        let found = types::find(name);
        if found.is_none() {
            let help = did_you_mean(name, types::all().map(|ty| ty.name));
            self.report.error(Code::UnknownStepType, Spot::of(at), format!("there is no step type `{name}`"), help);
        }
        found
    }

    /// What every step may say, with the defaults of its type.
    fn common(&mut self, node: &'n Node, id: String, at: usize, ty: Option<StepType>) -> Step {
        let is_fan_out = ty.is_some_and(|ty| ty.form == Form::FanOut);
        let guard = self.guard(present(node, "when"), present(node, "condition"));
        self.sources[at].guard = guard.as_ref().map(|(_, at)| *at);
        let approval = present(node, "approval").and_then(|node| self.approval(node, is_fan_out));
        self.sources[at].prompt = approval.as_ref().map(|(_, at)| *at);
        let depends_on = present(node, "depends_on").map(|node| self.names(node, "`depends_on`"));
        self.sources[at].depends_on = depends_on.iter().flatten().map(|(at, _)| *at).collect();
        let outputs = present(node, "outputs").map(|node| self.names(node, "`outputs`")).unwrap_or_default();
        self.sources[at].outputs = outputs.iter().map(|(at, _)| *at).collect();
        let outputs: Vec<String> = outputs.into_iter().map(|(_, name)| name.to_owned()).collect();
        let (on_failure, fallback) = self.on_failure(node, &outputs);
        self.sources[at].fallback = fallback;
        if let Some(key) = present(node, "circuit_breaker_key") {
            self.report.warning(Code::UnknownKey, Spot::of(key), "`circuit_breaker_key` has no effect in this release", "leave it out");
        }
        Step {
            id: StepId::from(id.as_str()),
            kind: ty.and_then(|ty| ty.kind).map_or_else(String::new, |kind| kind.name().to_owned()),
            description: self.description(node, ty),
            params: Map::new(),
            depends_on: depends_on.map(|all| all.into_iter().map(|(_, id)| StepId::from(id)).collect()),
            when: guard.map(|(guard, _)| guard),
            on_failure,
            retry: self.retry(present(node, "retry"), present(node, "max_retries")),
            timeout_ms: self.timeout(node).or_else(|| Some(ty?.kind?.default_timeout_ms())).unwrap_or(TIMEOUT_MS),
            total_timeout_ms: present(node, "total_timeout_seconds").and_then(|node| self.duration_ms(node, "`total_timeout_seconds`", 1_000.0)),
            outputs,
            effect: EffectClass::Pure,
            idempotency_key: self.idempotency_key(node),
            on_in_doubt: self.on_in_doubt(node),
            approval: approval.map(|(approval, _)| approval),
            steps: Vec::new(),
            fan_out: None,
        }
    }

    fn description(&mut self, node: &'n Node, ty: Option<StepType>) -> String {
        let description = self.optional_text(node, "description", "`description`");
        let is_param = ty.is_some_and(|ty| ty.param("name").is_some());
        if !description.is_empty() || is_param {
            return description;
        }
        self.optional_text(node, "name", "`name`")
    }

    pub(super) fn timeout(&mut self, node: &'n Node) -> Option<u64> {
        self.duration_ms(present(node, "timeout_seconds")?, "`timeout_seconds`", 1_000.0)
    }

    pub(super) fn idempotency_key(&mut self, node: &'n Node) -> Option<String> {
        self.text(present(node, "idempotency_key")?, "`idempotency_key`").map(str::to_owned)
    }

    pub(super) fn effect(&mut self, node: &'n Node) -> Option<EffectClass> {
        self.word(present(node, "effect")?, "`effect`", EFFECTS, Code::BadValue)
    }

    pub(super) fn on_in_doubt(&mut self, node: &'n Node) -> OnInDoubt {
        present(node, "on_in_doubt").and_then(|node| self.word(node, "`on_in_doubt`", IN_DOUBT, Code::BadValue)).unwrap_or_default()
    }

    /// What only some types have.
    fn finish_form(&mut self, node: &'n Node, ty: StepType, what: &str, at: usize, step: &mut Step) {
        match ty.form {
            Form::Plain | Form::Approval | Form::MapReduce | Form::Unavailable => {}
            Form::Agent { provider, model, role } => agent_defaults(&mut step.params, provider, model, role),
            Form::FanIn => self.fan_in(at, step),
            Form::FanOut => self.fan_out(node, what, at, step),
            Form::Group => {
                if let Some(steps) = self.sources[at].params.get("steps").copied().filter(|node| !node.is_null()) {
                    step.steps = self.step_list(steps, &format!("the steps of {what}"), false);
                } else {
                    self.missing_key(node, what, "steps", "the steps inside of it");
                }
            }
        }
        let without: Option<(&[&str], &str, &str)> = if matches!(ty.form, Form::Group) || step.kind == "workflow" {
            let keys = &["timeout_seconds", "total_timeout_seconds", "retry", "max_retries"];
            Some((keys, "which has steps inside of it", "say it of the steps inside"))
        } else if step.kind == "wait" {
            Some((&["timeout_seconds", "total_timeout_seconds"], "which waits as long as it says", "leave it out"))
        } else {
            None
        };
        if let Some((keys, why, help)) = without {
            for (key, at) in keys.iter().filter_map(|key| Some((key, present(node, key)?))) {
                self.report.warning(Code::UnknownKey, Spot::of(at), format!("`{key}` has no effect on {what}, {why}"), help);
            }
        }
        if step.fan_out.is_none() {
            let by_kind = gorgon_core::step::find(&step.kind).map_or(EffectClass::AtMostOnce, |kind| kind.default_effect(&step.params));
            step.effect = self.effect(node).unwrap_or(by_kind);
            if present(node, "timeout_seconds").is_none()
                && let Some(kind) = gorgon_core::step::find(&step.kind)
            {
                step.timeout_ms = kind.default_timeout_ms();
            }
        }
        if step.effect == EffectClass::Irreversible && step.idempotency_key.is_none() && step.approval.is_none() {
            let spot = present(node, "effect").map_or_else(|| Spot::head(node), Spot::of);
            self.report.error(
                Code::UnsafeEffect,
                spot,
                format!("{what} cannot be taken back, but nothing keeps it from happening twice"),
                "add `idempotency_key:` if the other side recognises it, or `approval:` so that somebody agrees first",
            );
        }
    }

    /// What the type itself checks. Its paths are relative to the step, so they are looked up among its parts.
    fn check_kind(&mut self, at: usize, step: &Step) {
        let Some(kind) = gorgon_core::step::find(&step.kind) else { return };
        let mut problems = Vec::new();
        kind.check(step, &mut problems);
        for problem in problems {
            let source = &self.sources[at];
            let name = problem.place.path.strip_prefix("params.").unwrap_or_default();
            // `NAME`, or `NAME[PLACE]` for an item of a list.
            let (name, place) = name.split_once('[').unwrap_or((name, ""));
            let item = |node: &&'n Node| place.strip_suffix(']').and_then(|place| node.as_list()?.get(place.parse::<usize>().ok()?));
            let spot = source.params.get(name).map_or_else(|| Spot::head(source.node), |node| Spot::of(item(node).unwrap_or(node)));
            self.report.add(spot, problem);
        }
    }
}

/// What the predecessors' agent types say without saying it.
pub(super) fn agent_defaults(params: &mut Map<String, Value>, provider: &str, model: &str, role: Option<&str>) {
    params.entry("provider").or_insert_with(|| Value::String(provider.to_owned()));
    params.entry("model").or_insert_with(|| Value::String(model.to_owned()));
    if let Some(role) = role.filter(|_| !params.contains_key("system_prompt")) {
        params.entry("role").or_insert_with(|| Value::String(role.to_owned()));
    }
    // In the order of the table, so that saying a default and leaving it out is one definition.
    let table = gorgon_core::step::find("agent").map_or(&[][..], |kind| kind.params());
    *params = table.iter().filter_map(|param| Some((param.name.to_owned(), params.remove(param.name)?))).collect();
}
