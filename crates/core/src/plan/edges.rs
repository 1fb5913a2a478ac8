//! Which step waits for which: references, `depends_on`, branches, file order.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::EdgeKind;
use crate::definition::{Definition, Fallback, Guard, OnFailure, Order, Step};
use crate::step::{self, Syntax, sub_workflow};
use crate::template::{Expression, Names, PREVIOUS, Reference, Root, ShellText, Template, TemplateValue};

/// What one step says of others, by their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Needs(pub(super) BTreeMap<String, EdgeKind>);

impl Needs {
    fn add(&mut self, step: &str, kind: EdgeKind) {
        // The strongest reason is the one that is shown: an edge that carries exclusion before one that does not.
        self.0.entry(step.to_owned()).and_modify(|old| *old = (*old).min(kind)).or_insert(kind);
    }

    fn add_references<'r>(&mut self, references: impl IntoIterator<Item = &'r Reference>) {
        for reference in references {
            match &reference.root {
                Root::Step { step, .. } => self.add(step, EdgeKind::Reference),
                Root::Output { steps, .. } => steps.iter().for_each(|step| self.add(step, EdgeKind::Reference)),
                _ => {}
            }
        }
    }
}

/// The names that are in force inside of one step. Copied only for a fan-out: a file may have thousands of steps and names.
#[must_use]
pub fn names_for<'n>(base: &'n Names, step: &Step) -> Cow<'n, Names> {
    if step.fan_out.is_none() || base.in_items {
        return Cow::Borrowed(base);
    }
    Cow::Owned(Names { in_items: true, ..base.clone() })
}

/// The names that are in force inside of a group: those of the loop, if it is one.
#[must_use]
pub fn names_inside<'n>(base: &'n Names, group: &Step) -> Cow<'n, Names> {
    match group.kind.as_str() {
        "loop" => Cow::Owned(names_of_loop(base, group)),
        sub_workflow::WORKFLOW => Cow::Owned(names_of_sub_workflow(group)),
        _ => Cow::Borrowed(base),
    }
}

/// The names inside of a workflow that is a step: its own, and none of those around it.
fn names_of_sub_workflow(group: &Step) -> Names {
    let prefix = sub_workflow::prefix_of(group);
    let steps: Vec<&Step> = group.steps.iter().flat_map(visible).collect();
    Names {
        inputs: sub_workflow::declared(group).into_keys().collect(),
        outputs: outputs_of(steps.iter().copied()),
        steps: Some(steps.iter().map(|step| step.id.as_str().strip_prefix(&prefix).unwrap_or(step.id.as_str()).to_owned()).collect()),
        within: Some(group.id.to_string()),
        ..Names::default()
    }
}

/// A step and those inside of it that the steps around it can name: what is inside of another workflow is a matter of that one.
fn visible(step: &Step) -> Box<dyn Iterator<Item = &Step> + '_> {
    let inside = if step.kind == sub_workflow::WORKFLOW { &[][..] } else { &step.steps };
    Box::new(std::iter::once(step).chain(inside.iter().flat_map(visible)))
}

fn outputs_of<'s>(steps: impl Iterator<Item = &'s Step>) -> BTreeMap<String, Vec<String>> {
    let mut outputs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for step in steps {
        for output in &step.outputs {
            outputs.entry(output.clone()).or_default().push(step.id.to_string());
        }
    }
    outputs
}

/// The names that are in force in the conditions of a loop and inside of it.
fn names_of_loop(base: &Names, step: &Step) -> Names {
    let mut names = Names { in_items: true, ..base.clone() };
    names.variables.insert(PREVIOUS.to_owned());
    names.variables.extend(step.params.get("as").and_then(serde_json::Value::as_str).map(str::to_owned));
    names
}

/// The names that are in force in one parameter of a step.
#[must_use]
pub fn names_in<'n>(base: &'n Names, own: &'n Names, step: &Step, param: &str) -> Cow<'n, Names> {
    if step.kind == "loop" && matches!(param, "while" | "until") { Cow::Owned(names_of_loop(base, step)) } else { Cow::Borrowed(own) }
}

/// The names that the definition declares.
pub fn names_of(definition: &Definition) -> Names {
    let steps: Vec<&Step> = definition.steps.iter().flat_map(visible).collect();
    Names {
        inputs: definition.inputs.keys().cloned().collect(),
        outputs: outputs_of(steps.iter().copied()),
        steps: Some(steps.iter().map(|step| step.id.to_string()).collect()),
        ..Names::default()
    }
}

