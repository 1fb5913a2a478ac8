//! Every input that fuzzing has kept, replayed: the same claims as the fuzz targets `templates` and `events`, without the fuzzer.
#![expect(clippy::unwrap_used, reason = "a test that cannot read its inputs has failed")]
#![expect(clippy::disallowed_methods, reason = "a test reads its inputs; the core itself reads nothing")]

use std::borrow::Cow;
use std::fs;
use std::path::Path as Folder;

use gorgon_core::event_codec::{decode_body, encode_body};
use gorgon_core::template::{Expression, Names, Path, Root, Scope, ShellText, Template, TemplateValue, escape};
use serde_json::{Value, json};

fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Folder::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut inputs: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    inputs.sort();
    inputs
}

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

#[test]
fn templates() {
    let inputs = corpus("templates");
    assert!(inputs.len() > 20, "{} inputs", inputs.len());
    let scope = Hostile(json!(POISON));
    let names = Names {
        inputs: ["a", "name", "count"].map(str::to_owned).into(),
        outputs: [("out".to_owned(), vec!["s".to_owned()])].into(),
        variables: ["file".to_owned()].into(),
        in_items: true,
        within: None,
        steps: None,
    };
    for (name, bytes) in &inputs {
        let Ok(text) = std::str::from_utf8(bytes) else { continue };
        assert_eq!(Template::parse(&escape(text)).unwrap().as_literal(), Some(text), "{name}: an escaped text is that text");
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
            let command = shell.command().to_owned();
            if let Ok(rendered) = shell.render(&scope) {
                assert_eq!(rendered.command, command, "{name}: the command depends on a value");
            }
        }
    }
}

#[test]
fn events() {
    let inputs = corpus("events");
    assert!(inputs.len() > 10, "{} inputs", inputs.len());
    let mut read = 0;
    for (name, body) in &inputs {
        match decode_body(body) {
            Ok(events) => {
                read += 1;
                assert_eq!(decode_body(&encode_body(&events).unwrap()).as_ref(), Ok(&events), "{name}: written and read without a change");
            }
            Err(reason) => assert!(!reason.to_string().is_empty(), "{name}: a refusal says why"),
        }
    }
    assert!(read > 5, "{read} inputs can be read");
}
