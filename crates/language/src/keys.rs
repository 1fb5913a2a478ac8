//! The keys that a file may have outside of `params`: one table serves the check, the JSON Schema and the reference page.

use gorgon_core::definition::InputType;
use serde_json::{Value, json};

use crate::words::{BACKOFFS, EFFECTS, IN_DOUBT, ON_EXHAUSTED, ON_FAILURE, OPERATORS, names};

/// One key.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
    /// What may stand there, for people.
    pub(crate) shape: &'static str,
    /// What holds if it is absent, for people.
    pub(crate) default: &'static str,
    pub(crate) help: &'static str,
    pub(crate) schema: fn() -> Value,
}

const fn key(name: &'static str, shape: &'static str, default: &'static str, help: &'static str, schema: fn() -> Value) -> Key {
    Key { name, required: false, shape, default, help, schema }
}

const fn required(key: Key) -> Key {
    Key { required: true, ..key }
}

fn text() -> Value {
    json!({"type": "string"})
}

fn name() -> Value {
    json!({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_-]{0,127}$"})
}

fn names_list() -> Value {
    json!({"type": "array", "items": name()})
}

fn name_or_names() -> Value {
    json!({"anyOf": [name(), names_list()]})
}

fn boolean() -> Value {
    json!({"type": "boolean"})
}

fn free_map() -> Value {
    json!({"type": "object"})
}

fn anything() -> Value {
    json!({})
}

fn scalar() -> Value {
    json!({"type": ["string", "number", "boolean"]})
}

fn positive_integer() -> Value {
    json!({"type": "integer", "minimum": 1})
}

fn attempts() -> Value {
    json!({"type": "integer", "minimum": 1, "maximum": crate::limits::ATTEMPTS_MAX})
}

fn retries() -> Value {
    json!({"type": "integer", "minimum": 0, "maximum": crate::limits::ATTEMPTS_MAX - 1})
}

fn workers() -> Value {
    json!({"type": "integer", "minimum": 1, "maximum": crate::limits::CONCURRENCY_MAX})
}

fn seconds() -> Value {
    json!({"type": "number", "exclusiveMinimum": 0, "maximum": crate::limits::SECONDS_MAX})
}

fn delay() -> Value {
    json!({"type": "number", "minimum": 0, "maximum": crate::limits::SECONDS_MAX})
}

fn multiplier() -> Value {
    json!({"type": "number", "minimum": 1, "maximum": 1000})
}

fn hours() -> Value {
    json!({"type": "number", "exclusiveMinimum": 0, "maximum": crate::limits::SECONDS_MAX / 3_600.0})
}

fn tokens() -> Value {
    json!({"type": "integer", "minimum": 1000})
}

fn dollars() -> Value {
    json!({"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": "^[0-9]+(\\.[0-9]{1,9})?$"}]})
}

fn word(all: Vec<&'static str>) -> Value {
    json!({"enum": all})
}

fn def(name: &str) -> Value {
    json!({"$ref": format!("#/$defs/{name}")})
}

fn input_types() -> Vec<&'static str> {
    // The other spellings of the predecessors' files are accepted as well.
    InputType::ALL.iter().map(|ty| ty.name()).chain(["str", "text", "float", "int", "bool", "list", "dict", "map"]).collect()
}

/// Keys of a workflow.
pub(crate) const TOP: &[Key] = &[
    required(key("name", "text", "", "Name of the workflow. No `..`, no slashes, no control characters.", text)),
    key("version", "text or number", "`1.0`", "Version, as people count it.", || json!({"type": ["string", "number"]})),
    key("description", "text", "empty", "What the workflow is for.", text),
    key("id", "text", "", "Kept as `metadata.id`; a run is started by file, file stem or name.", text),
    key(
        "inputs",
        "map of name to input, or list of inputs with `name`",
        "none",
        "What has to be given at the start.",
        || json!({"anyOf": [{"type": "object", "propertyNames": name(), "additionalProperties": {"anyOf": [def("input"), {"type": "null"}]}}, {"type": "array", "items": def("named_input")}]}),
    ),
    key(
        "outputs",
        "list of names, list of `{name, description}`, or map of name to description",
        "none",
        "Outputs of steps, or ids of steps, that are the results of a run.",
        || {
            json!({"anyOf": [
                {"type": "array", "items": {"anyOf": [name(), def("output")]}},
                {"type": "object", "propertyNames": name(), "additionalProperties": {"anyOf": [text(), {"type": "null"}, {"type": "object", "properties": {"description": text()}, "additionalProperties": false}]}},
            ]})
        },
    ),
    key("budget", "map", "no limit", "Limits on what a run may spend.", || def("budget")),
    key("token_budget", "whole number, at least 1000", "no limit", "The predecessors' spelling of `budget.max_tokens`.", tokens),
    key(
        "timeout_seconds",
        "number above 0",
        "no limit",
        "Longest time that a run may be active. Waiting for somebody and pauses do not count.",
        seconds,
    ),
    key(
        "goals",
        "list of names, or one name",
        "all steps run",
        "Outputs or step ids that have to be reached; only steps that they need run.",
        name_or_names,
    ),
    key("concurrency", "whole number, 1 to 10000", "`64`", "Most steps and items in flight at once.", workers),
    key("settings", "map", "", "The predecessors' settings.", || def("settings")),
    key("metadata", "map", "empty", "Anything; never read.", free_map),
    required(key("steps", "list of steps", "", "The steps, at least one.", || json!({"type": "array", "minItems": 1, "items": def("step")}))),
];

