//! What `plan` says before the start, against what happens: *fits* is never refused money, *cannot fit* never completes.
//!
//! `GORGON_PLANS` says how many random plans there are, `GORGON_PLANS_SEED` where chance begins.

use std::collections::BTreeMap;

use gorgon_testkit::scripted::{Reply, Rule, Script, Usage};
use serde_json::Value;

use crate::history::History;
use crate::machine::Machine;
use crate::random::{Random, setting};
use crate::server::Server;

const METERS: [(&str, &str); 3] = [("cost_nano_usd", "--budget-usd"), ("tokens", "--budget-tokens"), ("calls", "--budget-calls")];

#[test]
fn a_verdict_is_kept() {
    let (plans, seed) = (setting("GORGON_PLANS").unwrap_or(40), setting("GORGON_PLANS_SEED").unwrap_or(1));
    println!("GORGON_PLANS={plans} GORGON_PLANS_SEED={seed}");
    let machine = Machine::new();
    let mut script = Script::default();
    // Every fifth answer is an error that is tried again: a verdict counts attempts that may come.
    for nth in (5..4_000).step_by(5) {
        let mut rule = Rule::new(Reply::error(503, "busy"));
        rule.when.nth = Some(nth);
        script = script.rule(rule);
    }
    let server = Server::start(&machine, script.rule(Rule::new(Reply::text_with("yes", Usage::Seeded(seed)))));
    let mut random = Random::new(seed);
    let mut tally: BTreeMap<(String, &str), u64> = BTreeMap::new();
    for n in 0..plans {
        let text = workflow(n, &mut random);
        machine.write("w.yaml", &text);
        let open = bounds(&machine, &[]);
        check_bounds(&machine, &open["cost"], &text);
        let limit = limit(&open, &mut random);
        let limit: Vec<&str> = limit.iter().map(String::as_str).collect();
        let plan = bounds(&machine, &limit);
        let verdict = plan["verdict"].as_str().unwrap().to_owned();
        let outcome = follow(&machine, &server, &verdict, &limit, &text);
        *tally.entry((verdict, outcome)).or_default() += 1;
    }
    println!("{tally:#?}");
    let of = |wanted: &str| tally.iter().filter(|((verdict, _), _)| verdict == wanted).map(|(_, count)| count).sum::<u64>();
    for verdict in ["fits", "may_not_fit", "cannot_fit"] {
        assert!(of(verdict) * 20 >= plans, "too few plans are `{verdict}`");
    }
    assert!(tally.keys().any(|(verdict, outcome)| verdict == "may_not_fit" && *outcome == "exhausted"), "no limit was ever reached");
    assert!(tally.keys().any(|(verdict, outcome)| verdict == "may_not_fit" && *outcome == "completed"), "every limit was reached");
}

/// Without a limit, a run that completes holds no less at once than the lower bound, and is charged no more than the upper.
fn check_bounds(machine: &Machine, cost: &Value, text: &str) {
    let done = machine.run(&["run", "w.yaml"]);
    let history = History::load(machine).unwrap();
    let show = &history.run;
    for (meter, _) in METERS {
        let charged = show[meter].as_u64().unwrap();
        let held = history.calls().iter().map(|call| call.held[meter].as_u64().unwrap_or(0)).max().unwrap();
        let needed = if meter == "calls" { charged } else { held };
        let lower = cost["lower"][meter].as_u64().unwrap_or(0);
        assert!(
            show["status"] != "completed" || lower <= needed,
            "{meter}: it completed with {needed}, and {lower} was the least\n{text}\n{done:#?}"
        );
        let upper = cost["upper"].as_object().map(|upper| upper.get(meter).and_then(Value::as_u64).unwrap_or(0));
        assert!(upper.is_none_or(|upper| charged <= upper), "{meter}: {charged} was charged, and {upper:?} was the most\n{text}\n{done:#?}");
    }
}

/// Runs what was planned, and judges what comes of it.
fn follow(machine: &Machine, server: &Server, verdict: &str, limit: &[&str], text: &str) -> &'static str {
    let before = server.requests(machine).len();
    let args: Vec<&str> = ["run", "w.yaml"].into_iter().chain(limit.iter().copied()).collect();
    let done = machine.run(&args);
    let told = format!("{verdict} {limit:?}\n{text}\n{done:#?}");
    if verdict == "cannot_fit" {
        assert_eq!(done.exit, Some(2), "{told}");
        assert!(done.stderr.contains("GOR0204") && !done.stderr.contains("started"), "{told}");
        assert_eq!(server.requests(machine).len(), before, "a model was asked: {told}");
        return "refused";
    }
    let show = machine.show("@last");
    for row in show["budget"].as_array().unwrap() {
        let amount = |key: &str| row[key].as_u64().unwrap();
        assert!(amount("spent") <= amount("limit") && amount("reserved") == 0 && amount("overage") == 0, "{row}\n{told}");
    }
    let refused = show["error"]["code"] == "GOR0305" || told.contains("GOR0305") || told.contains("exhausted");
    assert!(verdict != "fits" || !refused, "it was to fit: {told}");
    match show["status"].as_str().unwrap() {
        "completed" => "completed",
        _ if refused => "exhausted",
        _ => "failed otherwise",
    }
}

