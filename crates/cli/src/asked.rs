//! What a model was asked, and what came of it, in a few words.

use gorgon_core::call::{CutOff, ModelAnswer, ModelRequest, Outcome, Part, Speaker};

use crate::board::first_line;

/// Why a model is asked again, if what it is told is what was wrong with its last answer.
pub(crate) fn why_again(request: &ModelRequest) -> Option<String> {
    let last = request.messages.last().filter(|message| request.follows && message.by == Speaker::User)?;
    let [Part::Text(text)] = last.parts.as_slice() else { return None };
    let problems: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("- ")).collect();
    Some(if problems.is_empty() { first_line(text) } else { problems.join("; ") })
}

/// Whom a request goes to.
pub(crate) fn whom(request: &ModelRequest) -> String {
    if request.is_simulated() { request.provider.clone() } else { format!("{}/{}", request.provider, request.model) }
}

/// What came of the call of a model. Another one than was asked may have answered, and made it dearer.
pub(crate) fn came_to(request: &ModelRequest, outcome: &Outcome) -> String {
    let answer = match outcome {
        Outcome::Succeeded { value, .. } => value.parse::<ModelAnswer>(),
        Outcome::Failed { failure, .. } => return format!("failed: {}", first_line(&failure.message)),
        Outcome::InDoubt { evidence } => return in_doubt(evidence),
    };
    let Ok(answer) = answer else { return "answered".to_owned() };
    if let Some(why) = cut_off(&answer) {
        return format!("answered, {why}");
    }
    // What answers is often called by the day that it was made on.
    let is_dated = |rest: &str| rest.is_empty() || rest.starts_with(['-', '@']) && rest[1..].starts_with(|c: char| c.is_ascii_digit());
    let as_asked = request.is_simulated() || answer.model.is_empty() || answer.model.strip_prefix(request.model.as_str()).is_some_and(is_dated);
    let by_whom = if as_asked { String::new() } else { format!(" (it was {})", answer.model) };
    let tool = |part: &Part| if let Part::ToolCall { name, .. } = part { Some(name.clone()) } else { None };
    let tools: Vec<String> = answer.parts.iter().filter_map(tool).collect();
    match answer.finish_reason.as_str() {
        "refusal" => format!("refused to answer{by_whom}"),
        _ if !tools.is_empty() => format!("asked for {}{by_whom}", tools.join(", ")),
        _ => format!("answered{by_whom}"),
    }
}

/// What is known of a call whose fate is not.
pub(crate) fn in_doubt(evidence: &str) -> String {
    format!("in doubt: {}", first_line(evidence))
}

/// How an answer was cut off, if it was: nothing but this tells of it where any text is a result.
pub(crate) fn was_cut_off(outcome: &Outcome) -> Option<&'static str> {
    let Outcome::Succeeded { value, .. } = outcome else { return None };
    cut_off(&value.parse().ok()?)
}

fn cut_off(answer: &ModelAnswer) -> Option<&'static str> {
    CutOff::of(&answer.finish_reason).map(|how| match how {
        CutOff::MaxTokens => "cut off by `max_tokens`",
        CutOff::Window => "cut off at the end of its context window",
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gorgon_core::call::{Message, Metering};
    use gorgon_core::contract::{Broken, Problem, ask_again};
    use gorgon_core::payload::Payload;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_correction_is_told_by_its_problems() {
        let problem = |path: &str, message: &str| Problem { path: path.to_owned(), message: message.to_owned() };
        let told = Message::user(ask_again(Broken::Shape, &[problem("/age", "has to be a number"), problem("", "is too long")]));
        let request = |follows, message: Message| ModelRequest { follows, messages: vec![Arc::new(message)], ..ModelRequest::default() };
        assert_eq!(why_again(&request(true, told.clone())).as_deref(), Some("at /age: has to be a number; is too long"));
        assert_eq!(why_again(&request(false, told)), None);
        let result = Part::ToolResult { id: "t".to_owned(), name: "shell".to_owned(), content: "- x".to_owned(), is_error: false };
        assert_eq!(why_again(&request(true, Message { by: Speaker::User, parts: vec![result] })), None);
    }

    #[test]
    fn an_answer_is_told_by_how_it_ended() {
        let said = |reason: &str, parts: serde_json::Value| Outcome::Succeeded {
            value: Payload::of(&json!({ "text": "x", "model": "m", "finish_reason": reason, "parts": parts })),
            metering: Metering::None,
        };
        let asked = ModelRequest { provider: "p".to_owned(), model: "m".to_owned(), ..ModelRequest::default() };
        let call = json!([{ "tool_call": { "id": "t", "name": "shell", "arguments": "{}" } }]);
        for (reason, parts, told) in [
            ("stop", json!([]), "answered"),
            ("tool_calls", call.clone(), "asked for shell"),
            ("length", json!([]), "answered, cut off by `max_tokens`"),
            ("length", call, "answered, cut off by `max_tokens`"),
            ("refusal", json!([]), "refused to answer"),
        ] {
            assert_eq!(came_to(&asked, &said(reason, parts)), told);
        }
        assert_eq!(was_cut_off(&said("stop", json!([]))), None);
        for (model, told) in [("m-2026-10-01", "answered"), ("n", "answered (it was n)"), ("mini", "answered (it was mini)")] {
            let value = Payload::of(&json!({ "text": "x", "model": model, "finish_reason": "stop", "parts": [] }));
            assert_eq!(came_to(&asked, &Outcome::Succeeded { value, metering: Metering::None }), told);
        }
    }
}
