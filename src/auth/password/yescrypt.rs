//! yescrypt, which is in `/etc/shadow` of Debian, Ubuntu, Fedora and others.
//!
//! Only the parameters are taken that `crypt` writes: `j`, then the memory as two characters. The others (more lanes,
//! more time in the same memory, a ROM) occur nowhere.

use std::time::Duration;

use base64ct::{Base64ShaCrypt, Encoding as _};
use yescrypt::Params;

use super::memory::Memory;
use super::parsed::{ParsedHash, damaged, same, work};

/// The most memory of an imported hash, in bytes: four times that of `crypt`'s default.
const MOST_MEMORY: u64 = 64 << 20;
/// What one byte of memory takes on a slow processor, in nanoseconds.
const NANOS: u64 = 10;
/// The longest salt in bytes.
const MOST_SALT: usize = 64;
/// The length of the hash in bytes.
const OUTPUT: usize = 32;

const FORM: &str = "$y$jNR$SALT$ and 43 characters";

struct YescryptHash {
    params: Params,
    salt: Vec<u8>,
    /// The last 43 characters.
    hash: String,
}

/// Parses `$y$j9T$SALT$HASH`.
pub(super) fn parse(text: &str) -> Result<Box<dyn ParsedHash>, String> {
    let mut parts = text.split('$').skip(2);
    let (Some(cost), Some(salt), Some(hash), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(damaged(FORM));
    };
    if cost.len() != 3 || !cost.starts_with('j') {
        return Err(
            "its parameters are not three characters of which the first is j, as crypt writes them"
                .to_owned(),
        );
    }
    let params: Params = cost.parse().map_err(|_| damaged(FORM))?;
    if memory_of(&params) > MOST_MEMORY {
        return Err(format!(
            "it asks for more than {} MiB of memory, so that a sign-in would take too long",
            MOST_MEMORY >> 20
        ));
    }
    let decoded = Base64ShaCrypt::decode_vec(hash).is_ok_and(|bytes| bytes.len() == OUTPUT);
    let salt = Base64ShaCrypt::decode_vec(salt)
        .ok()
        .filter(|salt| salt.len() <= MOST_SALT);
    match (salt, decoded) {
        (Some(salt), true) => Ok(Box::new(YescryptHash {
            params,
            salt,
            hash: hash.to_owned(),
        })),
        _ => Err(damaged(FORM)),
    }
}

/// Returns the memory that the parameters ask for, in bytes.
fn memory_of(params: &Params) -> u64 {
    params
        .n()
        .saturating_mul(128)
        .saturating_mul(u64::from(params.r()))
}

impl ParsedHash for YescryptHash {
    fn cost(&self) -> Duration {
        work(memory_of(&self.params), NANOS)
    }

    fn matches(&self, password: &[u8], _memory: &mut Memory) -> Option<bool> {
        // The library ends the process if its memory cannot be had, so ask for as much beforehand.
        let mut probe: Vec<u8> = Vec::new();
        let wanted = usize::try_from(memory_of(&self.params)).ok()?;
        probe.try_reserve_exact(wanted.saturating_add(wanted / 8)).ok()?;
        drop(probe);
        let mut output = [0_u8; OUTPUT];
        let computed = yescrypt::yescrypt(password, &self.salt, &self.params, &mut output);
        // Otherwise the allocator of the C library would keep blocks of this size.
        heap::release_free_memory();
        computed.ok()?;
        let found = Base64ShaCrypt::encode_string(&output);
        Some(same(found.as_bytes(), self.hash.as_bytes()) && !password.contains(&0))
    }
}
