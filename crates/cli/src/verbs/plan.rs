//! `gorgon plan`

use std::collections::BTreeSet;

use clap::Args;
use gorgon_core::budget::Limits;
use gorgon_core::money::{Amounts, Meter, show_usd};
use gorgon_core::plan::{EdgeKind, ExcludedReason, Included, Plan, Reason, Verdict};
use serde_json::{Value, json};

use super::prepared::{Budget, Models, Prepared, Wanted};
use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::inputs::Inputs;
use crate::printer::Printer;
use crate::report::counted;
use crate::workflow::Workflow;

/// Show which steps would run, why, in which order, and what that can cost.
#[derive(Debug, Args)]
pub(crate) struct PlanVerb {
    /// A workflow file, or the id, file stem or name of one under `workflows`.
    workflow: String,
    /// An output or step that has to be reached; may be given several times.
    #[arg(long = "goal", value_name = "NAME")]
    goals: Vec<String>,
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    budget: Budget,
    #[command(flatten)]
    models: Models,
}

impl PlanVerb {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Fault> {
        let workflow = Workflow::find(context, &self.workflow)?;
        workflow.warn(context);
        let settings = context.settings()?;
        let inputs = self.inputs.read(context, &workflow.definition)?;
        let wanted = Wanted { workflow: &workflow, goals: &self.goals, inputs, limits: self.budget.limits()?, models: self.models.choice(&settings) };
        let prepared = wanted.prepare(context, &settings)?;
        show(&context.printer, &workflow, &prepared);
        if prepared.problems.is_empty() {
            return Ok(Exit::Done);
        }
        if !context.printer.json {
            context.printer.diagnostics(&workflow.located(prepared.problems.clone()));
        }
        Ok(Exit::Invalid)
    }
}

/// Prints the plan.
pub(crate) fn show(printer: &Printer, workflow: &Workflow, prepared: &Prepared) {
    if printer.json {
        return printer.document(&document(workflow, prepared));
    }
    let plan = &prepared.program.plan;
    printer.data(format!("plan of `{}` ({})", workflow.definition.name, workflow.name));
    for (number, included) in ordered(plan).iter().enumerate() {
        let step = workflow.definition.find_step(included.step.as_str());
        let kind = step.map(|step| if step.fan_out.is_some() { format!("{} for each", step.kind) } else { step.kind.clone() }).unwrap_or_default();
        let indent = if matches!(included.reason, Reason::Inside(_)) { "  " } else { "" };
        printer.data(format!("  {:>2}. {indent}{} ({kind}): {}{}", number + 1, included.step, reason(&included.reason), after(included)));
    }
    for excluded in &plan.excluded {
        let why = match excluded.reason {
            ExcludedReason::NotNeeded => "no goal needs it",
        };
        printer.data(format!("   –  {}: {why}", excluded.step));
    }
    let cost = &prepared.cost;
    let upper = cost.upper.map_or_else(|| "unknown".to_owned(), amounts);
    printer.data(format!("at least {}", amounts(cost.lower)));
    printer.data(format!("at most  {upper}"));
    for (step, why) in &cost.unbounded {
        printer.data(format!("  unbounded: step `{step}`: {why}"));
    }
    for step in &cost.unpriced {
        printer.data(format!("  unpriced: step `{step}`: nobody said what its model costs"));
    }
    printer.data(format!("{}: {}", limits(prepared), verdict(prepared)));
}

fn document(workflow: &Workflow, prepared: &Prepared) -> Value {
    let order: Vec<&str> = ordered(&prepared.program.plan).iter().map(|included| included.step.as_str()).collect();
    json!({
        "workflow": workflow.definition.name,
        "file": workflow.name,
        "inputs": prepared.inputs,
        "plan": prepared.program.plan,
        "order": order,
        "cost": prepared.cost,
        "limits": prepared.limits,
        "limits_of_all_runs": prepared.limits_of_all,
        "verdict": prepared.verdict(),
        "problems": prepared.problems,
    })
}

/// The included steps, each after everything that it waits for, the steps inside of a group behind it.
fn ordered(plan: &Plan) -> Vec<&Included> {
    let mut done: BTreeSet<&str> = BTreeSet::new();
    let mut order = Vec::with_capacity(plan.included.len());
    while order.len() < plan.included.len() {
        let ready = |included: &&Included| {
            let inside = match &included.reason {
                Reason::Inside(parent) => done.contains(parent.as_str()),
                _ => true,
            };
            !done.contains(included.step.as_str()) && inside && included.after.iter().all(|after| done.contains(after.step.as_str()))
        };
        // A plan has no cycle; should it ever have one, the rest comes in file order.
        let Some(next) = plan.included.iter().find(ready).or_else(|| plan.included.iter().find(|included| !done.contains(included.step.as_str())))
        else {
            break;
        };
        done.insert(next.step.as_str());
        order.push(next);
    }
    order
}

fn reason(reason: &Reason) -> String {
    match reason {
        Reason::Everything => "every step runs".to_owned(),
        Reason::Goal(goal) => format!("the goal `{goal}`"),
        Reason::NeededBy(step) => format!("needed by {step}"),
        Reason::Inside(step) => format!("inside {step}"),
        Reason::FallbackOf(step) => format!("in the place of {step} if that fails"),
    }
}

fn after(included: &Included) -> String {
    let parts = included.after.iter().map(|after| {
        let because = match after.because {
            EdgeKind::Reference => "refers to it",
            EdgeKind::DependsOn => "depends on it",
            EdgeKind::Branch => "it decides",
            EdgeKind::FileOrder => "file order",
        };
        format!("{} ({because})", after.step)
    });
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() { String::new() } else { format!(", after {}", parts.join(", ")) }
}

fn amounts(amounts: Amounts) -> String {
    format!("{}, {}, {}", show_usd(amounts.cost_nano_usd), counted(amounts.tokens, "token"), counted(amounts.calls, "call"))
}

fn limits(prepared: &Prepared) -> String {
    let shown = |limits: &Limits| Meter::ALL.into_iter().filter_map(|meter| Some(meter.shown(limits.of(meter)?))).collect::<Vec<_>>().join(", ");
    let parts = [("limit", shown(&prepared.limits)), ("all runs together", shown(&prepared.limits_of_all))];
    let parts: Vec<String> = parts.into_iter().filter(|(_, limits)| !limits.is_empty()).map(|(whose, limits)| format!("{whose} {limits}")).collect();
    if parts.is_empty() { "no limit".to_owned() } else { parts.join("; ") }
}

fn verdict(prepared: &Prepared) -> &'static str {
    match prepared.verdict() {
        Verdict::Fits => "fits",
        Verdict::MayNotFit => "may not fit",
        Verdict::CannotFit => "cannot fit",
    }
}
