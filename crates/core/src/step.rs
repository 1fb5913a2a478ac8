//! Step types. Each is one [`StepKind`]: a name, the parameters that it takes, its effect class, and a machine without IO that says what to do next.
//!
//! The engine and the run machine know none of them by name. A step type in a file becomes a call, a wait or a result here and nowhere else.

mod agent;
mod branch;
mod checkpoint;
mod fan_in;
mod files;
mod group;
mod http;
mod later;
mod noop;
mod outputs;
mod params;
mod pause;
mod repeat;
mod script;
mod shell;
pub mod sub_workflow;
mod transform;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(crate) use self::agent::{HOP, OPENED_AGAIN, can_go_on, hops};
pub(crate) use self::branch::arms as branch_arms;
pub use self::files::leads_out;
pub use self::outputs::map_outputs;
pub use self::params::{Param, ParamType, Syntax, read};
pub(crate) use self::repeat::most_rounds;
pub use self::repeat::{ROUNDS_MAX, ROUNDS_OF_RUN_MAX};
use crate::call::{Failure, Family, Outcome, Request};
use crate::definition::{EffectClass, Step};
use crate::diagnostic::Diagnostic;
use crate::ids::StepId;

/// The parameter by which a file says whether a step is told of those before it.
pub const CONTEXT: &str = "context";

/// The parameter in which it is told. No file can set it.
pub const CONTEXT_BLOCK: &str = "context_block";

/// A type of step.
pub trait StepKind: Send + Sync {
    /// Its canonical name, as files say it.
    fn name(&self) -> &'static str;

    /// What it does, in one line.
    fn summary(&self) -> &'static str;

    /// The parameters that it takes.
    fn params(&self) -> &'static [Param];

    /// What it gives besides the declared outputs: name and meaning. The first is what the first declared output gets.
    fn results(&self) -> &'static [(&'static str, &'static str)];

    /// Whether this release runs it; if not, why not.
    fn unavailable(&self) -> Option<&'static str> {
        None
    }

    /// What a second execution does to the world, if the file does not say.
    fn default_effect(&self, params: &Map<String, Value>) -> EffectClass;

    /// Longest time of one attempt in milliseconds, if the file does not say.
    fn default_timeout_ms(&self) -> u64 {
        300_000
    }

    /// Whether it computes only: then its start is no event, its result is.
    fn is_pure(&self) -> bool {
        false
    }

    /// Whether it is told the results of the steps that it depends on and does not refer to, as the parameter [`CONTEXT_BLOCK`].
    fn takes_context(&self) -> bool {
        false
    }

    /// How many others it can ask where who it asks fails.
    fn hops(&self, _params: &Map<String, Value>, _models: &ModelChoice) -> u32 {
        0
    }

    /// How it is planned.
    fn shape(&self) -> Shape {
        Shape::Leaf
    }

    /// Checks what the parameter table cannot say. Paths are relative to the step.
    fn check(&self, _step: &Step, _problems: &mut Vec<Diagnostic>) {}

    /// What to do next, given the rendered parameters and the settled calls of this attempt, in order.
    fn next(&self, cx: &StepCx<'_>, journal: &[Outcome]) -> Next;
}

/// How a step is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// It is one piece of work.
    Leaf,
    /// It opens the steps inside of it and ends when they have ended.
    Group,
    /// It opens the steps inside of it again and again.
    Loop,
    /// It chooses which of the steps that it names run.
    Branch,
}

/// What a step type may know of its step.
#[derive(Debug, Clone, Copy)]
pub struct StepCx<'a> {
    /// The step.
    pub id: &'a StepId,
    /// The outputs that it has to give.
    pub outputs: &'a [String],
    /// Its parameters, rendered.
    pub params: &'a Map<String, Value>,
    /// Which models answer where the step does not say.
    pub models: &'a ModelChoice,
    /// Whom each entry of the journal was asked of; `None` for a wait.
    pub asked: &'a [Option<Family>],
    /// Tokens that the calls of the attempt were charged.
    pub charged_tokens: u64,
    /// Which of those that the step can ask is asked: 0 for the first, as long as it answers.
    pub hop: u32,
}

