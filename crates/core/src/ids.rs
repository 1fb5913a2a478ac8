//! Names of things: runs, steps, calls.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Crockford's alphabet in lower case: sorts as the bytes do, and has no `i l o u` to misread.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The public id of a run: `run_` and a UUIDv7 in 26 characters of base 32, so ids sort by creation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u128);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0_u8; 26];
        let mut rest = self.0;
        for slot in text.iter_mut().rev() {
            *slot = ALPHABET[(rest & 31) as usize];
            rest >>= 5;
        }
        f.write_str("run_")?;
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not a run id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a run id; one looks like `run_01k9zq6d3ve8ptx0w3r5y7c2mn`")]
pub struct NotARunId(pub String);

impl FromStr for RunId {
    type Err = NotARunId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || NotARunId(text.to_owned());
        let digits = text.strip_prefix("run_").filter(|d| d.len() == 26).ok_or_else(refuse)?;
        let mut number: u128 = 0;
        for (place, byte) in digits.bytes().enumerate() {
            let digit = ALPHABET.iter().position(|&a| a == byte).ok_or_else(refuse)?;
            // 26 digits hold 130 bits: the first may use only three of its five.
            if place == 0 && digit > 7 {
                return Err(refuse());
            }
            number = (number << 5) | digit as u128;
        }
        Ok(Self(number))
    }
}

impl Serialize for RunId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The id of a step: unique in its file, nested steps included. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub Arc<str>);

impl StepId {
    /// The text of the id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for StepId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names one call of a run: which step, which element of its fan-out, which try, which call inside the try, and how often that call was redone
/// because a crash left it in doubt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallId {
    /// The step.
    pub step: StepId,
    /// Element of the fan-out, from 0; 0 for a plain step.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub item: u32,
    /// Attempt, from 1.
    pub attempt: u32,
    /// Position of the call in its attempt, from 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub call: u32,
    /// How often this position was ordered again after a crash.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub redo: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if hands out a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.step, self.item, self.attempt, self.call)?;
        if self.redo > 0 {
            write!(f, "+{}", self.redo)?;
        }
        Ok(())
    }
}

/// SHA-256 of some content, shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub [u8; 32]);

impl ContentHash {
    /// The hash before the first append of a run.
    pub const NONE: Self = Self([0; 32]);

    /// The hash of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest;
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The hash of an append: SHA-256 over the hash of the append before it in its run, its number and its time as 8 bytes big-endian each, and its
    /// body.
    #[must_use]
    pub fn chained(previous: Self, seq: u64, at: crate::time::Timestamp, body: &[u8]) -> Self {
        use sha2::Digest;
        let hash = sha2::Sha256::new().chain_update(previous.0).chain_update(seq.to_be_bytes()).chain_update(at.0.to_be_bytes()).chain_update(body);
        Self(hash.finalize().into())
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ContentHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ContentHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).map_err(serde::de::Error::custom)?;
        let array = <[u8; 32]>::try_from(bytes).map_err(|_| serde::de::Error::custom("a hash has 64 hexadecimal digits"))?;
        Ok(Self(array))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_survives_its_text() {
        for number in [0, 1, u128::MAX, 0x0192_f0a1_b2c3_7def_8123_4567_89ab_cdef] {
            let id = RunId(number);
            assert_eq!(id.to_string().parse::<RunId>(), Ok(id));
        }
    }

    #[test]
    fn what_is_no_run_id_is_refused() {
        for text in ["", "run_", "run_zzzzzzzzzzzzzzzzzzzzzzzzzz", "01k9zq6d3ve8ptx0w3r5y7c2mn", "run_01k9zq6d3ve8ptx0w3r5y7c2mI"] {
            assert!(text.parse::<RunId>().is_err(), "{text}");
        }
    }
}
