//! Recovery codes: each takes the place of one code of a lost device, once.
//!
//! A code has 80 random bits, so a fast hash is enough: it cannot be guessed from its hash.

use data_encoding::BASE32_NOPAD;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use base::error::{Error, Result};
use base::visible::hex;

/// The number of recovery codes that a user is given.
pub const COUNT: usize = 10;
/// The number of random bytes of a code: 16 characters in base32.
const RANDOM: usize = 10;
/// The number of characters of a code, without hyphens.
const LENGTH: usize = 16;
/// The number of characters between two hyphens.
const GROUP: usize = 4;

/// A recovery code. `Debug` does not show it.
pub struct RecoveryCode(Zeroizing<String>);

impl RecoveryCode {
    /// Creates a new random code.
    ///
    /// # Errors
    /// Returns an error if the kernel has no randomness.
    pub fn generate() -> Result<Self> {
        let mut bytes = Zeroizing::new([0; RANDOM]);
        getrandom::fill(&mut *bytes)
            .map_err(|error| Error::new("cannot make recovery codes").because(error.to_string()))?;
        let mut text = Zeroizing::new(BASE32_NOPAD.encode(&*bytes));
        text.make_ascii_lowercase();
        Ok(Self(text))
    }

    /// Parses what a user has typed: in either case, with or without hyphens and spaces. Returns `None` if it cannot
    /// be a recovery code.
    pub fn parse(typed: &[u8]) -> Option<Self> {
        let mut text = Zeroizing::new(String::with_capacity(LENGTH));
        for &byte in typed.iter().filter(|&&b| b != b'-' && !b.is_ascii_whitespace()) {
            if text.len() == LENGTH || !matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'2'..=b'7') {
                return None;
            }
            text.push(char::from(byte.to_ascii_lowercase()));
        }
        (text.len() == LENGTH).then_some(Self(text))
    }

    /// Returns the code as it is shown, in groups of four.
    pub fn shown(&self) -> Zeroizing<String> {
        let mut shown = Zeroizing::new(String::with_capacity(LENGTH + LENGTH / GROUP));
        for (at, c) in self.0.chars().enumerate() {
            if at > 0 && at % GROUP == 0 {
                shown.push('-');
            }
            shown.push(c);
        }
        shown
    }

    /// Returns the hash by which the store knows the code, for the record with this incarnation.
    pub fn hash(&self, incarnation: i64) -> String {
        let mut hasher = Sha256::new();
        hasher.update(b"homeport recovery code\0");
        hasher.update(incarnation.to_be_bytes());
        hasher.update(self.0.as_bytes());
        hex(&hasher.finalize())
    }
}

impl std::fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecoveryCode(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_known_however_it_is_typed() {
        let code = RecoveryCode::generate().unwrap();
        let shown = code.shown();
        assert_eq!(shown.len(), 19);
        let spaced = shown.replace('-', " ");
        for typed in [
            shown.to_string(),
            shown.to_uppercase(),
            shown.replace('-', ""),
            format!(" {spaced}\r\n"),
        ] {
            let again = RecoveryCode::parse(typed.as_bytes()).unwrap();
            assert_eq!(again.hash(7), code.hash(7), "{typed}");
        }
        assert_ne!(code.hash(7), code.hash(8), "each record has its own hashes");
        assert_ne!(RecoveryCode::generate().unwrap().hash(7), code.hash(7));
        assert_eq!(format!("{code:?}"), "RecoveryCode(***)");
    }

    #[test]
    fn what_cannot_be_a_code_is_none() {
        for typed in [
            &b""[..],
            b"abcd-abcd-abcd-abc",
            b"abcd-abcd-abcd-abcda",
            b"abcd-abcd-abcd-abc1",
            b"abcd-abcd-abcd-abc\xe4",
            b"123456",
        ] {
            assert!(RecoveryCode::parse(typed).is_none(), "{typed:?}");
        }
    }
}
