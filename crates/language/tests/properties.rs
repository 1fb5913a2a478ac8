//! Whatever stands in a file, loading it ends with a definition or with diagnostics, and never with a panic.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its cases has failed")]

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use gorgon_language::{Loaded, load, render};
use proptest::prelude::*;

static GOOD: LazyLock<Vec<String>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut texts: Vec<String> = ["good", "bad"]
        .into_iter()
        .flat_map(|kind| fs::read_dir(folder.join(kind)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    texts.sort();
    texts
});

/// What holds for every text.
fn check(text: &str) -> Loaded {
    let loaded = load(text);
    assert_eq!(loaded.definition.is_none(), loaded.diagnostics.iter().any(gorgon_core::diagnostic::Diagnostic::is_error));
    for problem in &loaded.diagnostics {
        let span = problem.place.span.clone().unwrap();
        assert!(span.start <= span.end && text.get(span).is_some(), "{problem:?}");
        assert!(problem.help.is_some(), "{problem:?}");
        let _ = loaded.source_map.span(&problem.place.path);
    }
    let _ = render("x", text, &loaded.diagnostics);
    if let Some(definition) = &loaded.definition {
        let back: gorgon_core::definition::Definition = serde_json::from_str(&definition.canonical_json()).unwrap();
        assert_eq!(&back, definition);
    }
    loaded
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_judged(text in any::<String>()) {
        check(&text);
    }

    #[test]
    fn any_text_of_signs_is_judged(text in "[-:{}\\[\\]&*!|>'\"%@`#,?\\n\\t $.a-c0-1]{0,120}") {
        check(&text);
    }

    #[test]
    fn a_changed_file_is_judged(which in any::<prop::sample::Index>(), edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..4, "[-:{}\\[\\]&*!|>'\"%@`#,?\\n\\t $a-z0-9é🎉]{0,6}"), 1..6)) {
        let mut text: Vec<char> = GOOD[which.index(GOOD.len())].chars().collect();
        for (at, removed, added) in edits {
            let at = at.index(text.len() + 1);
            let end = (at + removed).min(text.len());
            text.splice(at..end, added.chars());
        }
        check(&text.into_iter().collect::<String>());
    }

    #[test]
    fn two_files_in_one_are_judged(one in any::<prop::sample::Index>(), other in any::<prop::sample::Index>(), cut in any::<prop::sample::Index>()) {
        let (one, other) = (&GOOD[one.index(GOOD.len())], &GOOD[other.index(GOOD.len())]);
        let lines: Vec<&str> = one.lines().collect();
        let kept = cut.index(lines.len() + 1);
        let text: String = lines[..kept].iter().copied().chain(other.lines().skip(kept)).map(|line| format!("{line}\n")).collect();
        check(&text);
    }
}

#[test]
fn yaml_and_json_of_one_document_are_one_definition() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/good");
    let yaml = check(&fs::read_to_string(folder.join("same_document.yaml")).unwrap());
    let json = check(&fs::read_to_string(folder.join("same_document_json.json")).unwrap());
    let (yaml, json) = (yaml.definition.unwrap(), json.definition.unwrap());
    assert_eq!(yaml.canonical_json(), json.canonical_json());
    assert_eq!(yaml.hash(), json.hash());
}

#[test]
fn marks_and_line_ends_of_other_systems_change_nothing() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/good/feature_build.yaml")).unwrap();
    let plain = check(&text).definition.unwrap();
    assert_eq!(check(&format!("\u{feff}{text}")).definition.unwrap(), plain);
    assert_eq!(check(&text.replace('\n', "\r\n")).definition.unwrap(), plain);
}

