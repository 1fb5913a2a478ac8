//! Texts of steps: templates, shell text, expressions, and what they refer to.

use std::borrow::Cow;

use gorgon_core::definition::{Definition, Guard, Step};
use gorgon_core::diagnostic::{Code, Diagnostic, Severity};
use gorgon_core::plan::{names_for, names_in, names_inside};
use gorgon_core::step::{self, Syntax};
use gorgon_core::template::{self, Expression, Names, Problem, Reference, ShellText, Template, TemplateValue};
use serde_json::Value;

use super::{Places, order};
use crate::node::Node;
use crate::read::{ITEMS, Reader};
use crate::report::Spot;
use crate::spans;

pub(super) fn check(source: &str, definition: &Definition, reader: &mut Reader<'_>, places: &Places, names: &Names) {
    let steps: Vec<&Step> = definition.all_steps().collect();
    order::check_branches(definition, &steps, reader, places);
    for number in 0..steps.len() {
        if reader.report.is_full() {
            return;
        }
        if reader.sources[number].is_checked {
            let base = around(names, &steps, number, places);
            Texts { source, definition, steps: &steps, number, places, base: &base, admits_secrets: false, reader }.check();
        }
    }
}

/// The names that are in force around a step: those of the loops that it stands in are among them.
fn around<'n>(names: &'n Names, steps: &[&Step], number: usize, places: &Places) -> Cow<'n, Names> {
    let mut loops: Vec<usize> = std::iter::successors(places.parents[number], |&group| places.parents[group]).collect();
    loops.retain(|&group| steps[group].kind == "loop");
    loops.iter().rev().fold(Cow::Borrowed(names), |names, &group| Cow::Owned(names_inside(&names, steps[group]).into_owned()))
}

/// Parameters in which a secret may go.
const SINKS: [&str; 2] = ["headers", "env"];

/// The texts of one step.
pub(super) struct Texts<'a, 'n> {
    source: &'a str,
    pub(super) definition: &'a Definition,
    pub(super) steps: &'a [&'a Step],
    pub(super) number: usize,
    pub(super) places: &'a Places,
    base: &'a Names,
    /// Whether the text at hand goes where a secret may go.
    pub(super) admits_secrets: bool,
    pub(super) reader: &'a mut Reader<'n>,
}