/// Keys of an input.
pub(crate) const INPUT: &[Key] = &[
    key(
        "type",
        "`string`, `number`, `integer`, `boolean`, `array`, `object` or `any`",
        "the type of `default`, else `string`",
        "Its type. `str`, `int`, `float`, `bool`, `list`, `dict` are read as well.",
        || word(input_types()),
    ),
    key("required", "`true` or `false`", "`false`", "Whether it has to be given. One with a default never has to.", boolean),
    key("default", "a value of the type", "none", "The value if it is not given.", anything),
    key("description", "text", "empty", "What it is for.", text),
];

/// Keys of an output in a list.
pub(crate) const OUTPUT: &[Key] =
    &[required(key("name", "name", "", "Output of a step, or id of a step.", name)), key("description", "text", "empty", "What it is.", text)];

/// Keys of `budget`.
pub(crate) const BUDGET: &[Key] = &[
    key("max_cost_usd", "dollars, up to nine places", "no limit", "Most money of a run. Read from the digits, never as a binary fraction.", dollars),
    key(
        "max_tokens",
        "whole number above 0",
        "no limit",
        "Most tokens of a run: uncached input, cache writes, output with reasoning.",
        positive_integer,
    ),
    key("max_calls", "whole number above 0", "no limit", "Most calls of a run that may cost money.", positive_integer),
    key("on_exhausted", "`fail`, `pause` or `ask`", "`fail`", "What happens at the limit.", || word(names(ON_EXHAUSTED))),
];

/// Keys of `settings`.
pub(crate) const SETTINGS: &[Key] = &[
    key("auto_parallel", "`true` or `false`", "`false`", "Order by `depends_on` and references only.", boolean),
    key(
        "auto_parallel_max_workers",
        "whole number, 1 to 10000",
        "",
        "With `auto_parallel: true`, the predecessors' spelling of `concurrency`.",
        workers,
    ),
];

/// Keys of a step, whatever its type.
pub(crate) const STEP: &[Key] = &[
    required(key("id", "name", "", "Unique in the file, nested steps included.", name)),
    required(key("type", "step type", "", "What the step does.", || word(crate::types::all().map(|ty| ty.name).collect()))),
    key("description", "text", "empty", "What the step is for.", text),
    key("name", "text", "", "Read as `description` if there is none.", text),
    key("params", "map", "empty", "What the type wants to know. Each may also stand beside `type`, but not in both places.", free_map),
    key("depends_on", "step id, or list of them", "see the rules of order", "Steps that come first. An empty list: none.", name_or_names),
    key(
        "when",
        "expression",
        "",
        "Runs only if this is true. A missing value is an error unless the expression says `default` or `is defined`.",
        scalar,
    ),
    key("condition", "`{field, operator, value}`", "", "The short form of `when`. A missing field is false, but true for `not_equals`.", || {
        def("condition")
    }),
    key("on_failure", "`abort`, `retry`, `skip`, `fallback` or `continue_with_default`", "`abort`", "What happens when all attempts failed.", || {
        word(names(ON_FAILURE))
    }),
    key("fallback", "`{type, value | step}`", "", "With `on_failure: fallback`: what takes its place.", || def("fallback")),
    key("default_output", "map", "empty", "With `on_failure: continue_with_default`: its outputs then.", free_map),
    key("retry", "map", "see the table of attempts", "How often and how fast it is tried again.", || def("retry")),
    key("max_retries", "whole number, 0 to 999", "", "The predecessors' spelling of `retry.max_attempts`, less one.", retries),
    key("timeout_seconds", "number above 0", "by type", "Longest time of one attempt; waiting for somebody does not count.", seconds),
    key(
        "total_timeout_seconds",
        "number above 0",
        "no limit",
        "Longest time from the first start to the end, retries and their delays included; of a fan-out, for each element. Pauses and waits for somebody count; what passes between the last record of a process that died with a call in flight and its successor does not.",
        seconds,
    ),
    key(
        "outputs",
        "list of names, or one name",
        "none",
        "Names under which its results are known in the whole file. The first gets the type's first result.",
        name_or_names,
    ),
    key(
        "effect",
        "`pure`, `repeatable`, `idempotent`, `at_most_once` or `irreversible`",
        "by type",
        "What a second execution would do to the world.",
        || word(names(EFFECTS)),
    ),
    key(
        "idempotency_key",
        "text",
        "a key of the run, step and item",
        "Makes a repetition recognisable: the header `Idempotency-Key` of a request, the variable `GORGON_IDEMPOTENCY_KEY` of a process.",
        text,
    ),
    key(
        "on_in_doubt",
        "`retry`, `fail` or `ask`",
        "`ask`",
        "What happens to an `at_most_once` or `irreversible` call that was in flight at a crash, or of which nobody can tell how far it came; then `retry` counts as a failed attempt.",
        || word(names(IN_DOUBT)),
    ),
    key(
        "approval",
        "text, or `{prompt, per, timeout_hours}`",
        "",
        "Somebody has to agree before it runs, to exactly what will run.",
        || json!({"anyOf": [text(), def("approval")]}),
    ),
    key("circuit_breaker_key", "text", "", "Read for the predecessors' files; has no effect in this release.", text),
];

