//! What an answer tells of its usage, and what it was in truth.

use serde_json::{Value, json};

use super::price::Counts;
use super::question::Question;
use super::script::{AnswerReply, Usage};

/// `usage` of the answer, and the counts that are charged.
pub(super) fn told_and_billed(answer: &AnswerReply, question: &Question) -> (Option<Value>, Counts) {
    let (told, counts) = match &answer.usage {
        Usage::Counted => both(counted(answer, question)),
        Usage::Is(counts) => both(*counts),
        Usage::Seeded(seed) => both(seeded(*seed, question)),
        Usage::Missing => (None, counted(answer, question)),
        Usage::Raw(value) => (Some(value.clone()), counted(answer, question)),
    };
    (told, answer.billed.unwrap_or(counts))
}

fn both(counts: Counts) -> (Option<Value>, Counts) {
    let told = json!({
        "prompt_tokens": counts.prompt,
        "completion_tokens": counts.completion,
        "total_tokens": counts.prompt.saturating_add(counts.completion),
        "prompt_tokens_details": {"cached_tokens": counts.cached, "cache_write_tokens": counts.cache_write},
        "completion_tokens_details": {"reasoning_tokens": counts.reasoning},
    });
    (Some(told), counts)
}

fn counted(answer: &AnswerReply, question: &Question) -> Counts {
    let calls: usize = answer.tool_calls.iter().map(|call| call.name.len() + call.arguments.len()).sum();
    let completion = ((answer.text.len() + calls) as u64).div_ceil(4).min(question.max_tokens.unwrap_or(u64::MAX));
    Counts { prompt: question.bytes().div_ceil(4), completion, ..Counts::default() }
}

fn seeded(seed: u64, question: &Question) -> Counts {
    // FNV-1a folds the texts into the seed, so that equal questions always cost the same, whenever they come.
    let folded = question.system.iter().chain(&question.prompts).flat_map(|text| text.bytes());
    let mut state = folded.fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mut below = |bound: u64| splitmix(&mut state) % bound.max(1);
    let prompt = 1 + below(question.bytes());
    let cached = below(prompt + 1);
    let cache_write = below(prompt - cached + 1);
    let completion = 1 + below(question.max_tokens.unwrap_or(256));
    let reasoning = below(completion + 1);
    Counts { prompt, completion, cached, cache_write, reasoning }
}

/// Sebastiano Vigna's splitmix64.
fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_counts_are_possible_ones_and_always_the_same() {
        for seed in 0..2_000 {
            let body = json!({"model": "m", "max_tokens": 1 + seed % 50, "messages": [{"role": "user", "content": format!("question {seed}")}]});
            let question = Question::read(&body, crate::scripted::question::Wire::OpenAi).expect("a question");
            let counts = seeded(seed, &question);
            assert_eq!(counts, seeded(seed, &question));
            assert!(counts.cached + counts.cache_write <= counts.prompt && counts.reasoning <= counts.completion, "{counts:?}");
            assert!(counts.prompt <= question.bytes() && counts.completion <= 1 + seed % 50, "{counts:?}");
        }
    }
}
