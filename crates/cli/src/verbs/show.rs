//! `gorgon show`

use clap::Args;
use gorgon_core::definition::{Definition, Step};
use gorgon_core::money::Meter;

use crate::context::Context;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::printer::Printer;
use crate::workflow::Workflow;

/// Show a workflow: its inputs, outputs, limits and steps.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// A workflow file, or the id, file stem or name of one under `workflows`.
    workflow: String,
}

impl Show {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Fault> {
        let workflow = Workflow::find(context, &self.workflow)?;
        workflow.warn(context);
        let printer = &context.printer;
        if printer.json {
            printer.document(&workflow.definition);
            return Ok(Exit::Done);
        }
        printer.data(format!("{} {} ({})", workflow.definition.name, workflow.definition.version, workflow.name));
        text(printer, &workflow.definition);
        Ok(Exit::Done)
    }
}

fn text(printer: &Printer, definition: &Definition) {
    definition.description.lines().for_each(|line| printer.data(format!("  {line}")));
    for (name, spec) in &definition.inputs {
        let need = match &spec.default {
            Some(default) => format!("default {default}"),
            None if spec.required => "required".to_owned(),
            None => "optional".to_owned(),
        };
        printer.data(format!("input  {name}: {}, {need}{}", spec.ty.name(), said(&spec.description)));
    }
    for (name, description) in &definition.outputs {
        printer.data(format!("output {name}{}", said(description)));
    }
    for meter in Meter::ALL {
        if let Some(limit) = definition.budget.limits.of(meter) {
            let limit = meter.shown(limit);
            printer.data(format!("limit  {limit}"));
        }
    }
    definition.steps.iter().for_each(|step| line(printer, step, 0));
}

fn line(printer: &Printer, step: &Step, depth: usize) {
    let each = if step.fan_out.is_some() { " for each" } else { "" };
    printer.data(format!("step   {}{} ({}{each}){}", "  ".repeat(depth), step.id, step.kind, said(&step.description)));
    step.steps.iter().for_each(|inner| line(printer, inner, depth + 1));
}

fn said(description: &str) -> String {
    let line = crate::board::first_line(description);
    if line.is_empty() { String::new() } else { format!(": {line}") }
}
