//! Inputs from the command line: read as what the workflow declares.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use gorgon_core::definition::Definition;
use gorgon_core::diagnostic::{Code, Diagnostic};
use gorgon_core::template::nearest;
use serde_json::{Map, Value};

use crate::context::Context;
use crate::fault::{Fault, Located};

/// Longest input that is read from a file or from standard input.
const BYTES_MAX: u64 = 8 << 20;

/// Values for the inputs of a workflow.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Inputs {
    /// An input, read as its declared type: `name=value`, `name=@file`, or `name=@-` for standard input. `-` alone reads a JSON object of inputs from standard input.
    #[arg(long = "input", short = 'i', visible_alias = "var", visible_short_alias = 'v', value_name = "NAME=VALUE")]
    values: Vec<String>,
    /// A file with a JSON object of inputs; `-` for standard input. Single inputs take precedence.
    #[arg(long = "inputs", value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Inputs {
    /// The values, by name.
    pub(crate) fn read(&self, context: &Context, definition: &Definition) -> Result<BTreeMap<String, Value>, Fault> {
        let mut given = BTreeMap::new();
        let mut problems = Vec::new();
        if let Some(file) = &self.file {
            given.extend(object(context, file)?);
        }
        for value in &self.values {
            if value == "-" {
                given.extend(object(context, Path::new("-"))?);
                continue;
            }
            let Some((name, text)) = value.split_once('=') else {
                let fault = Fault::new(Code::BadInput, format!("`--input {value}` has no `=`"));
                return Err(fault.help("write `--input name=value`, `--input name=@file`, or `--input -`"));
            };
            match one(context, definition, name, text)? {
                Ok(value) => drop(given.insert(name.to_owned(), value)),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() {
            return Ok(given);
        }
        let located = Located { file: String::new(), text: String::new(), diagnostics: problems };
        let code = located.diagnostics.first().map_or(Code::BadInput, |problem| problem.code);
        Err(Fault { code, message: "the inputs cannot be used".to_owned(), help: None, located: Some(Box::new(located)) })
    }
}

fn one(context: &Context, definition: &Definition, name: &str, text: &str) -> Result<Result<Value, Diagnostic>, Fault> {
    let Some(spec) = definition.inputs.get(name) else { return Ok(Err(undeclared(definition, name))) };
    let text = match text.strip_prefix('@') {
        // A text that begins with `@` is written with two.
        Some(literal) if literal.starts_with('@') => literal.to_owned(),
        Some(path) => contents(context, Path::new(path))?,
        None => text.to_owned(),
    };
    Ok(spec.ty.read(name, &text).map_err(|error| {
        let example = match spec.ty.name() {
            "array" => "such as `[1, 2]`",
            "object" => "such as `{\"key\": 1}`",
            _ => "of that type",
        };
        Diagnostic::error(Code::BadInput, format!("inputs.{name}"), error.to_string()).help(format!("give a value {example}"))
    }))
}

fn undeclared(definition: &Definition, name: &str) -> Diagnostic {
    let declared: Vec<&str> = definition.inputs.keys().map(String::as_str).collect();
    let problem =
        Diagnostic::error(Code::UnknownInput, format!("inputs.{name}"), format!("the workflow `{}` has no input `{name}`", definition.name));
    match nearest(name, declared.iter().copied()) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None if declared.is_empty() => problem.help("it declares no inputs"),
        None => problem.help(format!("its inputs are: {}", declared.join(", "))),
    }
}

fn object(context: &Context, file: &Path) -> Result<Map<String, Value>, Fault> {
    let text = contents(context, file)?;
    let refuse =
        |reason: String| Fault::new(Code::BadInput, format!("{} is no object of inputs: {reason}", file.display())).help("write `{\"name\": value}`");
    // Some editors begin a file with a byte order mark.
    serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| refuse(error.to_string()))
}

fn contents(context: &Context, file: &Path) -> Result<String, Fault> {
    let failed =
        |error: &std::io::Error| Fault::new(Code::BadInput, format!("{}: {error}", file.display())).help("name a text file that can be read");
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(BYTES_MAX + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(context.cwd.join(file)).and_then(|open| open.take(BYTES_MAX + 1).read_to_string(&mut text))
    };
    let bytes = read.map_err(|error| failed(&error))?;
    if bytes as u64 > BYTES_MAX {
        return Err(Fault::new(Code::BadInput, format!("{} has more than {BYTES_MAX} bytes", file.display()))
            .help("give the path of the file as the input instead"));
    }
    Ok(text)
}
