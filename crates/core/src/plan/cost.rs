//! What a plan can cost before it starts: a lower and an upper bound.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Node, NodeIx, Program};
use crate::budget::Limits;
use crate::definition::{Fallback, OnFailure};
use crate::ids::StepId;
use crate::money::{Amounts, Meter, ModelPrice, PriceTable, SIMULATED};
use crate::step::{ModelChoice, Shape};

/// Bounds on the cost of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// The least that has to be held at once for the plan to complete.
    pub lower: Amounts,
    /// The most that it can cost, if that is known. A crash can add one repetition of each call in flight.
    pub upper: Option<Amounts>,
    /// Why it is not known: the step and the reason.
    pub unbounded: Vec<(StepId, String)>,
    /// Steps whose dollars are not known, because nobody said what their model costs.
    pub unpriced: Vec<StepId>,
}

/// How a plan stands to its budget. The worse one is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It cannot exceed it.
    Fits,
    /// It may.
    MayNotFit,
    /// It cannot complete within it.
    CannotFit,
}

impl Cost {
    /// Judges the plan against limits.
    #[must_use]
    pub fn verdict(&self, limits: &Limits) -> Verdict {
        let mut verdict = Verdict::Fits;
        for meter in Meter::ALL {
            let Some(limit) = limits.of(meter) else { continue };
            if self.lower.of(meter) > limit {
                return Verdict::CannotFit;
            }
            if self.upper.is_none_or(|upper| upper.of(meter) > limit) || (meter == Meter::Usd && !self.unpriced.is_empty()) {
                verdict = Verdict::MayNotFit;
            }
        }
        verdict
    }
}

/// Computes the bounds of a program.
#[must_use]
pub fn cost(program: &Program, inputs: &BTreeMap<String, Value>, models: &ModelChoice, prices: &PriceTable) -> Cost {
    cost_of_rest(program, (&[], &BTreeMap::new()), inputs, models, prices)
}

/// As [`cost`], of what is left when the results of some steps are there already, and so many rounds of the loops that go on have ended.
#[must_use]
pub fn cost_of_rest(
    program: &Program,
    (kept, ended): (&[StepId], &BTreeMap<StepId, u32>),
    inputs: &BTreeMap<String, Value>,
    models: &ModelChoice,
    prices: &PriceTable,
) -> Cost {
    let mut cost = Cost { lower: Amounts::ZERO, upper: Some(Amounts::ZERO), unbounded: Vec::new(), unpriced: Vec::new() };
    let certain = certain(program, inputs);
    let kept: std::collections::BTreeSet<&StepId> = kept.iter().collect();
    for (ix, node) in program.nodes.iter().enumerate().filter(|(_, node)| !kept.contains(&node.step.id)) {
        let (least, most) = rounds(program, ix, inputs, ended);
        add(&mut cost, (if certain[ix] { least } else { 0 }, most), node, inputs, models, prices);
    }
    if !cost.unbounded.is_empty() {
        cost.upper = None;
    }
    cost
}

/// Adds one step, with the least and the most times that it runs in a run that completes.
fn add(cost: &mut Cost, (certain, rounds): (u64, u64), node: &Node, inputs: &BTreeMap<String, Value>, models: &ModelChoice, prices: &PriceTable) {
    if node.kind.name() != "agent" {
        return;
    }
    let params = &node.step.params;
    let provider = models.provider(params).unwrap_or_default();
    let model = models.model(params).unwrap_or(provider);
    let all: Vec<Candidate> = std::iter::once((provider, model))
        .chain(crate::step::hops(params, models))
        .map(|(provider, model)| Candidate::of(provider, model, prices))
        .collect();
    if all.iter().any(|candidate| candidate.price.is_none()) {
        cost.unpriced.push(node.step.id.clone());
    }
    // A cap that is computed is known if it depends on the inputs alone; else nothing is known of it.
    let cap = match params.get("max_tokens") {
        Some(Value::String(_)) if node.code.refers_beyond_inputs() => None,
        Some(Value::String(_)) => node.code.render(&InputsOnly(inputs)).ok().and_then(|rendered| rendered.get("max_tokens").and_then(Value::as_u64)),
        cap => Some(cap.and_then(Value::as_u64).unwrap_or_default()),
    };
    let output = cap.unwrap_or_default();
    // Literal text is there whatever happens; what is rendered into it is bounded by the inputs at hand and by nothing else.
    let (least, most) = question_bound(node, inputs, models);
    let turns = turns(node);
    let grows = turns > 1;
    let all: Vec<(Amounts, Result<Amounts, String>)> = all.iter().map(|candidate| candidate.holds(least, most, output, grows)).collect();
    let least = |amount: fn(&Amounts) -> u64| all.iter().map(|(least, _)| amount(least)).min().unwrap_or(0);
    let always = certain > 0 && !matches!(node.step.on_failure, OnFailure::Fallback(Fallback::Value(_) | Fallback::Step(_)));
    if always {
        // Whoever answers in the end, it is one of them.
        cost.lower = Amounts {
            cost_nano_usd: cost.lower.cost_nano_usd.max(least(|hold| hold.cost_nano_usd)),
            tokens: cost.lower.tokens.max(least(|hold| hold.tokens)),
            calls: cost.lower.calls.saturating_add(certain),
        };
    }
    let times = u64::from(node.step.retry.max_attempts.unwrap_or(3));
    let items = match &node.items {
        None => Some(1),
        Some(items) => items.items.as_literal().and_then(Value::as_array).map(|list| list.len() as u64).or_else(|| input_list(node, inputs)),
    };
    // Each of them may be asked as often as it may fail.
    let once = all.into_iter().map(|(_, most)| most).try_fold(Amounts::ZERO, |sum, most| most.map(|most| sum.plus(most)));
    let reason = match (once, items) {
        _ if cap.is_none() => "its `max_tokens` is computed while it runs".to_owned(),
        (Err(why), _) => why,
        (_, None) => "the number of its elements is known only when it starts".to_owned(),
        (Ok(once), Some(items)) => {
            let times = times.saturating_mul(items).saturating_mul(turns).saturating_mul(rounds);
            cost.upper = cost.upper.map(|upper| upper.plus(once.times(times)));
            return;
        }
    };
    cost.unbounded.push((node.step.id.clone(), reason));
}

