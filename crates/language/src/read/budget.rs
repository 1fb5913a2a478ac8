//! `budget` and `token_budget`.

use gorgon_core::budget::Limits;
use gorgon_core::definition::{Budget, OnExhausted};
use gorgon_core::diagnostic::Code;
use gorgon_core::money::parse_usd;

use super::{Reader, present};
use crate::keys::BUDGET;
use crate::node::Node;
use crate::report::Spot;
use crate::words::ON_EXHAUSTED;

/// Fewest tokens that `token_budget` may say, as in the predecessor.
const TOKEN_BUDGET_MIN: u64 = 1_000;

impl<'n> Reader<'n> {
    pub(super) fn limits(&mut self, node: Option<&'n Node>, token_budget: Option<&'n Node>) -> Budget {
        let mut budget = Budget { limits: Limits::default(), on_exhausted: OnExhausted::default() };
        if let Some(node) = node
            && self.fields(node, "`budget`", BUDGET).is_some()
        {
            budget.limits.cost_nano_usd = present(node, "max_cost_usd").and_then(|node| self.dollars(node));
            budget.limits.tokens = present(node, "max_tokens").and_then(|node| self.integer(node, "`max_tokens`", 1, u64::MAX));
            budget.limits.calls = present(node, "max_calls").and_then(|node| self.integer(node, "`max_calls`", 1, u64::MAX));
            budget.on_exhausted =
                present(node, "on_exhausted").and_then(|node| self.word(node, "`on_exhausted`", ON_EXHAUSTED, Code::BadValue)).unwrap_or_default();
        }
        let Some(tokens) = token_budget else { return budget };
        if node.is_some_and(|node| present(node, "max_tokens").is_some()) {
            self.report.error(
                Code::BadValue,
                Spot::of(tokens),
                "the file says both `token_budget` and `budget.max_tokens`",
                "keep `budget.max_tokens`",
            );
        }
        if let Some(limit) = self.integer(tokens, "`token_budget`", TOKEN_BUDGET_MIN, u64::MAX) {
            budget.limits.tokens = Some(limit);
        }
        budget
    }

    /// Money is read from the digits as they are written: a binary fraction would already be another amount.
    fn dollars(&mut self, node: &'n Node) -> Option<u64> {
        let Some(written) = node.scalar() else {
            self.wrong_type(node, "`max_cost_usd`", "an amount of dollars such as `2.50`");
            return None;
        };
        match parse_usd(&written) {
            Ok(nano) => Some(nano),
            Err(why) => {
                self.report.error(Code::BadValue, Spot::of(node), why, "write dollars with digits and at most nine places, without sign or exponent");
                None
            }
        }
    }
}