/// Keys of `condition`.
pub(crate) const CONDITION: &[Key] = &[
    required(key("field", "path", "", "An input, an output, or a path such as `steps.ID.OUTPUT`.", text)),
    required(key(
        "operator",
        "`equals`, `not_equals`, `contains`, `greater_than`, `less_than`, `in`, `not_empty`, `is_true` or `is_false`",
        "",
        "How it is compared.",
        || word(names(OPERATORS)),
    )),
    key("value", "anything", "", "What it is compared with; not needed for `not_empty`, `is_true`, `is_false`.", anything),
];

/// Keys of `fallback`.
pub(crate) const FALLBACK: &[Key] = &[
    required(key(
        "type",
        "`default_value` or `alternate_step`",
        "",
        "What takes the place. `callback` of the predecessors is refused: name a step.",
        || word(vec!["default_value", "alternate_step"]),
    )),
    key("value", "anything", "", "For `default_value`: the first output, or a map with the outputs.", anything),
    key("step", "step id", "", "For `alternate_step`: a step that runs only then.", name),
    key("callback", "text", "", "Not supported.", text),
];

/// Keys of `approval` on a step.
pub(crate) const APPROVAL: &[Key] = &[
    required(key("prompt", "text", "", "What is asked.", text)),
    key("per", "`all` or `item`", "`all`", "On a fan-out: ask once for the whole list, or for each item.", || word(vec!["all", "item"])),
    key("timeout_hours", "number above 0", "no limit", "How long the question stands; then it counts as rejected.", hours),
];

/// Keys of `retry`.
pub(crate) const RETRY: &[Key] = &[
    key(
        "max_attempts",
        "whole number, 1 to 1000",
        "see the table of attempts",
        "Attempts in all. With a number, every failure is tried again that another attempt could help.",
        attempts,
    ),
    key("backoff", "`fixed`, `linear`, `exponential`, `fibonacci` or `adaptive`", "`exponential`", "The form of the delays.", || {
        word(names(BACKOFFS))
    }),
    key("initial_delay_seconds", "number, 0 or more", "`1`", "First delay.", delay),
    key("max_delay_seconds", "number, 0 or more", "`60`, or the first delay if that is longer", "Longest delay, jitter included.", delay),
    key("multiplier", "number, 1 to 1000", "`2`", "Factor of the exponential form.", multiplier),
    key("jitter", "`true` or `false`", "`true`", "Whether each delay is shortened by a random part, up to half of it.", boolean),
];

/// Keys of the `step_template` of a `fan_out`.
pub(crate) const TEMPLATE: &[Key] = &[
    required(key("type", "step type", "", "What each item runs; not a `parallel`, `branch` or `fan_out`.", || {
        word(crate::types::all().map(|ty| ty.name).collect())
    })),
    key("id", "text", "", "Read for the predecessors' files; items have the id of the fan-out.", text),
    key("name", "text", "", "Not used; for people.", text),
    key("description", "text", "", "Not used; for people.", text),
    key("params", "map", "empty", "What the type wants to know; `item` and `index` are the element and its place.", free_map),
    key("outputs", "list of names, or one name", "none", "Taken if the fan-out itself names no outputs.", name_or_names),
    key("retry", "map", "", "As on a step; for each item.", || def("retry")),
    key("max_retries", "whole number, 0 to 999", "", "As on a step; for each item.", retries),
    key("timeout_seconds", "number above 0", "", "As on a step; for each attempt of an item.", seconds),
    key("effect", "effect class", "", "As on a step.", || word(names(EFFECTS))),
    key("idempotency_key", "text", "", "As on a step.", text),
    key("on_in_doubt", "`retry`, `fail` or `ask`", "", "As on a step.", || word(names(IN_DOUBT))),
];
