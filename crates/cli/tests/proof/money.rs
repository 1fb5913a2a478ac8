//! A thousand calls of random usage: what the provider billed, what the ledger holds and what every surface tells are one sum, to the nano-dollar.

use std::collections::BTreeMap;

use gorgon_testkit::scripted::{Delivery, Reply, Rule, Script, Usage};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use crate::history::History;
use crate::machine::{Done, Machine, finish};
use crate::random::Random;
use crate::server::Server;

const RUNS: usize = 5;

const WORKFLOW: &str = r#"
name: spend
inputs:
  mark: {type: string, required: true}
  easy: {type: array, required: true}
  hard: {type: array, required: true}
budget: {max_cost_usd: 500, max_tokens: 90000000, max_calls: 5000}
steps:
  - {id: one, type: agent, prompt: '${mark} first question', max_tokens: 777, outputs: [first]}
  - id: easy_ones
    type: fan_out
    items: ${easy}
    max_concurrent: 8
    step_template: {type: agent, prompt: '${mark} ${index} ${item}', max_tokens: 300}
    outputs: [easy_answers]
  - id: sides
    type: parallel
    steps:
      - {id: left, type: agent, prompt: '${mark} left ${first}', max_tokens: 50, outputs: [left]}
      - {id: right, type: agent, prompt: '${mark} right', role: a critic, max_tokens: 5000, outputs: [right]}
      - {id: both, type: agent, prompt: '${mark} ${left} and ${right}', max_tokens: 1, outputs: [both]}
      - {id: refused, type: agent, prompt: '${mark} REFUSED', retry: {max_attempts: 2, initial_delay_seconds: 0.01}, on_failure: skip}
  - id: hard_ones
    type: fan_out
    items: ${hard}
    max_concurrent: 5
    step_template: {type: agent, prompt: '${mark} FLAKY ${index} ${item}', max_tokens: 90, retry: {max_attempts: 3, initial_delay_seconds: 0.01, jitter: false}}
  - {id: last, type: agent, prompt: '${mark} last question', max_tokens: 12, outputs: [final]}
"#;

/// A row of the ledger.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    scope: String,
    run: Option<String>,
    meter: String,
    spent: u64,
    reserved: u64,
    overage: u64,
}

#[test]
fn a_thousand_calls_are_one_sum_everywhere() {
    let machine = Machine::new();
    let mut script = Script::default();
    // Errors cost nothing: every third hard question fails once, some of them twice, all over again.
    for nth in (1..400).filter(|nth| nth % 3 == 0 || nth % 20 == 1) {
        let mut rule = Rule::new(Reply::error(if nth % 2 == 0 { 503 } else { 429 }, "busy")).prompt("FLAKY");
        rule.when.nth = Some(nth);
        script = script.rule(rule);
    }
    script = script.rule(Rule::new(Reply::error(400, "no")).prompt("REFUSED"));
    script = script.rule(Rule::new(Reply::text_with("an answer with some length", Usage::Seeded(17))));
    let server = Server::start(&machine, script);
    let settings = machine.read("gorgon.toml");
    machine.write("gorgon.toml", &format!("{settings}\n[budget]\nmax_cost_usd = 5000\nmax_tokens = 900000000\nmax_calls = 50000\n"));
    machine.write("spend.yaml", WORKFLOW);
    let mut random = Random::new(7);
    let runs: Vec<Spent> = (0..RUNS).map(|n| spend(&machine, n, &mut random)).collect();

    let requests = server.requests(&machine);
    let (bill, billed_calls) = server.bill();
    let rows = ledger(&machine);
    for (n, run) in runs.iter().enumerate() {
        let of_run = requests.iter().filter(|request| request.prompt.starts_with(&mark(n)));
        let billed: u64 = of_run.map(|request| request.charged_nano_usd).sum();
        assert!(billed > 0 && run.cost == billed, "run {n}: {} billed, {} charged", billed, run.cost);
        for (meter, amount) in [("usd", run.cost), ("tokens", run.tokens), ("calls", run.calls)] {
            let row = rows.iter().find(|row| row.run.as_ref() == Some(&run.id) && row.meter == meter).unwrap();
            assert_eq!((row.spent, row.reserved, row.overage), (amount, 0, 0), "run {n}: {row:?}");
        }
    }
    let sum = |of: fn(&Spent) -> u64| runs.iter().map(of).sum::<u64>();
    for (meter, amount) in [("usd", sum(|run| run.cost)), ("tokens", sum(|run| run.tokens)), ("calls", sum(|run| run.calls))] {
        let row = rows.iter().find(|row| row.scope == "tenant" && row.meter == meter).unwrap();
        assert_eq!((row.spent, row.reserved, row.overage), (amount, 0, 0), "{row:?}");
    }
    assert_eq!(bill, sum(|run| run.cost), "the provider's bill");
    let made: u64 = runs.iter().map(|run| run.made).sum();
    assert_eq!(made, requests.len() as u64, "every call is in the history, and the other way round");
    println!("{made} calls, {billed_calls} of them billed, {bill} nano-dollars");
    assert!(made >= 1_000 && billed_calls < made && billed_calls > 900);
}

