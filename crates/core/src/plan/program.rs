//! A plan made ready to run.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::{EdgeKind, Plan};
use crate::definition::{Definition, Step};
use crate::ids::{ContentHash, StepId};
use crate::step::{Shape, StepKind, sub_workflow};
use crate::template::{Condition, Expression, Reference, RenderError, Root, Scope, ShellText, Template, TemplateValue};

/// Index of a step in its program.
pub type NodeIx = usize;

/// A definition and a plan, compiled.
pub struct Program {
    /// The definition.
    pub definition: Arc<Definition>,
    /// Its hash.
    pub definition_hash: ContentHash,
    /// The plan.
    pub plan: Plan,
    /// Its hash.
    pub plan_hash: ContentHash,
    /// The included steps in file order, parents before children.
    pub nodes: Vec<Node>,
    /// Where each step stands in `nodes`.
    pub(super) index: IndexMap<StepId, NodeIx>,
}

/// A step made ready to run.
pub struct Node {
    /// The step.
    pub step: Step,
    /// Its type.
    pub kind: &'static dyn StepKind,
    /// How it is planned.
    pub shape: Shape,
    /// The group that it stands in.
    pub parent: Option<NodeIx>,
    /// The steps inside of it.
    pub children: Vec<NodeIx>,
    /// What comes before it, among its siblings.
    pub after: Vec<(NodeIx, EdgeKind)>,
    /// What comes after it, among its siblings.
    pub before: Vec<(NodeIx, EdgeKind)>,
    /// It runs only in the place of this step.
    pub fallback_of: Option<NodeIx>,
    /// What runs in its place.
    pub fallback: Option<NodeIx>,
    /// The steps that this branch names.
    pub targets: Vec<NodeIx>,
    /// Most of its elements, or of the steps inside of it, in flight at once.
    pub width: u32,
    /// Whether the first failure inside of it keeps the rest from starting.
    pub fail_fast: bool,
    /// Its parameters.
    pub code: Code,
    /// Whether it runs at all.
    pub guard: Option<GuardCode>,
    /// The elements of a fan-out.
    pub items: Option<ItemsCode>,
    /// Its idempotency key.
    pub key: Option<Template>,
    /// What is asked before it runs.
    pub approval_prompt: Option<Template>,
}

/// The condition of a step, compiled.
pub enum GuardCode {
    /// `condition:`
    Condition(Box<Condition>),
    /// `when:`
    Expression(Expression),
}

/// The elements of a fan-out, compiled.
pub struct ItemsCode {
    /// The list, or a template that renders to one.
    pub items: TemplateValue,
}