/// Somebody who may be asked.
struct Candidate<'a> {
    model: &'a str,
    window: Option<u64>,
    price: Option<ModelPrice>,
}

impl<'a> Candidate<'a> {
    fn of(provider: &'a str, model: &'a str, prices: &PriceTable) -> Self {
        let known = prices.find(provider, model);
        let window = known.as_ref().and_then(|model| model.input_tokens_max);
        let price = known.and_then(|model| model.price).or_else(|| (provider == SIMULATED).then_some(ModelPrice::FREE));
        Self { model, window, price }
    }

    /// The least that has to be held for one question, and the most, or why that is not known.
    fn holds(&self, least: u64, most: Option<u64>, output: u64, grows: bool) -> (Amounts, Result<Amounts, String>) {
        let price = self.price.unwrap_or_default();
        let hold = |input: u64| Amounts { cost_nano_usd: price.worst_nano_usd(input, output), tokens: input.saturating_add(output), calls: 1 };
        let most = match (most, self.window) {
            _ if grows => self.window,
            (Some(bytes), Some(window)) => Some(bytes.min(window)),
            (bytes, window) => bytes.or(window),
        };
        let why = || {
            let what = if grows { "its conversation grows with each turn" } else { "its prompt holds what is known only while it runs" };
            format!("{what}, and no `input_tokens_max` is set for the model `{}`", self.model)
        };
        (hold(self.window.map_or(least, |window| least.min(window))), most.map(hold).ok_or_else(why))
    }
}

/// How often the rounds of the loops around a step let it run, at least and at most. Of the outermost loop those that have ended are over; in the one that is
/// under way the step may have ended, and what stands in it may be anywhere.
fn rounds(program: &Program, ix: NodeIx, inputs: &BTreeMap<String, Value>, ended: &BTreeMap<StepId, u32>) -> (u64, u64) {
    let groups = std::iter::successors(program.nodes[ix].parent, |&group| program.nodes[group].parent);
    let loops: Vec<&Node> = groups.map(|group| &program.nodes[group]).filter(|node| node.shape == Shape::Loop).collect();
    let mut all = (1_u64, 1_u64);
    for (n, node) in loops.iter().enumerate() {
        let (mut least, mut most) = rounds_of(node, inputs);
        if let Some(&ended) = ended.get(&node.step.id).filter(|_| n + 1 == loops.len()) {
            least = least.saturating_sub(u64::from(ended) + 1);
            most = most.saturating_sub(u64::from(ended));
        }
        all = (all.0.saturating_mul(least), all.1.saturating_mul(most));
    }
    all
}

/// The least and the most rounds of a loop.
fn rounds_of(node: &Node, inputs: &BTreeMap<String, Value>) -> (u64, u64) {
    let params = &node.step.params;
    let most = crate::step::most_rounds(params);
    // A list or a number that comes of the inputs is known before the run starts. A default in its place is not: the value may be another one in the end.
    let of_inputs = node.code.template.references().into_iter().all(|reference| matches!(reference.root, crate::template::Root::Input(_)));
    let rendered = node.code.template.render(&InputsOnly(inputs)).ok().filter(|_| of_inputs);
    let over = |name: &str| rendered.as_ref().and_then(|params| params.get(name));
    let known = over("for_each").and_then(Value::as_array).map(|list| list.len() as u64).or_else(|| over("count").and_then(Value::as_u64));
    let ends_early = |name: &str| params.contains_key(name);
    match known {
        Some(known) if ends_early("while") => (0, known.min(most)),
        Some(known) if ends_early("until") => (known.min(1), known.min(most)),
        Some(known) => (known.min(most), known.min(most)),
        None => (u64::from(ends_early("until") && !ends_early("while") && !ends_early("for_each") && !ends_early("count")), most),
    }
}

