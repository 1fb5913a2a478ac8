//! What a call used, in disjoint parts.

use gorgon_core::call::Metering;
use gorgon_core::money::TokenUsage;
use serde_json::Value;

/// Reads `usage`. On this wire the prompt includes what a cache served or took, and the completion includes reasoning; here each token stands once.
///
/// Counts that are missing, negative or fractional, or that contradict each other, are not known: what they would come to could be too little.
pub(crate) fn metering(usage: Option<&Value>) -> Metering {
    usage.and_then(parts).map_or(Metering::Unknown, Metering::Reported)
}

fn parts(usage: &Value) -> Option<TokenUsage> {
    let prompt = usage.get("prompt_tokens")?.as_u64()?;
    let completion = usage.get("completion_tokens")?.as_u64()?;
    let input_cache_read = detail(usage, "prompt_tokens_details", "cached_tokens")?;
    let input_cache_write = detail(usage, "prompt_tokens_details", "cache_write_tokens")?;
    let output_reasoning = detail(usage, "completion_tokens_details", "reasoning_tokens")?;
    // Some compatible servers leave reasoning out of the completion and only show it in the total.
    let total = usage.get("total_tokens").filter(|total| !total.is_null());
    if let Some(total) = total
        && total.as_u64()? > prompt.checked_add(completion)?
    {
        return None;
    }
    Some(TokenUsage {
        input_uncached: prompt.checked_sub(input_cache_read.checked_add(input_cache_write)?)?,
        input_cache_read,
        input_cache_write,
        output_text: completion.checked_sub(output_reasoning)?,
        output_reasoning,
    })
}

/// A part of a count. What is not told is none; what is told wrongly is `None`.
fn detail(usage: &Value, details: &str, name: &str) -> Option<u64> {
    match usage.get(details).and_then(|details| details.get(name)) {
        None | Some(Value::Null) => Some(0),
        Some(count) => count.as_u64(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn usage(input_uncached: u64, input_cache_read: u64, input_cache_write: u64, output_text: u64, output_reasoning: u64) -> Metering {
        Metering::Reported(TokenUsage { input_uncached, input_cache_read, input_cache_write, output_text, output_reasoning })
    }

    #[test]
    fn parts_are_taken_apart() {
        for (told, expected) in [
            (json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}), usage(10, 0, 0, 5, 0)),
            (json!({"prompt_tokens": 10, "completion_tokens": 5}), usage(10, 0, 0, 5, 0)),
            (json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": null, "prompt_tokens_details": null}), usage(10, 0, 0, 5, 0)),
            (json!({"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": null}}), usage(10, 0, 0, 5, 0)),
            (
                json!({
                    "prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
                    "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30, "audio_tokens": 0},
                    "completion_tokens_details": {"reasoning_tokens": 40, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 3},
                }),
                usage(10, 60, 30, 10, 40),
            ),
            (json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}), usage(0, 0, 0, 0, 0)),
            // A total below its parts takes nothing away from them.
            (json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 1}), usage(10, 0, 0, 5, 0)),
        ] {
            assert_eq!(metering(Some(&told)), expected, "{told}");
        }
    }

    #[test]
    fn what_is_not_told_or_told_wrongly_is_not_known() {
        assert_eq!(metering(None), Metering::Unknown);
        for told in [
            json!(null),
            json!([]),
            json!("12"),
            json!({}),
            json!({"prompt_tokens": 10}),
            json!({"completion_tokens": 10}),
            json!({"prompt_tokens": -10, "completion_tokens": 5}),
            json!({"prompt_tokens": 10, "completion_tokens": -5}),
            json!({"prompt_tokens": 10.5, "completion_tokens": 5}),
            json!({"prompt_tokens": "10", "completion_tokens": 5}),
            json!({"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 11}}),
            json!({"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 6, "cache_write_tokens": 5}}),
            json!({"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": -1}}),
            json!({"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 0.5}}),
            json!({"prompt_tokens": 10, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 6}}),
            json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 16}),
            json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": -15}),
            json!({"prompt_tokens": 1, "completion_tokens": u64::MAX, "total_tokens": 1}),
        ] {
            assert_eq!(metering(Some(&told)), Metering::Unknown, "{told}");
        }
    }

    proptest! {
        #[test]
        fn no_token_is_lost_or_counted_twice(
            uncached in 0_u64..1_000_000_000, read in 0_u64..1_000_000_000, write in 0_u64..1_000_000_000,
            text in 0_u64..1_000_000_000, reasoning in 0_u64..1_000_000_000,
        ) {
            let (prompt, completion) = (uncached + read + write, text + reasoning);
            let told = json!({
                "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
                "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": write},
                "completion_tokens_details": {"reasoning_tokens": reasoning},
            });
            prop_assert_eq!(metering(Some(&told)), usage(uncached, read, write, text, reasoning));
        }
    }
}
