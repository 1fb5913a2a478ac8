//! What a plan can cost before it starts.

use gorgon_core::budget::Limits;
use gorgon_core::definition::{Definition, OnFailure, Step};
use gorgon_core::money::{Amounts, ModelPrice, PriceTable};
use gorgon_core::plan::{Cost, Verdict, cost};
use gorgon_core::step::ModelChoice;
use serde_json::json;

use crate::build::{Say, agent, branch, noop, noop_of, parallel, program, workflow};
use crate::harness::prices;

/// What one call of `agent(_, "hi")` holds.
const HOLD: Amounts = Amounts { cost_nano_usd: 266_000, tokens: 166, calls: 1 };

fn bounds_of(definition: Definition) -> Cost {
    let inputs = serde_json::from_value(json!({ "yes": true, "no": false, "list": [1, 2, 3] })).unwrap();
    cost(&program(definition), &inputs, &ModelChoice::default(), &prices())
}

fn bounds(steps: Vec<Step>) -> Cost {
    bounds_of(workflow(steps))
}

#[test]
fn a_call_may_be_tried_as_often_as_the_file_says_and_thrice_if_it_does_not() {
    for (step, tries) in [(agent("a", "hi"), 3), (agent("a", "hi").tries(1), 1), (agent("a", "hi").tries(5), 5)] {
        let bounds = bounds(vec![step]);
        assert_eq!((bounds.lower, bounds.upper), (HOLD, Some(HOLD.times(tries))));
    }
}

#[test]
fn elements_count_if_their_number_is_known() {
    let over = |items| bounds(vec![noop_of("n", json!([1])), agent("a", "hi").tries(2).over(items, 2)]);
    assert_eq!(over(json!([1, 2, 3, 4])).upper, Some(HOLD.times(8)));
    assert_eq!(over(json!("${inputs.list}")).upper, Some(HOLD.times(6)));
    assert_eq!(over(json!([])).upper, Some(Amounts::ZERO));
    let unknown = over(json!("${steps.n.result}"));
    assert_eq!((unknown.upper, unknown.unbounded.len(), unknown.lower), (None, 1, Amounts::ZERO));
}

#[test]
fn a_prompt_that_holds_results_is_bounded_by_the_window_and_by_nothing_else() {
    let said = |model: &str| bounds(vec![noop_of("n", json!("x")), agent("a", "say ${steps.n.result}").tries(1).param("model", json!(model))]);
    assert_eq!(said("m").upper.map(|upper| upper.tokens), Some(10_100));
    assert_eq!(said("other").upper, None);
    let capped = bounds(vec![noop_of("n", json!(9)), agent("a", "hi").param("max_tokens", json!("${steps.n.result}"))]);
    assert_eq!(capped.upper, None, "a cap that is not known yet bounds nothing");
    let long = bounds(vec![agent("a", &"x".repeat(50_000)).tries(1)]);
    assert_eq!((long.lower.tokens, long.upper.map(|upper| upper.tokens)), (10_100, Some(10_100)));
}

#[test]
fn only_what_runs_in_every_case_counts_for_the_least() {
    let nothing = [
        vec![agent("a", "hi").when("inputs.yes")],
        vec![agent("a", "hi").or_value(json!(1))],
        vec![noop("x").or_step("a"), agent("a", "hi")],
        vec![branch("way", "inputs.yes", &["a"], &[]), agent("a", "hi").after(&["way"])],
        vec![branch("way", "inputs.yes", &["b"], &[]), noop("b").after(&["way"]), agent("a", "hi").after(&["b"])],
        vec![parallel("p", vec![agent("a", "hi")]).when("inputs.yes")],
        vec![parallel("p", vec![agent("a", "hi"), noop("b")]).or_value(json!(1))],
    ];
    for steps in nothing {
        let ids: Vec<String> = steps.iter().map(|step| step.id.to_string()).collect();
        assert_eq!(bounds(steps).lower, Amounts::ZERO, "{ids:?}");
    }
    let held = bounds(vec![agent("a", "hi"), agent("b", "hi").on_failure(OnFailure::Skip), parallel("p", vec![agent("c", "hi")])]);
    assert_eq!(held.lower, Amounts { calls: 3, ..HOLD }, "money comes back between calls; calls do not");
}

#[test]
fn the_verdict_is_no_only_if_it_is_certain_and_yes_only_if_that_is() {
    let bounds = bounds(vec![agent("a", "hi").tries(2)]);
    let limit = |nano_usd| bounds.verdict(&Limits { cost_nano_usd: Some(nano_usd), ..Limits::default() });
    assert_eq!([265_999, 266_000, 531_999, 532_000].map(limit), [Verdict::CannotFit, Verdict::MayNotFit, Verdict::MayNotFit, Verdict::Fits]);
    assert_eq!(bounds.verdict(&Limits::default()), Verdict::Fits);
    let calls = |calls| bounds.verdict(&Limits { calls: Some(calls), ..Limits::default() });
    assert_eq!([0, 1, 2].map(calls), [Verdict::CannotFit, Verdict::MayNotFit, Verdict::Fits]);
}

#[test]
fn an_unknown_price_fits_no_limit_of_dollars_and_every_other() {
    let unpriced = bounds(vec![agent("a", "hi").param("model", json!("other"))]);
    assert_eq!(unpriced.unpriced, ["a".into()]);
    assert_eq!(unpriced.verdict(&Limits { cost_nano_usd: Some(u64::MAX), ..Limits::default() }), Verdict::MayNotFit);
    assert_eq!(unpriced.verdict(&Limits { calls: Some(3), ..Limits::default() }), Verdict::Fits);
    let empty = PriceTable::new(indexmap::IndexMap::new());
    let compiled = program(workflow(vec![agent("a", "hi").param("provider", json!("simulated"))]));
    let free = cost(&compiled, &std::collections::BTreeMap::new(), &ModelChoice::default(), &empty);
    assert_eq!((free.unpriced.len(), free.lower.cost_nano_usd, ModelPrice::FREE.worst_nano_usd(1, 1)), (0, 0, 0));
}
