//! Salted SHA-512, which Dovecot and LDAP servers write: `{SSHA512}` and the hash with its salt in base64.

use std::time::Duration;

use base64ct::{Base64, Encoding as _};
use sha2::{Digest as _, Sha512};

use super::memory::Memory;
use super::parsed::{ParsedHash, damaged, same, work};

/// The length of the hash in bytes.
const OUTPUT: usize = 64;
/// The longest salt in bytes.
const MOST_SALT: usize = 64;
/// What a verification takes on a slow processor, in nanoseconds.
const NANOS: u64 = 20_000;

const FORM: &str = "{SSHA512} and 64 bytes with a salt after them, in base64";

struct SshaHash {
    hash: Vec<u8>,
    salt: Vec<u8>,
}

/// Parses `{SSHA512}BASE64`.
pub(super) fn parse(text: &str) -> Result<Box<dyn ParsedHash>, String> {
    let data = text.split_once('}').map_or("", |(_, data)| data);
    let bytes = Base64::decode_vec(data).map_err(|_| damaged(FORM))?;
    match bytes.split_at_checked(OUTPUT) {
        Some((hash, salt)) if (1..=MOST_SALT).contains(&salt.len()) => Ok(Box::new(SshaHash {
            hash: hash.to_vec(),
            salt: salt.to_vec(),
        })),
        _ => Err(damaged(FORM)),
    }
}

impl ParsedHash for SshaHash {
    fn cost(&self) -> Duration {
        work(1, NANOS)
    }

    fn matches(&self, password: &[u8], _memory: &mut Memory) -> Option<bool> {
        let found = Sha512::new()
            .chain_update(password)
            .chain_update(&self.salt)
            .finalize();
        Some(same(&found, &self.hash))
    }
}
