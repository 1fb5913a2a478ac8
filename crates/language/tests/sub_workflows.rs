//! Workflows that are steps of others.

use std::collections::HashMap;

use gorgon_language::{Loaded, load_with, render};

const MAIN: &str = "name: main
inputs: {topic: {type: string}}
outputs: [report]
steps:
  - {id: first, type: noop, value: '${topic}', outputs: [intro]}
  - {id: build, type: workflow, workflow: parts/build.yaml, inputs: {what: '${intro}'}, outputs: [report]}
  - {id: last, type: noop, value: '${report} ${steps.build.size}'}
";
const BUILD: &str = "name: build
inputs: {what: {type: string, required: true}, n: {type: integer, default: 2}}
outputs: [text, size]
steps:
  - {id: first, type: noop, value: '${what} ${n} ${inputs.what}', outputs: [intro]}
  - {id: way, type: branch, if: n > 1, then: [many], else: [few]}
  - {id: many, type: noop, value: '${intro}', outputs: [text]}
  - {id: few, type: noop, value: '${steps.first.intro}', outputs: [text]}
  - {id: deep, type: workflow, workflow: deep.yaml, inputs: {n: '${n}'}, outputs: [size]}
";
const DEEP: &str = "name: deep
inputs: {n: {type: integer}}
outputs: [size]
steps: [{id: l, type: loop, params: {count: '${n}', steps: [{id: t, type: noop, value: '${index}'}]}, outputs: [size]}]
";

fn loaded(files: &[(&str, &str)]) -> (Loaded, String) {
    let files: HashMap<&str, &str> = files.iter().copied().collect();
    let read = |path: &str| match files.get(path.replace("../parts/./", "").as_str()) {
        Some(&"unreadable") => Err("it is not text in UTF-8".to_owned()),
        found => Ok(found.map(|text| (*text).to_owned())),
    };
    let text = files["main.yaml"];
    let loaded = load_with(text, &read);
    let told = render("main.yaml", text, &loaded.diagnostics);
    (loaded, told)
}

#[test]
fn their_steps_stand_inside_under_the_id_of_the_step() {
    let (loaded, told) = loaded(&[("main.yaml", MAIN), ("parts/build.yaml", BUILD), ("parts/deep.yaml", DEEP)]);
    let definition = loaded.definition.unwrap_or_else(|| panic!("{told}"));
    let ids: Vec<&str> = definition.all_steps().map(|step| step.id.as_str()).collect();
    assert_eq!(
        ids,
        ["first", "build", "build.first", "build.way", "build.many", "build.few", "build.deep", "build.deep.l", "build.deep.t", "last"],
        "beside the file, and beside the file that names it"
    );
    let text = serde_json::to_string(&definition).unwrap();
    let again: gorgon_core::definition::Definition = serde_json::from_str(&text).unwrap();
    assert_eq!(again, definition, "a run is pinned to all of it");
    assert!(gorgon_core::plan::compile(std::sync::Arc::new(again), &[]).is_ok());
}

#[test]
fn its_goals_hold_and_its_budget_does_not_and_says_so() {
    let build = BUILD.replace("outputs: [text, size]\n", "outputs: [text, size]\ngoals: [text]\nbudget: {max_calls: 3}\ntimeout_seconds: 9\n");
    let (loaded, told) = loaded(&[("main.yaml", MAIN), ("parts/build.yaml", &build), ("parts/deep.yaml", DEEP)]);
    let definition = loaded.definition.unwrap_or_else(|| panic!("{told}"));
    let inside: Vec<&str> = definition.steps[1].steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(inside, ["build.first", "build.way", "build.many", "build.few"], "what no goal needs is left out");
    assert!(told.contains("the budget of `build` does not count here") && told.contains("the timeout of `build` does not count here"), "{told}");
}

