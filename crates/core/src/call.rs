//! Calls: what a step asks of the world, and what the world answers.

mod model;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::model::{AnswerSchema, CutOff, Message, ModelAnswer, ModelRequest, Part, Speaker, ToolSpec};
use crate::money::TokenUsage;
use crate::payload::Payload;

/// The kinds of work that executors do. One executor serves each family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Nothing at all, durably: for benchmarks and demonstrations.
    Noop,
    /// A process.
    Process,
    /// An HTTP request.
    Http,
    /// A script in an embedded language.
    Script,
    /// A file under the run's folder.
    File,
    /// A language model.
    Model,
}

impl Family {
    /// All families.
    pub const ALL: [Self; 6] = [Self::Noop, Self::Process, Self::Http, Self::Script, Self::File, Self::Model];
}

/// What is asked. Stored before it is sent, and sent as stored: a redone call sends the same bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Nothing.
    Noop {},
    /// Run a process.
    Process(ProcessRequest),
    /// Send an HTTP request.
    Http(HttpRequest),
    /// Run a script.
    Script(ScriptRequest),
    /// Do something with a file.
    File(FileRequest),
    /// Ask a model.
    Model(ModelRequest),
}

impl Request {
    /// Who performs it.
    #[must_use]
    pub fn family(&self) -> Family {
        match self {
            Self::Noop {} => Family::Noop,
            Self::Process(_) => Family::Process,
            Self::Http(_) => Family::Http,
            Self::Script(_) => Family::Script,
            Self::File(_) => Family::File,
            Self::Model(_) => Family::Model,
        }
    }

    /// What it asks for, in one line of at most 160 characters, for somebody who has to say what became of it.
    #[must_use]
    pub fn in_words(&self) -> String {
        const CHARS_MAX: usize = 160;
        let words = match self {
            Self::Noop {} => "nothing".to_owned(),
            Self::Process(process) => match process.argv.as_slice() {
                [shell, flag, command] if shell == "/bin/sh" && flag == "-c" => format!("shell: {command}"),
                argv => format!("program: {}", argv.join(" ")),
            },
            Self::Http(http) => format!("{} {}", http.method, http.url),
            Self::Script(script) => format!("{} script: {}", script.language, script.source),
            Self::File(FileRequest::Read { path, .. }) => format!("read {path}"),
            Self::File(FileRequest::Write { path, append: false, .. }) => format!("write {path}"),
            Self::File(FileRequest::Write { path, append: true, .. }) => format!("append to {path}"),
            Self::File(FileRequest::List { path }) => format!("list {path}"),
            Self::File(FileRequest::Glob { pattern }) => format!("list {pattern}"),
            Self::Model(model) => format!("model {} of {}", model.model, model.provider),
        };
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        match words.char_indices().nth(CHARS_MAX) {
            Some((cut, _)) => format!("{}…", &words[..cut]),
            None => words,
        }
    }
}

/// Run a process in a group of its own.
///
/// Its value is `{"exit_code": n, "stdout": text, "stderr": text, "truncated": bool}`; an exit code that is not 0 is a value too: the step judges it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRequest {
    /// Program and arguments; for a shell command `["/bin/sh", "-c", text]`.
    pub argv: Vec<String>,
    /// Variables set on top of the run's environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Text for its standard input; empty input otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// Working folder; relative ones are under the run's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Most bytes kept of each of its outputs.
    pub output_bytes_max: u64,
}

/// Send one HTTP request.
///
/// Its value is `{"status": n, "headers": {…}, "body": text or JSON}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpRequest {
    /// Method in capitals.
    pub method: String,
    /// Absolute URL.
    pub url: String,
    /// Headers, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<HttpBody>,
    /// Most bytes of the answer, decompressed.
    pub body_bytes_max: u64,
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpBody {
    /// Sent as `application/json` unless a header says otherwise.
    Json(Value),
    /// Sent as `text/plain; charset=utf-8` unless a header says otherwise.
    Text(String),
}

