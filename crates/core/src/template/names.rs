//! What bare words mean, decided before anything runs.

use std::collections::{BTreeMap, BTreeSet};

use super::problem::Problem;
use super::reference::{Reference, Root};

/// The name, inside of a loop, of what the round before gave.
pub const PREVIOUS: &str = "previous";

/// The names that are in force at one place of a workflow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Declared inputs.
    pub inputs: BTreeSet<String>,
    /// Declared outputs, each with the steps that give it.
    pub outputs: BTreeMap<String, Vec<String>>,
    /// Item variables of the enclosing fan-outs and loops.
    pub variables: BTreeSet<String>,
    /// Whether `item` and `index` exist here.
    pub in_items: bool,
    /// All step ids; `None` if `steps.ID` is checked elsewhere.
    pub steps: Option<BTreeSet<String>>,
    /// Inside of a workflow that is a step of another one: the id of that step. Steps stand under it, and inputs are what it gives.
    pub within: Option<String>,
}

impl Names {
    /// Whether a bare word means something here.
    #[must_use]
    pub fn declares(&self, name: &str) -> bool {
        (self.in_items && matches!(name, "item" | "index"))
            || self.variables.contains(name)
            || self.outputs.contains_key(name)
            || self.inputs.contains(name)
    }

    /// Decides what the bare words among `references` mean, in place. All problems are returned at once.
    pub fn bind<'r>(&self, references: impl IntoIterator<Item = &'r mut Reference>) -> Vec<Problem> {
        references.into_iter().filter_map(|reference| self.bind_one(reference).err()).collect()
    }

    fn bind_one(&self, reference: &mut Reference) -> Result<(), Problem> {
        let problem = |message: String| Problem::error(reference.span.clone(), message).at_pointer(&reference.pointer);
        match &reference.root {
            Root::Item => reference.root = self.bare("item", reference)?,
            Root::Index => reference.root = self.bare("index", reference)?,
            Root::Name(name) => reference.root = self.bare(name, reference)?,
            Root::Input(name) if self.inputs.contains(name) => reference.root = self.input(name),
            Root::Input(name) if !self.inputs.contains(name) => {
                let known = nearest(name, self.inputs.iter().map(String::as_str));
                return Err(hinted(problem(format!("there is no input `{name}`")), known, "inputs.", "declare it under `inputs:`"));
            }
            Root::Step { step, .. } => {
                if let Some(steps) = self.steps.as_ref().filter(|steps| !steps.contains(step)) {
                    let known = nearest(step, steps.iter().map(String::as_str));
                    return Err(hinted(problem(format!("there is no step `{step}`")), known, "", "a step is named by its `id:`"));
                }
                if let (Some(within), Root::Step { step, .. }) = (&self.within, &mut reference.root) {
                    *step = format!("{within}.{step}");
                }
            }
            Root::Input(_) | Root::Given { .. } | Root::Output { .. } | Root::Variable(_) | Root::Run(_) | Root::Env(_) | Root::Secret(_) => {}
        }
        Ok(())
    }

    fn input(&self, name: &str) -> Root {
        match &self.within {
            Some(step) => Root::Given { step: step.clone(), name: name.to_owned() },
            None => Root::Input(name.to_owned()),
        }
    }

    fn bare(&self, name: &str, reference: &Reference) -> Result<Root, Problem> {
        let mut found: Vec<(Root, String)> = Vec::new();
        if self.in_items && name == "item" {
            found.push((Root::Item, "the item at hand".to_owned()));
        } else if self.in_items && name == "index" {
            found.push((Root::Index, "the item's index".to_owned()));
        } else if self.variables.contains(name) {
            found.push((Root::Variable(name.to_owned()), "an item variable".to_owned()));
        }
        if let Some(steps) = self.outputs.get(name) {
            let of = format!("an output of `{}`", steps.join("` and `"));
            let root = Root::Output { name: name.to_owned(), steps: steps.clone() };
            found.push((root, of));
        }
        if self.inputs.contains(name) {
            found.push((self.input(name), "an input".to_owned()));
        }
        let problem = |message: String| Problem::error(reference.span.clone(), message).at_pointer(&reference.pointer);
        if found.len() > 1 {
            let all: Vec<&str> = found.iter().map(|(_, what)| what.as_str()).collect();
            return Err(problem(format!("`{name}` is both {}", all.join(" and ")))
                .with_help(format!("rename one, or write the long form: `inputs.{name}` or `steps.ID.{name}`")));
        }
        if let Some((root, _)) = found.pop() {
            return Ok(root);
        }
        if matches!(name, "item" | "index") {
            return Err(
                problem(format!("`{name}` exists only inside a fan-out or a loop")).with_help("to keep the characters as they are, write `$${`")
            );
        }
        Err(hinted(
            problem(format!("`{name}` is neither an input nor an output of a step")),
            nearest(name, self.all()),
            "",
            "declare it under `inputs:` or a step's `outputs:`; to keep the characters as they are, write `$${`",
        ))
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        let items: &[&str] = if self.in_items { &["item", "index"] } else { &[] };
        items
            .iter()
            .copied()
            .chain(self.variables.iter().map(String::as_str))
            .chain(self.outputs.keys().map(String::as_str))
            .chain(self.inputs.iter().map(String::as_str))
    }
}

fn hinted(problem: Problem, known: Option<&str>, prefix: &str, otherwise: &str) -> Problem {
    match known {
        Some(known) => problem.with_help(format!("did you mean `{prefix}{known}`?")),
        None => problem.with_help(otherwise),
    }
}

/// The known name that is closest to a mistyped one, if it is close enough to be meant: a third of its length in
/// edits, and at least one.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A longer word is not typed by hand; the bound keeps the quadratic distance cheap.
    const COMPARED_CHARS_MAX: usize = 64;
    let typed: Vec<char> = name.chars().take(COMPARED_CHARS_MAX).collect();
    let mut best: Option<(usize, &str)> = None;
    for candidate in known {
        let other: Vec<char> = candidate.chars().take(COMPARED_CHARS_MAX).collect();
        let allowed = (typed.len().max(other.len()) / 3).max(1);
        // A file may have thousands of names, and as many mistakes.
        if typed.len().abs_diff(other.len()) > allowed {
            continue;
        }
        let edits = distance(&typed, &other);
        if edits <= allowed && best.is_none_or(|(least, _)| edits < least) {
            best = Some((edits, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Edits (insert, delete, replace, swap of neighbours) between two words, ignoring case.
fn distance(a: &[char], b: &[char]) -> usize {
    let same = |x: char, y: char| x.eq_ignore_ascii_case(&y);
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &y) in b.iter().enumerate() {
            let mut edits = (above[j] + usize::from(!same(x, y))).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && same(x, b[j - 1]) && same(a[i - 1], y) {
                edits = edits.min(before[j - 1] + 1);
            }
            row.push(edits);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}
