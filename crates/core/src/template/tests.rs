use std::borrow::Cow;
use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Values by the text of their root.
#[derive(Default)]
pub(super) struct Fixed(pub(super) BTreeMap<String, Value>);

impl Scope for Fixed {
    fn lookup(&self, root: &Root) -> Option<Cow<'_, Value>> {
        self.0.get(&root.to_string()).map(Cow::Borrowed)
    }
}

pub(super) fn fixed<const N: usize>(values: [(&str, Value); N]) -> Fixed {
    Fixed(values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn run() -> Fixed {
    fixed([
        ("inputs.repo", json!("acme/tool")),
        ("repo", json!("acme/tool")),
        ("inputs.count", json!(3)),
        ("steps.run-tests.stdout", json!("ok\n")),
        ("steps.plan.tasks", json!([{"name": "a"}, {"name": "b"}])),
        ("steps.plan.nothing", json!(null)),
        ("item", json!({"due date": "today", "7": "seven"})),
        ("index", json!(0)),
        ("my-input", json!("dashed")),
    ])
}

fn render(text: &str) -> Result<Value, RenderError> {
    Template::parse(text).expect("the template parses").render(&run())
}

#[test]
fn a_whole_reference_keeps_its_type() {
    assert_eq!(render("${inputs.count}"), Ok(json!(3)));
    assert_eq!(render("{{ steps.plan.tasks }}"), Ok(json!([{"name": "a"}, {"name": "b"}])));
    assert_eq!(render("${steps.plan.nothing}"), Ok(json!(null)));
    assert_eq!(render("${steps.plan.tasks[1].name}"), Ok(json!("b")));
    assert_eq!(render("${steps.plan.tasks.0.name}"), Ok(json!("a")));
    assert_eq!(render("${item['due date']}"), Ok(json!("today")));
    assert_eq!(render("${item.7}"), Ok(json!("seven")));
}

#[test]
fn inside_text_a_value_is_rendered() {
    assert_eq!(render("${inputs.repo}: ${inputs.count} {{index}} ${steps.plan.tasks}"), Ok(json!(r#"acme/tool: 3 0 [{"name":"a"},{"name":"b"}]"#)));
    assert_eq!(render("<${steps.run-tests.stdout}>"), Ok(json!("<ok\n>")));
    assert_eq!(render("owner ${repo.split('/')[0]}"), Ok(json!("owner acme")));
    assert_eq!(render("${my-input}!"), Ok(json!("dashed!")));
    assert_eq!(render("${my-input | upper}!"), Ok(json!("DASHED!")));
}

#[test]
fn missing_and_null_are_errors_without_a_default() {
    assert_eq!(render("${inputs.nope}"), Err(RenderError::Unresolved { path: "inputs.nope".to_owned() }));
    assert_eq!(
        render("a ${steps.plan.tasks[9].name}").map_err(|error| error.to_string()),
        Err("`steps.plan.tasks[9].name` has no value; give it a default: `${steps.plan.tasks[9].name | default(...)}`".to_owned())
    );
    assert_eq!(render("a ${steps.plan.nothing}"), Err(RenderError::Null { path: "steps.plan.nothing".to_owned() }));
    assert_eq!(render("a ${steps.plan.nothing | default('-')}"), Ok(json!("a -")));
    assert_eq!(render("${inputs.nope | default([])}"), Ok(json!([])));
    assert_eq!(render("${inputs.nope.deep[0].way | default(5)}"), Ok(json!(5)));
}

#[test]
fn secrets_are_never_rendered() {
    let template = Template::parse("Bearer ${secrets.TOKEN}").expect("it parses");
    assert_eq!(template.references()[0].root, Root::Secret("TOKEN".to_owned()));
    let scope = fixed([("secrets.TOKEN", json!("hush"))]);
    let refused = Err(RenderError::SecretNotAllowedHere { path: "secrets.TOKEN".to_owned() });
    assert_eq!(template.render(&scope), refused);
    let expression = Template::parse("${secrets.TOKEN | default('') | upper}").expect("it parses");
    assert_eq!(expression.render(&scope), refused);
}

#[test]
fn braces_can_be_written() {
    assert_eq!(render("$${repo}"), Ok(json!("${repo}")));
    assert_eq!(render("{{ '{{' }} repo }}"), Ok(json!("{{ repo }}")));
    assert_eq!(render("$$ $repo { } a$"), Ok(json!("$$ $repo { } a$")));
    assert!(Template::parse("$${repo}").is_ok_and(|template| template.is_literal()));
}

#[test]
fn substitution_is_one_pass() {
    let scope = fixed([("inputs.a", json!("${inputs.b} {{ inputs.b }} $${x}")), ("inputs.b", json!("secret"))]);
    let template = Template::parse("${inputs.a}|${inputs.b}").expect("it parses");
    assert_eq!(template.render(&scope), Ok(json!("${inputs.b} {{ inputs.b }} $${x}|secret")));
}

#[test]
fn all_problems_are_found_with_their_places() {
    let problems = Template::parse("a ${} b ${run.nope} c ${steps.x} d ${1 +} e ${open").expect_err("it is broken");
    let found: Vec<_> = problems.iter().map(|problem| (problem.span.clone(), problem.message.as_str())).collect();
    assert_eq!(
        found,
        [
            (4..4, "the braces are empty"),
            (10..18, "`run` has no `nope`"),
            (24..31, "`steps.x` names a step, but none of its outputs"),
            (40..40, "expected a value, found the end"),
            (44..46, "`${` is never closed"),
        ]
    );
}

#[test]
fn bare_names_are_bound_before_anything_runs() {
    let names = Names {
        inputs: ["repo", "both", "tests"].map(str::to_owned).into(),
        outputs: [("plan", vec!["a", "b"]), ("both", vec!["c"])]
            .map(|(name, steps)| (name.to_owned(), steps.into_iter().map(str::to_owned).collect()))
            .into(),
        variables: ["file".to_owned()].into(),
        in_items: true,
        steps: Some(["a".to_owned()].into()),
        within: None,
    };
    let mut template =
        Template::parse("${repo} ${plan.x} ${file} ${item} ${both} ${rpo} ${zzz | default(1)} ${steps.q.out} ${inputs.test}").expect("it parses");
    let problems = template.bind(&names);
    let roots: Vec<_> = template.references()[..4].iter().map(|reference| &reference.root).collect();
    assert_eq!(
        roots,
        [
            &Root::Input("repo".to_owned()),
            &Root::Output { name: "plan".to_owned(), steps: vec!["a".to_owned(), "b".to_owned()] },
            &Root::Variable("file".to_owned()),
            &Root::Item,
        ]
    );
    let messages: Vec<_> = problems.iter().map(|problem| format!("{}; {}", problem.message, problem.help.as_deref().unwrap_or_default())).collect();
    assert_eq!(
        messages,
        [
            "`both` is both an output of `c` and an input; rename one, or write the long form: `inputs.both` or `steps.ID.both`",
            "`rpo` is neither an input nor an output of a step; did you mean `repo`?",
            "`zzz` is neither an input nor an output of a step; declare it under `inputs:` or a step's `outputs:`; to keep the characters as they are, write `$${`",
            "there is no step `q`; did you mean `a`?",
            "there is no input `test`; did you mean `inputs.tests`?",
        ]
    );
}

#[test]
fn the_nearest_name_is_a_likely_one() {
    let known = ["repository", "count", "a"];
    assert_eq!(nearest("repositroy", known.into_iter()), Some("repository"));
    assert_eq!(nearest("Count", known.into_iter()), Some("count"));
    assert_eq!(nearest("branch", known.into_iter()), None);
}

#[test]
fn a_tree_keeps_its_literals_and_its_keys() {
    let value = json!({"${repo}": ["${inputs.count}", {"a/b": "x ${repo}"}], "plain": [1, null, "$${x}"]});
    let tree = TemplateValue::parse(&value).expect("it parses");
    assert_eq!(tree.render(&run()), Ok(json!({"${repo}": [3, {"a/b": "x acme/tool"}], "plain": [1, null, "${x}"]})));
    let pointers: Vec<_> = tree.references().iter().map(|reference| reference.pointer.clone()).collect();
    assert_eq!(pointers, ["/${repo}/0", "/${repo}/1/a~1b"]);
    assert!(TemplateValue::parse(&json!({"a": [1, "b"]})).is_ok_and(|tree| tree.is_literal()));
    let problems = TemplateValue::parse(&json!({"a": ["${", "${1 1}"]})).expect_err("it is broken");
    let found: Vec<_> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
    assert_eq!(found, ["/a/0", "/a/1"]);
}

#[test]
fn a_tree_is_bounded_in_depth() {
    let mut value = json!("x");
    for _ in 0..=limits::VALUE_DEPTH_MAX {
        value = json!([value]);
    }
    assert!(TemplateValue::parse(&value).is_err());
}

#[test]
fn conditions_judge_as_described() {
    let scope = fixed([
        ("inputs.n", json!(75)),
        ("inputs.text", json!("75 ")),
        ("inputs.list", json!(["a", 1])),
        ("inputs.map", json!({"k": 0})),
        ("inputs.empty", json!([])),
        ("inputs.no", json!("False")),
        ("inputs.null", json!(null)),
    ]);
    let cases = [
        ("n", "equals", json!(75.0), true),
        ("n", "equals", json!("75"), false),
        ("n", "not_equals", json!(75), false),
        ("missing", "equals", json!(null), false),
        ("missing", "not_equals", json!(1), true),
        ("missing", "less_than", json!(1), false),
        ("null", "equals", json!(null), true),
        ("text", "greater_than", json!(74), true),
        ("text", "less_than", json!("80"), true),
        ("list", "greater_than", json!(1), false),
        ("text", "contains", json!("5"), true),
        ("list", "contains", json!(1.0), true),
        ("map", "contains", json!("k"), true),
        ("n", "in", json!([1, 75]), true),
        ("text", "in", json!("x75 x"), true),
        ("map", "not_empty", json!(null), true),
        ("empty", "not_empty", json!(null), false),
        ("no", "is_false", json!(null), true),
        ("n", "is_true", json!(null), false),
    ];
    for (field, operator, value, expected) in cases {
        let written = json!({"field": format!("inputs.{field}"), "operator": operator, "value": value});
        let condition: Condition = serde_json::from_value(written.clone()).expect("it is a condition");
        assert_eq!(condition.evaluate(&scope), expected, "{written}");
    }
    let missing: Result<Condition, _> = serde_json::from_value(json!({"field": "a", "operator": "equals"}));
    assert_eq!(missing.expect_err("it has no value").to_string(), "condition missing `value`");
    let written = json!({"field": "a.b", "operator": "not_empty"});
    let condition: Condition = serde_json::from_value(written.clone()).expect("it is a condition");
    assert_eq!(serde_json::to_value(&condition).expect("it serialises"), written);
}

fn pieces() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("${".to_owned()),
        Just("$${".to_owned()),
        Just("{{".to_owned()),
        Just("}}".to_owned()),
        Just("}".to_owned()),
        Just("$".to_owned()),
        Just("{".to_owned()),
        Just("'".to_owned()),
        Just("inputs.a".to_owned()),
        Just(" | default('x')".to_owned()),
        Just("steps['a b'].c[0]".to_owned()),
        "[a-z0-9 +*()\\[\\].|~<>=!\"\\\\é-]{0,6}",
        any::<String>(),
    ];
    prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn parsing_never_panics(text in pieces()) {
        let scope = run();
        if let Ok(template) = Template::parse(&text) {
            let _ = template.render(&scope);
        }
        if let Ok(expression) = Expression::parse(&text) {
            let _ = expression.evaluate(&scope);
        }
        let _ = Path::parse(&text);
    }

    #[test]
    fn what_is_escaped_is_itself(text in pieces()) {
        let template = Template::parse(&escape(&text)).expect("escaped text parses");
        prop_assert!(template.is_literal());
        prop_assert_eq!(template.render(&run()), Ok(Value::String(text)));
    }

    #[test]
    fn a_value_is_never_read_again(text in pieces()) {
        let scope = fixed([("inputs.a", json!(text)), ("inputs.b", json!("secret"))]);
        let template = Template::parse("<${inputs.a}>{{inputs.b}}").expect("it parses");
        prop_assert_eq!(template.render(&scope), Ok(json!(format!("<{text}>secret"))));
    }
}
