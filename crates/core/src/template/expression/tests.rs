use serde_json::{Value, json};

use super::super::tests::{Fixed, fixed};
use super::super::{Expression, RenderError, Root};

fn scope() -> Fixed {
    fixed([
        ("text", json!("Hello World")),
        ("n", json!(7)),
        ("f", json!(2.5)),
        ("list", json!([3, 1, 2])),
        ("words", json!(["b", "A", "c"])),
        ("map", json!({"a": 1, "b": {"c": [10, 20]}})),
        ("rows", json!([{"name": "x", "n": 1}, {"name": "y", "n": 2}])),
        ("empty", json!("")),
        ("no", json!(null)),
        ("yes", json!(true)),
    ])
}

fn ours(source: &str) -> Result<Value, String> {
    let expression = Expression::parse(source).map_err(|problem| problem.message)?;
    let scope = scope();
    let value = expression.evaluate(&scope).map_err(|error| error.to_string())?;
    Ok(value.into_owned())
}

fn theirs(source: &str) -> Result<Value, String> {
    let env = minijinja::Environment::new();
    let expression = env.compile_expression(source).map_err(|error| error.to_string())?;
    let context = minijinja::Value::from(minijinja::value::Serde(scope().0));
    let value = expression.eval(context).map_err(|error| error.to_string())?;
    serde_json::to_value(&value).map_err(|error| error.to_string())
}

#[test]
fn values_of_different_kinds_have_no_order() {
    for source in [
        "'0.1' > 0.8",
        "[0.1] > 0.8",
        "9 < '10'",
        "none < 0",
        "true >= 0",
        "map < map",
        "[1, 'a'] < [1, 2]",
        "'a' is gt 3",
        "[1, 'a']|sort",
        "[1, none]|max",
    ] {
        let said = ours(source).unwrap_err();
        assert!(said.contains("have no order"), "`{source}` says: {said}");
    }
    assert_eq!(ours("'0.9'|float > 0.8").unwrap(), serde_json::json!(true));
    assert_eq!(ours("1 == '1' or none != 0").unwrap(), serde_json::json!(true));
}

#[test]
fn it_means_what_minijinja_means() {
    let sources = [
        "1 + 2 * 3",
        "(1 + 2) * 3",
        "2 ** 3 ** 2",
        "-2 ** 2",
        "7 / 2",
        "6 / 2",
        "7 // 2",
        "-7 // 2",
        "-7 % 3",
        "7 % -3",
        "7.5 // 2",
        "2 ** -1",
        "1 - -1",
        "n * 2 + f",
        "(n + 1) ~ 'x' ~ n * 2",
        "'a' ~ 1 ~ 2.5",
        "'a' + 'b'",
        "[1] + [2]",
        "'ab' * 3",
        "3 * 'ab'",
        "-n|abs",
        "-f | abs",
        "n|string ~ '!'",
        "1 == 1.0",
        "1 == '1'",
        "'a' < 'b'",
        "[1, 2] < [1, 3]",
        "1 < 2 < 3",
        "3 > 2 > 2",
        "1 == 1 == 1",
        "'a' in 'abc'",
        "'x' not in 'abc'",
        "1 in list",
        "9 not in list",
        "'a' in map",
        "not n",
        "not empty",
        "n and empty",
        "empty or 'x'",
        "n > 5 and n < 9",
        "not n == 7",
        "yes and not no",
        "'a' if n > 5 else 'b'",
        "'a' if n > 9 else 'b' if n > 8 else 'c'",
        "text[0]",
        "text[-1]",
        "text[1:4]",
        "text[::-1]",
        "text[:-3]",
        "list[0]",
        "list[-1]",
        "list[1:]",
        "list[::2]",
        "list[::-1]",
        "list[5:]",
        "list[-2:]",
        "map.b.c[1]",
        "map['b']['c'][0]",
        "map.b.c.1",
        "text|upper",
        "text|lower",
        "text|title",
        "text|length",
        "text|replace('o', '0')",
        "'  x '|trim",
        "'xxaxx'|trim('x')",
        "'hELLO wORLD'|capitalize",
        "'foo-bar baz'|title",
        "'a b c'|split",
        "'a,b,c'|split(',')",
        "'a,b,c'|split(',', 1)",
        "'a\\nb'|lines",
        "text|first",
        "text|last",
        "text|reverse",
        "list|reverse|list",
        "list|sort",
        "words|sort",
        "list|sort(reverse=true)",
        "rows|sort(attribute='n')|last",
        "list|min",
        "list|max",
        "list|sum",
        "list|length",
        "list|first",
        "list|last",
        "list|join(',')",
        "words|join",
        "rows|join(',', attribute='name')",
        "rows|map(attribute='name')|join('+')",
        "rows|map(attribute='q', default=0)|list",
        "rows|selectattr('n', 'gt', 1)|map(attribute='name')|list",
        "rows|rejectattr('n', 'eq', 1)|list",
        "rows|selectattr('n')|list",
        "[1, 1, 2]|unique|list",
        "'3'|int + 1",
        "'3.7'|float",
        "3.7|int",
        "'3.7'|int",
        "true|int",
        "3.14159|round(2)",
        "2.5|round",
        "7|round",
        "map|items|list",
        "n|bool",
        "''|bool",
        "text|list|length",
        "no|default('x') == 'x' or true",
        "missing|default('x')",
        "missing|d(1) + 1",
        "empty|default('x', true)",
        "missing is defined",
        "text is defined",
        "missing is undefined",
        "no is none",
        "n is odd",
        "n is even",
        "n is divisibleby 7",
        "n is divisibleby(2)",
        "text is string",
        "n is number",
        "f is float",
        "n is integer",
        "map is mapping",
        "list is sequence",
        "list is iterable",
        "yes is true",
        "yes is boolean",
        "no is not none",
        "text is startingwith 'He'",
        "text is endingwith('x')",
        "n is in list",
        "n is eq 7",
        "1 is in [1, 2]",
        "n is gt 3 and n is lt(9)",
        "[1, 'a', none, true]",
        "{'b': 1, 'a': [2]}.a[0]",
        "range(4)|list",
        "range(1, 4)|list",
        "range(6, 0, -2)|list",
        "range(0)|list",
        "1 if true",
        "true",
        "None",
        "'it\\'s' ~ \"\\u00e9\"",
        "1_000 + 1",
        "n == 7 is true",
        "not n is odd",
        "(n)|string|length",
    ];
    let differing: Vec<_> = sources
        .into_iter()
        .map(|source| (source, ours(source), theirs(source)))
        .filter(|(_, ours, theirs)| ours.is_err() || ours != theirs)
        .collect();
    assert_eq!(differing, []);
}

