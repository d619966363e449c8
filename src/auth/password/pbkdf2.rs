//! PBKDF2 as SFTPGo writes it: `$pbkdf2-sha256$ROUNDS$SALT$HASH`. The hash is base64 with padding; the salt is the text
//! itself, except in `$pbkdf2-b64salt-sha256$`, where it is base64, too.
//!
//! The hashes of passlib begin in the same way, but their base64 is another one, without padding: they are refused, and
//! not taken for something that no password would match.

use std::time::Duration;

use base64ct::{Base64, Encoding as _};
use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::memory::Memory;
use super::parsed::{ParsedHash, damaged, same, work};

/// The longest salt in bytes.
const MOST_SALT: usize = 128;
/// The shortest hash in bytes. A short one would match many passwords.
const LEAST_OUTPUT: usize = 16;

const FORM: &str = "$pbkdf2-sha256$ROUNDS$SALT$HASH with a hash in base64 with padding, as SFTPGo writes it";

/// The hash function beneath HMAC.
#[derive(Clone, Copy)]
enum Pbkdf2Digest {
    Sha1,
    Sha256,
    Sha512,
}

impl Pbkdf2Digest {
    /// Returns the length of its output in bytes.
    fn length(self) -> usize {
        match self {
            Pbkdf2Digest::Sha1 => 20,
            Pbkdf2Digest::Sha256 => 32,
            Pbkdf2Digest::Sha512 => 64,
        }
    }

    /// Returns what a round takes on a slow processor, in nanoseconds.
    fn nanos(self) -> u64 {
        match self {
            Pbkdf2Digest::Sha1 | Pbkdf2Digest::Sha256 => 600,
            Pbkdf2Digest::Sha512 => 1200,
        }
    }

    /// Returns the most rounds of an imported hash: about a second.
    fn most_rounds(self) -> u32 {
        match self {
            Pbkdf2Digest::Sha1 | Pbkdf2Digest::Sha256 => 2_000_000,
            Pbkdf2Digest::Sha512 => 1_000_000,
        }
    }
}

struct Pbkdf2Hash {
    digest: Pbkdf2Digest,
    rounds: u32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

/// Parses `$pbkdf2-sha256$150000$SALT$HASH`.
pub(super) fn parse(text: &str) -> Result<Box<dyn ParsedHash>, String> {
    let parts: Vec<&str> = text.split('$').skip(1).collect();
    let [name, rounds, salt, hash] = parts[..] else {
        return Err(damaged(FORM));
    };
    let (digest, salt) = match name {
        "pbkdf2-sha1" => (Pbkdf2Digest::Sha1, Some(salt.as_bytes().to_vec())),
        "pbkdf2-sha256" => (Pbkdf2Digest::Sha256, Some(salt.as_bytes().to_vec())),
        "pbkdf2-sha512" => (Pbkdf2Digest::Sha512, Some(salt.as_bytes().to_vec())),
        _ => (Pbkdf2Digest::Sha256, Base64::decode_vec(salt).ok()),
    };
    let number = rounds.bytes().all(|b| b.is_ascii_digit()).then_some(rounds);
    let rounds: u64 = number
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| damaged(FORM))?;
    let most = digest.most_rounds();
    let rounds = u32::try_from(rounds).ok().filter(|rounds| *rounds <= most).ok_or_else(|| {
        format!(
            "it asks for {rounds} rounds, and at most {most} are taken, so that a sign-in takes no more than about a \
             second"
        )
    })?;
    // More than one block of output would take more than the rounds say.
    let lengths = LEAST_OUTPUT..=digest.length();
    let hash = Base64::decode_vec(hash)
        .ok()
        .filter(|hash| lengths.contains(&hash.len()));
    let salt = salt.filter(|salt| salt.len() <= MOST_SALT);
    match (hash, salt) {
        (Some(hash), Some(salt)) if rounds > 0 => Ok(Box::new(Pbkdf2Hash {
            digest,
            rounds,
            salt,
            hash,
        })),
        _ => Err(damaged(FORM)),
    }
}

impl ParsedHash for Pbkdf2Hash {
    fn cost(&self) -> Duration {
        work(u64::from(self.rounds), self.digest.nanos())
    }

    fn matches(&self, password: &[u8], _memory: &mut Memory) -> Option<bool> {
        let mut found = [0_u8; 64];
        let found = found.get_mut(..self.hash.len())?;
        match self.digest {
            Pbkdf2Digest::Sha1 => pbkdf2_hmac::<Sha1>(password, &self.salt, self.rounds, found),
            Pbkdf2Digest::Sha256 => pbkdf2_hmac::<Sha256>(password, &self.salt, self.rounds, found),
            Pbkdf2Digest::Sha512 => pbkdf2_hmac::<Sha512>(password, &self.salt, self.rounds, found),
        }
        // HMAC fills the key up with NUL bytes, so that those at its end would not count.
        Some(same(found, &self.hash) && !password.ends_with(&[0]))
    }
}
