//! Reading events back from a log: what this release knows, and a clear word about what it does not.

use serde_json::value::RawValue;

use crate::event::Event;

/// The body of an append could not be read as events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// An event, or a word inside of one, comes from a later release. The run is left alone until that release reads it.
    #[error("event {place} is `{name}`, which release {this} does not know; a later release wrote it, and that release or a newer one is needed to go on", this = RELEASE)]
    Unknown {
        /// Its place in the append, from 0.
        place: usize,
        /// The name of its type; with the unknown word after a slash, if the type itself is known.
        name: String,
    },
    /// It is not what any release writes: the log is damaged.
    #[error("{what} cannot be read: {reason}")]
    Malformed {
        /// What cannot be read.
        what: String,
        /// Why.
        reason: String,
    },
}

/// This release, as people name it.
const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// The events of an append, from its body: a JSON array, each event tagged by its name.
///
/// # Errors
/// Which event is unknown or malformed.
pub fn decode_body(body: &[u8]) -> Result<Vec<Event>, DecodeError> {
    serde_json::from_slice(body).map_err(|error| diagnose(body, &error))
}

/// The body of an append that holds these events: what [`decode_body`] reads.
///
/// # Errors
/// None for events that the core made; a payload is JSON already.
pub fn encode_body(events: &[Event]) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(events)
}

/// Finds the event that is at fault. Only after a failure, so it may be slow.
fn diagnose(body: &[u8], whole: &serde_json::Error) -> DecodeError {
    let malformed = |what: String, reason: &dyn std::fmt::Display| DecodeError::Malformed { what, reason: reason.to_string() };
    let events: Vec<&RawValue> = match serde_json::from_slice(body) {
        Ok(events) => events,
        Err(error) => return malformed("the append".to_owned(), &error),
    };
    for (place, text) in events.iter().enumerate() {
        let Err(error) = serde_json::from_str::<Event>(text.get()) else { continue };
        let Some(name) = name_of(text) else { return malformed(format!("event {place}"), &error) };
        if !Event::NAMES.contains(&name.as_str()) {
            return DecodeError::Unknown { place, name };
        }
        return match unknown_word(&error) {
            Some(word) => DecodeError::Unknown { place, name: format!("{name}/{word}") },
            None => malformed(format!("event {place}, `{name}`,"), &error),
        };
    }
    malformed("the append".to_owned(), whole)
}

/// The name that an event is tagged by: the only key of its object, or the text that stands in its place.
fn name_of(text: &RawValue) -> Option<String> {
    match serde_json::from_str(text.get()) {
        Ok(serde_json::Value::Object(map)) if map.len() == 1 => map.into_iter().next().map(|(name, _)| name),
        Ok(serde_json::Value::String(name)) => Some(name),
        _ => None,
    }
}

/// The word of an enum inside of the event that this release does not know, by serde's own message.
fn unknown_word(error: &serde_json::Error) -> Option<String> {
    let message = error.to_string();
    let word = message.strip_prefix("unknown variant `")?.split_once('`')?.0;
    Some(word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let events = vec![
            Event::Resumed { by: "ann".to_owned() },
            Event::SignalReceived { name: "go".to_owned(), payload: crate::payload::Payload::of(&serde_json::json!({ "n": 1.50 })) },
        ];
        let body = encode_body(&events).expect("events are JSON");
        assert_eq!(decode_body(&body), Ok(events));
        assert_eq!(decode_body(b"[]"), Ok(Vec::new()));
    }

    #[test]
    fn an_unknown_event_is_named_and_the_release_with_it() {
        let error = decode_body(br#"[{"resumed":{"by":"ann"}},{"moon_landed":{"crew":3}}]"#).expect_err("nobody knows it");
        assert_eq!(error, DecodeError::Unknown { place: 1, name: "moon_landed".to_owned() });
        assert!(error.to_string().contains("`moon_landed`") && error.to_string().contains(RELEASE), "{error}");
    }

    #[test]
    fn an_unknown_word_inside_of_a_known_event_is_unknown_too() {
        let error = decode_body(br#"[{"halted":{"reason":{"eclipse":{"of":"sun"}}}}]"#).expect_err("nobody knows it");
        assert_eq!(error, DecodeError::Unknown { place: 0, name: "halted/eclipse".to_owned() });
    }

    #[test]
    fn damage_is_not_taken_for_news() {
        for body in
            [&b""[..], b"{", b"{}", b"7", b"[7]", b"[{}]", br#"[{"a":1,"b":2}]"#, br#"[{"resumed":{}}]"#, br#"[{"resumed":{"by":7}}]"#, b"[\xff]"]
        {
            let error = decode_body(body).expect_err("damaged");
            assert!(matches!(error, DecodeError::Malformed { .. }), "{}: {error}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn keys_that_a_later_release_added_are_passed_over() {
        let events = decode_body(br#"[{"resumed":{"by":"ann","since":"dawn"}}]"#);
        assert_eq!(events, Ok(vec![Event::Resumed { by: "ann".to_owned() }]));
    }
}
