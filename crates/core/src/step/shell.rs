//! `shell`: a command or a program.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Next, Param, ParamType, StepCx, StepKind, Syntax, map_outputs, read};
use crate::call::{Failure, FailureClass, Outcome, ProcessRequest, Request};
use crate::definition::{EffectClass, Step};
use crate::diagnostic::{Code, Diagnostic};

pub(super) struct Shell;

const PARAMS: &[Param] = &[
    Param::optional("command", ParamType::Text, "Text for `/bin/sh`. `${…}` becomes an environment variable, so a value is never read as shell.")
        .read_as(Syntax::Shell),
    Param::optional("argv", ParamType::Texts, "Program and arguments, without a shell. Instead of `command`."),
    Param::optional("stdin", ParamType::Text, "Text for its standard input."),
    Param::optional("env", ParamType::Map, "Further variables of its environment."),
    Param::optional("cwd", ParamType::Text, "Its folder, below the folder of the run."),
    Param::optional("allow_failure", ParamType::Boolean, "Whether an exit code that is not 0 is a result instead of a failure.").or("false"),
    Param::optional("output_bytes_max", ParamType::Integer(1, 64 << 20), "Most bytes kept of each output; what is beyond is left out, and said so.")
        .or("1048576"),
    Param::optional(
        "allow_dangerous",
        ParamType::Boolean,
        "Read for the predecessors' files; a deny-list of commands protects nobody, so there is none.",
    ),
    Param::optional(
        "escape_variables",
        ParamType::Boolean,
        "Read for the predecessors' files; values are never part of the command, so there is nothing to escape.",
    ),
];

/// How much of an output a failure shows.
const TAIL_CHARS: usize = 2_000;

#[derive(Deserialize)]
struct Params {
    command: Option<Rendered>,
    argv: Option<Vec<Value>>,
    stdin: Option<Value>,
    #[serde(default)]
    env: BTreeMap<String, Value>,
    cwd: Option<String>,
    #[serde(default)]
    allow_failure: bool,
    output_bytes_max: u64,
}

/// What shell text renders to.
#[derive(Deserialize)]
struct Rendered {
    command: String,
    env: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Exit {
    exit_code: i64,
    stdout: String,
    stderr: String,
}

impl StepKind for Shell {
    fn name(&self) -> &'static str {
        "shell"
    }

    fn summary(&self) -> &'static str {
        "Runs a command of `/bin/sh`, or a program with arguments."
    }

    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn results(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("stdout", "Standard output without its last newline."),
            ("stderr", "Standard error without its last newline."),
            ("exit_code", "The exit code; 128 and the signal's number if a signal ended it."),
        ]
    }

    fn default_effect(&self, _params: &Map<String, Value>) -> EffectClass {
        EffectClass::AtMostOnce
    }

    fn check(&self, step: &Step, problems: &mut Vec<Diagnostic>) {
        match (step.params.contains_key("command"), step.params.contains_key("argv")) {
            (true, true) => problems.push(
                Diagnostic::error(Code::BadValue, "params", format!("step `{}` has both `command` and `argv`", step.id)).help("keep one of them"),
            ),
            (false, false) => problems.push(
                Diagnostic::error(Code::MissingKey, "params", format!("step `{}` says neither `command` nor `argv`", step.id))
                    .help("write `command: echo hello` for a shell, or `argv: [echo, hello]` without one"),
            ),
            _ => {}
        }
        if step.params.get("argv").and_then(Value::as_array).is_some_and(Vec::is_empty) {
            problems.push(Diagnostic::error(Code::BadValue, "params.argv", "`argv` is empty").help("its first element is the program"));
        }
    }

    fn next(&self, cx: &StepCx<'_>, journal: &[Outcome]) -> Next {
        let params: Params = match read(cx.params) {
            Ok(params) => params,
            Err(failure) => return Next::Fail(failure),
        };
        match journal.first() {
            None => match request(params) {
                Ok(request) => Next::Call(Request::Process(request)),
                Err(failure) => Next::Fail(failure),
            },
            Some(Outcome::Succeeded { value, .. }) => match value.parse::<Exit>() {
                Ok(exit) => finish(cx.outputs, &params, exit),
                Err(error) => Next::Fail(Failure::new(FailureClass::Invalid, format!("the process left no readable result: {error}"))),
            },
            Some(Outcome::Failed { failure, .. }) => Next::Fail(failure.clone()),
            Some(Outcome::InDoubt { evidence }) => Next::Fail(Failure::new(FailureClass::Rejected, evidence.clone())),
        }
    }
}

fn request(params: Params) -> Result<ProcessRequest, Failure> {
    let mut env: BTreeMap<String, String> = params.env.into_iter().map(|(name, value)| (name, text_of(&value))).collect();
    let argv = match (params.command, params.argv) {
        (Some(rendered), _) => {
            env.extend(rendered.env);
            vec!["/bin/sh".to_owned(), "-c".to_owned(), rendered.command]
        }
        (None, Some(argv)) => argv.iter().map(text_of).collect(),
        (None, None) => Vec::new(),
    };
    if argv.iter().chain(env.values()).any(|text| text.contains('\0')) {
        return Err(Failure::new(
            FailureClass::Invalid,
            "an argument or a variable holds a NUL byte, which no process can be given; pass it by `stdin:`",
        ));
    }
    if argv.first().is_none_or(String::is_empty) {
        return Err(Failure::new(FailureClass::Invalid, "there is no program to run: the first element of `argv` is empty"));
    }
    Ok(ProcessRequest { argv, env, stdin: params.stdin.as_ref().map(text_of), cwd: params.cwd, output_bytes_max: params.output_bytes_max })
}

/// A text as it is, anything else as JSON.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn finish(outputs: &[String], params: &Params, exit: Exit) -> Next {
    let trimmed = |text: String| text.strip_suffix('\n').map(str::to_owned).unwrap_or(text);
    let (stdout, stderr) = (trimmed(exit.stdout), trimmed(exit.stderr));
    if exit.exit_code != 0 && !params.allow_failure {
        let shown = if stderr.is_empty() { &stdout } else { &stderr };
        let tail: String = shown.chars().skip(shown.chars().count().saturating_sub(TAIL_CHARS)).collect();
        return Next::Fail(Failure {
            detail: (!tail.is_empty()).then_some(tail),
            ..Failure::new(FailureClass::Refused, format!("the command ended with exit code {}", exit.exit_code))
        });
    }
    let mut result = Map::new();
    // Further outputs are keys of a JSON object on standard output; the first one is the text itself.
    if outputs.len() > 1 {
        let object = serde_json::from_str::<Map<String, Value>>(&stdout).unwrap_or_default();
        for name in outputs.iter().skip(1) {
            if let Some(value) = object.get(name) {
                result.insert(name.clone(), value.clone());
            }
        }
    }
    result.insert("stdout".to_owned(), Value::String(stdout));
    result.insert("stderr".to_owned(), Value::String(stderr));
    result.insert("exit_code".to_owned(), exit.exit_code.into());
    match map_outputs(outputs, Some("stdout"), result) {
        Ok(outputs) => Next::Done(outputs),
        Err(mut failure) => {
            failure.message.push_str("; outputs after the first are keys of a JSON object on standard output");
            Next::Fail(failure)
        }
    }
}
