//! Files of the earlier systems: good ones give a normalised definition, a plan and the same workflow in the native language; bad ones diagnostics.
//!
//! `UPDATE_GOLDENS=1` writes the goldens anew.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its cases has failed")]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use gorgon_core::definition::Definition;
use gorgon_core::diagnostic::Diagnostic;
use gorgon_language::{Loaded, load, load_with, render};
use proptest::prelude::*;

const DIALECTS: [&str; 5] = ["classic", "examples", "graph", "goatclaw", "awo"];

fn folder(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(of)
}

fn cases(of: &str) -> Vec<PathBuf> {
    let is_case = |path: &Path| {
        let name = path.to_string_lossy();
        (name.ends_with(".yaml") || name.ends_with(".json")) && !name.contains(".golden.") && !name.contains(".native.") && !name.contains(".plan.")
    };
    let mut found: Vec<PathBuf> = fs::read_dir(folder(of)).unwrap().map(|entry| entry.unwrap().path()).filter(|path| is_case(path)).collect();
    found.sort();
    found
}

/// Prompts of AWO lie beside the cases.
fn read(path: &str) -> Result<Option<String>, String> {
    Ok(fs::read_to_string(folder("dialects/awo").join(path)).ok())
}

fn loaded(text: &str) -> Loaded {
    load_with(text, &read)
}

/// Compares with a golden file, or writes it. What differs is collected, so that one run shows all.
fn golden(path: &Path, actual: &str, differing: &mut String) {
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        fs::write(path, actual).unwrap();
        return;
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    if expected != actual {
        writeln!(differing, "{}\n--- expected\n{expected}\n--- actual\n{actual}", path.display()).unwrap();
    }
}

/// Each step with what comes before it.
fn plan(definition: &Definition) -> String {
    match gorgon_core::plan::compile(Arc::new(definition.clone()), &[]) {
        Ok(program) => {
            let mut out = String::new();
            for included in &program.plan.included {
                let after: Vec<String> = included.after.iter().map(|after| format!("{} ({:?})", after.step, after.because)).collect();
                writeln!(out, "{} <- {}", included.step, if after.is_empty() { "nothing".to_owned() } else { after.join(", ") }).unwrap();
            }
            out
        }
        Err(problems) => panic!("{}: {problems:#?}", definition.name),
    }
}

#[test]
fn good_files_give_a_definition_and_a_plan() {
    let mut differing = String::new();
    for dialect in DIALECTS {
        let cases = cases(&format!("dialects/{dialect}/good"));
        assert!(cases.len() >= 2, "{dialect} has {} good cases", cases.len());
        for path in cases {
            let text = fs::read_to_string(&path).unwrap();
            let loaded = loaded(&text);
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let shown = render(&name, &text, &loaded.diagnostics);
            let native = loaded.native_yaml();
            let Some(definition) = loaded.definition else {
                writeln!(differing, "{name} did not load:\n{shown}").unwrap();
                continue;
            };
            for step in definition.all_steps() {
                assert!(loaded.source_map.step(step.id.as_str()).is_some_and(|span| text.get(span).is_some()), "{name}: {} stands nowhere", step.id);
            }
            golden(&path.with_extension("golden.json"), &format!("{}\n", serde_json::to_string_pretty(&definition).unwrap()), &mut differing);
            golden(&path.with_extension("plan.txt"), &plan(&definition), &mut differing);
            golden(&path.with_extension("native.yaml"), &native.unwrap(), &mut differing);
            let warnings = path.with_extension("warnings.txt");
            if !shown.is_empty() || warnings.exists() {
                golden(&warnings, &shown, &mut differing);
            }
        }
    }
    assert!(differing.is_empty(), "{differing}");
}

#[test]
fn bad_files_give_diagnostics_with_place_and_cure() {
    let mut differing = String::new();
    for dialect in DIALECTS.into_iter().chain(["detect"]) {
        let cases = cases(&format!("dialects/{dialect}/bad"));
        assert!(cases.len() >= 2, "{dialect} has {} bad cases", cases.len());
        for path in cases {
            let text = fs::read_to_string(&path).unwrap();
            let loaded = loaded(&text);
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            assert!(loaded.definition.is_none(), "{name} loads");
            assert!(loaded.native_yaml().is_none(), "{name} is written, but does not load");
            judged(&text, &loaded);
            golden(&path.with_extension("golden.txt"), &render(&name, &text, &loaded.diagnostics), &mut differing);
        }
    }
    assert!(differing.is_empty(), "{differing}");
}

