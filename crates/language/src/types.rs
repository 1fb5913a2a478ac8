//! The step types as files say them: those of the core, and the forms of the predecessors that become one of them.

use gorgon_core::step::{KINDS, Param, ParamType, Shape, StepKind, Syntax};

/// A step type of the language.
#[derive(Clone, Copy)]
pub(crate) struct StepType {
    /// As files say it.
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    /// What does the work; for a fan-out that is the type of its template.
    pub(crate) kind: Option<&'static dyn StepKind>,
    /// Parameters beside those of the kind.
    own: &'static [Param],
}

/// How a step of this type is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    /// An `agent` with this provider and model, and this role if nothing is said.
    Agent {
        provider: &'static str,
        model: &'static str,
        role: Option<&'static str>,
    },
    Approval,
    FanIn,
    FanOut,
    /// It has steps inside of it.
    Group,
    /// It lacks a part; one that is whole is a group before it is read.
    MapReduce,
    /// Loads, is not run by this release; its parameters are free.
    Unavailable,
}

pub(crate) const CLAUDE_CODE: Form = Form::Agent { provider: "anthropic", model: "claude-sonnet-4-20250514", role: Some("builder") };
pub(crate) const OPENAI: Form = Form::Agent { provider: "openai", model: "gpt-4o-mini", role: None };

/// Words of `fan_in`'s `aggregation` that ask a model, beside those of the kind.
pub(crate) const ASKING: [(&str, Form); 2] = [("claude_code", CLAUDE_CODE), ("openai", OPENAI)];

const FAN_IN: &[Param] = &[
    Param::optional(
        "aggregation",
        ParamType::Word(&["concat", "list", "sum", "count", "claude_code", "openai"]),
        "How. `claude_code` and `openai` make the step an `agent` that is asked `aggregate_prompt`.",
    )
    .or("\"concat\""),
    Param::optional(
        "aggregate_prompt",
        ParamType::Text,
        "For `claude_code` and `openai`: what is asked; `${items}` is the list, joined by lines of `---`.",
    ),
    Param::optional("role", ParamType::Text, "For `claude_code` and `openai`: the role; `analyst` if nothing is said."),
    Param::optional("model", ParamType::Text, "For `claude_code` and `openai`: the model."),
    Param::optional("max_tokens", ParamType::Integer(1, 10_000_000), "For `claude_code` and `openai`: most tokens of the answer."),
    Param::optional("callback", ParamType::Text, "Not supported: put the code into a `script` step."),
];

const FAN_OUT: &[Param] = &[
    Param::required("items", ParamType::List, "The list, or a reference to one."),
    Param::required("step_template", ParamType::Map, "The step that each item runs.").read_as(Syntax::Raw),
    Param::optional("max_concurrent", ParamType::Integer(1, 10_000), "Most items in flight at once.").read_as(Syntax::Raw).or("5"),
    Param::optional("fail_fast", ParamType::Boolean, "Whether the first failed item keeps the others from starting.")
        .read_as(Syntax::Raw)
        .or("false"),
    Param::optional(
        "collect_errors",
        ParamType::Boolean,
        "Whether failed items leave the step successful, with `null` in their places and the run `partial`, instead of failing it.",
    )
    .read_as(Syntax::Raw)
    .or("true"),
    ignored("adaptive_rate_limiting", ParamType::Boolean),
    ignored("distributed_rate_limiting", ParamType::Boolean),
    ignored("rate_limit_backoff_factor", ParamType::Number),
    ignored("rate_limit_recovery_threshold", ParamType::Number),
    ignored("distributed_window", ParamType::Number),
    ignored("anthropic_rpm", ParamType::Number),
    ignored("openai_rpm", ParamType::Number),
    ignored("anthropic_concurrent", ParamType::Number),
    ignored("openai_concurrent", ParamType::Number),
];

