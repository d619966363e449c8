//! Hashes passwords and compares them with a hash. [`super::verifier`] decides when and on which thread.

use argon2::password_hash::phc;
use argon2::{
    ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, PasswordHasher, PasswordVerifier as _, Version,
};
use zeroize::Zeroize;

use crate::domain::user::PasswordHash;
use base::error::{Error, Result};
use base::secret::Secret;

/// The longest password in bytes. It is longer than any passphrase, and limits the work that a peer can cause.
pub const MAX_PASSWORD: usize = 1024;

/// The default parameters: Argon2id with 19 MiB, two passes and one lane. OWASP recommends them, and they make memory,
/// not the processor, the limit for an attacker.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// The largest parameters that an imported hash may have: 256 MiB (four times the memory of RFC 9106's second
/// recommendation), and at most about a second of work. Larger ones would let one user's sign-ins starve the others.
const MOST_MEMORY_KIB: u32 = 256 * 1024;
const MOST_LANES: u32 = 16;
const MOST_KIB_PASSES: u64 = 1024 * 1024;

/// A hash with the default parameters that no password matches. It is verified for users without a hash, so that they
/// cost the same.
const DUMMY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$aG9tZXBvcnQtZHVtbXkhIQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashes a new password with the default parameters and a fresh salt. It takes tens of milliseconds, so it must not
/// run on an async thread or inside a transaction.
pub fn hash(password: &Secret) -> Result<PasswordHash> {
    let bytes = password.bytes();
    if bytes.is_empty() {
        return Err(Error::new("the password is empty"));
    }
    if bytes.len() > MAX_PASSWORD {
        return Err(Error::new(format!(
            "the password is longer than {MAX_PASSWORD} bytes"
        )));
    }
    let failed = |error: String| Error::new("cannot hash the password").because(error);
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|e| failed(e.to_string()))?;
    let hash: phc::PasswordHash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password(bytes)
        .map_err(|e| failed(e.to_string()))?;
    Ok(PasswordHash::new(hash.to_string()))
}

/// Imports a hash from another system, `$argon2id$…`. Returns an error if this server cannot verify it.
pub fn import(phc: &str) -> Result<PasswordHash> {
    usable(phc).map_err(|why| Error::new("cannot use this password hash").because(why))?;
    Ok(PasswordHash::new(phc.to_owned()))
}

/// Parses a PHC string and checks its parameters against the limits, before any memory is allocated for it.
fn usable(text: &str) -> std::result::Result<phc::PasswordHash, String> {
    let hash = phc::PasswordHash::new(text).map_err(|error| error.to_string())?;
    if hash.algorithm != ARGON2ID_IDENT {
        return Err("its algorithm is not argon2id".to_owned());
    }
    if hash.salt.is_none() || hash.hash.is_none() {
        return Err("its salt or its hash is missing".to_owned());
    }
    if hash.version != Some(Version::V0x13.into()) {
        return Err("its version is not 19".to_owned());
    }
    let params = Params::try_from(&hash).map_err(|error| error.to_string())?;
    let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
    if params.m_cost() > MOST_MEMORY_KIB || params.p_cost() > MOST_LANES || work > MOST_KIB_PASSES {
        return Err(format!(
            "it asks for more than m={MOST_MEMORY_KIB}, p={MOST_LANES} or m*t={MOST_KIB_PASSES}"
        ));
    }
    Ok(hash)
}

/// Whether the password matches the hash. This is for commands: it does not wait in the queue, and wrong passwords do
/// not take the same time.
pub fn is(password: &Secret, hash: &PasswordHash) -> bool {
    usable(hash.as_phc()).is_ok_and(|parsed| {
        Argon2::default()
            .verify_password(password.bytes(), &parsed)
            .is_ok()
    })
}

/// The result of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The password matches the hash.
    Right,
    /// The password does not match, or the user has no password.
    Wrong,
    /// The stored hash cannot be used; the reason is for the log.
    BadHash,
    /// The password could not be verified because memory or threads were missing.
    NotVerified,
}

/// The memory for hashing, which is reused from one hash to the next and wiped when dropped. It is allocated at the
/// first use.
#[derive(Default)]
pub(super) struct Memory(Vec<Block>);

impl Memory {
    /// Returns `count` blocks from the memory that is kept. A hash that needs more than the default parameters uses
    /// `more` instead, which is not kept. Returns `None` if there is not enough memory.
    fn blocks<'a>(&'a mut self, count: usize, more: &'a mut Memory) -> Option<&'a mut [Block]> {
        let usual = MEMORY_KIB as usize;
        let Memory(blocks) = if count > usual { more } else { self };
        let wanted = count.max(usual);
        if blocks.is_empty() {
            blocks.try_reserve_exact(wanted).ok()?;
            blocks.resize(wanted, Block::new());
        }
        Some(blocks)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Verifies the password against the hash. Without a hash, or with a hash that cannot be used, a dummy is verified.
pub(super) fn compare(password: &Secret, hash: Option<&PasswordHash>, memory: &mut Memory) -> Verdict {
    let (parsed, otherwise) = match hash.map(|hash| usable(hash.as_phc())) {
        Some(Ok(parsed)) => (Some(parsed), Verdict::Wrong),
        Some(Err(_)) => (phc::PasswordHash::new(DUMMY).ok(), Verdict::BadHash),
        None => (phc::PasswordHash::new(DUMMY).ok(), Verdict::Wrong),
    };
    let same = parsed.and_then(|parsed| matches(password, &parsed, memory));
    match (same, otherwise) {
        (None, _) => Verdict::NotVerified,
        (Some(true), Verdict::Wrong) if hash.is_some() => Verdict::Right,
        (Some(_), otherwise) => otherwise,
    }
}

/// Returns whether the password matches the hash, or `None` if there is not enough memory.
fn matches(password: &Secret, hash: &phc::PasswordHash, memory: &mut Memory) -> Option<bool> {
    let (salt, expected) = (hash.salt.as_ref()?, hash.hash.as_ref()?);
    let params = Params::try_from(hash).ok()?;
    let mut more = Memory::default();
    let blocks = memory.blocks(params.block_count(), &mut more)?;
    let mut found = [0_u8; phc::Output::MAX_LENGTH];
    let found = found.get_mut(..expected.len())?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password.bytes(), salt, found, blocks)
        .ok()?;
    // The comparison takes the same time wherever the hashes differ.
    phc::Output::new(found).ok().map(|found| found == *expected)
}

#[cfg(test)]
pub(super) use self::tests::cheap;

#[cfg(test)]
mod tests;
