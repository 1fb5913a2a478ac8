//! From a definition and goals to a program.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::edges::{file_order_inside, find_cycle, names_for, names_in, names_inside, names_of, order_inside, sibling_edges};
use super::program::{Code, GuardCode, ItemsCode, Node, NodeIx, Program};
use super::select;
use crate::definition::{Definition, Fallback, Guard, OnFailure, Order, Step};
use crate::diagnostic::{self, Diagnostic};
use crate::ids::{ContentHash, StepId};
use crate::step::{self, Shape, StepKind, Syntax};
use crate::template::{Expression, Names, Problem, ShellText, Template, TemplateValue};

/// Plans the goals and compiles what they need.
///
/// # Errors
/// What keeps the definition from running. A definition that a loader accepted, with goals that exist, compiles.
pub fn compile(definition: Arc<Definition>, goals: &[String]) -> Result<Program, Vec<Diagnostic>> {
    let names = names_of(&definition);
    let mut problems = Vec::new();
    check_cycles(&definition.steps, definition.order, definition.order, &names, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let goals = if goals.is_empty() { &definition.goals } else { goals };
    let plan = select::plan(&definition, goals)?;
    let mut builder = Builder { nodes: Vec::new(), index: IndexMap::new(), problems };
    let included: BTreeSet<&StepId> = plan.included.iter().map(|included| &included.step).collect();
    for step in definition.steps.iter().filter(|step| included.contains(&step.id)) {
        builder.add(step, None, &names);
    }
    builder.link(&plan);
    if !builder.problems.is_empty() {
        return Err(builder.problems);
    }
    let (nodes, index) = (builder.nodes, builder.index);
    let definition_hash = plan.definition;
    let plan_hash = ContentHash::of(plan.canonical_json().as_bytes());
    Ok(Program { definition, definition_hash, plan, plan_hash, nodes, index })
}

fn check_cycles(siblings: &[Step], of_file: Order, order: Order, names: &Names, problems: &mut Vec<Diagnostic>) {
    let edges = sibling_edges(siblings, order, names);
    if let Some(cycle) = find_cycle(&edges) {
        let ids: Vec<&str> = cycle.iter().chain(cycle.first()).map(|&place| siblings[place].id.as_str()).collect();
        problems.push(
            Diagnostic::error(diagnostic::Code::Cycle, "steps", format!("steps wait for one another: {}", ids.join(" → ")))
                .help("take one `depends_on` or one reference out of the circle"),
        );
    }
    for step in siblings.iter().filter(|step| !step.steps.is_empty()) {
        check_cycles(&step.steps, file_order_inside(step, of_file), order_inside(step, of_file), &names_inside(names, step), problems);
    }
}

struct Builder {
    nodes: Vec<Node>,
    index: IndexMap<StepId, NodeIx>,
    problems: Vec<Diagnostic>,
}

impl Builder {
    fn add(&mut self, step: &Step, parent: Option<NodeIx>, names: &Names) -> NodeIx {
        let ix = self.nodes.len();
        let Some(kind) = step::find(&step.kind) else {
            self.problems.push(Diagnostic::error(diagnostic::Code::UnknownStepType, path(step), format!("there is no step type `{}`", step.kind)));
            return ix;
        };
        let node = self.node(step, kind, parent, names);
        self.nodes.push(node);
        self.index.insert(step.id.clone(), ix);
        let inside = if step.steps.is_empty() { Cow::Borrowed(names) } else { names_inside(names, step) };
        let children: Vec<NodeIx> = step.steps.iter().map(|child| self.add(child, Some(ix), &inside)).collect();
        self.nodes[ix].children = children;
        ix
    }

    fn node(&mut self, step: &Step, kind: &'static dyn StepKind, parent: Option<NodeIx>, base: &Names) -> Node {
        let names = names_for(base, step);
        let param_u32 = |name: &str| step.params.get(name).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
        let (width, fail_fast) = match &step.fan_out {
            Some(fan_out) => (fan_out.max_concurrent, fan_out.fail_fast),
            None => (param_u32("max_workers").unwrap_or(u32::MAX), step.params.get("fail_fast").and_then(Value::as_bool).unwrap_or(false)),
        };
        Node {
            code: self.code(step, kind, base, &names),
            guard: self.guard(step, base),
            items: step.fan_out.as_ref().map(|fan_out| ItemsCode { items: self.value(step, "items", &fan_out.items, base) }),
            key: step.idempotency_key.as_ref().and_then(|text| self.text(step, "idempotency_key", text, &names)),
            approval_prompt: step.approval.as_ref().and_then(|approval| self.text(step, "approval", &approval.prompt, &names)),
            step: step.clone(),
            kind,
            shape: kind.shape(),
            parent,
            children: Vec::new(),
            after: Vec::new(),
            before: Vec::new(),
            fallback_of: None,
            fallback: None,
            targets: Vec::new(),
            width: width.max(1),
            fail_fast,
        }
    }

    fn code(&mut self, step: &Step, kind: &'static dyn StepKind, base: &Names, own: &Names) -> Code {
        let mut templates = Map::new();
        let mut code = Code {
            template: TemplateValue::parse(&Value::Null).unwrap_or_else(|_| unreachable_null()),
            shell: Vec::new(),
            expression: Vec::new(),
            expressions: Vec::new(),
            raw: Map::new(),
            literal: None,
        };
        // What this release cannot run is refused at the start by its name, not for what it says.
        let params = step.params.iter().filter(|_| kind.unavailable().is_none());
        for (name, value) in params {
            let param = kind.params().iter().find(|param| param.name == name);
            let names = &names_in(base, own, step, name);
            match (param.map_or(Syntax::Template, |param| param.syntax), param, value) {
                (Syntax::Shell, Some(param), Value::String(text)) => {
                    let (parsed, problems) = ShellText::parse(text, names);
                    self.report(step, name, problems);
                    code.shell.extend(parsed.map(|parsed| (param.name, parsed)));
                }
                (Syntax::Expression, Some(param), Value::String(text)) => {
                    code.expression.extend(self.expression(step, name, text, names).map(|parsed| (param.name, parsed)));
                }
                (Syntax::Expressions, Some(param), Value::Object(map)) => {
                    let parsed =
                        map.iter().filter_map(|(key, text)| Some((key.clone(), self.expression(step, name, text.as_str()?, names)?))).collect();
                    code.expressions.push((param.name, parsed));
                }
                (Syntax::Raw, _, value) => {
                    code.raw.insert(name.clone(), value.clone());
                }
                (_, _, value) => {
                    templates.insert(name.clone(), value.clone());
                }
            }
        }
        code.template = self.value(step, "params", &Value::Object(templates), own);
        if code.shell.is_empty()
            && code.expression.is_empty()
            && code.expressions.is_empty()
            && let Some(Value::Object(literal)) = code.template.as_literal()
        {
            let mut literal = literal.clone();
            literal.extend(code.raw.clone());
            code.literal = Some(literal);
        }
        code
    }

    fn guard(&mut self, step: &Step, names: &Names) -> Option<GuardCode> {
        match step.when.as_ref()? {
            Guard::Condition(condition) => {
                let mut condition = condition.clone();
                let problems = condition.bind(names);
                self.report(step, "condition", problems);
                Some(GuardCode::Condition(Box::new(condition)))
            }
            Guard::Expression(text) => self.expression(step, "when", text, names).map(GuardCode::Expression),
        }
    }

    fn value(&mut self, step: &Step, what: &str, value: &Value, names: &Names) -> TemplateValue {
        match TemplateValue::parse(value) {
            Ok(mut parsed) => {
                let problems = parsed.bind(names);
                self.report(step, what, problems);
                parsed
            }
            Err(problems) => {
                self.report(step, what, problems);
                TemplateValue::parse(&Value::Null).unwrap_or_else(|_| unreachable_null())
            }
        }
    }

    fn text(&mut self, step: &Step, what: &str, text: &str, names: &Names) -> Option<Template> {
        match Template::parse(text) {
            Ok(mut parsed) => {
                let problems = parsed.bind(names);
                self.report(step, what, problems);
                Some(parsed)
            }
            Err(problems) => {
                self.report(step, what, problems);
                None
            }
        }
    }

    fn expression(&mut self, step: &Step, what: &str, text: &str, names: &Names) -> Option<Expression> {
        match Expression::parse(text) {
            Ok(mut parsed) => {
                let problems = parsed.bind(names);
                self.report(step, what, problems);
                Some(parsed)
            }
            Err(problem) => {
                self.report(step, what, [problem]);
                None
            }
        }
    }

    fn report(&mut self, step: &Step, what: &str, problems: impl IntoIterator<Item = Problem>) {
        for problem in problems.into_iter().filter(Problem::is_error) {
            let mut diagnostic = Diagnostic::error(diagnostic::Code::BadTemplate, format!("{}.{what}", path(step)), problem.message);
            diagnostic.help = problem.help;
            self.problems.push(diagnostic);
        }
    }

    /// Draws the edges of the plan, the fallbacks and the arms of branches between the nodes.
    fn link(&mut self, plan: &super::Plan) {
        for included in &plan.included {
            let Some(&to) = self.index.get(&included.step) else { continue };
            for after in &included.after {
                if let Some(&from) = self.index.get(&after.step) {
                    self.nodes[to].after.push((from, after.because));
                    self.nodes[from].before.push((to, after.because));
                }
            }
        }
        for ix in 0..self.nodes.len() {
            if let OnFailure::Fallback(Fallback::Step(id)) = &self.nodes[ix].step.on_failure
                && let Some(&fallback) = self.index.get(id)
            {
                self.nodes[ix].fallback = Some(fallback);
                self.nodes[fallback].fallback_of = Some(ix);
            }
            if self.nodes[ix].shape == Shape::Branch {
                let targets =
                    step::branch_arms(&self.nodes[ix].step).iter().flatten().filter_map(|id| self.index.get(&StepId::from(*id)).copied()).collect();
                self.nodes[ix].targets = targets;
            }
        }
    }
}

fn path(step: &Step) -> String {
    format!("steps.{}", step.id)
}

#[expect(clippy::panic, reason = "null holds no template, so parsing it cannot fail")]
fn unreachable_null() -> TemplateValue {
    panic!("null did not parse as a template")
}
