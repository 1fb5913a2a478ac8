//! Tools that a model may ask for. A tool is a step type with some of its parameters set: what it takes and gives is the type's, its effect class too.

use serde_json::{Map, Value, json};

use crate::call::{Failure, FailureClass, Outcome, Request, ToolSpec};
use crate::definition::EffectClass;
use crate::ids::StepId;
use crate::step::{ModelChoice, Next, StepCx, find};

/// Most bytes of a result that go back to the model.
const RESULT_BYTES_MAX: usize = 64 * 1024;

/// A tool.
pub(super) struct Tool {
    /// As files name it.
    pub(super) name: &'static str,
    kind: &'static str,
    does: &'static str,
    /// Its arguments: name, JSON type, whether it must be there, meaning.
    arguments: &'static [(&'static str, &'static str, bool, &'static str)],
    /// Parameters of the step type that the model does not choose, as JSON.
    set: &'static [(&'static str, &'static str)],
}

const PATH: (&str, &str, bool, &str) = ("path", "string", true, "Relative to the working folder.");

/// All tools.
pub(super) const TOOLS: &[Tool] = &[
    Tool { name: "files.read", kind: "files", does: "Reads a text file.", arguments: &[PATH], set: &[("action", "\"read\"")] },
    Tool {
        name: "files.write",
        kind: "files",
        does: "Writes a text file whole; folders are made.",
        arguments: &[PATH, ("content", "string", true, "The whole text.")],
        set: &[("action", "\"write\"")],
    },
    Tool {
        name: "files.append",
        kind: "files",
        does: "Adds text to the end of a file.",
        arguments: &[PATH, ("content", "string", true, "The text to add.")],
        set: &[("action", "\"append\"")],
    },
    Tool { name: "files.list", kind: "files", does: "Lists the entries of a folder.", arguments: &[PATH], set: &[("action", "\"list\"")] },
    Tool {
        name: "files.glob",
        kind: "files",
        does: "Lists the files that match a pattern.",
        arguments: &[("pattern", "string", true, "Such as `src/**/*.rs`.")],
        set: &[("action", "\"glob\"")],
    },
    Tool {
        name: "shell",
        kind: "shell",
        does: "Runs a command of /bin/sh in the working folder and gives its exit code and output.",
        arguments: &[("command", "string", true, "The command."), ("stdin", "string", false, "Text for its standard input.")],
        set: &[("allow_failure", "true")],
    },
    Tool {
        name: "http",
        kind: "http",
        does: "Sends one HTTP request.",
        arguments: &[
            ("url", "string", true, "Absolute."),
            ("method", "string", false, "GET if it is left out."),
            ("headers", "object", false, "Headers by name."),
            ("body", "string", false, "The body as text."),
        ],
        set: &[("allow_failure", "true")],
    },
    Tool {
        name: "script",
        kind: "script",
        does: "Runs a Lua script without files or network and gives what it returns.",
        arguments: &[
            ("script", "string", true, "The source; it returns a value or a table."),
            ("inputs", "object", false, "Values that it sees as locals."),
        ],
        set: &[],
    },
];

/// The tools of these names; `files` stands for all that begin with it.
///
/// # Errors
/// A name that no tool has.
pub(super) fn chosen(names: &[String]) -> Result<Vec<&'static Tool>, String> {
    let mut found: Vec<&'static Tool> = Vec::new();
    for name in names {
        let of_it = |tool: &&Tool| tool.name == name || tool.name.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('.'));
        let before = found.len();
        found.extend(TOOLS.iter().filter(of_it));
        if found.len() == before {
            return Err(name.clone());
        }
    }
    found.sort_by_key(|tool| tool.name);
    found.dedup_by_key(|tool| tool.name);
    Ok(found)
}

impl Tool {
    /// Its name on the wire, where a dot is no letter.
    pub(super) fn wire_name(&self) -> String {
        self.name.replace('.', "_")
    }

    /// As a model is told of it.
    pub(super) fn spec(&self) -> ToolSpec {
        let properties: Map<String, Value> =
            self.arguments.iter().map(|(name, ty, _, help)| ((*name).to_owned(), json!({ "type": ty, "description": help }))).collect();
        let required: Vec<&str> = self.arguments.iter().filter(|(_, _, required, _)| *required).map(|(name, ..)| *name).collect();
        let parameters = json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
        ToolSpec { name: self.wire_name(), description: self.does.to_owned(), parameters }
    }

