//! `files`: reading and writing below the folder of the run.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Next, Param, ParamType, StepCx, StepKind, map_outputs, read};
use crate::call::{Failure, FailureClass, FileRequest, Outcome, Request};
use crate::definition::{EffectClass, Step};
use crate::diagnostic::{Code, Diagnostic};

pub(super) struct Files;

const PARAMS: &[Param] = &[
    Param::required("action", ParamType::Word(&["read", "write", "append", "list", "glob"]), "What to do."),
    Param::optional("path", ParamType::Text, "The file or folder, below the folder of the run."),
    Param::optional("pattern", ParamType::Text, "For `glob`: such as `src/**/*.rs`."),
    Param::optional("content", ParamType::Any, "For `write` and `append`: the text; anything else is written as JSON."),
    Param::optional("bytes_max", ParamType::Integer(1, 64 << 20), "For `read`: longest file in bytes; a longer one is a failure.").or("1048576"),
];

#[derive(Deserialize)]
struct Params {
    action: String,
    path: Option<String>,
    pattern: Option<String>,
    content: Option<Value>,
    bytes_max: u64,
}

impl StepKind for Files {
    fn name(&self) -> &'static str {
        "files"
    }

    fn summary(&self) -> &'static str {
        "Reads, writes and lists files below the folder of the run, never outside of it."
    }

    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn results(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("content", "`read`: the text."),
            ("path", "`write`, `append`: the file."),
            ("bytes", "`write`, `append`: bytes written."),
            ("entries", "`list`, `glob`: `{path, kind, bytes}` of each, sorted by path."),
            ("paths", "`list`, `glob`: the paths alone."),
        ]
    }

    fn default_effect(&self, params: &Map<String, Value>) -> EffectClass {
        match params.get("action").and_then(Value::as_str) {
            Some("append") => EffectClass::AtMostOnce,
            // A file that is written whole a second time is the same file.
            Some("write") => EffectClass::Idempotent,
            _ => EffectClass::Repeatable,
        }
    }

    fn check(&self, step: &Step, problems: &mut Vec<Diagnostic>) {
        let needs: &[&str] = match step.params.get("action").and_then(Value::as_str) {
            Some("write" | "append") => &["path", "content"],
            Some("glob") => &["pattern"],
            Some("read" | "list") => &["path"],
            _ => &[],
        };
        for key in needs.iter().filter(|key| !step.params.contains_key(**key)) {
            problems.push(Diagnostic::error(Code::MissingKey, "params", format!("step `{}` needs `{key}` for this action", step.id)));
        }
        // What is computed is judged when it is known; what stands there, now.
        for key in ["path", "pattern"] {
            let written = step.params.get(key).and_then(Value::as_str).filter(|text| !crate::template::is_computed(text));
            if let Some(path) = written.filter(|path| leads_out(path)) {
                let message = format!("the path `{path}` of step `{}` leads out of the folder of the run", step.id);
                let problem = Diagnostic::error(Code::PathEscapes, format!("params.{key}"), message);
                problems.push(problem.help("name a file below that folder, without `..` above it and without a `/` at the beginning"));
            }
        }
    }

    fn next(&self, cx: &StepCx<'_>, journal: &[Outcome]) -> Next {
        match journal.first() {
            None => match read(cx.params).and_then(request) {
                Ok(request) => Next::Call(Request::File(request)),
                Err(failure) => Next::Fail(failure),
            },
            Some(Outcome::Succeeded { value, .. }) => {
                let Value::Object(mut result) = value.value() else {
                    return Next::Fail(Failure::new(FailureClass::Invalid, "the file action left no readable result"));
                };
                if let Some(Value::Array(entries)) = result.get("entries") {
                    let paths = entries.iter().filter_map(|entry| entry.get("path").cloned()).collect();
                    result.insert("paths".to_owned(), Value::Array(paths));
                }
                let primary = if result.contains_key("content") {
                    "content"
                } else if result.contains_key("paths") {
                    "paths"
                } else {
                    "path"
                };
                match map_outputs(cx.outputs, Some(primary), result) {
                    Ok(outputs) => Next::Done(outputs),
                    Err(failure) => Next::Fail(failure),
                }
            }
            Some(Outcome::Failed { failure, .. }) => Next::Fail(failure.clone()),
            Some(Outcome::InDoubt { evidence }) => Next::Fail(Failure::new(FailureClass::Rejected, evidence.clone())),
        }
    }
}

fn request(params: Params) -> Result<FileRequest, Failure> {
    let missing = |key: &str| Failure::new(FailureClass::Invalid, format!("the file action `{}` needs `{key}`", params.action));
    let path = || params.path.clone().ok_or_else(|| missing("path"));
    Ok(match params.action.as_str() {
        "read" => FileRequest::Read { path: path()?, bytes_max: params.bytes_max },
        "list" => FileRequest::List { path: path()? },
        "glob" => FileRequest::Glob { pattern: params.pattern.clone().ok_or_else(|| missing("pattern"))? },
        "write" | "append" => FileRequest::Write {
            path: path()?,
            content: match params.content.clone().ok_or_else(|| missing("content"))? {
                Value::String(text) => text,
                other => format!("{other:#}"),
            },
            append: params.action == "append",
        },
        other => return Err(Failure::new(FailureClass::Invalid, format!("there is no file action `{other}`"))),
    })
}

/// Whether a path leads out of its root by its text alone.
#[must_use]
pub fn leads_out(path: &str) -> bool {
    let mut depth = 0_i64;
    path.starts_with('/')
        || path.split('/').any(|part| {
            depth += match part {
                "" | "." => 0,
                ".." => -1,
                _ => 1,
            };
            depth < 0
        })
}