/// What [`expand`](crate::expand) makes a group of.
pub(crate) const MAP_REDUCE: &[Param] = &[
    Param::required("items", ParamType::List, "The list, or a reference to one."),
    Param::required("map_step", ParamType::Map, "The step that each item runs: a `fan_out` called `ID_map`.").read_as(Syntax::Raw),
    Param::required("reduce_step", ParamType::Map, "The step that runs once, on all results, as `ID_reduce`: in it `map_results` is their list.")
        .read_as(Syntax::Raw),
    Param::optional("max_concurrent", ParamType::Integer(1, 10_000), "Most items in flight at once.").read_as(Syntax::Raw).or("5"),
    Param::optional("fail_fast", ParamType::Boolean, "Whether the first failed item keeps the others from starting.")
        .read_as(Syntax::Raw)
        .or("false"),
    Param::optional("collect_errors", ParamType::Boolean, "As in a `fan_out`.").read_as(Syntax::Raw).or("true"),
];

const GROUP: &[Param] = &[Param::required("steps", ParamType::List, "The steps inside of it, each as at the top.").read_as(Syntax::Raw)];

const fn ignored(name: &'static str, ty: ParamType) -> Param {
    Param::optional(name, ty, "Read for the predecessors' files; has no effect in this release.").read_as(Syntax::Raw)
}

impl StepType {
    /// Its parameters; those of the language take the place of the kind's.
    pub(crate) fn params(&self) -> impl Iterator<Item = &'static Param> + Clone + use<> {
        let own = self.own;
        let kinds = self.kind.map_or(&[][..], StepKind::params);
        kinds
            .iter()
            .map(|param| own.iter().find(|p| p.name == param.name).unwrap_or(param))
            .chain(own.iter().filter(|p| !kinds.iter().any(|k| k.name == p.name)))
    }

    pub(crate) fn param(&self, name: &str) -> Option<&'static Param> {
        self.params().find(|param| param.name == name)
    }

    /// Whether it may stand in a fan-out.
    pub(crate) fn is_leaf(&self) -> bool {
        self.kind.is_some_and(|kind| kind.shape() == Shape::Leaf)
    }

    pub(crate) fn summary(&self) -> &'static str {
        match (self.form, self.kind) {
            (Form::FanOut, _) => {
                "Runs one step for each element of a list. Its first output is the list of their results, in the order of the elements."
            }
            (Form::MapReduce, _) => {
                "Runs one step for each element of a list, then one step over all results, whose results are those of the whole. It is a `parallel` of the two."
            }
            (Form::Agent { .. }, _) => "An `agent` with this provider, as the predecessors' files say it.",
            (_, Some(kind)) => kind.summary(),
            (_, None) => "",
        }
    }

    /// The names of its results, and what they mean.
    pub(crate) fn results(&self) -> &'static [(&'static str, &'static str)] {
        match self.form {
            Form::FanOut => FAN_OUT_RESULTS,
            _ => self.kind.map_or(&[], StepKind::results),
        }
    }
}

/// What a fan-out gives.
pub(crate) const FAN_OUT_RESULTS: &[(&str, &str)] = &[
    ("results", "The result of each item, in the order of the list; `null` where an item failed."),
    ("errors", "`{index, error}` of each failed item."),
    ("successful", "How many items succeeded."),
    ("failed", "How many items failed."),
];

/// Every step type of the language.
pub(crate) fn all() -> impl Iterator<Item = StepType> + Clone {
    let agent = gorgon_core::step::find("agent");
    let named = [
        StepType { name: "claude_code", form: CLAUDE_CODE, kind: agent, own: &[] },
        StepType { name: "openai", form: OPENAI, kind: agent, own: &[] },
        StepType { name: "fan_out", form: Form::FanOut, kind: None, own: FAN_OUT },
        StepType { name: "map_reduce", form: Form::MapReduce, kind: None, own: MAP_REDUCE },
    ];
    KINDS.iter().map(|kind| of_kind(*kind)).chain(named)
}

fn of_kind(kind: &'static dyn StepKind) -> StepType {
    let (form, own) = match kind.name() {
        _ if kind.unavailable().is_some() => (Form::Unavailable, &[][..]),
        "parallel" | "loop" => (Form::Group, GROUP),
        "fan_in" => (Form::FanIn, FAN_IN),
        "approval" => (Form::Approval, &[][..]),
        _ => (Form::Plain, &[][..]),
    };
    StepType { name: kind.name(), form, kind: Some(kind), own }
}

/// The step type of this name.
pub(crate) fn find(name: &str) -> Option<StepType> {
    all().find(|ty| ty.name == name)
}
