//! Workflows that are steps of others: their files are read, and their steps put inside.

use std::cell::Cell;
use std::path::{Component, Path, PathBuf};

use gorgon_core::budget::Limits;
use gorgon_core::definition::{Definition, Step};
use gorgon_core::diagnostic::{Code, Diagnostic};
use gorgon_core::plan;
use gorgon_core::step::sub_workflow;
use gorgon_core::template::Root;
use serde_json::Value;

use crate::dialect::{NO_SUCH_FILE, ReadFile};
use crate::limits::{NESTED_WORKFLOWS_MAX, STEPS_MAX, WORKFLOW_FILES_MAX};

/// Most problems of another file that are told.
const TOLD_MAX: usize = 3;

/// Where files come from, and how far this one is.
#[derive(Clone, Copy)]
pub(crate) struct Files<'a> {
    pub(crate) read: ReadFile<'a>,
    /// How many more may be read, for all of them together.
    pub(crate) left: &'a Cell<usize>,
    /// The files that this one is reached through, itself the last.
    pub(crate) around: &'a [String],
}

impl Files<'_> {
    /// A file that this one names: its text and its path. Looked for beside this one first.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(crate) fn find(&self, named: &str) -> Result<(String, String), String> {
        let beside = self.around.last().and_then(|file| file.rsplit_once('/')).map(|(folder, _)| format!("{folder}/{named}"));
        if let Some(path) = beside
            && let Some(text) = (self.read)(&path)?
        {
            return Ok((text, path));
        }
        (self.read)(named)?.map(|text| (text, named.to_owned())).ok_or_else(|| NO_SUCH_FILE.to_owned())
    }
}

/// Reads the workflows that are steps of this one, and puts their steps inside.
pub(crate) fn inline(definition: &mut Definition, files: Files<'_>, problems: &mut Vec<Diagnostic>) {
    let before = problems.len();
    let mut steps = definition.all_steps().count();
    for step in &mut definition.steps {
        of_step(step, files, &mut steps, problems);
    }
    if !problems[before..].iter().any(Diagnostic::is_error) && definition.all_steps().any(|step| step.kind == "workflow") {
        check_results(definition, problems);
    }
}

fn of_step(step: &mut Step, files: Files<'_>, steps: &mut usize, problems: &mut Vec<Diagnostic>) {
    if step.kind != "workflow" {
        return step.steps.iter_mut().for_each(|inside| of_step(inside, files, steps, problems));
    }
    // What is too large is not read further.
    if *steps > STEPS_MAX || files.left.get() == 0 {
        return;
    }
    let Files { read, left, around } = files;
    let place = format!("steps.{}.params.workflow", step.id);
    let named = step.params.get("workflow").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut refuse = |code, message: String, help: &str| problems.push(Diagnostic::error(code, &place, message).help(help));
    let (text, path) = match files.find(&named) {
        Ok(found) => found,
        Err(why) => return refuse(Code::UnknownWorkflow, format!("the workflow `{named}` cannot be read: {why}"), "name a file beside this one"),
    };
    if around.iter().any(|other| lexical(other) == lexical(&path)) {
        let way = around.iter().chain([&path]).cloned().collect::<Vec<_>>().join(" → ");
        return refuse(Code::Cycle, format!("the workflow `{named}` is a step of itself: {way}"), "take one of these steps out");
    }
    if around.len() >= NESTED_WORKFLOWS_MAX {
        let message = format!("workflows stand in one another more than {NESTED_WORKFLOWS_MAX} deep");
        return refuse(Code::TooLarge, message, "start the inner ones as runs of their own");
    }
    left.set(left.get() - 1);
    if left.get() == 0 {
        let message = format!("more than {WORKFLOW_FILES_MAX} files would have to be read");
        return refuse(Code::TooLarge, message, "start some of the inner workflows as runs of their own");
    }
    let through: Vec<String> = around.iter().cloned().chain([path.clone()]).collect();
    let loaded = crate::load_at(&text, Files { read, left, around: &through });
    let Some(child) = loaded.definition else {
        let errors: Vec<Diagnostic> = loaded.diagnostics.into_iter().filter(Diagnostic::is_error).take(TOLD_MAX).collect();
        let told = crate::render(&path, &text, &errors);
        return refuse(Code::UnknownWorkflow, format!("the workflow `{named}` cannot be used:\n{}", told.trim_end()), "mend that file first");
    };
    *steps = steps.saturating_add(child.all_steps().count());
    if *steps > STEPS_MAX {
        let message = format!("with the workflows that are its steps the workflow has more than {STEPS_MAX} steps");
        return refuse(Code::TooLarge, message, "split it, or start the other workflows as runs of their own");
    }
    for (said, what) in [(child.budget.limits != Limits::default(), "budget"), (child.timeout_ms.is_some(), "timeout")] {
        if said {
            let message = format!("the {what} of `{}` does not count here: that of this workflow holds for its steps", child.name);
            problems.push(Diagnostic::warning(Code::BadValue, &place, message).help(format!("set the {what} of the whole in this file")));
        }
    }
    let child = needed(child);
    if let Err((code, message, help)) = sub_workflow::put_inside(step, child) {
        let problem = Diagnostic::error(code, place, message);
        problems.push(if let Some(help) = help { problem.help(help) } else { problem });
    }
}

/// A path without its detours: `a/./b/../c` is `a/c`. Two names of a file that differ by a link are found by how deep files may stand in one another.
fn lexical(path: &str) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in Path::new(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(plain.components().next_back(), Some(Component::Normal(_))) => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}

/// The workflow with the steps that its goals need, as a run of its own would have them.
fn needed(mut child: Definition) -> Definition {
    if !child.goals.is_empty()
        && let Ok(program) = plan::compile(std::sync::Arc::new(child.clone()), &[])
    {
        child.steps.retain(|step| program.find(&step.id).is_some());
    }
    child
}

/// Whether what is said of a workflow is among its outputs: known only now that it is read.
fn check_results(definition: &Definition, problems: &mut Vec<Diagnostic>) {
    let program = match plan::compile(std::sync::Arc::new(definition.clone()), &[]) {
        Ok(program) => program,
        Err(mut found) => return problems.append(&mut found),
    };
    for node in &program.nodes {
        for reference in node.references() {
            let Root::Step { step, field } = &reference.root else { continue };
            let Some(other) = program.find_str(step).map(|ix| &program.nodes[ix].step).filter(|step| step.kind == "workflow") else { continue };
            let mut known = sub_workflow::gives(other).chain(other.outputs.iter().map(String::as_str)).chain(["status", "error"]);
            if !known.any(|known| known == field) {
                let message = format!("step `{step}` gives no `{field}`");
                let help = crate::report::did_you_mean(field, sub_workflow::gives(other).collect::<Vec<_>>().into_iter());
                problems.push(Diagnostic::error(Code::UnknownReference, format!("steps.{}", node.step.id), message).help(help));
            }
        }
    }
}