/// What holds for every text.
fn judged(text: &str, loaded: &Loaded) {
    assert_eq!(loaded.definition.is_none(), loaded.diagnostics.iter().any(Diagnostic::is_error));
    for problem in &loaded.diagnostics {
        let span = problem.place.span.clone().unwrap();
        assert!(span.start <= span.end && text.get(span).is_some(), "{problem:?}");
        assert!(problem.help.as_ref().is_some_and(|help| !help.is_empty()), "no cure: {problem:?}");
    }
}

#[test]
fn what_is_written_in_the_native_language_is_the_same_workflow() {
    let mut count = 0;
    let dialects: Vec<String> = DIALECTS.iter().map(|dialect| format!("dialects/{dialect}/good")).chain(["cases/good".to_owned()]).collect();
    for path in dialects.iter().flat_map(|of| cases(of)) {
        let text = fs::read_to_string(&path).unwrap();
        let first = loaded(&text);
        let Some(definition) = first.definition.clone() else { panic!("{} does not load", path.display()) };
        let yaml = first.native_yaml().unwrap();
        // What is native stands alone.
        let second = load(&yaml);
        assert!(second.definition.as_ref() == Some(&definition), "{}:\n{yaml}\n{}", path.display(), render("native", &yaml, &second.diagnostics));
        assert_eq!(second.definition.as_ref().map(Definition::hash), Some(definition.hash()));
        assert_eq!(second.native_yaml().unwrap(), yaml, "{} is written in one way only", path.display());
        count += 1;
    }
    assert!(count >= 40, "{count} files");
}

/// Types whose machinery comes later load, and say so by their names.
#[test]
fn what_nothing_runs_is_known_by_its_name() {
    for (case, types) in [
        ("classic/good/connectors.json", vec!["gmail", "github", "notion", "claude_cli"]),
        ("goatclaw/good/agents_to_come.json", vec!["ResearchAgent", "BrowserAgent", "DevOpsAgent", "ShellAgent", "NotifierAgent"]),
        ("graph/good/tools.json", vec!["mcp_tool"]),
        ("awo/good/cursor.yaml", vec!["cursor", "codex"]),
    ] {
        let text = fs::read_to_string(folder("dialects").join(case)).unwrap();
        let definition = loaded(&text).definition.unwrap();
        let later: Vec<&str> = definition
            .all_steps()
            .filter(|step| gorgon_core::step::find(&step.kind).is_some_and(|kind| kind.unavailable().is_some()))
            .map(|step| step.kind.as_str())
            .collect();
        assert_eq!(later, types, "{case}");
        for kind in later {
            let reason = gorgon_core::step::find(kind).unwrap().unavailable().unwrap().to_lowercase().replace([' ', '_'], "");
            assert!(reason.contains(&kind.to_lowercase().replace('_', "")) || kind == "claude_cli", "{kind}: {reason}");
        }
    }
}

/// What is not told any more may have been an error.
#[test]
fn a_file_with_more_problems_than_are_told_does_not_load() {
    let step = |number: usize| serde_json::json!({"id": format!("s{number}"), "type": "openai", "action": "generate_completion", "params": {"prompt": format!("{{{{x{number}y}}}}")}, "odd": 1});
    let file =
        |count: usize| serde_json::json!({"id": "w", "name": "w", "variables": {}, "steps": (0..count).map(step).collect::<Vec<_>>()}).to_string();
    let few = loaded(&file(90));
    assert!(few.definition.is_some() && few.diagnostics.len() == 180, "{:?}", few.diagnostics.len());
    let many = loaded(&file(300));
    judged(&file(300), &many);
    assert!(many.definition.is_none());
    assert!(many.diagnostics.iter().any(|problem| problem.is_error() && problem.message.contains("more problems")));
}

static ALL: LazyLock<Vec<String>> = LazyLock::new(|| {
    let folders = DIALECTS.iter().flat_map(|dialect| [format!("dialects/{dialect}/good"), format!("dialects/{dialect}/bad")]);
    folders.chain(["dialects/detect/bad".to_owned()]).flat_map(|of| cases(&of)).map(|path| fs::read_to_string(path).unwrap()).collect()
});

