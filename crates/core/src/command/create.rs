//! `Create`: a run begins.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Rejection;
use super::decider::Decider;
use crate::budget::{Limits, Scope};
use crate::definition::Definition;
use crate::diagnostic::{Code, Diagnostic};
use crate::event::{EDITION, Event, RunCreated, Start};
use crate::fork::Fork;
use crate::ids::{ContentHash, RunId, StepId};
use crate::money::{Meter, PriceTable, SIMULATED};
use crate::payload::Payload;
use crate::plan::{self, Cost, EdgeKind, Node, Program, Verdict};
use crate::step::ModelChoice;
use crate::template::{Root, is_computed, nearest};

impl Decider<'_> {
    pub(super) fn create(&mut self, created: RunCreated, kept: Vec<Event>) -> Result<(), Rejection> {
        if self.state.created.is_some() {
            return Err(Rejection::state("the run exists already"));
        }
        self.emit(Event::RunCreated(Box::new(created)));
        kept.into_iter().for_each(|event| self.emit(event));
        Ok(())
    }
}

/// The providers that are configured, by name; of one that cannot be asked, why.
pub type Providers = BTreeMap<String, Option<Unready>>;

/// Why a provider cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unready {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// What somebody wants to start.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// The public id.
    pub id: RunId,
    /// The hash of the text that the definition was loaded from.
    pub source: Option<ContentHash>,
    /// Values of inputs, by name.
    pub inputs: BTreeMap<String, Value>,
    /// Where and with what.
    pub start: Start,
    /// Limits that take the place of the file's.
    pub limits: Limits,
    /// Budgets above the run that it draws on.
    pub scopes: Vec<Scope>,
    /// The least that those have left, whatever is held of them now; a meter that they do not limit has none.
    pub left_above: Limits,
    /// The providers that are configured.
    pub providers: Providers,
    /// The run that it is made out of, and what it keeps of it.
    pub fork: Option<Fork>,
    /// The loops that go on of that run, and how many rounds of each have ended.
    pub rounds_kept: BTreeMap<StepId, u32>,
}

/// Checks what has to be right before a run exists: inputs, step types, models, money. Nothing was written when it fails.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn new_run(program: &Program, new: NewRun, prices: &PriceTable) -> Result<(RunCreated, Cost), Vec<Diagnostic>> {
    let definition = &program.definition;
    let mut problems = Vec::new();
    let inputs = check_inputs(definition, new.inputs, &mut problems);
    let kept: &[StepId] = new.fork.as_ref().map_or(&[], |fork| &fork.kept);
    let runs = |node: &&Node| !kept.contains(&node.step.id);
    for node in program.nodes.iter().filter(runs) {
        if let Some(reason) = node.kind.unavailable() {
            problems.push(
                Diagnostic::error(
                    Code::StepTypeNotAvailable,
                    format!("steps.{}", node.step.id),
                    format!("step `{}` cannot run: {reason}", node.step.id),
                )
                .help("the file is valid; leave the step out by a goal that does not need it, or use another step type"),
            );
        }
    }
    for node in program.nodes.iter().filter(runs) {
        if let Some(secret) = node.references().into_iter().find(|reference| matches!(reference.root, Root::Secret(_))) {
            let message = format!("step `{}` needs `{}`, and this release keeps no secrets", node.step.id, secret.root);
            let problem = Diagnostic::error(Code::StepTypeNotAvailable, format!("steps.{}", node.step.id), message);
            problems.push(
                problem.help("`${env.NAME}` with NAME under `[env] allow` gives a variable to a run; what a run sees of them is stored with it"),
            );
        }
    }
    check_models(program, program.nodes.iter().filter(runs), &new.start.models, &new.providers, &mut problems);
    let limits = new.limits.over(definition.budget.limits);
    let cost = plan::cost_of_rest(program, (kept, &new.rounds_kept), &inputs, &new.start.models, prices);
    check_money(&cost, &limits, Whose::Run, &mut problems);
    // What no run could complete with is not begun, whoever's budget it is.
    if problems.is_empty() {
        check_money(&cost, &new.left_above, Whose::All, &mut problems);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let created = RunCreated {
        edition: EDITION,
        id: new.id,
        definition: program.definition_hash,
        plan: program.plan_hash,
        source: new.source,
        inputs: Payload::of(&inputs),
        start: new.start,
        limits,
        on_exhausted: definition.budget.on_exhausted,
        scopes: new.scopes,
        fork: new.fork.map(Box::new),
    };
    Ok((created, cost))
}

fn check_inputs(definition: &Definition, given: BTreeMap<String, Value>, problems: &mut Vec<Diagnostic>) -> BTreeMap<String, Value> {
    let mut inputs = BTreeMap::new();
    for (name, value) in given {
        match definition.inputs.get(&name) {
            Some(spec) => {
                if let Err(error) = spec.ty.check(&name, &value) {
                    problems.push(Diagnostic::error(Code::BadInput, format!("inputs.{name}"), error.to_string()).help("give a value of that type"));
                }
                inputs.insert(name, value);
            }
            None => {
                let problem = Diagnostic::error(
                    Code::UnknownInput,
                    format!("inputs.{name}"),
                    format!("the workflow `{}` has no input `{name}`", definition.name),
                );
                let declared: Vec<&str> = definition.inputs.keys().map(String::as_str).collect();
                problems.push(match nearest(&name, declared.iter().copied()) {
                    Some(known) => problem.help(format!("did you mean `{known}`?")),
                    None if declared.is_empty() => problem.help("it declares no inputs"),
                    None => problem.help(format!("its inputs are: {}", declared.join(", "))),
                });
            }
        }
    }
    let inputs = definition.with_defaults(inputs);
    for (name, spec) in definition.inputs.iter().filter(|(name, spec)| spec.required && !inputs.contains_key(*name)) {
        problems.push(
            Diagnostic::error(Code::MissingInput, format!("inputs.{name}"), format!("the required input `{name}` was not given"))
                .help(format!("give it by `--input {name}=…` ({})", spec.ty.name())),
        );
    }
    inputs
}