/// What a step itself says of others, without those inside of it. Texts that cannot be parsed say nothing here: compiling reports them.
pub(super) fn needs_of(step: &Step, base: &Names) -> Needs {
    let mut needs = Needs::default();
    for id in step.depends_on.iter().flatten() {
        needs.add(id.as_str(), EdgeKind::DependsOn);
    }
    let names = names_for(base, step);
    let template = |needs: &mut Needs, value: &serde_json::Value, names: &Names| {
        if let Ok(mut parsed) = TemplateValue::parse(value) {
            parsed.bind(names);
            needs.add_references(parsed.references());
        }
    };
    let expression = |needs: &mut Needs, text: &str, names: &Names| {
        if let Ok(mut parsed) = Expression::parse(text) {
            parsed.bind(names);
            needs.add_references(parsed.references());
        }
    };
    let kind = step::find(&step.kind);
    for (name, value) in &step.params {
        let syntax = kind.and_then(|kind| kind.params().iter().find(|p| p.name == name)).map_or(Syntax::Template, |p| p.syntax);
        let names = names_in(base, &names, step, name);
        match (syntax, value) {
            (Syntax::Raw, _) => {}
            (Syntax::Template, value) => template(&mut needs, value, &names),
            (Syntax::Shell, serde_json::Value::String(text)) => {
                if let (Some(parsed), _) = ShellText::parse(text, &names) {
                    needs.add_references(parsed.references());
                }
            }
            (Syntax::Expression, serde_json::Value::String(text)) => expression(&mut needs, text, &names),
            (Syntax::Expressions, serde_json::Value::Object(map)) => {
                map.values().filter_map(serde_json::Value::as_str).for_each(|text| expression(&mut needs, text, &names));
            }
            (Syntax::Shell | Syntax::Expression | Syntax::Expressions, _) => {}
        }
    }
    if let Some(fan_out) = &step.fan_out {
        template(&mut needs, &fan_out.items, base);
    }
    match &step.when {
        Some(Guard::Condition(condition)) => {
            let mut condition = condition.clone();
            condition.bind(base);
            needs.add_references([condition.reference()]);
        }
        Some(Guard::Expression(text)) => {
            if let Ok(mut parsed) = Expression::parse(text) {
                parsed.bind(base);
                needs.add_references(parsed.references());
            }
        }
        None => {}
    }
    let texts = step.idempotency_key.iter().chain(step.approval.iter().map(|approval| &approval.prompt));
    for text in texts {
        if let Ok(mut parsed) = Template::parse(text) {
            parsed.bind(&names);
            needs.add_references(parsed.references());
        }
    }
    let own: Vec<&str> = step.with_nested().map(|s| s.id.as_str()).collect();
    needs.0.retain(|id, _| !own.contains(&id.as_str()));
    needs
}

