//! Secrets: they are overwritten in memory when they are dropped, and never printed.

use std::fmt;

use zeroize::Zeroizing;

/// A password or a private key in memory. `Debug` does not show it, and there is no `Display`.
///
/// A password is bytes: the bytes that a client's terminal sends for a key need not be UTF-8.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes ownership of the text. The caller keeps no copy.
    pub fn new(text: String) -> Self {
        Self::from_bytes(text.into_bytes())
    }

    /// Takes ownership of the bytes. The caller keeps no copy.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Returns the secret itself, for the code that compares it.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the text from which it was created. It is empty for a secret from a client that is not text: such a
    /// secret is compared as [`Secret::bytes`], and never shown.
    pub fn reveal(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".into())), "Secret(***)");
        assert_eq!(
            format!("{:?}", Secret::from_bytes(b"p\xe4ss".to_vec())),
            "Secret(***)"
        );
    }

    #[test]
    fn bytes_that_are_no_text_stay_what_they_are() {
        let odd = Secret::from_bytes(b"p\xe4ss".to_vec());
        assert_eq!((odd.bytes(), odd.reveal()), (&b"p\xe4ss"[..], ""));
        assert_eq!(Secret::new("päss".into()).bytes(), "päss".as_bytes());
    }
}
