//! One step, and what may be said of it whatever its type.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{OnFailure, Retry};
use crate::ids::StepId;
use crate::template::Condition;

/// A node of a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Unique in the file, nested steps included.
    pub id: StepId,
    /// The step type, by its canonical name: `shell`, `agent`, `parallel` …
    pub kind: String,
    /// What the step is for.
    pub description: String,
    /// What the type wants to know; texts are templates. Defaults of the type are written out.
    pub params: Map<String, Value>,
    /// Steps that come first. `None`: the file says nothing. An empty list says: none.
    pub depends_on: Option<Vec<StepId>>,
    /// Whether it runs at all; judged when everything before it is done.
    pub when: Option<Guard>,
    /// What happens when all attempts failed.
    pub on_failure: OnFailure,
    /// How often and how fast it is tried again.
    pub retry: Retry,
    /// Longest time of one attempt, in milliseconds; waiting for somebody does not count.
    pub timeout_ms: u64,
    /// Longest time from the first start to the end, retries and pauses between them included, in milliseconds.
    pub total_timeout_ms: Option<u64>,
    /// Names under which its results are known.
    pub outputs: Vec<String>,
    /// What a second execution would do to the world.
    pub effect: EffectClass,
    /// Text that makes a second request recognisable to the other side; a template.
    pub idempotency_key: Option<String>,
    /// What to do with a call that was in flight at a crash, if its class does not decide it.
    pub on_in_doubt: OnInDoubt,
    /// Somebody has to agree before it runs.
    pub approval: Option<Approval>,
    /// The steps inside of a `parallel`.
    pub steps: Vec<Step>,
    /// The elements of a `fan_out`: then `kind` and `params` are those of the step that each element runs.
    pub fan_out: Option<FanOut>,
}

impl Step {
    /// This step and those inside of it, parents first.
    pub fn with_nested(&self) -> Box<dyn Iterator<Item = &Self> + '_> {
        Box::new(std::iter::once(self).chain(self.steps.iter().flat_map(Self::with_nested)))
    }
}

/// One execution of a step for each element of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FanOut {
    /// The list, or a template that renders to one.
    pub items: Value,
    /// What each element has to give. The first of them, or else the main result of the step type, is its place in the list of results.
    #[serde(default)]
    pub outputs: Vec<String>,
    /// Most elements in flight at once.
    pub max_concurrent: u32,
    /// Whether the first failed element stops those that have not begun.
    pub fail_fast: bool,
    /// Whether failed elements leave the step successful (the run is then `partial`) instead of failing it.
    pub allow_failures: bool,
}

/// When a step runs at all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "a step has one guard, and steps are not moved about")]
pub enum Guard {
    /// `condition: {field, operator, value}`; a missing field is false, but `not_equals` is true.
    Condition(Condition),
    /// `when: expression`; a missing value is an error unless the expression says `default` or `is defined`.
    Expression(String),
}

/// What a second execution of a call would do to the world. Decides what happens to a call that was in flight at a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectClass {
    /// Nothing: a computation.
    Pure,
    /// No lasting harm, but perhaps money: model calls, GET. Redone.
    Repeatable,
    /// The other side recognises the repetition by its key. Redone with the same key.
    Idempotent,
    /// It may do harm: shell, writing connectors. `on_in_doubt` decides.
    AtMostOnce,
    /// It cannot be taken back. Needs an idempotency key or an approval.
    Irreversible,
}

impl EffectClass {
    /// The word for it in files.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pure => "pure",
            Self::Repeatable => "repeatable",
            Self::Idempotent => "idempotent",
            Self::AtMostOnce => "at_most_once",
            Self::Irreversible => "irreversible",
        }
    }

    /// Whether a second execution is borne: by what it does to the world, or because the file says so for the case of doubt.
    #[must_use]
    pub fn bears_another(self, on_in_doubt: OnInDoubt) -> bool {
        self < Self::AtMostOnce || on_in_doubt == OnInDoubt::Retry
    }
}

/// What to do with an `at_most_once` or `irreversible` call that was in flight at a crash, or of which its executor cannot tell how far it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnInDoubt {
    /// Do it again.
    Retry,
    /// The attempt failed.
    Fail,
    /// Wait for somebody who knows.
    #[default]
    Ask,
}

/// Somebody has to agree before a step runs. What they agree to is a hash over exactly what will run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// What is asked; a template.
    pub prompt: String,
    /// Whether each element of a fan-out is asked for by itself.
    pub per_item: bool,
    /// How long the question stands, in milliseconds; then it counts as rejected.
    pub timeout_ms: Option<u64>,
}
