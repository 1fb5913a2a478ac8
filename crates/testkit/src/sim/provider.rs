//! Whoever answers calls: often right, sometimes late, wrong, silent or dear.

use gorgon_core::call::{Failure, FailureClass, Metering, Outcome, Request};
use gorgon_core::money::TokenUsage;
use gorgon_core::payload::Payload;
use serde_json::json;

use super::coverage::{Coverage, Fault};
use super::rng::Rng;

/// What an honest provider answers.
pub(crate) fn honest(request: &Request) -> Outcome {
    let used = TokenUsage { input_uncached: 10, output_text: 5, ..TokenUsage::default() };
    let (value, metering) = match request {
        Request::Noop {} => (json!(null), Metering::None),
        Request::Process(_) => (json!({ "exit_code": 0, "stdout": "out\n", "stderr": "", "truncated": false }), Metering::None),
        Request::Http(_) => (json!({ "status": 200, "headers": {}, "body": "ok" }), Metering::None),
        Request::Script(_) => (json!({}), Metering::None),
        Request::File(_) => (json!({ "content": "" }), Metering::None),
        Request::Model(_) => (json!({ "text": "hello", "model": "m", "finish_reason": "stop" }), Metering::Reported(used)),
    };
    Outcome::Succeeded { value: Payload::of(&value), metering }
}

/// What this one answers.
pub(crate) fn answer(request: &Request, rng: &mut Rng, coverage: &mut Coverage) -> Outcome {
    let metering = metering(request, rng, coverage);
    match rng.below(12) {
        0..=8 => match honest(request) {
            Outcome::Succeeded { value, .. } => Outcome::Succeeded { value, metering },
            other => other,
        },
        9 => {
            coverage.fault(Fault::CallInDoubt);
            Outcome::InDoubt { evidence: "nobody knows how far it came".to_owned() }
        }
        _ => {
            coverage.fault(Fault::CallFailed);
            let classes = [
                FailureClass::Transport,
                FailureClass::RateLimited,
                FailureClass::Overloaded,
                FailureClass::TimedOut,
                FailureClass::Refused,
                FailureClass::Invalid,
            ];
            let class = rng.pick(&classes).copied().unwrap_or(FailureClass::Refused);
            Outcome::Failed { failure: Failure { retry_after_ms: rng.chance(20).then_some(3_000), ..Failure::new(class, "it broke") }, metering }
        }
    }
}

fn metering(request: &Request, rng: &mut Rng, coverage: &mut Coverage) -> Metering {
    let Request::Model(model) = request else { return Metering::None };
    match rng.below(40) {
        0..=3 => {
            coverage.fault(Fault::UsageMissing);
            if rng.chance(50) { Metering::Unknown } else { Metering::None }
        }
        4 => {
            coverage.fault(Fault::UsageBeyondHold);
            Metering::Reported(TokenUsage { input_uncached: 50_000, output_text: 50_000, ..TokenUsage::default() })
        }
        _ => {
            let output = rng.below(model.output_tokens_max.max(1));
            Metering::Reported(TokenUsage { input_uncached: rng.below(60), output_text: output, ..TokenUsage::default() })
        }
    }
}
