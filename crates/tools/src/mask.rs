//! Keys that come back in what a call gave, such as a command that prints its environment or an HTTP server that repeats a header, are shown to nobody:
//! they are taken out before anything is stored or watched.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use gorgon_core::call::{Failure, Family, Outcome};
use gorgon_core::payload::Payload;
use gorgon_ports::{CallCx, Executor, Progress, ProgressSink, StoredCall};

/// What stands where a key stood.
const IN_PLACE: &str = "[key]";

/// Shortest key that is looked for: anything shorter stands in harmless text too often.
const BYTES_MIN: usize = 8;

/// Keys that are taken out.
#[derive(Clone, Default)]
pub struct Keys {
    plain: Vec<String>,
    /// As they stand in JSON text.
    in_json: Vec<String>,
}

impl Keys {
    /// These keys; those of fewer than 8 bytes are left out.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = String>) -> Self {
        let mut plain: Vec<String> = keys.into_iter().map(|key| key.trim().to_owned()).filter(|key| key.len() >= BYTES_MIN).collect();
        // The longest first: one may begin with another.
        plain.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        plain.dedup();
        let json = |key: &String| serde_json::to_string(key).ok().and_then(|text| Some(text.strip_prefix('"')?.strip_suffix('"')?.to_owned()));
        let in_json = plain.iter().filter_map(json).collect();
        Self { plain, in_json }
    }

    /// An executor whose calls give none of these keys.
    #[must_use]
    pub fn around(&self, inner: Arc<dyn Executor>) -> Arc<dyn Executor> {
        if self.plain.is_empty() { inner } else { Arc::new(Masked { inner, keys: Arc::new(self.clone()) }) }
    }

    fn text(&self, text: String) -> String {
        without(&self.plain, text)
    }

    fn payload(&self, value: Payload) -> Payload {
        if !self.in_json.iter().any(|key| value.json().contains(key.as_str())) {
            return value;
        }
        Payload::from_json(without(&self.in_json, value.json().to_owned())).unwrap_or_else(|_| Payload::of(IN_PLACE))
    }

    /// The bytes without keys, and the end of them that may begin one, unless nothing follows.
    fn scan(&self, bytes: &[u8], is_last: bool) -> (Vec<u8>, Vec<u8>) {
        let mut out = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        'bytes: while let [first, after @ ..] = rest {
            for key in self.plain.iter().map(String::as_bytes) {
                if let Some(after) = rest.strip_prefix(key) {
                    out.extend_from_slice(IN_PLACE.as_bytes());
                    rest = after;
                    continue 'bytes;
                }
                if !is_last && key.starts_with(rest) {
                    break 'bytes;
                }
            }
            out.push(*first);
            rest = after;
        }
        (out, rest.to_owned())
    }

    fn outcome(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Succeeded { value, metering } => Outcome::Succeeded { value: self.payload(value), metering },
            Outcome::Failed { failure, metering } => {
                let Failure { message, detail, .. } = failure;
                let failure = Failure { message: self.text(message), detail: detail.map(|detail| self.text(detail)), ..failure };
                Outcome::Failed { failure, metering }
            }
            Outcome::InDoubt { evidence } => Outcome::InDoubt { evidence: self.text(evidence) },
        }
    }
}

fn without(keys: &[String], text: String) -> String {
    keys.iter().fold(text, |text, key| if text.contains(key.as_str()) { text.replace(key.as_str(), IN_PLACE) } else { text })
}

struct Masked {
    inner: Arc<dyn Executor>,
    keys: Arc<Keys>,
}

#[async_trait]
impl Executor for Masked {
    fn family(&self) -> Family {
        self.inner.family()
    }

    async fn perform(&self, call: &StoredCall, cx: CallCx) -> Outcome {
        let pieces = Arc::new(Pieces { keys: Arc::clone(&self.keys), tails: Mutex::default(), sink: Arc::clone(&cx.progress) });
        let progress: ProgressSink = {
            let pieces = Arc::clone(&pieces);
            Arc::new(move |progress| match progress {
                Progress::Output { stream, bytes } => {
                    let bytes = pieces.masked(stream, bytes);
                    (pieces.sink)(Progress::Output { stream, bytes })
                }
                other => (pieces.sink)(other),
            })
        };
        let outcome = self.inner.perform(call, CallCx { progress, ..cx }).await;
        pieces.flush();
        self.keys.outcome(outcome)
    }
}