#[test]
fn what_nobody_told_is_charged_as_it_was_held() {
    let machine = Machine::new();
    let script = Script::default().rule(Rule::new(Reply::text_with("no word of usage", Usage::Missing)));
    let server = Server::start(&machine, script);
    machine
        .write("w.yaml", "name: silent\nbudget: {max_cost_usd: 1}\nsteps:\n  - {id: a, type: agent, prompt: 'How much was it?', max_tokens: 100}\n");
    let done = machine.run(&["run", "w.yaml"]).exits(0);
    let history = History::load(&machine).unwrap();
    let call = &history.calls()[0];
    let settlement = call.settlement.as_ref().unwrap();
    assert_eq!((&settlement["charged"], &settlement["source"]), (&call.held, &json!("assumed_max")));
    let (cost, ..) = cost_line(&done);
    assert_eq!(call.held["cost_nano_usd"], cost);
    assert!(cost > server.bill().0, "the hold has to be the worst case");
}

#[test]
fn a_call_without_a_known_price_is_not_said_to_be_free() {
    let machine = Machine::new();
    let _server = Server::start(&machine, Script::default().rule(Rule::new(Reply::text("yes"))));
    let two = "name: two\nsteps:\n  - {id: a, type: agent, prompt: one, max_tokens: 9}\n  - {id: b, type: agent, model: other, prompt: two, max_tokens: 9}\n";
    machine.write("two.yaml", two);
    machine.run(&["run", "two.yaml"]).exits(0).says("2 calls, 1 of unknown price)").says("[models.NAME]");
    let run = machine.run(&["runs", "show", "@last", "--json"]).exits(0).json();
    assert_eq!((&run["steps"][0]["unpriced"], &run["steps"][1]["unpriced"]), (&Value::Null, &json!(1)), "{run}");
    machine.run(&["run", "two.yaml", "--budget-usd", "1"]).exits(2).says("nobody said what the model of step `b` costs");
}

#[test]
fn runs_at_the_same_time_share_one_limit() {
    const LIMIT: u64 = 25;
    let machine = Machine::new();
    let delivery = Delivery { delay_ms: 5, ..Delivery::default() };
    let server = Server::start(&machine, Script::default().rule(Rule::new(Reply::text_with("yes", Usage::Seeded(1))).deliver(delivery)));
    let settings = machine.read("gorgon.toml");
    machine.write("gorgon.toml", &format!("{settings}\n[budget]\nmax_calls = {LIMIT}\n"));
    let items: Vec<String> = (0..12).map(|n| n.to_string()).collect();
    machine.write(
        "w.yaml",
        &format!("name: share\nsteps:\n  - {{id: f, type: fan_out, items: [{}], max_concurrent: 12, step_template: {{type: agent, prompt: 'Q ${{item}}', max_tokens: 9}}}}\n", items.join(", ")),
    );
    let all: Vec<_> = (0..4).map(|_| machine.start(&["run", "w.yaml"])).collect();
    let done: Vec<Done> = all.into_iter().map(finish).collect();
    assert!(done.iter().any(|done| done.exit == Some(1)), "48 calls went through a limit of {LIMIT}: {done:#?}");
    let (_, calls) = server.bill();
    assert_eq!(calls, LIMIT, "{done:#?}");
    let rows = ledger(&machine);
    let row = rows.iter().find(|row| row.scope == "tenant" && row.meter == "calls").unwrap();
    assert_eq!((row.spent, row.reserved, row.overage), (LIMIT, 0, 0));
}

