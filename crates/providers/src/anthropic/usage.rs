//! What a call used, in disjoint parts.

use gorgon_core::call::Metering;
use gorgon_core::money::TokenUsage;
use serde_json::Value;

/// Reads `usage`. On this wire the three kinds of input are apart already, and the output includes thinking.
///
/// Counts that are missing, negative or fractional, or that contradict each other, are not known: what they would come to could be too little.
pub(super) fn metering(usage: Option<&Value>) -> Metering {
    usage.and_then(parts).map_or(Metering::Unknown, Metering::Reported)
}

fn parts(usage: &Value) -> Option<TokenUsage> {
    let output = usage.get("output_tokens")?.as_u64()?;
    let output_reasoning = optional(usage.pointer("/output_tokens_details/thinking_tokens"))?;
    let written = optional(usage.get("cache_creation_input_tokens"))?;
    // Some gateways tell the lifetimes only.
    let by_lifetime = optional(usage.pointer("/cache_creation/ephemeral_5m_input_tokens"))?
        .checked_add(optional(usage.pointer("/cache_creation/ephemeral_1h_input_tokens"))?)?;
    Some(TokenUsage {
        input_uncached: usage.get("input_tokens")?.as_u64()?,
        input_cache_read: optional(usage.get("cache_read_input_tokens"))?,
        input_cache_write: written.max(by_lifetime),
        output_text: output.checked_sub(output_reasoning)?,
        output_reasoning,
    })
}

/// What is not told is none; what is told wrongly is `None`.
fn optional(count: Option<&Value>) -> Option<u64> {
    match count {
        None | Some(Value::Null) => Some(0),
        Some(count) => count.as_u64(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parts_are_as_they_are_told() {
        let usage = |input_uncached, input_cache_read, input_cache_write, output_text, output_reasoning| {
            Metering::Reported(TokenUsage { input_uncached, input_cache_read, input_cache_write, output_text, output_reasoning })
        };
        for (told, expected) in [
            (json!({"input_tokens": 10, "output_tokens": 5}), usage(10, 0, 0, 5, 0)),
            (
                json!({
                    "input_tokens": 10, "cache_read_input_tokens": 60, "cache_creation_input_tokens": 30, "output_tokens": 50,
                    "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10},
                    "output_tokens_details": {"thinking_tokens": 40}, "service_tier": "standard", "server_tool_use": null,
                }),
                usage(10, 60, 30, 10, 40),
            ),
            (json!({"input_tokens": 1, "output_tokens": 1, "cache_creation": {"ephemeral_5m_input_tokens": 7}}), usage(1, 0, 7, 1, 0)),
            (json!({"input_tokens": 0, "output_tokens": 0, "cache_read_input_tokens": null}), usage(0, 0, 0, 0, 0)),
        ] {
            assert_eq!(metering(Some(&told)), expected, "{told}");
        }
    }

    #[test]
    fn what_is_not_told_or_told_wrongly_is_not_known() {
        for told in [
            json!(null),
            json!({"input_tokens": 10}),
            json!({"output_tokens": 10}),
            json!({"input_tokens": -1, "output_tokens": 1}),
            json!({"input_tokens": 1, "output_tokens": 1, "cache_read_input_tokens": "9"}),
            json!({"input_tokens": 1, "output_tokens": 1, "output_tokens_details": {"thinking_tokens": 2}}),
        ] {
            assert_eq!(metering(Some(&told)), Metering::Unknown, "{told}");
        }
        assert_eq!(metering(None), Metering::Unknown);
    }
}
