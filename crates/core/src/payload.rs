//! Values that travel through a run without being looked into: outputs, requests, answers.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::ids::ContentHash;

/// A JSON value kept as its text. Cloning is one count; the text is parsed only where somebody looks inside.
///
/// In an event on disk a payload stands as it is, except that a text over [`Payload::INLINE_BYTES_MAX`] lies in a blob and the event holds
/// `{"$blob":{…}}` instead. A value that itself begins so is put into a blob whatever its size, so the two cannot be confused. In memory the
/// text is always at hand: what reads a run from a store fills the blobs in before the core sees them.
#[derive(Debug, Clone)]
pub struct Payload(Arc<RawValue>);

/// Where the text of a large payload lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRef {
    /// SHA-256 of the text.
    pub hash: ContentHash,
    /// Length of the text in bytes.
    pub bytes: u64,
}

const BLOB_PREFIX: &str = r#"{"$blob":"#;

#[derive(Serialize, Deserialize)]
struct BlobEnvelope {
    #[serde(rename = "$blob")]
    blob: BlobRef,
}

impl Payload {
    /// Longest text, in bytes, that an event holds itself.
    pub const INLINE_BYTES_MAX: usize = 8 * 1024;

    /// The text that has to lie outside of the event, if it has to: with its reference, which takes its place.
    #[must_use]
    pub fn spill(&self) -> Option<(Self, BlobRef)> {
        let text = self.json();
        if text.len() <= Self::INLINE_BYTES_MAX && !text.starts_with(BLOB_PREFIX) {
            return None;
        }
        let blob = BlobRef { hash: ContentHash::of(text.as_bytes()), bytes: text.len() as u64 };
        Some((Self::of(&BlobEnvelope { blob }), blob))
    }

    /// The reference, if this payload, as read from an event on disk, stands for a blob.
    #[must_use]
    pub fn blob(&self) -> Option<BlobRef> {
        if !self.json().starts_with(BLOB_PREFIX) {
            return None;
        }
        self.parse::<BlobEnvelope>().ok().map(|envelope| envelope.blob)
    }

    /// The payload of a value.
    ///
    /// # Panics
    /// Never for values made of maps with text keys, lists, texts, numbers, booleans and null.
    #[must_use]
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Self {
        #[expect(clippy::expect_used, reason = "a type that cannot be written as JSON is a bug of ours")]
        let raw = serde_json::value::to_raw_value(value).expect("the value can be written as JSON");
        Self(raw.into())
    }

    /// `null`.
    #[must_use]
    pub fn null() -> Self {
        Self(RawValue::NULL.to_owned().into())
    }

    /// A payload from JSON text.
    ///
    /// # Errors
    /// If the text is not one JSON value.
    pub fn from_json(text: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text).map(|raw| Self(raw.into()))
    }

    /// The JSON text.
    #[must_use]
    pub fn json(&self) -> &str {
        self.0.get()
    }

    /// Parses the text into a value.
    ///
    /// # Errors
    /// If the text does not have the shape of `T`.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.json())
    }

    /// Parses the text into a JSON value.
    #[must_use]
    pub fn value(&self) -> Value {
        // The text was proven to be JSON when the payload was made.
        self.parse().unwrap_or(Value::Null)
    }

    /// Whether this is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.json() == "null"
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.json() == other.json() || self.value() == other.value()
    }
}

impl Eq for Payload {}

impl Default for Payload {
    fn default() -> Self {
        Self::null()
    }
}

impl From<&Value> for Payload {
    fn from(value: &Value) -> Self {
        Self::of(value)
    }
}

impl Serialize for Payload {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|raw| Self(raw.into()))
    }
}
