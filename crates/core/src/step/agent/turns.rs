//! Where a conversation stands: what the last answer asked for, and what came since.

use crate::call::{CutOff, Failure, Family, Message, ModelAnswer, Outcome, Part, Request, Speaker};
use crate::definition::EffectClass;

use super::tools::{Tool, unknown};

/// Where a conversation stands.
pub(super) enum Turn {
    /// Nothing was asked yet.
    Opening,
    /// The model failed before it ever answered.
    NoAnswer(Failure),
    /// The model failed after it had answered before; so often in a row.
    Failed(Failure, u32),
    /// This tool is next.
    Tool(Box<Request>, EffectClass),
    /// The model goes on, with these messages first.
    Ask(Vec<Message>),
    /// The model is done; and what the scripts of its contract have said of the answer so far.
    Answered(ModelAnswer, Vec<Outcome>),
    /// It ended in the middle of asking for a tool.
    CutOff(String),
    /// The answer cannot be read.
    Unreadable(String),
}

/// What helps where an answer was cut off, if it was.
fn cut_off(answer: &ModelAnswer) -> Option<&'static str> {
    CutOff::of(&answer.finish_reason).map(|how| match how {
        CutOff::MaxTokens => "`max_tokens` were used up; raise it, or ask for less at a time",
        CutOff::Window => "the model's context window was full; give it less to read",
    })
}

