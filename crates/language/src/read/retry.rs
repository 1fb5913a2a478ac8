//! `retry`, and `max_retries` of the predecessors.

use gorgon_core::definition::Retry;
use gorgon_core::diagnostic::Code;

use super::{Reader, present, whole};
use crate::keys::RETRY;
use crate::limits::{ATTEMPTS_MAX, SECONDS_MAX};
use crate::node::Node;
use crate::report::Spot;
use crate::words::BACKOFFS;

/// Factors above this leave any cap at the first retry.
const MULTIPLIER_MAX: f64 = 1_000.0;

impl<'n> Reader<'n> {
    pub(super) fn retry(&mut self, retry: Option<&'n Node>, max_retries: Option<&'n Node>) -> Retry {
        let mut found = Retry::default();
        if let Some(node) = retry
            && self.fields(node, "`retry`", RETRY).is_some()
        {
            self.retry_fields(node, &mut found);
        }
        let Some(node) = max_retries else { return found };
        if retry.is_some_and(|retry| present(retry, "max_attempts").is_some()) {
            self.report.error(
                Code::BadValue,
                Spot::of(node),
                "the step says both `max_retries` and `retry.max_attempts`",
                "keep `retry.max_attempts`: it counts the first attempt too",
            );
        }
        let retries = self.integer(node, "`max_retries`", 0, ATTEMPTS_MAX - 1);
        found.max_attempts = retries.and_then(|n| u32::try_from(n + 1).ok()).or(found.max_attempts);
        found
    }

    fn retry_fields(&mut self, node: &'n Node, found: &mut Retry) {
        found.max_attempts =
            present(node, "max_attempts").and_then(|node| self.integer(node, "`max_attempts`", 1, ATTEMPTS_MAX)).and_then(|n| u32::try_from(n).ok());
        if let Some(backoff) = present(node, "backoff").and_then(|node| self.word(node, "`backoff`", BACKOFFS, Code::BadValue)) {
            found.backoff = backoff;
        }
        if let Some(ms) = self.delay_ms(node, "initial_delay_seconds") {
            found.initial_delay_ms = ms;
            found.max_delay_ms = found.max_delay_ms.max(ms);
        }
        if let Some(ms) = self.delay_ms(node, "max_delay_seconds") {
            if let Some(at) = node.get("max_delay_seconds").filter(|_| ms < found.initial_delay_ms) {
                self.report.error(
                    Code::BadValue,
                    Spot::of(at),
                    "the longest delay is shorter than the first one",
                    "raise `max_delay_seconds`, or lower `initial_delay_seconds`",
                );
            }
            found.max_delay_ms = ms;
        }
        if let Some(factor) = present(node, "multiplier").and_then(|node| self.number(node, "`multiplier`", 1.0, MULTIPLIER_MAX)) {
            found.multiplier_thousandths = whole((factor * 1_000.0).round());
        }
        if let Some(jitter) = present(node, "jitter").and_then(|node| self.boolean(node, "`jitter`")) {
            found.jitter = jitter;
        }
    }

    fn delay_ms(&mut self, node: &'n Node, key: &str) -> Option<u64> {
        let seconds = self.number(present(node, key)?, &format!("`{key}`"), 0.0, SECONDS_MAX)?;
        Some(whole((seconds * 1_000.0).round()))
    }
}
