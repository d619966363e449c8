//! Generates passwords.

use zeroize::Zeroizing;

use base::error::{Error, Result};
use base::secret::Secret;

/// Letters and digits without those that look alike (0 O o, 1 l I i).
const ALPHABET: &[u8] = b"23456789abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ";
/// Four groups of five: 20 characters of the alphabet, 115 bits.
const GROUPS: usize = 4;
const GROUP: usize = 5;

/// Returns a new password: 20 letters and digits in four groups.
///
/// # Errors
/// Returns an error if the system has no randomness.
pub fn generate() -> Result<Secret> {
    let mut text = Vec::with_capacity(GROUPS * (GROUP + 1));
    for group in 0..GROUPS {
        if group > 0 {
            text.push(b'-');
        }
        for _ in 0..GROUP {
            text.push(character()?);
        }
    }
    Ok(Secret::from_bytes(text))
}

/// Returns a character of the alphabet, each with the same probability.
fn character() -> Result<u8> {
    let mut drawn = Zeroizing::new([0_u8]);
    loop {
        getrandom::fill(&mut *drawn)
            .map_err(|error| Error::new("cannot generate a password").because(error))?;
        // Six bits; those beyond the alphabet are drawn again.
        let [byte] = *drawn;
        if let Some(found) = ALPHABET.get(usize::from(byte & 0x3f)) {
            return Ok(*found);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn passwords_are_long_and_easy_to_read() {
        let mut seen = BTreeSet::new();
        let mut used = BTreeSet::new();
        for _ in 0..200 {
            let password = generate().unwrap();
            let text = password.reveal().to_owned();
            assert_eq!(text.len(), 23, "{text}");
            let groups: Vec<&str> = text.split('-').collect();
            assert_eq!(groups.len(), 4, "{text}");
            assert!(groups.iter().all(|group| group.len() == 5), "{text}");
            used.extend(groups.concat().into_bytes());
            assert!(seen.insert(text), "every one is another one");
        }
        assert_eq!(used.into_iter().collect::<Vec<u8>>(), {
            let mut all = ALPHABET.to_vec();
            all.sort_unstable();
            all
        });
        assert!(!ALPHABET.iter().any(|b| b"0Oo1lIi".contains(b)));
    }
}