#[test]
fn saying_a_default_changes_nothing() {
    let short = check("name: x\nsteps:\n  - {id: a, type: claude_code, prompt: hi}\n").definition.unwrap();
    let long = check(
        "version: 1.0\nname: x\ninputs: {}\noutputs: []\nconcurrency: 64\nsettings: {auto_parallel: false}\nsteps:\n  - type: agent\n    timeout_seconds: 600\n    \
         on_failure: abort\n    effect: repeatable\n    on_in_doubt: ask\n    retry: {backoff: exponential, jitter: true}\n    params: {role: builder, max_tokens: 4096, \
         model: claude-sonnet-4-20250514, provider: anthropic, prompt: hi}\n    id: a\n",
    );
    assert_eq!(short.hash(), long.definition.unwrap().hash());
}

#[test]
fn a_place_is_found_by_path_and_by_step() {
    let text = "name: x\nsteps:\n  - {id: p, type: parallel, params: {steps: [{id: q, type: shell, command: echo hi}]}}\n";
    let map = check(text).source_map;
    let at = |span: Option<std::ops::Range<usize>>| &text[span.unwrap()];
    assert_eq!(at(map.span("name")), "x");
    assert_eq!(at(map.span("steps[0].params.steps[0].command")), "echo hi");
    assert_eq!(at(map.span("steps.q.command")), "echo hi");
    assert_eq!(at(map.span("steps.q.no.such.thing")), "{id: q, type: shell, command: echo hi}");
    assert_eq!(at(map.step("q")), "{id: q, type: shell, command: echo hi}");
    assert_eq!(map.step("nobody"), None);
}

#[test]
fn limits_are_named_when_they_are_passed() {
    use std::fmt::Write;
    let code = |text: &str| check(text).diagnostics.iter().map(|problem| problem.code.as_str()).next().unwrap_or("none").to_owned();
    let long = format!("name: x\ndescription: {}\nsteps: [{{id: a, type: noop}}]\n", "x".repeat(1024 * 1024));
    assert_eq!(code(&long), "GOR0102");
    let mut many = "name: x\nsteps:\n".to_owned();
    for number in 0..10_001 {
        writeln!(many, "  - {{id: s{number}, type: noop}}").unwrap();
    }
    assert_eq!(code(&many), "GOR0102");
    assert_eq!(
        code(&format!("name: x\nmetadata: {{a: {}1{}}}\nsteps: [{{id: a, type: noop}}]", "[".repeat(100_000), "]".repeat(100_000))),
        "GOR0102"
    );
    let block: String = (0..200).map(|depth| format!("{}- a:\n", " ".repeat(2 * depth))).collect();
    assert_eq!(code(&block), "GOR0102");
    let texts = format!("name: x\nmetadata:\n  a: &a {}\n  b: [{}]\nsteps: [{{id: a, type: noop}}]\n", "x".repeat(100_000), ["*a"; 100].join(", "));
    assert_eq!(code(&texts), "GOR0102");
}

#[test]
fn large_files_load_quickly() {
    use std::fmt::Write;
    let file = |step: &dyn Fn(usize) -> String| {
        let mut text = "name: x\nsteps:\n".to_owned();
        for number in 0..9_000 {
            writeln!(text, "  - {{id: s{number}, type: noop, {}}}", step(number)).unwrap();
        }
        text
    };
    let reference = |number: usize| if number == 0 { "value: 1".to_owned() } else { format!("value: \"${{steps.s{}.result}}\"", number - 1) };
    let started = std::time::Instant::now();
    assert!(check(&file(&reference)).definition.is_some());
    assert!(
        check(&file(&|number| format!("depends_on: [{}]", if number == 0 { String::new() } else { format!("s{}", number - 1) })))
            .definition
            .is_some()
    );
    for wrong in ["depends_on: [nobody_at_all]", "value: \"${nobody} ${at} ${alll}\"", "outputs: [same]", "typo: 1", "depends_on: [s5]"] {
        let loaded = check(&file(&|_| wrong.to_owned()));
        assert!(loaded.definition.is_none() && loaded.diagnostics.len() < 300, "{wrong}: {}", loaded.diagnostics.len());
    }
    // Far above what it takes even unoptimised on a busy machine: what is quadratic in the steps takes minutes.
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}
