//! `on_failure`, `fallback`, `default_output`.

use gorgon_core::definition::{Fallback, OnFailure};
use gorgon_core::diagnostic::Code;
use gorgon_core::ids::StepId;

use super::{Reader, present};
use crate::keys::FALLBACK;
use crate::node::{Node, map_to_json};
use crate::report::{Spot, did_you_mean};
use crate::words::{FailureWord, ON_FAILURE};

impl<'n> Reader<'n> {
    /// What happens on failure, and the node that names the step of a fallback.
    pub(super) fn on_failure(&mut self, node: &'n Node, outputs: &[String]) -> (OnFailure, Option<&'n Node>) {
        let at = present(node, "on_failure");
        let word = at.and_then(|at| self.word(at, "`on_failure`", ON_FAILURE, Code::BadValue));
        let fallback = present(node, "fallback");
        let default_output = present(node, "default_output");
        self.without_effect(fallback.filter(|_| word != Some(FailureWord::Fallback)), "fallback", "fallback");
        self.without_effect(default_output.filter(|_| word != Some(FailureWord::Default)), "default_output", "continue_with_default");
        match word {
            None | Some(FailureWord::Abort) => (OnFailure::Abort, None),
            Some(FailureWord::Retry) => (OnFailure::Retry, None),
            Some(FailureWord::Skip) => (OnFailure::Skip, None),
            Some(FailureWord::Default) => (OnFailure::ContinueWithDefault(self.default_output(node, default_output, outputs)), None),
            Some(FailureWord::Fallback) => match fallback {
                Some(fallback) => self.fallback(fallback).unwrap_or((OnFailure::Abort, None)),
                None => {
                    self.missing_key(node, "a step with `on_failure: fallback`", "fallback", "what takes its place");
                    (OnFailure::Abort, None)
                }
            },
        }
    }

    fn without_effect(&mut self, node: Option<&'n Node>, key: &str, word: &str) {
        if let Some(node) = node.filter(|node| node.as_map().is_none_or(|entries| !entries.is_empty())) {
            self.report.warning(
                Code::BadValue,
                Spot::of(node),
                format!("`{key}` has no effect without `on_failure: {word}`"),
                format!("add `on_failure: {word}`, or leave it out"),
            );
        }
    }

    fn default_output(&mut self, step: &'n Node, node: Option<&'n Node>, outputs: &[String]) -> serde_json::Map<String, serde_json::Value> {
        let values = node.and_then(|node| self.map(node, "`default_output`")).map(map_to_json).unwrap_or_default();
        let missing: Vec<&str> = outputs.iter().map(String::as_str).filter(|output| !values.contains_key(*output)).collect();
        if !missing.is_empty() {
            let spot = node.map_or_else(|| Spot::head(step), Spot::of);
            self.report.warning(
                Code::MissingKey,
                spot,
                format!("`default_output` gives no `{}`, so steps that refer to it fail when this one did", missing.join("`, `")),
                "add a value for each output of the step",
            );
        }
        values
    }

    fn fallback(&mut self, node: &'n Node) -> Option<(OnFailure, Option<&'n Node>)> {
        self.fields(node, "`fallback`", FALLBACK)?;
        let ty = present(node, "type")?;
        match self.text(ty, "`type`")? {
            "default_value" => {
                let Some(value) = node.get("value") else {
                    self.missing_key(node, "a `default_value` fallback", "value", "the value that takes its place");
                    return None;
                };
                Some((OnFailure::Fallback(Fallback::Value(value.to_json())), None))
            }
            "alternate_step" => {
                let Some(at) = present(node, "step") else {
                    self.missing_key(node, "an `alternate_step` fallback", "step", "the id of the step that runs then");
                    return None;
                };
                let id = self.name(at, "the step of a fallback")?;
                Some((OnFailure::Fallback(Fallback::Step(StepId::from(id))), Some(at)))
            }
            "callback" => {
                self.report.error(
                    Code::BadValue,
                    Spot::of(ty),
                    "a fallback cannot call back into a program",
                    "put the work into a step and name it: `type: alternate_step`, `step: ID`",
                );
                None
            }
            other => {
                let help = did_you_mean(other, ["default_value", "alternate_step"].into_iter());
                self.report.error(Code::BadValue, Spot::of(ty), format!("the type of a fallback cannot be `{other}`"), help);
                None
            }
        }
    }
}