#[test]
fn what_does_not_fit_is_told_at_the_step() {
    let with = |from: &str, to: &str| MAIN.replace(from, to);
    let build = |from: &str, to: &str| BUILD.replace(from, to);
    let deep = |from: &str, to: &str| DEEP.replace(from, to);
    for (main, build, deep, says) in [
        (
            with("parts/build", "parts/other"),
            BUILD.to_owned(),
            DEEP.to_owned(),
            "main.yaml:6:5: error[GOR0405]: the workflow `parts/other.yaml` cannot be read: there is no such file",
        ),
        (with("what: '${intro}'", "waht: x"), BUILD.to_owned(), DEEP.to_owned(), "error[GOR0203]: the workflow `build` has no input `waht`"),
        (with("what: '${intro}'", "what: x, n: many"), BUILD.to_owned(), DEEP.to_owned(), "the input `n` of the workflow `build`"),
        (with("what: '${intro}'", "what: x, n: '${topic}'"), BUILD.to_owned(), DEEP.to_owned(), ""),
        (MAIN.to_owned(), build("deep.yaml", "../parts/./build.yaml"), DEEP.to_owned(), "is a step of itself"),
        (with("inputs: {what: '${intro}'}, ", ""), BUILD.to_owned(), DEEP.to_owned(), "error[GOR0201]: the workflow `build` needs its input `what`"),
        (
            with("outputs: [report]}", "outputs: [report, nothing]}"),
            BUILD.to_owned(),
            DEEP.to_owned(),
            "error[GOR0108]: the workflow `build` gives no `nothing`",
        ),
        (with("build.size", "build.sise"), BUILD.to_owned(), DEEP.to_owned(), "error[GOR0113]: step `build` gives no `sise`"),
        (with("steps.build.size", "steps.build.text.x"), BUILD.to_owned(), DEEP.to_owned(), ""),
        (
            MAIN.to_owned(),
            build("'${intro}'", "'${topic}'"),
            DEEP.to_owned(),
            "parts/build.yaml:7:38: error[GOR0113]: `topic` is neither an input nor an output",
        ),
        (MAIN.to_owned(), build("type: noop", "type: nop"), DEEP.to_owned(), "there is no step type `nop`"),
        (MAIN.to_owned(), build("deep.yaml", "build.yaml"), DEEP.to_owned(), "is a step of itself: parts/build.yaml → parts/build.yaml"),
        (MAIN.to_owned(), BUILD.to_owned(), deep("type: loop", "type: lop"), "parts/deep.yaml:4"),
        (with("steps.build.size", "steps.build.first"), BUILD.to_owned(), DEEP.to_owned(), "step `build` gives no `first`"),
        (with("workflow: parts/build.yaml, ", ""), BUILD.to_owned(), DEEP.to_owned(), "step `build` needs `workflow`"),
        (with("id: last, type: noop", "id: last, depends_on: [build.first], type: noop"), BUILD.to_owned(), DEEP.to_owned(), "build.first"),
    ] {
        let (loaded, told) = loaded(&[("main.yaml", &main), ("parts/build.yaml", &build), ("parts/deep.yaml", &deep)]);
        if says.is_empty() {
            assert!(loaded.definition.is_some(), "{told}");
        } else {
            assert!(loaded.definition.is_none() && told.contains(says), "not `{says}` but\n{told}");
        }
    }
}

#[test]
fn many_files_that_name_one_another_end_soon() {
    let step = |n: usize, file: &str| format!("  - {{id: s{n}, type: workflow, workflow: {file}}}\n");
    let wide = |file: &str| format!("name: w\nsteps:\n{}", (0..200).map(|n| step(n, file)).collect::<String>());
    let (a, b, c, d) = (wide("b.yaml"), wide("c.yaml"), wide("d.yaml"), wide("e.yaml"));
    let (loaded, told) =
        loaded(&[("main.yaml", &a), ("b.yaml", &b), ("c.yaml", &c), ("d.yaml", &d), ("e.yaml", "name: e\nsteps: [{id: x, type: noop}]\n")]);
    assert!(loaded.definition.is_none() && told.contains("more than 1000 files"), "{}", &told[..told.len().min(600)]);
    let chain: Vec<(String, String)> =
        (0..12).map(|n| (format!("{n}.yaml"), format!("name: n\nsteps:\n{}", step(0, &format!("{}.yaml", n + 1))))).collect();
    let mut files: Vec<(&str, &str)> = chain.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    files.push(("main.yaml", &chain[0].1));
    let (_, told) = self::loaded(&files);
    assert!(told.contains("more than 8 deep"), "{}", &told[..told.len().min(600)]);
}

#[test]
fn rules_in_files_of_their_own_are_read_beside_the_workflow_that_names_them() {
    let asks = "name: w\nsteps: [{id: a, type: agent, provider: simulated, prompt: x, rules: ['custom: high', 'output > 1']}]\n";
    let (found, told) = loaded(&[("main.yaml", asks), ("rules/high.lua", "return output > 3\n")]);
    let definition = found.definition.unwrap_or_else(|| panic!("{told}"));
    assert_eq!(definition.steps[0].params["rules"][0], "script: -- rules/high.lua\nreturn output > 3\n", "a run is pinned to it");
    let main = MAIN.replace("parts/build.yaml, inputs: {what: '${intro}'}", "parts/asks.yaml").replace("outputs: [report]}", "outputs: []}");
    let main = main.replace("value: '${report} ${steps.build.size}'", "value: x").replace("outputs: [report]\n", "");
    let (found, told) =
        loaded(&[("main.yaml", &main), ("parts/asks.yaml", asks), ("parts/rules/high.lua", "return true"), ("rules/high.lua", "return false")]);
    let definition = found.definition.unwrap_or_else(|| panic!("{told}"));
    assert!(definition.steps[1].steps[0].params["rules"][0].as_str().is_some_and(|rule| rule.ends_with("return true")));
    let (found, told) = loaded(&[("main.yaml", asks)]);
    assert!(found.definition.is_none() && told.contains("`rules/high.lua`: there is no such file"), "{told}");
    let (_, told) = loaded(&[("main.yaml", &asks.replace("custom: high", "custom: ../high"))]);
    assert!(told.contains("names no file"), "{told}");
}

#[test]
fn a_file_beside_that_cannot_be_read_is_not_replaced_by_another_of_its_name() {
    let files = [("main.yaml", MAIN), ("parts/build.yaml", BUILD), ("parts/deep.yaml", "unreadable"), ("deep.yaml", DEEP)];
    let (found, told) = loaded(&files);
    assert!(found.definition.is_none() && told.contains("`deep.yaml` cannot be read: it is not text in UTF-8"), "{told}");
}