/// What a run says that it spent, the same wherever it says it.
struct Spent {
    id: String,
    cost: u64,
    tokens: u64,
    calls: u64,
    /// Calls of models in its history.
    made: u64,
}

fn mark(n: usize) -> String {
    format!("run-{n}:")
}

fn spend(machine: &Machine, n: usize, random: &mut Random) -> Spent {
    let mut texts = |count: u64| -> Value { (0..count).map(|_| text(random)).collect::<Vec<_>>().into() };
    let inputs = json!({"mark": mark(n), "easy": texts(150), "hard": texts(40)});
    machine.write("inputs.json", &inputs.to_string());
    // Failed elements are allowed and make it partial.
    let done = machine.run(&["run", "spend.yaml", "--inputs", "inputs.json"]).exits(1).says("run partial");
    let (cost, tokens, calls) = cost_line(&done);
    let show = machine.show("@last");
    assert_eq!((&show["cost_nano_usd"], &show["tokens"], &show["calls"]), (&json!(cost), &json!(tokens), &json!(calls)));
    let of_steps = |key: &str| -> u64 {
        show["steps"].as_array().unwrap().iter().filter(|step| step["kind"] == "agent").map(|step| step[key].as_u64().unwrap()).sum()
    };
    assert_eq!((of_steps("cost_nano_usd"), of_steps("tokens"), of_steps("calls")), (cost, tokens, calls), "the steps add up");
    let history = History::load(machine).unwrap();
    let mut settled: BTreeMap<&str, u64> = BTreeMap::new();
    let made = history.calls().iter().filter(|call| call.kind == "model").count() as u64;
    for event in history.all("call_settled") {
        for key in ["cost_nano_usd", "tokens", "calls"] {
            *settled.entry(key).or_default() += event.body["settlement"]["charged"][key].as_u64().unwrap_or(0);
        }
    }
    assert_eq!(settled, BTreeMap::from([("cost_nano_usd", cost), ("tokens", tokens), ("calls", calls)]), "the history adds up");
    Spent { id: show["id"].as_str().unwrap().to_owned(), cost, tokens, calls, made }
}

/// A text of random length, now and then with characters of several bytes.
fn text(random: &mut Random) -> String {
    let length = random.below(400);
    (0..length)
        .map(|_| char::from_u32(0x20 + u32::try_from(random.below(if length.is_multiple_of(5) { 2_000 } else { 90 })).unwrap()).unwrap_or('?'))
        .collect()
}

/// `cost $0.001 (12 tokens, 1 call)`
fn cost_line(done: &Done) -> (u64, u64, u64) {
    let line = done.stderr.lines().find_map(|line| line.strip_prefix("cost $")).unwrap();
    let (usd, rest) = line.split_once(" (").unwrap();
    let (whole, part) = usd.split_once('.').unwrap();
    let nano = whole.parse::<u64>().unwrap() * 1_000_000_000 + format!("{part:0<9}").parse::<u64>().unwrap();
    let numbers: Vec<u64> = rest.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect();
    let [tokens, calls] = numbers[..] else { panic!("{line}") };
    (nano, tokens, calls)
}

/// The ledger, read from the file without Gorgon.
fn ledger(machine: &Machine) -> Vec<Row> {
    let database = Connection::open_with_flags(machine.database(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut query = database
        .prepare("SELECT budget.scope, run.id, budget.meter, budget.spent, budget.reserved, budget.overage FROM budget LEFT JOIN run ON run.no = budget.run_no")
        .unwrap();
    let rows = query.query_map([], |row| {
        let amount = |at| row.get::<_, i64>(at).map(|amount| u64::try_from(amount).unwrap());
        Ok(Row { scope: row.get(0)?, run: row.get(1)?, meter: row.get(2)?, spent: amount(3)?, reserved: amount(4)?, overage: amount(5)? })
    });
    rows.unwrap().map(Result::unwrap).collect()
}