    /// What these arguments, JSON text of the model, ask for.
    ///
    /// # Errors
    /// What is wrong with them, for the model to read.
    pub(super) fn request(&self, arguments: &str) -> Result<(Request, EffectClass), String> {
        let params = self.params(arguments)?;
        let Some(kind) = find(self.kind) else { return Err(format!("the tool `{}` is not there", self.wire_name())) };
        match self.with_cx(&params, |cx| kind.next(cx, &[])) {
            Next::Call(request) => Ok((request, kind.default_effect(&params))),
            Next::Fail(failure) => Err(failure.message),
            _ => Err(format!("the tool `{}` cannot do that", self.wire_name())),
        }
    }

    /// What goes back to the model: the text, and whether it is an error.
    pub(super) fn result(&self, arguments: &str, outcome: &Outcome) -> (String, bool) {
        let (Ok(params), Some(kind)) = (self.params(arguments), find(self.kind)) else { return ("the tool is not there".to_owned(), true) };
        let given = self.with_cx(&params, |cx| kind.next(cx, std::slice::from_ref(outcome)));
        let (text, is_error) = match given {
            Next::Done(mut given) => match given.remove("content") {
                Some(Value::String(text)) if self.kind == "files" => (text, false),
                Some(other) => {
                    given.insert("content".to_owned(), other);
                    (Value::Object(given).to_string(), false)
                }
                None => (Value::Object(given).to_string(), false),
            },
            // The tool itself gives what its type can read: anything else somebody said who knew what became of it, and the model hears it as it was said.
            Next::Fail(_) if let Outcome::Succeeded { value, .. } = outcome => match value.value() {
                Value::String(said) => (said, false),
                said => (said.to_string(), false),
            },
            Next::Fail(Failure { message, detail, .. }) => (detail.map_or(message.clone(), |detail| format!("{message}\n{detail}")), true),
            _ => ("the tool gave nothing".to_owned(), true),
        };
        (bounded(text), is_error)
    }

    fn with_cx<T>(&self, params: &Map<String, Value>, work: impl FnOnce(&StepCx<'_>) -> T) -> T {
        let id = StepId::from(self.name);
        work(&StepCx { id: &id, outputs: &[], params, models: &ModelChoice::default(), asked: &[], charged_tokens: 0, hop: 0 })
    }

    /// The parameters of the step type: its defaults, what the model chose, and above both what the tool sets.
    fn params(&self, arguments: &str) -> Result<Map<String, Value>, String> {
        let wrong = |why: String| format!("the arguments of `{}` {why}", self.wire_name());
        let text = if arguments.trim().is_empty() { "{}" } else { arguments };
        let given: Value = serde_json::from_str(text).map_err(|error| wrong(format!("are not JSON: {error}")))?;
        let Value::Object(given) = given else { return Err(wrong("are not a JSON object".to_owned())) };
        for (name, value) in &given {
            let Some((_, ty, ..)) = self.arguments.iter().find(|(known, ..)| known == name) else {
                let known: Vec<&str> = self.arguments.iter().map(|(name, ..)| *name).collect();
                return Err(wrong(format!("have `{name}`, which it does not take; it takes: {}", known.join(", "))));
            };
            let fits = if *ty == "object" { value.is_object() } else { value.is_string() };
            if !fits {
                return Err(wrong(format!("have a `{name}` that is not of type {ty}")));
            }
        }
        if let Some((missing, ..)) = self.arguments.iter().find(|(name, _, required, _)| *required && !given.contains_key(*name)) {
            return Err(wrong(format!("lack `{missing}`")));
        }
        let mut params: Map<String, Value> = Map::new();
        for param in find(self.kind).map_or(&[][..], |kind| kind.params()) {
            if let Some(default) = param.default.and_then(|text| serde_json::from_str(text).ok()) {
                params.insert(param.name.to_owned(), default);
            }
        }
        params.extend(given);
        for (name, value) in self.set {
            params.insert((*name).to_owned(), serde_json::from_str(value).unwrap_or_default());
        }
        // The model's text is one argument of the shell, not a template: no reference in it means anything.
        if self.kind == "shell"
            && let Some(Value::String(command)) = params.remove("command")
        {
            params.insert("argv".to_owned(), json!(["/bin/sh", "-c", command]));
        }
        Ok(params)
    }
}

fn bounded(mut text: String) -> String {
    if text.len() > RESULT_BYTES_MAX {
        let end = (0..=RESULT_BYTES_MAX).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        let left = text.len() - end;
        text.truncate(end);
        text.push_str(&format!("\n[cut here: {left} bytes more]"));
    }
    text
}

/// What a model is told that asked for a tool it was not given.
pub(super) fn unknown(name: &str, given: &[&Tool]) -> String {
    let names: Vec<String> = given.iter().map(|tool| tool.wire_name()).collect();
    format!("there is no tool `{name}`; the tools are: {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") })
}

/// What cannot be repaired by trying again.
pub(super) fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(FailureClass::Invalid, message)
}