/// Model answers so far.
pub(super) fn answers(asked: &[Option<Family>], journal: &[Outcome]) -> u32 {
    let count = asked.iter().zip(journal).filter(|(asked, outcome)| is_answer(**asked, outcome)).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Answers since the step was last opened again: those count against its limit.
pub(super) fn answers_since_opened(asked: &[Option<Family>], journal: &[Outcome]) -> u32 {
    let opened = asked.iter().zip(journal).rposition(|(asked, outcome)| asked.is_none() && hop_of(outcome) == Some(super::OPENED_AGAIN));
    let from = opened.map_or(0, |at| at + 1);
    answers(&asked[from..], &journal[from..])
}

/// Whether a conversation that came to a bad end, or was stopped, can go on where it is: a model was asked and failed, or has yet to hear what its tools gave.
/// An answer that was judged, and found wrong as often as it may be, leaves nothing to go on with.
pub(crate) fn can_go_on(asked: &[Option<Family>], journal: &[Outcome]) -> bool {
    let Some(last) = asked.iter().zip(journal).rposition(|(asked, outcome)| is_answer(*asked, outcome)) else { return false };
    let model_failed = asked[last + 1..].iter().zip(&journal[last + 1..]).any(|(asked, _)| *asked == Some(Family::Model));
    model_failed || answer_of(&journal[last]).is_some_and(|answer| wants_tools(&answer) && cut_off(&answer).is_none())
}

/// Answers at the end of the journal that came one after the other, without a tool in between. What a contract's scripts said of one is no tool.
pub(super) fn in_a_row(asked: &[Option<Family>], journal: &[Outcome]) -> u32 {
    let (mut row, mut acted) = (0, false);
    for (asked, outcome) in asked.iter().zip(journal).rev() {
        match asked {
            None => {}
            Some(Family::Model) if !is_answer(*asked, outcome) => {}
            Some(Family::Model) => {
                if acted && answer_of(outcome).is_some_and(|answer| wants_tools(&answer)) {
                    break;
                }
                (row, acted) = (row + 1, false);
            }
            Some(_) => acted = true,
        }
    }
    row
}

fn answer_of(outcome: &Outcome) -> Option<ModelAnswer> {
    let Outcome::Succeeded { value, .. } = outcome else { return None };
    value.parse().ok()
}

fn wants_tools(answer: &ModelAnswer) -> bool {
    answer.parts.iter().any(|part| matches!(part, Part::ToolCall { .. }))
}

fn is_answer(asked: Option<Family>, outcome: &Outcome) -> bool {
    asked == Some(Family::Model) && matches!(outcome, Outcome::Succeeded { .. })
}

/// Looks at the end of the journal alone: the thousandth turn costs what the first one does.
pub(super) fn look(asked: &[Option<Family>], journal: &[Outcome], tools: &[&'static Tool]) -> Turn {
    let Some(last) = asked.iter().zip(journal).rposition(|(asked, outcome)| is_answer(*asked, outcome)) else {
        return match journal.last() {
            None => Turn::Opening,
            Some(Outcome::Failed { failure, .. }) => Turn::NoAnswer(failure.clone()),
            Some(Outcome::InDoubt { evidence }) => Turn::NoAnswer(Failure::new(crate::call::FailureClass::Rejected, evidence.clone())),
            Some(Outcome::Succeeded { .. }) => Turn::Unreadable("it has no answer of a model".to_owned()),
        };
    };
    let (since_asked, since) = (&asked[last + 1..], &journal[last + 1..]);
    if let (Some(Some(Family::Model)), Some(Outcome::Failed { failure, .. })) = (since_asked.last(), since.last()) {
        // Whoever is asked now has failed only since they are asked.
        let hop = since_asked.iter().zip(since).rposition(|(asked, outcome)| asked.is_none() && is_hop(outcome)).map_or(0, |at| at + 1);
        let tries = since_asked[hop..].iter().filter(|asked| **asked == Some(Family::Model)).count();
        return Turn::Failed(failure.clone(), u32::try_from(tries).unwrap_or(u32::MAX));
    }
    let answer = match &journal[last] {
        Outcome::Succeeded { value, .. } => match value.parse::<ModelAnswer>() {
            Ok(answer) => answer,
            Err(error) => return Turn::Unreadable(error.to_string()),
        },
        Outcome::Failed { .. } | Outcome::InDoubt { .. } => return Turn::Unreadable("it is no answer".to_owned()),
    };
    let wanted: Vec<(&str, &str, &str)> = answer
        .parts
        .iter()
        .filter_map(|part| match part {
            Part::ToolCall { id, name, arguments } => Some((id.as_str(), name.as_str(), arguments.as_str())),
            Part::Text(_) | Part::ToolResult { .. } | Part::Opaque { .. } => None,
        })
        .collect();
    // A call that was cut off may lack half of its arguments. It is not made, and not passed over in silence.
    if let (Some((_, name, _)), Some(why)) = (wanted.last(), cut_off(&answer)) {
        return Turn::CutOff(format!("the answer of `{}` ended within its call of `{name}`, which was not made: {why}", answer.model));
    }
    if !wanted.is_empty() {
        let given: Vec<&Outcome> = since_asked
            .iter()
            .zip(since)
            .filter(|(asked, _)| asked.is_some_and(|family| family != Family::Model))
            .map(|(_, outcome)| outcome)
            .collect();
        return after_tools(&wanted, &given, tools);
    }
    if answer.finish_reason == "pause" {
        return Turn::Ask(Vec::new());
    }
    let verdicts = since_asked.iter().zip(since).filter(|(asked, _)| **asked == Some(Family::Script)).map(|(_, outcome)| outcome.clone());
    Turn::Answered(answer, verdicts.collect())
}

fn is_hop(outcome: &Outcome) -> bool {
    hop_of(outcome).is_some()
}

/// Who is asked from here on.
fn hop_of(outcome: &Outcome) -> Option<u32> {
    let Outcome::Succeeded { value, .. } = outcome else { return None };
    value.value().get(super::HOP)?.as_u64().and_then(|hop| u32::try_from(hop).ok())
}

/// The next tool that was asked for, or all results. What makes no sense is answered without being done.
fn after_tools(wanted: &[(&str, &str, &str)], given: &[&Outcome], tools: &[&'static Tool]) -> Turn {
    let mut given = given.iter();
    let mut parts = Vec::with_capacity(wanted.len());
    for (id, name, arguments) in wanted {
        let (content, is_error) = match tools.iter().find(|tool| tool.wire_name() == *name) {
            None => (unknown(name, tools), true),
            Some(tool) => match tool.request(arguments) {
                Err(why) => (why, true),
                Ok((request, class)) => match given.next() {
                    None => return Turn::Tool(Box::new(request), class),
                    Some(outcome) => tool.result(arguments, outcome),
                },
            },
        };
        parts.push(Part::ToolResult { id: (*id).to_owned(), name: (*name).to_owned(), content, is_error });
    }
    Turn::Ask(vec![Message { by: Speaker::User, parts }])
}