/// How to come to a provider.
const CURE: &str = "configure one under `[providers.NAME]` in gorgon.toml and name it in the file or by `--provider NAME`; or name the simulator by `--provider simulated`";

/// Whether nothing in the file may leave a step out: no condition of its own or of what it stands in, and no branch on the way to it.
fn is_sure_to_run(program: &Program, node: &Node) -> bool {
    let around = |node| std::iter::successors(Some(node), |node: &&Node| node.parent.map(|group| &program.nodes[group]));
    let (mut seen, mut open) = (vec![false; program.nodes.len()], vec![node]);
    while let Some(node) = open.pop() {
        for (before, kind) in around(node).flat_map(|node| &node.after) {
            if *kind == EdgeKind::Branch {
                return false;
            }
            if !std::mem::replace(&mut seen[*before], true) {
                open.push(&program.nodes[*before]);
            }
        }
    }
    around(node).all(|node| node.guard.is_none() && node.fallback_of.is_none())
}

fn check_models<'a>(
    program: &Program,
    nodes: impl Iterator<Item = &'a Node>,
    models: &ModelChoice,
    providers: &Providers,
    problems: &mut Vec<Diagnostic>,
) {
    for node in nodes.filter(|node| node.kind.name() == "agent") {
        let mut tell = |message: String, help: String| {
            problems.push(
                Diagnostic::error(Code::NoProvider, format!("steps.{}", node.step.id), format!("step `{}` {message}", node.step.id)).help(help),
            );
        };
        match models.provider(&node.step.params) {
            None => tell("asks a model, and no provider is named".to_owned(), CURE.to_owned()),
            // A name that is computed is checked when the step starts.
            Some(name) if is_computed(name) => {}
            Some(name) => match providers.get(name) {
                None => tell(format!("asks the provider `{name}`, which is not configured"), cure(name)),
                // Where it may never be asked, it is known when it is: whoever shares a file need not have all keys that it could use.
                Some(Some(Unready { message, help })) if is_sure_to_run(program, node) => {
                    tell(format!("asks the provider `{name}`, which cannot be asked: {message}"), help.clone());
                }
                Some(_) if name != SIMULATED && models.model(&node.step.params).is_none() => {
                    let help = "name one by `model:` in the file, by `--model`, or by `model` under `[defaults]` in gorgon.toml";
                    tell(format!("asks the provider `{name}`, and no model is named"), help.to_owned());
                }
                Some(_) => {}
            },
        }
        for (name, _) in crate::step::hops(&node.step.params, models).into_iter().filter(|(name, _)| !providers.contains_key(*name)) {
            tell(format!("falls back on the provider `{name}`, which is not configured"), cure(name));
        }
    }
}

/// The variable that alone configures a provider of this name.
#[must_use]
pub fn key_variable(provider: &str) -> Option<&'static str> {
    match provider {
        "openai" => Some("OPENAI_API_KEY"),
        "anthropic" => Some("ANTHROPIC_API_KEY"),
        _ => None,
    }
}

/// How a provider comes to be configured.
fn cure(provider: &str) -> String {
    let key = key_variable(provider).map_or_else(String::new, |variable| format!("set {variable}, in the environment or in a file `.env` here; or "));
    format!("{key}{CURE}")
}

/// Whose budget a plan is held against.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Run,
    All,
}

fn check_money(cost: &Cost, limits: &Limits, whose: Whose, problems: &mut Vec<Diagnostic>) {
    if limits.cost_nano_usd.is_some() {
        for step in &cost.unpriced {
            problems.push(
                Diagnostic::error(
                    Code::UnknownPrice,
                    format!("steps.{step}"),
                    format!("nobody said what the model of step `{step}` costs, and dollars are limited"),
                )
                .help("add `[models.\"NAME\"]` with `input_usd_per_mtok` and `output_usd_per_mtok` (or `free = true`) to gorgon.toml"),
            );
        }
    }
    if cost.verdict(limits) == Verdict::CannotFit {
        let over: Vec<String> = Meter::ALL
            .into_iter()
            .filter_map(|meter| {
                let (limit, lower) = (limits.of(meter)?, cost.lower.of(meter));
                let rest = if whose == Whose::Run { "the limit is" } else { "what is left is" };
                (lower > limit).then(|| format!("at least {} has to be held, and {rest} {}", meter.shown(lower), meter.shown(limit)))
            })
            .collect();
        let (what, raise) = match whose {
            Whose::Run => ("its budget", "raise the limit"),
            Whose::All => ("the budget of all runs", "raise that limit under `[budget]` in gorgon.toml"),
        };
        problems.push(
            Diagnostic::error(Code::CannotFit, "budget", format!("the plan cannot fit {what}: {}", over.join("; ")))
                .help(format!("{raise}, lower `max_tokens` of the steps, or name goals that need fewer of them")),
        );
    }
}