/// The parameters of a step, compiled by their syntax.
pub struct Code {
    pub(crate) template: TemplateValue,
    pub(super) shell: Vec<(&'static str, ShellText)>,
    pub(crate) expression: Vec<(&'static str, Expression)>,
    pub(super) expressions: Vec<(&'static str, Vec<(String, Expression)>)>,
    pub(super) raw: Map<String, Value>,
    /// The whole, if nothing in it depends on the run.
    pub(super) literal: Option<Map<String, Value>>,
}

impl Node {
    /// The outputs that one execution has to give: those of the step, or of an element of its fan-out.
    #[must_use]
    pub fn owed_outputs(&self) -> &[String] {
        self.step.fan_out.as_ref().map_or(&self.step.outputs, |fan_out| &fan_out.outputs)
    }

    /// The step inside of a group whose results are those of the group as well.
    #[must_use]
    pub fn gives_last(&self) -> Option<NodeIx> {
        self.children.last().copied().filter(|_| self.step.params.get("gives").and_then(Value::as_str) == Some("last"))
    }

    /// Everything that it refers to, in one order for one step.
    #[must_use]
    pub fn references(&self) -> Vec<&Reference> {
        let code = &self.code;
        let expressions = code.expression.iter().map(|(_, expression)| expression);
        let expressions = expressions.chain(code.expressions.iter().flat_map(|(_, map)| map.iter().map(|(_, expression)| expression)));
        let mut all: Vec<&Reference> = code.template.references().into_iter().collect();
        all.extend(code.shell.iter().flat_map(|(_, shell)| shell.references()));
        all.extend(expressions.flat_map(Expression::references));
        match &self.guard {
            Some(GuardCode::Condition(condition)) => all.push(condition.reference()),
            Some(GuardCode::Expression(expression)) => all.extend(expression.references()),
            None => {}
        }
        all.extend(self.items.iter().flat_map(|items| items.items.references()));
        all.extend(self.key.iter().chain(&self.approval_prompt).flat_map(Template::references));
        all
    }
}

impl Code {
    /// The parameters, if they are the same for every run.
    #[must_use]
    pub fn literal(&self) -> Option<&Map<String, Value>> {
        self.literal.as_ref()
    }

    /// Whether the parameters depend on more than the inputs of the run.
    #[must_use]
    pub fn refers_beyond_inputs(&self) -> bool {
        let beyond = |reference: &Reference| !matches!(reference.root, Root::Input(_));
        self.template.references().into_iter().any(beyond)
            || self.shell.iter().any(|(_, shell)| shell.references().iter().any(&beyond))
            || !self.expression.is_empty()
            || !self.expressions.is_empty()
    }

    /// Renders the parameters once.
    ///
    /// # Errors
    /// The first reference without a value, or text that no shell can be given.
    pub fn render(&self, scope: &dyn Scope) -> Result<Map<String, Value>, RenderError> {
        if let Some(literal) = &self.literal {
            return Ok(literal.clone());
        }
        let mut params = match self.template.render(scope)? {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        for (name, value) in &self.raw {
            params.insert(name.clone(), value.clone());
        }
        for (name, shell) in &self.shell {
            let rendered = shell.render(scope)?;
            let env: Map<String, Value> = rendered.env.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
            let whole = Map::from_iter([("command".to_owned(), Value::String(rendered.command)), ("env".to_owned(), Value::Object(env))]);
            params.insert((*name).to_owned(), Value::Object(whole));
        }
        for (name, expression) in &self.expression {
            params.insert((*name).to_owned(), expression.evaluate(scope)?.into_owned());
        }
        for (name, map) in &self.expressions {
            let mut values = Map::new();
            for (key, expression) in map {
                values.insert(key.clone(), expression.evaluate(scope)?.into_owned());
            }
            params.insert((*name).to_owned(), Value::Object(values));
        }
        Ok(params)
    }
}

impl Program {
    /// The place of a step; every step named in an event of its runs has one.
    #[must_use]
    pub fn find(&self, step: &StepId) -> Option<NodeIx> {
        self.index.get(step).copied()
    }

    /// The name of the main result of a step: what stands for it in a list of results.
    #[must_use]
    pub fn main_result(&self, ix: NodeIx) -> &str {
        let node = &self.nodes[ix];
        let declared = node.step.outputs.first().map(String::as_str).or_else(|| sub_workflow::gives(&node.step).next());
        let own = || if node.items.is_some() { Some("results") } else { node.kind.results().first().map(|(name, _)| *name) };
        declared.or_else(|| node.gives_last().map(|last| self.main_result(last))).or_else(own).unwrap_or("result")
    }

    /// The steps of one workflow: those of the run's own, or those inside of a step that is another one.
    pub fn of_workflow(&self, within: Option<NodeIx>) -> impl Iterator<Item = NodeIx> + '_ {
        let is_workflow = |ix: &NodeIx| self.nodes[*ix].kind.name() == sub_workflow::WORKFLOW;
        let around = move |ix: NodeIx| std::iter::successors(self.nodes[ix].parent, |&group| self.nodes[group].parent).find(is_workflow);
        (0..self.nodes.len()).filter(move |&ix| around(ix) == within)
    }

    /// The place of a step by its text.
    #[must_use]
    pub fn find_str(&self, step: &str) -> Option<NodeIx> {
        self.index.get(&StepId::from(step)).copied()
    }
}