/// Run a script.
///
/// Its value is an object with the outputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScriptRequest {
    /// The language: `lua`.
    pub language: String,
    /// Source text.
    pub source: String,
    /// Values that the script sees as locals, by name.
    pub inputs: serde_json::Map<String, Value>,
    /// Most memory in bytes.
    pub memory_bytes_max: u64,
}

/// Do something with a file under the run's folder.
///
/// Values: `read` `{"content": text}`, `write` `{"path", "bytes"}`, `list` and `glob` `{"entries": [{"path", "kind", "bytes"}]}`, sorted by path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileRequest {
    /// Read a text file.
    Read {
        /// Relative to the run's folder.
        path: String,
        /// Most bytes.
        bytes_max: u64,
    },
    /// Write a text file whole, by renaming a finished one into place; folders are made.
    Write {
        /// Relative to the run's folder.
        path: String,
        /// The text.
        content: String,
        /// Whether the text is added at the end instead.
        append: bool,
    },
    /// The entries of a folder.
    List {
        /// Relative to the run's folder.
        path: String,
    },
    /// The files that match a pattern, below the run's folder.
    Glob {
        /// Such as `src/**/*.rs`.
        pattern: String,
    },
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It gave a value.
    Succeeded {
        /// The value; its shape depends on the request.
        value: Payload,
        /// What was used of a model.
        #[serde(default, skip_serializing_if = "Metering::is_none")]
        metering: Metering,
    },
    /// It failed, and is known to have.
    Failed {
        /// Why.
        failure: Failure,
        /// What was used of a model.
        #[serde(default, skip_serializing_if = "Metering::is_none")]
        metering: Metering,
    },
    /// Nobody knows: the process died, or the work could not be stopped.
    InDoubt {
        /// What is known.
        evidence: String,
    },
}

impl Outcome {
    /// Tokens that count against a budget, as far as the provider told.
    #[must_use]
    pub fn used_tokens(&self) -> u64 {
        match self {
            Self::Succeeded { metering: Metering::Reported(usage), .. } | Self::Failed { metering: Metering::Reported(usage), .. } => usage.counted(),
            Self::Succeeded { .. } | Self::Failed { .. } | Self::InDoubt { .. } => 0,
        }
    }
}

/// What is known of the usage of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metering {
    /// It used nothing that is metered: it was refused before any work, or is no model call.
    #[default]
    None,
    /// The provider told.
    Reported(TokenUsage),
    /// It may have used anything up to its hold: sent, and then no usage came.
    Unknown,
}

impl Metering {
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// Why something failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Which kind; decides whether it is tried again.
    pub class: FailureClass,
    /// A sentence that reads alone.
    pub message: String,
    /// How long the other side asked to wait, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// More to see, such as the end of standard error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Failure {
    /// A failure with nothing more to see.
    #[must_use]
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), retry_after_ms: None, detail: None }
    }
}

/// Kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The other side was not reached, or broke off.
    Transport,
    /// The other side asked for fewer calls.
    RateLimited,
    /// The other side is overloaded or broken (5xx).
    Overloaded,
    /// It took too long.
    TimedOut,
    /// The work itself said no: an exit code, a 4xx, a script's error.
    Refused,
    /// What was to be done makes no sense: an unresolved reference, a missing output, a path that escapes. Never tried again.
    Invalid,
    /// It may not be done. Never tried again.
    Denied,
    /// A budget said no. Never tried again by itself.
    Budget,
    /// Somebody said no: a rejected or expired approval, a failed doubt. Never tried again by itself.
    Rejected,
    /// It was stopped.
    Cancelled,
}

impl FailureClass {
    /// Whether the same request may well succeed a little later.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Transport | Self::RateLimited | Self::Overloaded | Self::TimedOut)
    }

    /// Whether trying again could ever help.
    #[must_use]
    pub fn may_be_retried(self) -> bool {
        !matches!(self, Self::Invalid | Self::Denied | Self::Budget | Self::Rejected | Self::Cancelled)
    }
}