/// Which provider and model answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ModelChoice {
    /// Takes the place of every provider that a step names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_override: Option<String>,
    /// Takes the place of every model that a step names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_override: Option<String>,
    /// For steps that name no provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_default: Option<String>,
    /// For steps that name no model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_default: Option<String>,
}

impl ModelChoice {
    /// The provider of a step whose parameters are these.
    #[must_use]
    pub fn provider<'a>(&'a self, params: &'a Map<String, Value>) -> Option<&'a str> {
        self.provider_override.as_deref().or_else(|| params.get("provider")?.as_str()).or(self.provider_default.as_deref())
    }

    /// The model of a step whose parameters are these.
    #[must_use]
    pub fn model<'a>(&'a self, params: &'a Map<String, Value>) -> Option<&'a str> {
        self.model_override.as_deref().or_else(|| params.get("model")?.as_str()).or(self.model_default.as_deref())
    }
}

/// What a step does next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Make this call; its effect class is that of the step.
    Call(Request),
    /// Make this call, which has an effect class of its own.
    Act(Request, EffectClass),
    /// The last call failed, for so many times in a row; what was settled before it stays. If the file's retries allow it, the step is asked again after a
    /// delay. Otherwise it has failed.
    TryAgain(Failure, u32),
    /// Wait.
    Wait(Wait),
    /// Done, with everything that came out.
    Done(Map<String, Value>),
    /// Done, and these of the steps that it names run.
    Choose(Vec<String>),
    /// The attempt failed.
    Fail(Failure),
    /// The step failed, and no other attempt would help or is worth what was paid for this one.
    FailForGood(Failure),
}

/// What a step waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// Time to pass, in milliseconds.
    Timer {
        /// How long.
        ms: u64,
    },
    /// A signal of this name.
    Signal {
        /// Its name.
        name: String,
        /// How long at most, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_ms: Option<u64>,
    },
    /// Somebody to agree.
    Approval {
        /// What is asked.
        prompt: String,
        /// What is agreed to, for people to see.
        preview: Value,
        /// How long at most, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_ms: Option<u64>,
    },
}

/// The step types of this release.
pub const KINDS: &[&dyn StepKind] = &[
    &shell::Shell,
    &http::Http,
    &script::Script,
    &transform::Transform,
    &files::Files,
    &agent::Agent,
    &pause::Approval,
    &pause::WaitStep,
    &pause::SignalStep,
    &checkpoint::Checkpoint,
    &branch::Branch,
    &group::Parallel,
    &repeat::Loop,
    &sub_workflow::SubWorkflow,
    &fan_in::FanIn,
    &noop::Noop,
    &later::MCP_TOOL,
    &later::GITHUB,
    &later::NOTION,
    &later::GMAIL,
    &later::SLACK,
    &later::CALENDAR,
    &later::BROWSER,
    &later::RESEARCH_AGENT,
    &later::DEVOPS_AGENT,
    &later::BROWSER_AGENT,
    &later::SHELL_AGENT,
    &later::SCHEDULER_AGENT,
    &later::MEMORY_AGENT,
    &later::VALIDATION_AGENT,
    &later::MONITOR_AGENT,
    &later::SECURITY_AGENT,
    &later::NOTIFIER_AGENT,
    &later::DATABASE_AGENT,
    &later::ML_AGENT,
    &later::CLAUDE_CLI,
    &later::CODEX,
    &later::CURSOR,
];

/// The step type of this canonical name.
#[must_use]
pub fn find(name: &str) -> Option<&'static dyn StepKind> {
    KINDS.iter().copied().find(|kind| kind.name() == name)
}