/// The edges among one list of siblings: for each step, what comes before it and why. Edges from inside a sibling are lifted to the sibling.
pub fn sibling_edges(siblings: &[Step], order: Order, base: &Names) -> Vec<BTreeMap<usize, EdgeKind>> {
    let mut home: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, step) in siblings.iter().enumerate() {
        for nested in step.with_nested() {
            home.insert(nested.id.as_str(), place);
        }
    }
    let mut edges: Vec<BTreeMap<usize, EdgeKind>> = vec![BTreeMap::new(); siblings.len()];
    let fallbacks: BTreeMap<usize, usize> = siblings
        .iter()
        .enumerate()
        .filter_map(|(place, step)| match &step.on_failure {
            OnFailure::Fallback(Fallback::Step(id)) => home.get(id.as_str()).map(|&fallback| (fallback, place)),
            _ => None,
        })
        .collect();
    // Whoever wants what a fallback gives has to know whether it is needed, and a fallback has to find what it refers to: both hold once the step
    // that it stands in for has ended, and has waited for what the fallback needs.
    let stands_for =
        |place: usize| (0..siblings.len()).try_fold(place, |place, _| fallbacks.get(&place).copied().ok_or(place)).unwrap_or_else(|place| place);
    let mut add = |to: usize, from: usize, kind: EdgeKind| {
        let (to, from) = (stands_for(to), stands_for(from));
        if from != to {
            edges[to].entry(from).and_modify(|old: &mut EdgeKind| *old = (*old).min(kind)).or_insert(kind);
        }
    };
    let mut previous: Option<usize> = None;
    // What stands in the arms of branches, since the last step behind them; where the last arm begins; and what waits for a step further down.
    let (mut arms, mut last_arm): (Vec<usize>, usize) = (Vec::new(), 0);
    let (mut in_arm, mut looks_ahead) = (vec![false; siblings.len()], vec![false; siblings.len()]);
    for (place, step) in siblings.iter().enumerate() {
        let mut said = step.depends_on.is_some();
        each_with_names(step, base, &mut |nested, names| {
            for (id, kind) in needs_of(nested, names).0 {
                if let Some(&from) = home.get(id.as_str()) {
                    said |= from != place;
                    in_arm[place] |= in_arm[from];
                    looks_ahead[place] |= from > place || looks_ahead[from];
                    add(place, from, kind);
                }
            }
        });
        if step.kind == "branch" {
            let arms = crate::step::branch_arms(step);
            for target in arms.iter().flatten().filter_map(|id| home.get(*id)) {
                add(*target, place, EdgeKind::Branch);
                last_arm = last_arm.max(*target);
            }
        }
        if fallbacks.contains_key(&place) {
            continue;
        }
        let is_target = order == Order::Edges && is_branch_target(siblings, step);
        let by_file = match order {
            Order::File => true,
            Order::Edges => !said && !is_target,
            Order::EdgesOnly => false,
        };
        if let Some(previous) = previous.filter(|_| by_file) {
            add(place, previous, EdgeKind::FileOrder);
            if place < last_arm {
                in_arm[place] |= in_arm[previous];
            } else {
                // What stands after the arms of a branch waits for whichever is taken, and not only for the last of them.
                for arm in arms.drain(..) {
                    in_arm[arm] = false;
                    add(place, arm, EdgeKind::FileOrder);
                }
            }
        }
        in_arm[place] |= is_target;
        // What waits for a step further down cannot be waited for there.
        if in_arm[place] && !looks_ahead[place] {
            arms.push(place);
        }
        previous = Some(place);
    }
    edges
}

/// A step and those inside of it, each with the names that are in force around it.
fn each_with_names(step: &Step, names: &Names, visit: &mut dyn FnMut(&Step, &Names)) {
    visit(step, names);
    if !step.steps.is_empty() {
        let inside = names_inside(names, step);
        step.steps.iter().for_each(|child| each_with_names(child, &inside, visit));
    }
}

/// How the steps inside of a group are ordered: those of a loop as those of the file are, those of any other group by what they say.
#[must_use]
pub fn order_inside(group: &Step, of_file: Order) -> Order {
    match group.kind.as_str() {
        "loop" => of_file,
        sub_workflow::WORKFLOW => sub_workflow::order_of(group),
        _ => Order::EdgesOnly,
    }
}

/// The order of the file that the steps inside of a group come from.
#[must_use]
pub fn file_order_inside(group: &Step, of_file: Order) -> Order {
    if group.kind == sub_workflow::WORKFLOW { sub_workflow::order_of(group) } else { of_file }
}

fn is_branch_target(siblings: &[Step], step: &Step) -> bool {
    siblings.iter().filter(|s| s.kind == "branch").any(|s| crate::step::branch_arms(s).iter().flatten().any(|id| *id == step.id.as_str()))
}

/// The steps of one cycle among siblings, in order, if there is one.
pub fn find_cycle(edges: &[BTreeMap<usize, EdgeKind>]) -> Option<Vec<usize>> {
    let mut left: Vec<usize> = edges.iter().map(BTreeMap::len).collect();
    let mut ready: Vec<usize> = (0..edges.len()).filter(|&place| left[place] == 0).collect();
    let mut before: Vec<Vec<usize>> = vec![Vec::new(); edges.len()];
    for (to, from) in edges.iter().enumerate().flat_map(|(to, froms)| froms.keys().map(move |&from| (to, from))) {
        before[from].push(to);
    }
    while let Some(done) = ready.pop() {
        for &next in &before[done] {
            left[next] -= 1;
            if left[next] == 0 {
                ready.push(next);
            }
        }
    }
    // From any step that is left, going backward along edges from steps that are left must come round.
    let start = (0..edges.len()).find(|&place| left[place] > 0)?;
    let mut path = vec![start];
    loop {
        let here = *path.last()?;
        let from = *edges[here].keys().find(|&&from| left[from] > 0)?;
        if let Some(at) = path.iter().position(|&seen| seen == from) {
            let mut cycle = path.split_off(at);
            cycle.reverse();
            return Some(cycle);
        }
        path.push(from);
    }
}
