//! Argon2id, by which new passwords are hashed.

use std::time::Duration;

use argon2::password_hash::phc;
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Params, PasswordHasher, Version};

use super::memory::{MEMORY_KIB, Memory};
use super::parsed::{MAX_PASSWORD, ParsedHash, work};
use crate::domain::user::PasswordHash;
use base::error::{Error, Result};
use base::secret::Secret;

/// The name of the scheme.
pub(super) const NAME: &str = "argon2id";

/// What every hash with the default parameters begins with.
pub const CURRENT: &str = "$argon2id$v=19$m=19456,t=2,p=1$";

/// The default parameters besides [`MEMORY_KIB`]. OWASP recommends all of them; they make memory, not the processor,
/// the limit for an attacker.
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// The largest parameters that an imported hash may have: 256 MiB (four times the memory of RFC 9106's second
/// recommendation), and at most about a second of work. Larger ones would let one user's sign-ins starve the others.
const MOST_MEMORY_KIB: u32 = 256 * 1024;
const MOST_LANES: u32 = 16;
const MOST_KIB_PASSES: u64 = 1024 * 1024;

/// What a pass over 1 KiB takes on a slow processor, in nanoseconds.
const NANOS: u64 = 1000;

/// A hash with the default parameters that no password matches. It is verified for users without a hash, so that they
/// cost the same.
pub(super) const DUMMY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$aG9tZXBvcnQtZHVtbXkhIQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// The length of the salt of a new hash, in bytes.
const SALT: usize = 16;
/// The length of a new hash, in bytes.
const OUTPUT: usize = 32;

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
    let params = default_params().map_err(failed)?;
    let hash: phc::PasswordHash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password(bytes)
        .map_err(|e| failed(e.to_string()))?;
    Ok(PasswordHash::new(hash.to_string()))
}

/// Hashes a password as [`hash`] does, in memory that is kept. Returns `None` if there is not enough memory or no
/// randomness.
pub(in crate::auth) fn hash_in(password: &Secret, memory: &mut Memory) -> Option<PasswordHash> {
    let mut salt = [0_u8; SALT];
    getrandom::fill(&mut salt).ok()?;
    let params = default_params().ok()?;
    let mut output = [0_u8; OUTPUT];
    compute(password.bytes(), &salt, &params, &mut output, memory)?;
    let hash = phc::PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: params.try_into().ok()?,
        salt: Some(phc::Salt::new(&salt).ok()?),
        hash: Some(phc::Output::new(&output).ok()?),
    };
    Some(PasswordHash::new(hash.to_string()))
}

fn default_params() -> std::result::Result<Params, String> {
    Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| error.to_string())
}

/// Computes a hash in this memory; `None` means that there is not enough.
fn compute(
    password: &[u8],
    salt: &[u8],
    params: &Params,
    output: &mut [u8],
    memory: &mut Memory,
) -> Option<()> {
    let mut more = Memory::default();
    let blocks = memory.blocks(params.block_count(), &mut more)?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
        .hash_password_into_with_memory(password, salt, output, blocks)
        .ok()
}

/// A hash whose parameters are within the limits.
pub(super) struct ArgonHash {
    pub(super) hash: phc::PasswordHash,
    pub(super) params: Params,
}

/// Parses a PHC string and checks its parameters against the limits, before any memory is allocated for it.
pub(super) fn parse(text: &str) -> std::result::Result<Box<dyn ParsedHash>, String> {
    usable(text).map(|hash| Box::new(hash) as Box<dyn ParsedHash>)
}

pub(super) fn usable(text: &str) -> std::result::Result<ArgonHash, String> {
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
    let kib_passes = u64::from(params.m_cost()) * u64::from(params.t_cost());
    if params.m_cost() > MOST_MEMORY_KIB || params.p_cost() > MOST_LANES || kib_passes > MOST_KIB_PASSES {
        return Err(format!(
            "it asks for more than m={MOST_MEMORY_KIB}, p={MOST_LANES} or m*t={MOST_KIB_PASSES}"
        ));
    }
    Ok(ArgonHash { hash, params })
}

impl ParsedHash for ArgonHash {
    fn cost(&self) -> Duration {
        work(
            u64::from(self.params.m_cost()) * u64::from(self.params.t_cost()),
            NANOS,
        )
    }

    fn matches(&self, password: &[u8], memory: &mut Memory) -> Option<bool> {
        let (salt, expected) = (self.hash.salt.as_ref()?, self.hash.hash.as_ref()?);
        let mut found = [0_u8; phc::Output::MAX_LENGTH];
        let found = found.get_mut(..expected.len())?;
        compute(password, salt, &self.params, found, memory)?;
        // The comparison takes the same time wherever the hashes differ.
        phc::Output::new(found).ok().map(|found| found == *expected)
    }
}

/// Returns what a verification with the default parameters costs.
pub(in crate::auth) fn usual_cost() -> Duration {
    work(u64::from(MEMORY_KIB) * u64::from(PASSES), NANOS)
}

/// Verifies a hash that no password matches; `None` means that there is not enough memory.
pub(super) fn verify_dummy(password: &[u8], memory: &mut Memory) -> Option<()> {
    usable(DUMMY).ok()?.matches(password, memory).map(drop)
}