/// Live output, in pieces that may end within a key: what could be the beginning of one is held back until it is known.
struct Pieces {
    keys: Arc<Keys>,
    tails: Mutex<HashMap<&'static str, Vec<u8>>>,
    sink: ProgressSink,
}

impl Pieces {
    fn masked(&self, stream: &'static str, bytes: Vec<u8>) -> Vec<u8> {
        let mut tails = self.tails.lock().unwrap_or_else(PoisonError::into_inner);
        let tail = tails.entry(stream).or_default();
        tail.extend_from_slice(&bytes);
        let (out, held_back) = self.keys.scan(tail, false);
        *tail = held_back;
        out
    }

    /// Nothing more comes: what was held back as the beginning of a key is none.
    fn flush(&self) {
        let mut tails = self.tails.lock().unwrap_or_else(PoisonError::into_inner);
        for (stream, tail) in tails.drain().filter(|(_, tail)| !tail.is_empty()) {
            let (bytes, _) = self.keys.scan(&tail, true);
            (self.sink)(Progress::Output { stream, bytes });
        }
    }
}

#[cfg(test)]
mod tests {
    use gorgon_core::call::{FailureClass, Metering};
    use gorgon_ports::Steer;

    use super::*;

    fn keys() -> Keys {
        Keys::new(["sk-12345678".to_owned(), "sk-12345678-long".to_owned(), "short".to_owned(), "quote\"d-key".to_owned()])
    }

    #[test]
    fn no_outcome_holds_a_key() {
        let keys = keys();
        let value = Payload::of(&serde_json::json!({ "stdout": "a sk-12345678-long b sk-12345678 c short quote\"d-key" }));
        let Outcome::Succeeded { value, .. } = keys.outcome(Outcome::Succeeded { value, metering: Metering::None }) else { panic!("it succeeded") };
        assert_eq!(value.value()["stdout"], "a [key] b [key] c short [key]");
        let failure = Failure { detail: Some("x sk-12345678".to_owned()), ..Failure::new(FailureClass::Refused, "sk-12345678 y") };
        let Outcome::Failed { failure, .. } = keys.outcome(Outcome::Failed { failure, metering: Metering::None }) else { panic!("it failed") };
        assert_eq!((failure.message.as_str(), failure.detail.as_deref()), ("[key] y", Some("x [key]")));
        assert_eq!(keys.outcome(Outcome::InDoubt { evidence: "sk-12345678".to_owned() }), Outcome::InDoubt { evidence: "[key]".to_owned() });
    }

    #[test]
    fn no_piece_of_output_holds_a_key_wherever_it_is_cut() {
        let whole = b"sk sk-12345678-long sk-12345678x sk-1234567 \xff quote\"d-ke sk-12345678".as_slice();
        for first in 0..=whole.len() {
            for second in first..=whole.len() {
                let told: Arc<Mutex<Vec<u8>>> = Arc::default();
                let sink = Arc::clone(&told);
                let sink: ProgressSink = Arc::new(move |progress| {
                    if let Progress::Output { bytes, .. } = progress {
                        sink.lock().unwrap().extend(bytes);
                    }
                    Steer::Continue
                });
                let pieces = Pieces { keys: Arc::new(keys()), tails: Mutex::default(), sink };
                for piece in [&whole[..first], &whole[first..second], &whole[second..]] {
                    let bytes = pieces.masked("stdout", piece.to_owned());
                    (pieces.sink)(Progress::Output { stream: "stdout", bytes });
                }
                pieces.flush();
                assert_eq!(told.lock().unwrap().as_slice(), b"sk [key] [key]x sk-1234567 \xff quote\"d-ke [key]", "cut at {first} and {second}");
            }
        }
    }
}
