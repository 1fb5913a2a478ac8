use proptest::prelude::*;

use super::*;

fn contract(schema: Value, rules: &[&str]) -> Contract {
    Contract::new(schema, &rules.iter().map(|rule| (*rule).to_owned()).collect::<Vec<_>>()).unwrap_or_else(|why| panic!("{why}"))
}

fn person() -> Contract {
    contract(
        json!({"type": "object", "required": ["name", "age"], "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "ok": {"type": "boolean"}}}),
        &[],
    )
}

#[track_caller]
fn holds(contract: &Contract, text: &str) -> (Value, usize) {
    match contract.read(text, "stop") {
        Reading::Holds { value, mends } => (value, mends.len()),
        Reading::Fails { why, problems } => panic!("{text}: {why:?} {problems:?}"),
    }
}

#[track_caller]
fn fails(contract: &Contract, text: &str, finish_reason: &str) -> (Broken, Vec<Problem>) {
    match contract.read(text, finish_reason) {
        Reading::Holds { value, mends } => panic!("{text} holds as {value} after {mends:?}"),
        Reading::Fails { why, problems } => {
            assert!(!problems.is_empty());
            (why, problems)
        }
    }
}

#[test]
fn an_answer_goes_down_the_ladder_as_far_as_it_has_to() {
    let ann = json!({"name": "Ann", "age": 7});
    for (text, mends) in [
        ("{\"name\": \"Ann\", \"age\": 7}", 0),
        (" {\"name\": \"Ann\", \"age\": 7}\n", 0),
        ("```json\n{\"name\": \"Ann\", \"age\": 7}\n```", 1),
        ("Here it is:\n```\n{\"name\": \"Ann\", \"age\": 7}\n```\nAnything else?", 1),
        ("Sure! {\"name\": \"Ann\", \"age\": 7} Hope it helps.", 1),
        ("{\"name\": \"Ann\", \"age\": 7,}", 1),
        ("{\"name\": \"Ann\", \"age\": \"7\"}", 1),
        ("```json\n{\"name\": \"Ann\", \"age\": \"7\",}\n```", 2),
    ] {
        assert_eq!(holds(&person(), text), (ann.clone(), mends), "{text}");
    }
    assert_eq!(holds(&person(), "{\"name\": \"Ann\", \"age\": 7.0}"), (json!({"name": "Ann", "age": 7.0}), 0), "7.0 is an integer to JSON Schema");
    assert_eq!(holds(&person(), "{\"name\": 5, \"age\": 7, \"ok\": True}").0, json!({"name": "5", "age": 7, "ok": true}));
    assert_eq!(holds(&person(), "{\"name\": \"True, None ,}\", \"age\": 7,}").0["name"], "True, None ,}", "strings are left alone");
}

#[test]
fn what_does_not_hold_says_why() {
    for (text, finish_reason, why) in [
        ("", "stop", Broken::Empty),
        ("  \n", "stop", Broken::Empty),
        ("I cannot say.", "stop", Broken::NoJson),
        ("{\"name\": \"Ann\"", "stop", Broken::NoJson),
        ("{\"name\": \"Ann\", \"age\": 7} or {\"name\": \"Bob\", \"age\": 8}", "stop", Broken::NoJson),
        ("{\"name\": \"Ann\", \"age\": 7", "length", Broken::CutOff),
        ("{\"name\": \"Ann\", \"age\": 7}", "length", Broken::CutOff),
        ("{\"name\": \"Ann\", \"age\": 7", "model_context_window_exceeded", Broken::CutOff),
        ("{\"name\": \"Ann\", \"age\": 7,}", "unknown", Broken::NoJson),
        ("{\"name\": \"Ann\"}", "stop", Broken::Shape),
        ("{\"name\": \"Ann\", \"age\": \"seven\"}", "stop", Broken::Shape),
        ("{\"name\": \"Ann\", \"age\": 7.5}", "stop", Broken::Shape),
        ("{\"name\": \"Ann\", \"age\": \"007\"}", "stop", Broken::Shape),
        ("[]", "stop", Broken::Shape),
    ] {
        assert_eq!(fails(&person(), text, finish_reason).0, why, "{text}");
    }
    let (_, problems) = fails(&person(), "{\"name\": \"Ann\", \"age\": \"seven\"}", "stop");
    assert_eq!(problems[0].path, "/age");
    let again = ask_again(Broken::Shape, &problems);
    assert!(again.contains("at /age:") && again.contains("integer"), "{again}");
    assert!(!again.contains("Ann"), "only what is wrong: {again}");
    assert!(ask_again(Broken::Shape, &vec![Problem { path: String::new(), message: "x".repeat(10_000) }; 100]).len() < 4_000);
}

#[test]
fn rules_are_judged_as_the_table_says() {
    for (rule, value, verdict) in [
        ("output.confidence > 0.8", json!({"confidence": 0.9}), true),
        ("output.confidence > 0.8", json!({"confidence": 0.8}), false),
        ("output['confidence'] > 0.8", json!({"confidence": 0.81}), true),
        ("output.confidence > 0.8", json!({}), false),
        ("output.confidence > 0.8", json!("text"), false),
        ("output.confidence > 0.8", json!({"confidence": "0.1"}), false),
        ("output.confidence > 0.8", json!({"confidence": [0.1]}), false),
        ("output | length > 2", json!([1, 2, 3]), true),
        ("output.name", json!({"name": "truthy is not true"}), false),
        ("type: dict", json!({}), true),
        ("type: list", json!("abc"), false),
        ("type: int", json!(3), true),
        ("type: int", json!(3.5), false),
        ("range: min:0,max:100", json!(50), true),
        ("range: min:0,max:100", json!("50"), false),
        ("range: score min:0 max:1", json!({"score": 0.5}), true),
        ("range: score min:0 max:1", json!({}), false),
        ("format: email", json!("a@example.com"), true),
        ("format: email", json!("nobody"), false),
        ("format: uuid", json!("67e55044-10b1-426f-9247-bb680e5fe0c8"), true),
        ("format: date", json!("2026-13-01"), false),
        ("format: url", json!("https://example.com/x"), true),
        ("schema: {\"type\": \"object\", \"required\": [\"a\"], \"properties\": {\"a\": {\"type\": \"integer\"}}}", json!({"a": 1}), true),
        ("schema: {\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"integer\"}}}", json!({"a": "1"}), false),
        ("schema: {\"type\": \"string\"}", json!({}), false),
    ] {
        let contract = contract(json!(true), &[rule]);
        assert_eq!(contract.check(&value).is_empty(), verdict, "{rule} on {value}: {:?}", contract.check(&value));
    }
}

#[test]
fn a_rule_that_makes_no_sense_is_refused_and_none_gets_out() {
    for rule in [
        "type: strnig",
        "format: phone",
        "range: 1..2",
        "range: min:a",
        "range: min:2 max:1",
        "schema: {",
        "schema: {\"$ref\": \"https://example.com/s.json\"}",
        "schema: {\"$ref\": \"file:///etc/passwd\"}",
        "schema: {\"type\": 7}",
        "semantic: is it polite?",
        "script:",
        "custom:",
        "custom: ../../etc/passwd",
        "",
        "output.",
        "task == 1",
        "inputs.secret",
        "env.HOME == 'x'",
        "secrets.KEY",
        "__import__('os').system('true')",
        "open('/etc/passwd')",
        "steps.a.out",
    ] {
        assert!(Contract::new(json!(true), &[rule.to_owned()]).is_err(), "{rule} is taken");
    }
    // What can be written finds nothing, and ends soon.
    for rule in [
        "output.__class__ == 1",
        "output.__class__.__base__.__subclasses__() | length > 0",
        "output.__init__.__globals__ is defined",
        "output['__class__'] is defined",
        "output | attr('__class__') is defined",
        "9 ** 9 ** 9 ** 9 > 1",
        "'x' * 1000000000 == output",
        "(output ~ output ~ output) * 100000000 == ''",
        "output.a.b.c.d.e",
    ] {
        for value in [json!("text"), json!({"a": 1}), json!([1]), json!(1), json!(null)] {
            if let Ok(contract) = Contract::new(json!(true), &[rule.to_owned()]) {
                assert!(!contract.check(&value).is_empty(), "{rule} holds for {value}");
            }
        }
    }
}

#[test]
fn an_integer_that_would_lose_digits_is_asked_for_again() {
    let of = contract(json!({"type": "object"}), &[]);
    for text in [r#"{"a": {"n/m": [1, 12345678901234567890123]}}"#, r#"{"a": {"n/m": [1, -9223372036854775809]}}"#] {
        let (why, problems) = fails(&of, text, "stop");
        assert_eq!((why, problems[0].path.as_str()), (Broken::Shape, "/a/n~1m/1"), "{problems:?}");
    }
    for text in
        [r#"{"n": 18446744073709551615}"#, r#"{"n": -9223372036854775808}"#, r#"{"n": 1e30}"#, r#"{"n": "12345678901234567890123", "m": 0.5}"#]
    {
        assert!(matches!(of.read(text, "stop"), Reading::Holds { .. }), "{text}");
    }
}

#[test]
fn a_conversion_keeps_every_digit_or_is_not_made() {
    let of = |kind: &str| contract(json!({"type": kind}), &[]);
    for (kind, text, value) in [
        ("integer", r#""12""#, json!(12)),
        ("integer", r#""-3""#, json!(-3)),
        ("integer", r#""18446744073709551615""#, json!(u64::MAX)),
        ("number", r#""1.10""#, json!(1.1)),
        ("number", r#""2""#, json!(2)),
        ("boolean", r#""True""#, json!(true)),
        ("string", "7", json!("7")),
        ("string", "true", json!("true")),
    ] {
        match of(kind).read(text, "stop") {
            Reading::Holds { value: found, mends } => {
                assert_eq!(found, value, "{kind} {text}");
                assert_eq!(mends.len(), 1, "{kind} {text}");
                assert!(mends[0].what.contains(text) && mends[0].what.contains(&value.to_string()), "{mends:?}");
            }
            other => panic!("{kind} {text}: {other:?}"),
        }
        assert_eq!(fails(&of(kind), text, "unknown").0, Broken::Shape, "{kind} {text}: only what the model ended by itself is mended");
    }
    for (kind, text) in [
        ("integer", r#""007""#),
        ("integer", r#""1.0""#),
        ("integer", r#""123456789012345678901234""#),
        ("number", r#""0.10000000000000000000000000000000001""#),
        ("number", r#""12345678901234567890123""#),
        ("number", r#""1e400""#),
        ("number", r#""NaN""#),
        ("string", "12345678901234567890123"),
        ("string", "1.10"),
        ("string", "null"),
        ("array", "null"),
        ("object", "null"),
        ("boolean", "1"),
    ] {
        assert_eq!(fails(&of(kind), text, "stop").0, Broken::Shape, "{kind} {text}");
    }
}

#[test]
fn a_value_that_breaks_a_rule_is_asked_for_again_and_not_bent() {
    let contract = contract(json!({"type": "object"}), &["range: score min:0 max:10"]);
    for text in ["{\"score\": 12}", "{\"score\": \"many\"}"] {
        let (why, problems) = fails(&contract, text, "stop");
        assert_eq!((why, problems[0].path.as_str()), (Broken::Shape, "/score"));
    }
}

#[test]
fn declared_outputs_are_a_contract() {
    let contract = contract(Contract::schema_of(&["a", "b"]), &[]);
    assert!(contract.check(&json!({"a": 1, "b": null})).is_empty());
    assert_eq!(contract.check(&json!({"a": 1})).len(), 1);
}

#[test]
fn a_pattern_cannot_take_for_ever() {
    let contract = Contract::new(json!({"type": "string", "pattern": "^(a+)+$"}), &[]).expect("a schema");
    assert!(!contract.check(&json!(format!("{}b", "a".repeat(50_000)))).is_empty());
}

proptest! {
    #[test]
    fn no_text_panics_and_what_holds_is_valid(text in ".{0,200}", finish in prop::sample::select(vec!["stop", "length", "tool_calls", ""])) {
        let contract = person();
        if let Reading::Holds { value, .. } = contract.read(&text, finish) {
            prop_assert!(contract.check(&value).is_empty());
            prop_assert!(finish != "length");
        }
    }

    #[test]
    fn json_like_text_is_read_the_same(text in "[{}\\[\\]\",:a0-9TrueFalsNo `.\\\\n-]{0,80}") {
        let anything = contract(json!(true), &[]);
        let read = anything.read(&text, "stop");
        match serde_json::from_str::<Value>(&text) {
            Ok(value) if !text.trim().is_empty() => prop_assert_eq!(read, Reading::Holds { value, mends: Vec::new() }),
            _ => {}
        }
    }

    #[test]
    fn a_part_of_json_that_was_cut_off_never_holds(name in "[a-z]{1,8}", age in 0_i64..1_000, cut in 1_usize..40) {
        let text = json!({"name": name, "age": age}).to_string();
        let cut = cut.min(text.len());
        let read = person().read(&text[..cut], "length");
        let cut_off = matches!(read, Reading::Fails { why: Broken::CutOff, .. });
        prop_assert!(cut_off);
    }
}

#[test]
fn rules_alone_take_a_text_as_it_is_and_convert_what_loses_nothing() {
    let read = |rule: &str, text: &str| Contract::new(json!(true), &[rule.to_owned()]).unwrap().read(text, "stop");
    for (rule, text, wanted, mends) in [
        ("type: string", "hello there", json!("hello there"), 0),
        ("type: str", "The list is [1, 2].", json!("The list is [1, 2]."), 0),
        ("format: email", " ann@example.com\n", json!("ann@example.com"), 0),
        ("'error' not in output", "All went well.", json!("All went well."), 0),
        ("len(output) > 3 and output is not None", "long enough", json!("long enough"), 0),
        ("'error' not in output", "The list is [1].", json!("The list is [1]."), 0),
        ("type: string", "1.50", json!("1.50"), 0),
        ("type: string", "null", json!("null"), 0),
        ("len(output) > 0", "```json\n{\"a\": 1}\n```", json!({ "a": 1 }), 1),
        ("output.a == 1", "Here it is: {\"a\": 1}", json!({ "a": 1 }), 1),
        ("output is mapping and output.a is defined", "Sure! {\"a\": 1}", json!({ "a": 1 }), 1),
        ("'a' in output", "Sure! {\"a\": 1}", json!({ "a": 1 }), 1),
        ("type: list", "Here: [1, 2]", json!([1, 2]), 1),
        ("type: int", "\"42\"", json!(42), 1),
        ("type: float", "\"1.5\"", json!(1.5), 1),
        ("range: min:0, max:100", "\"50\"", json!(50), 1),
        ("range: score min:0", "{\"score\": \"7\"}", json!({ "score": 7 }), 1),
        ("int(output['a']) > float('0.5')", "{\"a\": \"1\"}", json!({ "a": "1" }), 0),
        ("str(output) == '7'", "7", json!(7), 0),
    ] {
        let Reading::Holds { value, mends: done } = read(rule, text) else { panic!("{rule}: {:?}", read(rule, text)) };
        assert_eq!((value, done.len()), (wanted, mends), "{rule}: {done:?}");
    }
    for (rule, text, why) in [
        ("output.confidence > 0.8", "I am sure.", Broken::NoJson),
        ("'error' not in output", "There was an error at line [1].", Broken::Text),
        ("format: email", "bob at example.com", Broken::Text),
        ("type: string", "{\"a\": 1}", Broken::Shape),
        ("len(output) > 5", "{\"a\": 1}", Broken::Shape),
        ("type: int", "forty-two", Broken::NoJson),
        ("range: min:0, max:100", "150", Broken::Shape),
        ("script: return true", "prose", Broken::NoJson),
    ] {
        assert!(matches!(read(rule, text), Reading::Fails { why: found, .. } if found == why), "{rule}: {:?}", read(rule, text));
    }
    let schema = Contract::new(json!({ "type": "object" }), &["output is defined".to_owned()]).unwrap();
    assert!(matches!(schema.read("prose", "stop"), Reading::Fails { why: Broken::NoJson, .. }), "a schema says that it is JSON");
}