/// Most answers of an agent. A conversation grows by what its tools give and by answers that have to be corrected: no turn is longer than the model's
/// window, and nothing else is known.
fn turns(node: &Node) -> u64 {
    let params = &node.step.params;
    let number = |name: &str, default| params.get(name).and_then(Value::as_u64).unwrap_or(default);
    let given = |name: &str| params.get(name).is_some_and(|list| list.as_array().is_none_or(|list| !list.is_empty()));
    if given("tools") {
        return number("max_turns", u64::MAX);
    }
    let outputs = if node.items.is_some() { node.owed_outputs() } else { &node.step.outputs };
    if params.contains_key("output_schema") || given("rules") || outputs.len() > 1 { number("max_reasks", 2).saturating_add(1) } else { 1 }
}

/// The length of a list that is one of the inputs.
fn input_list(node: &Node, inputs: &BTreeMap<String, Value>) -> Option<u64> {
    use crate::template::Root;
    let items = &node.items.as_ref()?.items;
    let references = items.references();
    let [only] = references.as_slice() else { return None };
    let Root::Input(name) = &only.root else { return None };
    // Only a whole input is counted; a path into it, or a filter, may be anything.
    if !only.path.is_empty() || node.step.fan_out.as_ref()?.items.as_str()?.trim() != format!("${{{}}}", only.text) {
        return None;
    }
    Some(inputs.get(name)?.as_array()?.len() as u64)
}

/// A bound on the tokens of the first question: what is certain of it, and the most that it can be, if that is known; with the provider's frame.
fn question_bound(node: &Node, inputs: &BTreeMap<String, Value>, models: &ModelChoice) -> (u64, Option<u64>) {
    use crate::call::{ModelRequest, Request};
    use crate::step::{Next, StepCx};
    let frame = ModelRequest::default().input_tokens_bound();
    // A default in a text is no bound: the value that stands there in the end may be shorter or longer.
    if node.code.refers_beyond_inputs() {
        return (frame, None);
    }
    let Ok(params) = node.code.render(&InputsOnly(inputs)) else { return (frame, None) };
    let cx = StepCx { id: &node.step.id, outputs: node.owed_outputs(), params: &params, models, asked: &[], charged_tokens: 0, hop: 0 };
    match node.kind.next(&cx, &[]) {
        Next::Call(Request::Model(request)) => {
            let bound = request.input_tokens_bound();
            (bound, Some(bound.saturating_add(context_bound(node))))
        }
        _ => (frame, None),
    }
}

/// The most that a question grows by the results of the steps before it.
fn context_bound(node: &Node) -> u64 {
    /// What stands around the block.
    const FRAME: u64 = 256;
    let told = node.after.iter().any(|(_, kind)| *kind == super::EdgeKind::DependsOn);
    let wanted = node.step.params.get(crate::step::CONTEXT).and_then(Value::as_str) != Some("none");
    if told && wanted && node.kind.takes_context() { crate::command::CONTEXT_BYTES_MAX as u64 + FRAME } else { 0 }
}

/// A scope in which only the inputs have values.
struct InputsOnly<'a>(&'a BTreeMap<String, Value>);

impl crate::template::Scope for InputsOnly<'_> {
    fn lookup(&self, root: &crate::template::Root) -> Option<std::borrow::Cow<'_, Value>> {
        match root {
            crate::template::Root::Input(name) => self.0.get(name).map(std::borrow::Cow::Borrowed),
            _ => None,
        }
    }
}

/// For each step, whether it runs in every execution that completes.
fn certain(program: &Program, inputs: &BTreeMap<String, Value>) -> Vec<bool> {
    let nodes = &program.nodes;
    let may_be_left_out = |node: &Node| node.guard.is_some() || node.fallback_of.is_some() || node.items.is_some();
    let mut certain: Vec<bool> = nodes.iter().map(|node| !may_be_left_out(node)).collect();
    // A step that may be left out takes those inside of it along; one that a branch may leave out also those that depend on it.
    let mut open: Vec<(NodeIx, bool)> = (0..nodes.len()).filter(|&ix| !certain[ix]).map(|ix| (ix, false)).collect();
    // What is inside of a group need not run if something else takes the group's place.
    let replaced = nodes.iter().filter(|node| matches!(node.step.on_failure, OnFailure::Fallback(_)));
    open.extend(replaced.flat_map(|node| node.children.iter().map(|child| (*child, false))));
    // Nor what is inside of a loop that may have no round.
    let empty = nodes.iter().filter(|node| node.shape == Shape::Loop && rounds_of(node, inputs).0 == 0);
    open.extend(empty.flat_map(|node| node.children.iter().map(|child| (*child, false))));
    open.extend(nodes.iter().flat_map(|node| node.targets.iter().map(|target| (*target, true))));
    let mut seen = vec![[false; 2]; nodes.len()];
    while let Some((ix, by_branch)) = open.pop() {
        if std::mem::replace(&mut seen[ix][usize::from(by_branch)], true) {
            continue;
        }
        certain[ix] = false;
        open.extend(nodes[ix].children.iter().map(|child| (*child, by_branch)));
        if by_branch {
            open.extend(nodes[ix].before.iter().filter(|(_, kind)| kind.carries_exclusion()).map(|(to, _)| (*to, true)));
        }
    }
    certain
}