fn bounds(machine: &Machine, limit: &[&str]) -> Value {
    let args: Vec<&str> = ["plan", "w.yaml", "--json"].into_iter().chain(limit.iter().copied()).collect();
    let done = machine.run(&args);
    assert!(matches!(done.exit, Some(0 | 2)), "{done:#?}");
    done.json()
}

/// A limit near one of the bounds, or anywhere between.
fn limit(plan: &Value, random: &mut Random) -> Vec<String> {
    let (meter, flag) = METERS[usize::try_from(random.below(3)).unwrap()];
    let lower = plan["cost"]["lower"][meter].as_u64().unwrap_or(0);
    let upper = plan["cost"]["upper"][meter].as_u64().unwrap_or(lower * 4);
    let limit = match random.below(8) {
        0 | 1 => lower.saturating_sub(1),
        2 => lower,
        3 => upper,
        4 => upper.saturating_sub(1),
        5 => upper + 1,
        6 => upper * 2,
        _ => lower + random.below(upper - lower + 1),
    };
    let text = if meter == "cost_nano_usd" { format!("{}.{:09}", limit / 1_000_000_000, limit % 1_000_000_000) } else { limit.max(1).to_string() };
    vec![flag.to_owned(), text]
}

/// A random workflow: questions alone, in groups, in lists, on branches, under conditions, and about answers.
fn workflow(n: u64, random: &mut Random) -> String {
    let flag = random.below(2) == 0;
    let mut text =
        format!("name: plan-{n}\ninputs:\n  flag: {{type: boolean, default: {flag}}}\n  list: {{type: array, default: [x, yy]}}\nsteps:\n");
    // The first one is always asked, so that no plan is free.
    text.push_str(&format!("  - {{id: first, {}}}\n", agent(random, n, "")));
    for step in 0..1 + random.below(4) {
        let id = format!("s{step}");
        let part = match random.below(7) {
            0 => format!("  - {{id: {id}, type: shell, command: 'echo {id}'}}\n"),
            1 => format!("  - {{id: {id}, when: flag, {}}}\n", agent(random, n, "")),
            2 => {
                let inside: String = (0..1 + random.below(3)).map(|k| format!("      - {{id: {id}k{k}, {}}}\n", agent(random, n, ""))).collect();
                format!("  - id: {id}\n    type: parallel\n    steps:\n{inside}")
            }
            3 => {
                let items: Vec<String> = (0..1 + random.below(4)).map(|k| format!("'{}'", "i".repeat(usize::try_from(k * 7).unwrap()))).collect();
                let items = if random.below(3) == 0 { "${list}".to_owned() } else { format!("[{}]", items.join(", ")) };
                format!(
                    "  - {{id: {id}, type: fan_out, items: {items:?}, max_concurrent: 2, step_template: {{{}}}}}\n",
                    agent(random, n, " about ${item}")
                )
                .replace("\"[", "[")
                .replace("]\"", "]")
            }
            4 => {
                let arms = (agent(random, n, ""), agent(random, n, ""));
                format!(
                    "  - {{id: {id}, type: branch, if: flag, then: [{id}t], else: [{id}e]}}\n  - {{id: {id}t, {}}}\n  - {{id: {id}e, {}}}\n",
                    arms.0, arms.1
                )
            }
            5 => format!("  - {{id: {id}, {}}}\n", agent(random, n, " about ${steps.first.response}")),
            _ => format!("  - {{id: {id}, on_failure: skip, {}}}\n", agent(random, n, "")),
        };
        text.push_str(&part);
    }
    text
}

fn agent(random: &mut Random, n: u64, about: &str) -> String {
    let words = "w".repeat(usize::try_from(random.below(200)).unwrap());
    let attempts = 1 + random.below(3);
    format!(
        "type: agent, prompt: 'Plan {n} {words}{about}', max_tokens: {}, retry: {{max_attempts: {attempts}, initial_delay_seconds: 0.01}}",
        1 + random.below(400)
    )
}
