//! Somebody is asked about one element of five, or about one of several parallel steps: the others finish, what depends on it waits.

use serde_json::Value;

use crate::machine::Machine;

const ITEMS: &str = r#"
name: items
outputs: [done, after]
steps:
  - id: each
    type: fan_out
    items: [a, b, c, d, e]
    max_concurrent: 2
    approval: {prompt: 'Do ${item}?', per: item}
    step_template: {type: shell, command: 'echo "${item}" >> order; echo "did ${item}"'}
    outputs: [done]
  - {id: after, type: shell, command: 'touch after-ran; echo after', outputs: [after]}
"#;

const SIDES: &str = r#"
name: sides
outputs: [shipped, after]
steps:
  - id: all
    type: parallel
    steps:
      - {id: gate, type: approval, prompt: Ship it?, preview: 'version 7'}
      - {id: ship, type: shell, command: 'echo ship >> order; echo shipped', depends_on: [gate], outputs: [shipped]}
      - {id: lint, type: shell, command: 'echo lint >> order'}
      - {id: test, type: shell, command: 'echo test >> order', depends_on: [lint]}
  - {id: after, type: shell, command: 'echo after >> order; echo after', outputs: [after]}
"#;

/// What a run asks: the element and the hash of each question.
fn questions(machine: &Machine) -> Vec<(u64, String)> {
    let show = machine.show("@last");
    let waiting = show["waiting_for"].as_array().unwrap().iter().filter(|waiting| waiting["for"] == "approval");
    waiting.map(|waiting| (waiting["item"].as_u64().unwrap(), waiting["hash"].as_str().unwrap().to_owned())).collect()
}

fn status(show: &Value, step: &str) -> String {
    let steps = show["steps"].as_array().unwrap();
    steps.iter().find(|known| known["id"] == step).unwrap()["status"].as_str().unwrap().to_owned()
}

#[test]
fn the_third_of_five_waits_and_the_others_finish() {
    let machine = Machine::new();
    machine.write("w.yaml", ITEMS);
    machine.run(&["run", "w.yaml"]).exits(4);
    assert!(!machine.path("order").exists(), "something ran before anybody agreed");
    // Everybody agrees to everything but the third, in whatever order the questions come.
    for answered in 0.. {
        let asked = questions(&machine);
        let Some((item, hash)) = asked.iter().find(|(item, _)| *item != 2) else { break };
        assert!(answered < 4, "an element was asked about twice: {asked:?}");
        machine.run(&["approve", "@last", "each", "--item", &item.to_string(), "--hash", hash]).exits(4);
    }
    let mut did: Vec<String> = machine.read("order").lines().map(str::to_owned).collect();
    did.sort();
    assert_eq!(did, ["a", "b", "d", "e"], "the others finish");
    assert!(!machine.path("after-ran").exists(), "what depends on it has started");
    assert_eq!(status(&machine.show("@last"), "after"), "pending");

    let [(2, hash)] = &questions(&machine)[..] else { panic!("{:?}", questions(&machine)) };
    let other = "0".repeat(64);
    machine.run(&["approve", "@last", "each", "--item", "2", "--hash", &other]).exits(2).says("GOR0404");
    assert_eq!(machine.read("order").lines().count(), 4);
    let done = machine.run(&["approve", "@last", "each", "--item", "2", "--hash", hash]).exits(0);
    let outputs = machine.show("@last")["outputs"].clone();
    assert_eq!(outputs["done"], serde_json::json!(["did a", "did b", "did c", "did d", "did e"]), "{done:#?}");
    assert_eq!(outputs["after"], "after");
    machine.run(&["approve", "@last", "each", "--item", "2", "--hash", hash]).exits(2).says("GOR0403");
    assert_eq!(machine.read("order").lines().count(), 5, "a second approve did something");
}

#[test]
fn a_second_approve_of_one_element_is_refused_while_the_run_waits() {
    let machine = Machine::new();
    machine.write("w.yaml", ITEMS);
    machine.run(&["run", "w.yaml"]).exits(4);
    let (item, hash) = questions(&machine).remove(0);
    let approve = ["approve", "@last", "each", "--item", &item.to_string(), "--hash", &hash].map(str::to_owned);
    machine.run(&approve).exits(4);
    let order = machine.read("order");
    assert_eq!(order.lines().count(), 1);
    let again = machine.run(&approve).exits(2);
    assert!(again.stderr.contains("GOR0403") || again.stderr.contains("GOR0404"), "{again:#?}");
    assert_eq!(machine.read("order"), order);
    assert!(questions(&machine).iter().all(|(asked, _)| *asked != item));
}

#[test]
fn a_gate_inside_parallel_halts_only_what_depends_on_it() {
    let machine = Machine::new();
    machine.write("w.yaml", SIDES);
    machine.run(&["run", "w.yaml"]).exits(4).says("Ship it?");
    assert_eq!(machine.read("order"), "lint\ntest\n", "the others finish, nothing else starts");
    let show = machine.show("@last");
    for (step, wanted) in [("gate", "waiting"), ("ship", "pending"), ("lint", "succeeded"), ("test", "succeeded"), ("after", "pending")] {
        assert_eq!(status(&show, step), wanted, "{step}");
    }
    let (_, hash) = questions(&machine).remove(0);
    let done = machine.run(&["approve", "@last", "gate", "--hash", &hash]).exits(0);
    assert_eq!(done.stdout, "shipped: shipped\nafter: after\n");
    assert_eq!(machine.read("order"), "lint\ntest\nship\nafter\n");
    machine.run(&["approve", "@last", "gate", "--hash", &hash]).exits(2).says("GOR0403");
    assert_eq!(machine.read("order"), "lint\ntest\nship\nafter\n", "a second approve did something");
}

#[test]
fn a_rejected_element_fails_alone() {
    let machine = Machine::new();
    machine.write("w.yaml", ITEMS);
    machine.run(&["run", "w.yaml"]).exits(4);
    for _ in 0..5 {
        let (item, _) = questions(&machine).remove(0);
        let verb = if item == 2 { "reject" } else { "approve" };
        machine.run(&[verb, "@last", "each", "--item", &item.to_string()]);
    }
    let show = machine.show("@last");
    assert_eq!(show["status"], "partial");
    assert_eq!(show["outputs"]["done"], serde_json::json!(["did a", "did b", null, "did d", "did e"]));
}
