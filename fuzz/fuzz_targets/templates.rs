//! Any text as a reference, a template, an expression and a shell command: none panics, and what a value contains is never read again.
#![no_main]

use std::borrow::Cow;

use gorgon_core::template::{Expression, Names, Path, Root, Scope, ShellText, Template, TemplateValue, escape};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

/// Every name has one value, which looks like a template, an expression and a command.
struct Hostile(Value);

const POISON: &str = "${poison}{{ poison }}$(poison)`poison`'\"; poison";

impl Scope for Hostile {
    fn lookup(&self, root: &Root) -> Option<Cow<'_, Value>> {
        assert!(!matches!(root, Root::Secret(_)), "a secret was asked for");
        match root {
            Root::Index => Some(Cow::Owned(json!(3))),
            Root::Item => Some(Cow::Owned(json!([POISON, 1.5, null, {"a": [true]}]))),
            _ => Some(Cow::Borrowed(&self.0)),
        }
    }
}

fuzz_target!(|text: &str| {
    let scope = Hostile(json!(POISON));
    let names = names();

    // What is escaped is itself.
    let escaped = Template::parse(&escape(text)).expect("an escaped text can be parsed");
    assert_eq!(escaped.as_literal(), Some(text), "an escaped text is that text");
    if let Ok(mut template) = Template::parse(text) {
        let _ = template.bind(&names);
        let _ = template.render(&scope);
        let _ = template.render_text(&scope);
    }
    if let Ok(mut tree) = TemplateValue::parse(&json!({"a": [text, {"b": text}]})) {
        let _ = tree.bind(&names);
        let _ = tree.render(&scope);
    }
    if let Ok(mut expression) = Expression::parse(text) {
        let _ = expression.bind(&names);
        let _ = expression.evaluate(&scope);
        let _ = expression.evaluate_bool(&scope);
    }
    if let Ok(path) = Path::parse(text) {
        let _ = path.find(&scope);
    }
    if let (Some(shell), _) = ShellText::parse(text, &names) {
        // A value reaches the environment, never the command: whatever is in it, the command is the one that was parsed.
        let command = shell.command().to_owned();
        if let Ok(rendered) = shell.render(&scope) {
            assert_eq!(rendered.command, command, "the command depends on a value");
        }
    }
});

fn names() -> Names {
    Names {
        inputs: ["a", "name", "count"].map(str::to_owned).into(),
        outputs: [("out".to_owned(), vec!["s".to_owned()])].into(),
        variables: ["file".to_owned()].into(),
        in_items: true,
        within: None,
        steps: None,
    }
}
