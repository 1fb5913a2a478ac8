//! Workflows in a few words.

use std::sync::Arc;

use gorgon_core::budget::Limits;
use gorgon_core::definition::{
    Approval, Budget, CONCURRENCY_DEFAULT, Definition, EffectClass, Fallback, FanOut, Guard, InputSpec, InputType, OnExhausted, OnFailure, OnInDoubt,
    Order, Retry, Step,
};
use gorgon_core::plan::{Program, compile};
use gorgon_core::step as types;
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

/// A step of this type with the type's defaults written out.
pub(crate) fn step(id: &str, kind: &str, params: Value) -> Step {
    let known = types::find(kind).expect("a step type");
    let Value::Object(mut params) = params else { panic!("parameters are a map") };
    for param in known.params() {
        if let Some(default) = param.default {
            params.entry(param.name).or_insert_with(|| serde_json::from_str(default).expect("a default is JSON"));
        }
    }
    Step {
        id: id.into(),
        kind: kind.to_owned(),
        description: String::new(),
        effect: known.default_effect(&params),
        timeout_ms: known.default_timeout_ms(),
        params,
        depends_on: None,
        when: None,
        on_failure: OnFailure::Abort,
        retry: Retry { jitter: false, ..Retry::default() },
        total_timeout_ms: None,
        outputs: Vec::new(),
        idempotency_key: None,
        on_in_doubt: OnInDoubt::Ask,
        approval: None,
        steps: Vec::new(),
        fan_out: None,
    }
}

pub(crate) fn noop(id: &str) -> Step {
    step(id, "noop", json!({}))
}

pub(crate) fn noop_of(id: &str, value: Value) -> Step {
    step(id, "noop", json!({ "value": value }))
}

pub(crate) fn shell(id: &str, command: &str) -> Step {
    step(id, "shell", json!({ "command": command }))
}

pub(crate) fn agent(id: &str, prompt: &str) -> Step {
    step(id, "agent", json!({ "prompt": prompt, "provider": "lab", "model": "m", "max_tokens": 100 }))
}

pub(crate) fn transform(id: &str, expression: &str) -> Step {
    step(id, "transform", json!({ "expression": expression }))
}

pub(crate) fn wait(id: &str, seconds: u64) -> Step {
    step(id, "wait", json!({ "seconds": seconds }))
}

pub(crate) fn signal(id: &str, name: &str) -> Step {
    step(id, "signal", json!({ "name": name }))
}

pub(crate) fn approval(id: &str, prompt: &str) -> Step {
    step(id, "approval", json!({ "prompt": prompt }))
}

pub(crate) fn parallel(id: &str, steps: Vec<Step>) -> Step {
    Step { steps, ..step(id, "parallel", json!({})) }
}

pub(crate) fn repeat(id: &str, steps: Vec<Step>) -> Step {
    Step { steps, ..step(id, "loop", json!({})) }
}

pub(crate) fn branch(id: &str, condition: &str, then: &[&str], otherwise: &[&str]) -> Step {
    step(id, "branch", json!({ "if": condition, "then": then, "else": otherwise }))
}

/// What may be said of a step, one word each.
pub(crate) trait Say: Sized {
    fn with(self, change: impl FnOnce(&mut Step)) -> Self;

    fn after(self, steps: &[&str]) -> Self {
        self.with(|step| step.depends_on = Some(steps.iter().map(|id| (*id).into()).collect()))
    }
    fn when(self, expression: &str) -> Self {
        self.with(|step| step.when = Some(Guard::Expression(expression.to_owned())))
    }
    fn gives(self, outputs: &[&str]) -> Self {
        self.with(|step| step.outputs = outputs.iter().map(|name| (*name).to_owned()).collect())
    }
    fn on_failure(self, way: OnFailure) -> Self {
        self.with(|step| step.on_failure = way)
    }
    fn or_step(self, id: &str) -> Self {
        self.on_failure(OnFailure::Fallback(Fallback::Step(id.into())))
    }
    fn or_value(self, value: Value) -> Self {
        self.on_failure(OnFailure::Fallback(Fallback::Value(value)))
    }
    fn tries(self, attempts: u32) -> Self {
        self.with(|step| step.retry.max_attempts = Some(attempts))
    }
    fn effect(self, class: EffectClass) -> Self {
        self.with(|step| step.effect = class)
    }
    fn in_doubt(self, rule: OnInDoubt) -> Self {
        self.with(|step| step.on_in_doubt = rule)
    }
    fn asks(self, prompt: &str) -> Self {
        self.with(|step| step.approval = Some(Approval { prompt: prompt.to_owned(), per_item: false, timeout_ms: None }))
    }
    fn asks_for_each(self, prompt: &str) -> Self {
        self.with(|step| step.approval = Some(Approval { prompt: prompt.to_owned(), per_item: true, timeout_ms: None }))
    }
    fn over(self, items: Value, max_concurrent: u32) -> Self {
        self.with(|step| step.fan_out = Some(FanOut { items, outputs: Vec::new(), max_concurrent, fail_fast: false, allow_failures: false }))
    }
    fn allows_failures(self) -> Self {
        self.with(|step| step.fan_out.as_mut().expect("a fan-out").allow_failures = true)
    }
    fn fails_fast(self) -> Self {
        self.with(|step| match &mut step.fan_out {
            Some(fan_out) => fan_out.fail_fast = true,
            None => {
                step.params.insert("fail_fast".to_owned(), true.into());
            }
        })
    }
    fn param(self, name: &str, value: Value) -> Self {
        self.with(|step| {
            step.params.insert(name.to_owned(), value);
        })
    }
}

impl Say for Step {
    fn with(mut self, change: impl FnOnce(&mut Step)) -> Self {
        change(&mut self);
        self
    }
}

fn any_input() -> InputSpec {
    InputSpec { ty: InputType::Any, required: false, default: None, description: String::new() }
}

/// A workflow of these steps, in the order of their edges; without edges one after the other.
pub(crate) fn workflow(steps: Vec<Step>) -> Definition {
    Definition {
        name: "test".to_owned(),
        version: "1".to_owned(),
        description: String::new(),
        inputs: ["yes", "no", "list", "bait"].into_iter().map(|name| (name.to_owned(), any_input())).collect(),
        outputs: IndexMap::new(),
        budget: Budget { limits: Limits::default(), on_exhausted: OnExhausted::Fail },
        timeout_ms: None,
        goals: Vec::new(),
        concurrency: CONCURRENCY_DEFAULT,
        order: Order::Edges,
        metadata: Map::new(),
        steps,
    }
}

pub(crate) fn program(definition: Definition) -> Arc<Program> {
    Arc::new(compile(Arc::new(definition), &[]).unwrap_or_else(|problems| panic!("it does not compile: {problems:#?}")))
}