#[test]
fn it_has_the_usual_methods() {
    let cases = [
        ("text.split(' ')[0]", json!("Hello")),
        ("'a b  c'.split()", json!(["a", "b", "c"])),
        ("'a b  c'.split(none, 1)", json!(["a", "b  c"])),
        ("'a/b/c'.rsplit('/', 1)", json!(["a/b", "c"])),
        ("text.upper() ~ text.lower()", json!("HELLO WORLDhello world")),
        ("' x '.strip() ~ 'xx!'.rstrip('!').lstrip('x')", json!("x")),
        ("text.replace('l', 'L', 1)", json!("HeLlo World")),
        ("text.startswith('He') and text.endswith('ld')", json!(true)),
        ("', '.join(['a', 1])", json!("a, 1")),
        ("'foo bar'.title()", json!("Foo Bar")),
        ("text.length() == text|length", json!(true)),
        ("text.removeprefix('Hello ').removesuffix('d')", json!("Worl")),
        ("text.count('l') * 10 + text.find('W')", json!(36)),
        ("map.get('a') + map.get('q', 5)", json!(6)),
        ("map.keys()", json!(["a", "b"])),
        ("map.items()[0]", json!(["a", 1])),
        ("'a\\nb'.splitlines()", json!(["a", "b"])),
        ("rows[n - 6].name.upper()", json!("Y")),
        ("map|tojson", json!(r#"{"a":1,"b":{"c":[10,20]}}"#)),
        ("{'b': 1, 'a': 2}|keys", json!(["b", "a"])),
        ("yes ~ ''", json!("true")),
        ("no|default('x')", json!("x")),
    ];
    for (source, expected) in cases {
        assert_eq!(ours(source), Ok(expected), "{source}");
    }
}

#[test]
fn a_missing_value_is_an_error_but_under_a_default() {
    for source in [
        "nope",
        "nope == 1",
        "nope ~ 'x'",
        "not nope",
        "nope.a",
        "map.q",
        "list[9]",
        "nope|upper",
        "1 if nope",
        "rows[n].name",
        "nope is none",
        "1 if no",
    ] {
        let found = ours(source).expect_err(source);
        assert!(found.contains("has no value"), "{source}: {found}");
    }
    assert_eq!(ours("map.q.deep[0]|default('x')"), Ok(json!("x")));
    assert_eq!(ours("rows[n].name|default('x')"), Ok(json!("x")));
    assert_eq!(ours("(nope)|default(1)"), Ok(json!(1)));
    assert_eq!(ours("false and nope"), Ok(json!(false)));
    assert_eq!(ours("nope if false else 1"), Ok(json!(1)));
}

#[test]
fn references_are_static_and_complete() {
    let expression =
        Expression::parse("steps['run-tests'].stdout.strip() == 'x' and steps.run-more.exit_code != 0 and inputs.a.b[0] > n - 1 and item|d(0)")
            .expect("it parses");
    let found: Vec<_> =
        expression.references().iter().map(|reference| (reference.root.to_string(), reference.text.as_str(), reference.has_default)).collect();
    assert_eq!(
        found,
        [
            ("steps.run-tests.stdout".to_owned(), "steps['run-tests'].stdout", false),
            ("steps.run-more.exit_code".to_owned(), "steps.run-more.exit_code", false),
            ("inputs.a".to_owned(), "inputs.a.b[0]", false),
            ("n".to_owned(), "n", false),
            ("item".to_owned(), "item", true),
        ]
    );
    let braced = Expression::parse("  ${ n > 1 }").expect("it parses");
    assert_eq!(braced.references()[0].span, 5..6);
    assert_eq!(braced.references()[0].root, Root::Name("n".to_owned()));
    assert!(Expression::parse("steps[n].out").is_err());
    assert!(Expression::parse("steps.x == 1").is_err());
}

#[test]
fn problems_point_at_their_place() {
    let cases = [
        ("n | uper", 4..8, "there is no filter `uper`", Some("did you mean `upper`?")),
        ("text.spilt(' ')", 5..10, "there is no method `spilt`", Some("did you mean `split`?")),
        ("n is od", 5..7, "there is no test `od`", Some("did you mean `odd`?")),
        (
            "include('x')",
            0..7,
            "there is no function `include`",
            Some("the functions are `range`, `len`, `str`, `int` and `float`; a filter is written `value | include`"),
        ),
        ("1 2", 2..3, "expected an operator or the end, found `2`", None),
        ("(1, 2)", 2..3, "expected `)`, found `,`", Some("write a list as `[a, b]`")),
        ("text|replace('a')", 5..12, "`replace` takes 2 argument(s), not 1", None),
        ("'open", 0..1, "the text is never closed", None),
        ("{% if %}", 1..2, "expected a value, found `%`", None),
    ];
    for (source, span, message, help) in cases {
        let problem = Expression::parse(source).expect_err(source);
        assert_eq!((problem.span, problem.message.as_str(), problem.help.as_deref()), (span, message, help), "{source}");
    }
}

#[test]
fn nothing_can_eat_memory_or_time() {
    let big = "x".repeat(4 << 20);
    let scope = fixed([("big", json!(big)), ("list", json!(vec![1; 100_000]))]);
    let chain = vec!["big"; 100].join(" ~ ");
    let sources = [
        "range(10**9)",
        "range(10**18, 0, -1)",
        "range(10000)|map(attribute='x')",
        "'x' * 10**9",
        "'x' * 10**6 * 10**6",
        "('x' * 10**6).replace('x', 'x' * 10**6)",
        "[big, big, big]|join",
        "([big] + [big])|tojson ~ big",
        "list|sort|unique|sort == list and list|sort == list|sort",
        "big.split('x')",
        "9**9**9",
        "10**38 * 10",
        "[1] * 10",
        chain.as_str(),
    ];
    for source in sources {
        let expression = Expression::parse(source).expect(source);
        let refused = expression.evaluate(&scope).map(|value| super::size_of(&value, usize::MAX / 2));
        assert!(refused.is_err(), "{source}: {refused:?}");
    }
    assert!(matches!(Expression::parse("'x' * 2000000").expect("it parses").evaluate(&scope), Err(RenderError::TooLarge { .. })));
    // What is only passed on is not copied, and not refused.
    assert!(Expression::parse("big|default('')").expect("it parses").evaluate(&scope).is_ok());
    let deep = format!("{}1{}", "(".repeat(1000), ")".repeat(1000));
    for source in [
        deep,
        "-".repeat(1000) + "1",
        "not ".repeat(1000) + "1",
        vec!["1"; 1000].join("+"),
        "1 if ".repeat(900) + "1",
        "[".repeat(8000),
        "n ".repeat(5000),
    ] {
        assert!(Expression::parse(&source).is_err());
    }
}

#[test]
fn the_largest_expression_that_is_accepted_fits_the_stack() {
    use super::super::limits::{EXPRESSION_DEPTH_MAX, EXPRESSION_LINKS_MAX};
    let depth = EXPRESSION_DEPTH_MAX - 1;
    let sum = vec!["n"; EXPRESSION_LINKS_MAX + 1].join("+");
    let source = format!("{}{sum}{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(ours(&source), Ok(json!(7 * (EXPRESSION_LINKS_MAX + 1))));
}

#[test]
fn the_reference_names_all_there_is() {
    let names = |all: &mut dyn Iterator<Item = &'static str>| all.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let filters = names(&mut super::calls::FILTERS.iter().map(|filter| filter.name));
    let methods = names(&mut super::calls::METHODS.iter().map(|method| method.name));
    let tests = names(&mut super::node::TESTS.iter().map(|(name, ..)| *name));
    let page = include_str!("../../../../../docs/reference/workflow.md");
    for (what, list) in [("filters", filters), ("methods", methods), ("tests", tests)] {
        assert!(page.contains(&list), "docs/reference/workflow.md does not name the {what}: {list}");
    }
}