impl<'n> Texts<'_, 'n> {
    fn check(mut self) {
        let step = self.steps[self.number];
        let own = names_for(self.base, step);
        let parts = self.reader.sources[self.number].clone();
        let kind = step::find(&step.kind);
        for (name, value) in &step.params {
            let Some(node) = parts.params.get(name.as_str()).copied() else { continue };
            let syntax = kind.and_then(|kind| kind.params().iter().find(|param| param.name == name)).map_or(Syntax::Template, |param| param.syntax);
            let own = names_in(self.base, &own, step, name);
            match (syntax, value) {
                (Syntax::Raw, _) => {}
                (Syntax::Shell, Value::String(text)) => self.shell(text, node, &own),
                (Syntax::Expression, Value::String(text)) => self.expression(text, node, &own),
                (Syntax::Expressions, Value::Object(map)) => {
                    for (key, text) in map {
                        if let (Some(text), Some(node)) = (text.as_str(), node.get(key)) {
                            self.expression(text, node, &own);
                        }
                    }
                }
                (_, value) => {
                    self.admits_secrets = SINKS.contains(&name.as_str());
                    self.value(value, node, &own);
                    self.admits_secrets = false;
                }
            }
        }
        if let Some((prompt, input)) = parts.aggregated {
            let mut with_items = own.clone().into_owned();
            with_items.inputs.remove("items");
            with_items.outputs.remove("items");
            with_items.variables.insert("items".to_owned());
            self.text(prompt.as_text().unwrap_or_default(), prompt, &with_items);
            self.value(&input.to_json(), input, &own);
        }
        if let (Some(fan_out), Some(node)) = (&step.fan_out, parts.params.get(ITEMS).copied()) {
            self.value(&fan_out.items, node, self.base);
        }
        match (&step.when, parts.guard) {
            (Some(Guard::Expression(text)), Some(node)) => self.expression(text, node, self.base),
            (Some(Guard::Condition(condition)), Some(node)) => {
                let mut condition = condition.clone();
                let problems = condition.bind(self.base);
                self.problems(problems, node, None, Code::UnknownReference);
                self.references(&[condition.reference()], node, None);
            }
            _ => {}
        }
        if let (Some(text), Some(node)) = (&step.idempotency_key, parts.key) {
            self.text(text, node, &own);
        }
        if let (Some(approval), Some(node)) = (&step.approval, parts.prompt) {
            self.text(&approval.prompt, node, &own);
        }
    }

    fn value(&mut self, value: &Value, node: &'n Node, names: &Names) {
        match TemplateValue::parse(value) {
            Ok(mut parsed) => {
                let problems = parsed.bind(names);
                self.problems(problems, node, Some(value), Code::UnknownReference);
                self.references(&parsed.references(), node, Some(value));
            }
            Err(problems) => self.problems(problems, node, Some(value), Code::BadTemplate),
        }
    }

    fn text(&mut self, text: &str, node: &'n Node, names: &Names) {
        let value = Value::String(text.to_owned());
        match Template::parse(text) {
            Ok(mut parsed) => {
                let problems = parsed.bind(names);
                self.problems(problems, node, Some(&value), Code::UnknownReference);
                let references: Vec<&Reference> = parsed.references().iter().collect();
                self.references(&references, node, Some(&value));
            }
            Err(problems) => self.problems(problems, node, Some(&value), Code::BadTemplate),
        }
    }

    fn expression(&mut self, text: &str, node: &'n Node, names: &Names) {
        let value = Value::String(text.to_owned());
        match Expression::parse(text) {
            Ok(mut parsed) => {
                let problems = parsed.bind(names);
                self.problems(problems, node, Some(&value), Code::UnknownReference);
                let references: Vec<&Reference> = parsed.references().iter().collect();
                self.references(&references, node, Some(&value));
            }
            Err(problem) => self.problems(vec![problem], node, Some(&value), Code::BadTemplate),
        }
    }

    fn shell(&mut self, text: &str, node: &'n Node, names: &Names) {
        let value = Value::String(text.to_owned());
        let (parsed, mut problems) = ShellText::parse(text, names);
        // What the step itself puts into the environment is there.
        let env = self.steps[self.number].params.get("env").and_then(Value::as_object);
        problems.retain(|problem| {
            problem.is_error() || !env.into_iter().flatten().any(|(name, _)| problem.message.starts_with(&format!("`{name}` is neither declared")))
        });
        self.problems(problems, node, Some(&value), Code::UnsafeShell);
        if let Some(parsed) = parsed {
            let references: Vec<&Reference> = parsed.references().iter().collect();
            self.references(&references, node, Some(&value));
        }
    }

    fn problems(&mut self, problems: Vec<Problem>, node: &'n Node, value: Option<&Value>, code: Code) {
        let errors: Vec<std::ops::Range<usize>> = problems.iter().filter(|problem| problem.is_error()).map(|problem| problem.span.clone()).collect();
        for problem in problems {
            // How to quote a reference that names nothing is of no interest.
            if !problem.is_error() && errors.contains(&problem.span) {
                continue;
            }
            let spot = self.spot(node, value, &problem.pointer, &problem.span);
            let mut diagnostic = Diagnostic::error(code_of(&problem, code), "", problem.message);
            if problem.severity == template::Severity::Warning {
                diagnostic.severity = Severity::Warning;
            }
            diagnostic.help = problem.help;
            self.reader.report.add(spot, diagnostic);
        }
    }

    /// The bytes of a place in a text. Where the text is not the one in the file, the whole of what it came from.
    pub(super) fn spot(&self, node: &'n Node, value: Option<&Value>, pointer: &str, span: &std::ops::Range<usize>) -> Spot<'n> {
        let at = node.at_pointer(pointer);
        let is_same = value.and_then(|value| value.pointer(pointer)).and_then(Value::as_str).is_some_and(|text| at.as_text() == Some(text));
        if is_same { Spot::within(at, spans::inside(self.source, at, span)) } else { Spot::of(at) }
    }
}

/// The code of a problem: binding says in its message what is missing.
fn code_of(problem: &Problem, otherwise: Code) -> Code {
    let says = |part: &str| problem.message.contains(part);
    if says("` is both ") {
        Code::AmbiguousReference
    } else if says("neither an input nor an output")
        || says("there is no input `")
        || says("there is no step `")
        || says("exists only inside")
        || says("neither declared nor set")
    {
        Code::UnknownReference
    } else if problem.severity == template::Severity::Warning {
        Code::ShellQuoting
    } else if otherwise == Code::UnsafeShell && (says("is never closed") || says("longer than") || says("NUL byte")) {
        Code::BadTemplate
    } else {
        otherwise
    }
}
