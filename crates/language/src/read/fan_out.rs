//! `fan_out`: a step whose work is that of its template, once for each element.

use gorgon_core::definition::{FanOut, OnInDoubt, Step};
use gorgon_core::diagnostic::Code;
use serde_json::Value;

use super::step::agent_defaults;
use super::{Reader, present};
use crate::keys::TEMPLATE;
use crate::node::Node;
use crate::report::Spot;
use crate::types::{Form, StepType};

/// Keys that may stand on the fan-out or on its template, but not on both.
const SHARED: [&str; 6] = ["retry", "max_retries", "timeout_seconds", "effect", "idempotency_key", "on_in_doubt"];

impl<'n> Reader<'n> {
    pub(super) fn fan_out(&mut self, node: &'n Node, what: &str, at: usize, step: &mut Step) {
        let own = std::mem::take(&mut step.params);
        let flag = |name: &str| own.get(name).and_then(Value::as_bool).unwrap_or_default();
        step.fan_out = Some(FanOut {
            outputs: Vec::new(),
            items: own.get("items").cloned().unwrap_or_default(),
            max_concurrent: own.get("max_concurrent").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok()).unwrap_or(1),
            fail_fast: flag("fail_fast"),
            allow_failures: flag("collect_errors"),
        });
        let Some(template) = self.sources[at].params.get("step_template").copied().filter(|node| !node.is_null()) else {
            self.missing_key(node, what, "step_template", "the step that each item runs");
            self.sources[at].is_checked = false;
            return;
        };
        if self.map(template, "`step_template`").is_none() {
            self.sources[at].is_checked = false;
            return;
        }
        let Some(ty) = self.template_type(template) else {
            self.sources[at].is_checked = false;
            return;
        };
        let what = "the template of a fan-out";
        let keys: Vec<&'static str> = TEMPLATE.iter().map(|key| key.name).collect();
        let params = self.gather(template, Some(ty), what, &keys);
        step.params = self.params(template, ty, what, &params);
        step.kind = ty.kind.map_or_else(String::new, |kind| kind.name().to_owned());
        if let Form::Agent { provider, model, role } = ty.form {
            agent_defaults(&mut step.params, provider, model, role);
        }
        let items = self.sources[at].params.get("items").copied();
        self.sources[at].params = params;
        // A parameter of the template may be called `items` as well; the list itself is known by another name.
        if let Some(items) = items {
            self.sources[at].params.insert(ITEMS, items);
        }
        self.sources[at].is_checked = ty.form != Form::Unavailable;
        if ty.form == Form::FanIn {
            self.fan_in(at, step);
        }
        self.template_keys(node, template, ty, at, step);
    }

    fn template_type(&mut self, template: &'n Node) -> Option<StepType> {
        let Some(at) = present(template, "type") else {
            self.missing_key(template, "the template of a fan-out", "type", "what each item runs");
            return None;
        };
        let name = self.text(at, "the type of a step")?;
        let Some(ty) = crate::types::find(name) else {
            let help = crate::report::did_you_mean(name, crate::types::all().map(|ty| ty.name));
            self.report.error(Code::UnknownStepType, Spot::of(at), format!("there is no step type `{name}`"), help);
            return None;
        };
        if !ty.is_leaf() {
            self.report.error(
                Code::BadValue,
                Spot::of(at),
                format!("the items of a fan-out cannot each run a `{name}`"),
                "a fan-out runs one step for each item; further steps can fan out over its results",
            );
            return None;
        }
        Some(ty)
    }

    /// What a template may say beside its type and parameters: each on the fan-out or on the template.
    fn template_keys(&mut self, node: &'n Node, template: &'n Node, ty: StepType, at: usize, step: &mut Step) {
        for key in SHARED {
            if let (Some(_), Some(entry)) = (present(node, key), template.entry(key)) {
                self.report.error(
                    Code::DuplicateKey,
                    Spot::key(template, entry),
                    format!("both the fan-out and its template say `{key}`"),
                    "keep one of them",
                );
            }
        }
        let (retry, max_retries) = (present(template, "retry"), present(template, "max_retries"));
        if retry.is_some() || max_retries.is_some() {
            step.retry = self.retry(retry, max_retries);
        }
        let said = self.timeout(template);
        if let Some(ms) = said {
            step.timeout_ms = ms;
        } else if let Some(kind) = ty.kind.filter(|_| present(node, "timeout_seconds").is_none()) {
            step.timeout_ms = kind.default_timeout_ms();
        }
        if present(template, "idempotency_key").is_some() {
            step.idempotency_key = self.idempotency_key(template);
            self.sources[at].key = present(template, "idempotency_key");
        }
        if present(template, "on_in_doubt").is_some() {
            step.on_in_doubt = self.on_in_doubt(template);
        } else if present(node, "on_in_doubt").is_none() {
            step.on_in_doubt = OnInDoubt::default();
        }
        let by_kind = gorgon_core::step::find(&step.kind).map(|kind| kind.default_effect(&step.params));
        step.effect = self.effect(template).or_else(|| self.effect(node)).or(by_kind).unwrap_or(step.effect);
        let outputs = present(template, "outputs").map(|node| self.names(node, "`outputs`")).unwrap_or_default();
        if step.outputs.is_empty() {
            // A fan-out that names no output of its own is known by the name of what its elements give.
            self.sources[at].outputs = outputs.iter().take(1).map(|(node, _)| *node).collect();
            step.outputs = outputs.iter().take(1).map(|(_, name)| (*name).to_owned()).collect();
        }
        if let Some(fan_out) = &mut step.fan_out {
            fan_out.outputs = outputs.into_iter().map(|(_, name)| name.to_owned()).collect();
        }
    }
}

/// The name under which the list of a fan-out stands among the parts of its step.
pub(crate) const ITEMS: &str = "\0items";
