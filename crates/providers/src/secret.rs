//! Keys that are shown to nobody.

use std::fmt;

/// A key. It cannot be printed, compared or stored; only the adapter that sends it can read it.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Keeps a key. White space around it, such as the line end of a file, is not part of it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key itself, for the header that carries it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// The text without the key: servers repeat keys in their errors.
    pub(crate) fn mask(&self, text: &str) -> String {
        if self.0.is_empty() { text.to_owned() } else { text.replace(&self.0, "[key]") }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_shown() {
        let key = Secret::new(" sk-1234\n");
        assert_eq!(format!("{key:?}"), "Secret(…)");
        assert_eq!(key.reveal(), "sk-1234");
        assert_eq!(key.mask("Incorrect key sk-1234, not sk-1234"), "Incorrect key [key], not [key]");
        assert_eq!(Secret::new("").mask("text"), "text");
    }
}