/// A value of some shape, with words that mean something somewhere.
fn anything() -> impl Strategy<Value = serde_json::Value> {
    let word = prop::sample::select(vec![
        "a",
        "b",
        "openai",
        "claude_code",
        "transform",
        "agent",
        "branch",
        "start",
        "end",
        "loop",
        "CodeAgent",
        "APIAgent",
        "generate",
        "extract",
        "format",
        "{{a_output}}",
        "${a}",
        "{{b}}",
        "{a}",
        "true",
        "false",
        "anthropic",
        "cursor",
        "parallel",
        "steps.a.output",
        "equals",
    ]);
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i32>().prop_map(serde_json::Value::from),
        any::<f32>().prop_map(|number| serde_json::json!(number)),
        word.prop_map(serde_json::Value::from),
        "[ -~é\\n\\t🎉]{0,12}".prop_map(serde_json::Value::from),
    ];
    let key = prop::sample::select(vec![
        "id",
        "name",
        "steps",
        "nodes",
        "edges",
        "type",
        "action",
        "params",
        "next_step",
        "variables",
        "step_id",
        "step_type",
        "parameters",
        "workflow_id",
        "data",
        "source",
        "target",
        "sourceHandle",
        "condition",
        "field",
        "operator",
        "value",
        "goal_summary",
        "node_id",
        "agent_type",
        "dependencies",
        "input_data",
        "execution_mode",
        "agent",
        "prompt",
        "output",
        "depends_on",
        "retries",
        "key",
        "template",
        "role",
        "task",
        "context",
        "_outputs",
        "url",
        "content",
        "path",
        "retry_config",
        "llm_config",
        "validation_rule",
        "priority",
        "outputs",
        "max_parallel_tasks",
    ]);
    leaf.prop_recursive(6, 96, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
            prop::collection::vec((key.clone(), inner), 0..7)
                .prop_map(|entries| entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

/// Whatever is written natively loads to the same.
fn check(text: &str) {
    let first = loaded(text);
    judged(text, &first);
    if let Some(yaml) = first.native_yaml() {
        let second = load(&yaml);
        assert!(second.definition == first.definition, "{text}\n{yaml}\n{}", render("native", &yaml, &second.diagnostics));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_value_is_judged(root in anything(), parts in prop::collection::vec(anything(), 0..4), which in 0..6_usize) {
        check(&root.to_string());
        let parts = serde_json::Value::from(parts);
        let root = match which {
            0 => serde_json::json!({"id": "w", "name": "w", "variables": root, "steps": parts, "next_step": 0}),
            1 => serde_json::json!({"workflow_id": "w", "variables": root, "steps": parts}),
            2 => serde_json::json!({"id": "w", "nodes": parts, "edges": root}),
            3 => serde_json::json!({"goal_summary": "w", "nodes": parts, "metadata": root}),
            4 => serde_json::json!({"goal_summary": "w", "nodes": root}),
            _ => serde_json::json!({"name": "w", "variables": root, "steps": [{"agent": "anthropic"}, parts]}),
        };
        check(&root.to_string());
    }

    #[test]
    fn a_changed_file_is_judged(which in any::<prop::sample::Index>(), edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..9, "[-:{}\\[\\],\"$ a-c1é]{0,6}"), 1..6)) {
        let mut text: Vec<char> = ALL[which.index(ALL.len())].chars().collect();
        for (at, removed, added) in edits {
            let at = at.index(text.len() + 1);
            let end = (at + removed).min(text.len());
            text.splice(at..end, added.chars());
        }
        check(&text.into_iter().collect::<String>());
    }

    #[test]
    fn a_file_with_another_value_is_judged(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), value in anything()) {
        let Some(mut root) = serde_json::from_str::<serde_json::Value>(&ALL[which.index(ALL.len())]).ok() else { return Ok(()) };
        let mut pointers = Vec::new();
        collect(&root, String::new(), &mut pointers);
        *root.pointer_mut(&pointers[at.index(pointers.len())]).unwrap() = value;
        check(&root.to_string());
    }

    #[test]
    fn any_text_is_written_so_that_it_is_read_again(text in "[ -~\\n\\t\\r\\u{0}\\u{7f}\\u{85}\\u{2028}\\u{feff}é🎉#:|>-]{0,40}", key in "[ -~é\\n]{1,12}") {
        // In `metadata` any value may stand.
        let root = serde_json::json!({"name": "x", "metadata": {key: [text, [[text], {"k": text}]]}, "steps": [{"id": "a", "type": "noop"}]});
        let first = load(&ascii(&root.to_string()));
        prop_assert!(first.definition.is_some());
        let yaml = first.native_yaml().unwrap();
        prop_assert_eq!(load(&yaml).definition, first.definition, "{}", yaml);
    }
}

/// JSON with escapes in the place of signs that YAML refuses as they are.
fn ascii(json: &str) -> String {
    let mut units = [0; 2];
    let escaped = |c: char, units: &mut [u16; 2]| c.encode_utf16(units).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
    json.chars().map(|c| if c.is_ascii() && c != '\u{7f}' { c.to_string() } else { escaped(c, &mut units) }).collect()
}

fn collect(value: &serde_json::Value, at: String, pointers: &mut Vec<String>) {
    match value {
        serde_json::Value::Array(items) => items.iter().enumerate().for_each(|(place, item)| collect(item, format!("{at}/{place}"), pointers)),
        serde_json::Value::Object(map) => map.iter().for_each(|(key, item)| collect(item, format!("{at}/{key}"), pointers)),
        _ => {}
    }
    pointers.push(at);
}
