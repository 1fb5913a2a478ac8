//! What one evaluation may still use up.

use std::borrow::Cow;

use serde_json::Value;

use super::super::error::RenderError;
use super::super::limits::{EXPRESSION_FUEL, EXPRESSION_MADE_BYTES_MAX};
use super::super::value::size_of;

/// Why an evaluation stopped. A message gets its expression at the top.
#[derive(Debug)]
pub(super) enum Fault {
    Render(RenderError),
    Message(String),
}

impl From<RenderError> for Fault {
    fn from(error: RenderError) -> Self {
        Self::Render(error)
    }
}

pub(super) fn fault<T>(message: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Message(message.into()))
}

/// Fuel and room. Room is taken **before** anything is made, so a refusal costs no memory.
#[derive(Debug)]
pub(super) struct Meter {
    fuel: u64,
    room_bytes: usize,
}

impl Meter {
    pub(super) fn new() -> Self {
        Self { fuel: EXPRESSION_FUEL, room_bytes: EXPRESSION_MADE_BYTES_MAX }
    }

    /// Takes the fuel of going through `count` elements.
    pub(super) fn burn(&mut self, count: usize) -> Result<(), Fault> {
        match self.fuel.checked_sub(count as u64) {
            Some(rest) => {
                self.fuel = rest;
                Ok(())
            }
            None => fault(format!("it takes more than {EXPRESSION_FUEL} operations")),
        }
    }

    /// Takes the fuel of going through a text.
    pub(super) fn read(&mut self, text: &str) -> Result<(), Fault> {
        self.burn(text.len() / 1024)
    }

    /// Takes room for `bytes` that are about to be made.
    pub(super) fn make(&mut self, bytes: usize) -> Result<(), Fault> {
        match self.room_bytes.checked_sub(bytes) {
            Some(rest) => {
                self.room_bytes = rest;
                self.burn(bytes / 1024)
            }
            None => fault(format!("its values take more than {EXPRESSION_MADE_BYTES_MAX} bytes together")),
        }
    }

    /// Takes room for a copy, and makes it.
    pub(super) fn copy(&mut self, value: &Value) -> Result<Value, Fault> {
        self.make(size_of(value, self.room_bytes))?;
        Ok(value.clone())
    }

    /// The value to keep: itself if it was made here, else a copy.
    pub(super) fn own(&mut self, value: Cow<'_, Value>) -> Result<Value, Fault> {
        match value {
            Cow::Borrowed(value) => self.copy(value),
            Cow::Owned(value) => Ok(value),
        }
    }
}
