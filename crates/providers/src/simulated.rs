//! `simulated`: answers without a model, for trying a workflow out offline. Never chosen unless it is named.

use std::time::Duration;

use async_trait::async_trait;
use gorgon_core::call::{Failure, FailureClass, Metering, ModelAnswer, ModelRequest, Outcome};
use gorgon_core::ids::ContentHash;
use gorgon_core::money::TokenUsage;
use gorgon_ports::CallCx;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::answer::{deliver, failed};
use crate::provider::Provider;

/// A token stands for so many bytes.
const BYTES_PER_TOKEN: usize = 4;
/// Most words of the prompt that an answer repeats.
const WORDS_MAX: usize = 12;
/// Most bytes of the prompt that an answer repeats.
const ECHO_BYTES_MAX: usize = 200;

/// Settings of the simulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimulatedConfig {
    /// How long an answer takes, in milliseconds.
    pub latency_ms: u64,
}

/// Answers from the question alone: the same system text, prompt and model always give the same answer, and every answer says that it is simulated.
#[derive(Debug, Clone, Copy, Default)]
pub struct Simulated {
    config: SimulatedConfig,
}

impl Simulated {
    /// A simulator with these settings.
    #[must_use]
    pub fn new(config: SimulatedConfig) -> Self {
        Self { config }
    }

    async fn wait(&self, cx: &CallCx) -> Result<(), Failure> {
        let answered = tokio::time::sleep(Duration::from_millis(self.config.latency_ms));
        tokio::select! {
            biased;
            () = cx.cancel.cancelled() => Err(Failure::new(FailureClass::Cancelled, "the simulated answer was cancelled")),
            () = tokio::time::sleep_until(Instant::from_std(cx.deadline)) => {
                let message = format!("the simulated answer takes {} ms, which is longer than the attempt may", self.config.latency_ms);
                Err(Failure::new(FailureClass::TimedOut, message))
            }
            () = answered => Ok(()),
        }
    }
}

#[async_trait]
impl Provider for Simulated {
    async fn ask(&self, request: &ModelRequest, cx: &CallCx) -> Outcome {
        // Nobody is paid for an answer that was not given, so unlike a real provider's its metering is known to be none.
        match self.wait(cx).await {
            Err(failure) => failed(failure, Metering::None),
            Ok(()) => {
                let (answer, usage) = answer(request);
                deliver(&answer, Metering::Reported(usage), cx)
            }
        }
    }
}

fn answer(request: &ModelRequest) -> (ModelAnswer, TokenUsage) {
    let system = request.system.as_deref().unwrap_or_default();
    let seen = serde_json::json!([system, request.prompt, request.model]).to_string();
    let digest = ContentHash::of(seen.as_bytes()).to_string();
    let digest: String = digest.chars().take(8).collect();
    let mut text = format!("[simulated] answer {digest} to: {}", first_words(&request.prompt));
    let bytes_max = usize::try_from(request.output_tokens_max).unwrap_or(usize::MAX).saturating_mul(BYTES_PER_TOKEN);
    let cut = text.len() > bytes_max;
    text.truncate(text.floor_char_boundary(bytes_max));
    let usage = TokenUsage { input_uncached: tokens(system.len() + request.prompt.len()), output_text: tokens(text.len()), ..TokenUsage::default() };
    let finish_reason = if cut { "length" } else { "stop" };
    (ModelAnswer { text, model: request.model.clone(), finish_reason: finish_reason.to_owned(), parts: Vec::new() }, usage)
}

fn first_words(prompt: &str) -> String {
    let mut words = prompt.split_whitespace();
    let mut echo = words.by_ref().take(WORDS_MAX).collect::<Vec<_>>().join(" ");
    let long = echo.len() > ECHO_BYTES_MAX;
    echo.truncate(echo.floor_char_boundary(ECHO_BYTES_MAX));
    if long || words.next().is_some() {
        echo.push_str(" …");
    }
    echo
}

fn tokens(bytes: usize) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(system: Option<&str>, prompt: &str, output_tokens_max: u64) -> ModelRequest {
        ModelRequest {
            provider: "simulated".to_owned(),
            model: "simulated".to_owned(),
            system: system.map(str::to_owned),
            prompt: prompt.to_owned(),
            output_tokens_max,
            temperature: None,
            ..ModelRequest::default()
        }
    }

    #[test]
    fn an_answer_says_that_it_is_simulated() {
        let (answer, usage) = answer(&request(Some("You sum up."), "What is in this folder?", 100));
        assert!(answer.text.starts_with("[simulated] answer "), "{}", answer.text);
        assert!(answer.text.ends_with(" to: What is in this folder?"), "{}", answer.text);
        assert_eq!((answer.model.as_str(), answer.finish_reason.as_str()), ("simulated", "stop"));
        assert_eq!(usage.input_uncached, 9);
        assert_eq!(usage.output_text, tokens(answer.text.len()));
    }

    #[test]
    fn an_answer_depends_on_all_that_was_asked_and_on_nothing_else() {
        let base = request(Some("a"), "b", 100);
        assert_eq!(answer(&base), answer(&base.clone()));
        for other in
            [request(None, "b", 100), request(Some("a"), "c", 100), request(Some("ab"), "", 100), ModelRequest { model: "x".into(), ..base.clone() }]
        {
            assert_ne!(answer(&base).0.text, answer(&other).0.text);
        }
    }

    #[test]
    fn a_small_cap_cuts_the_answer() {
        let (answer, usage) = answer(&request(None, "count to ten thousand", 4));
        assert_eq!((answer.text.as_str(), answer.finish_reason.as_str(), usage.output_text), ("[simulated] answ", "length", 4));
    }

    proptest! {
        #[test]
        fn usage_stays_within_what_was_held(system in proptest::option::of(".{0,80}"), prompt in ".{0,400}", cap in 1_u64..200) {
            let request = request(system.as_deref(), &prompt, cap);
            let (_, usage) = answer(&request);
            prop_assert!(usage.output_text <= cap);
            prop_assert!(usage.input_uncached <= request.input_tokens_bound());
        }
    }
}
