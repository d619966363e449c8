//! Hashes passwords and compares them with a hash. [`super::verifier`] decides when and on which thread.
//!
//! New passwords are hashed by Argon2id. Hashes that other systems have written are verified by the schemes of
//! [`schemes`], until the user signs in: see [`super::upgrades`].

mod argon;
mod bcrypt;
mod common;
mod crypt;
pub mod fuzz;
pub mod generate;
mod memory;
mod parsed;
mod pbkdf2;
pub mod rules;
mod schemes;
mod ssha;
mod yescrypt;

use std::time::Duration;

use crate::domain::user::PasswordHash;
use base::error::{Error, Result};
use base::secret::Secret;

pub use self::argon::{CURRENT, hash};
pub(super) use self::argon::{hash_in, usual_cost};
pub(super) use self::memory::Memory;
pub use self::parsed::MAX_PASSWORD;
use self::parsed::ParsedHash;
use self::schemes::Scheme;

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

/// Imports a hash from another system. Returns an error if this server cannot verify it, or if a verification would
/// take more than about a second.
pub fn import(text: &str) -> Result<PasswordHash> {
    parse(text).map_err(|why| Error::new("cannot use this password hash").because(why))?;
    Ok(PasswordHash::new(text.to_owned()))
}

/// Returns the name of the scheme by which a hash was made, or `unknown`.
pub fn scheme_of(hash: &PasswordHash) -> &'static str {
    Scheme::of(hash.as_phc()).map_or("unknown", |scheme| scheme.name)
}

/// Whether a text begins as the hashes of one of the schemes do.
pub fn is_known_scheme(text: &str) -> bool {
    Scheme::of(text).is_some()
}

/// Returns the names of all schemes, for messages.
pub fn scheme_names() -> String {
    schemes::names()
}

/// Whether the hash was made by another scheme than that of new passwords, and can be replaced by a hash of this
/// password, which has just been verified. A password of which the scheme ignores a part is not hashed again: the part
/// was never proven.
pub(super) fn is_replaceable(hash: &PasswordHash, password: &Secret) -> bool {
    scheme_of(hash) != argon::NAME && parse(hash.as_phc()).is_ok_and(|parsed| parsed.covers(password.bytes()))
}

/// Returns how long a verification of this hash takes at most on a slow processor. A hash that cannot be used costs as
/// much as a dummy.
pub(super) fn cost(hash: &PasswordHash) -> Duration {
    parse(hash.as_phc()).map_or_else(|_| argon::usual_cost(), |parsed| parsed.cost())
}

/// Whether the password matches the hash. This is for commands: it does not wait in the queue, and wrong passwords do
/// not take the same time.
pub fn is(password: &Secret, hash: &PasswordHash) -> bool {
    let parsed = parse(hash.as_phc());
    parsed.is_ok_and(|parsed| matches(&*parsed, password, &mut Memory::default()) == Some(true))
}

/// Verifies the password against the hash. Without a hash, or with a hash that cannot be used, a dummy is verified.
pub(super) fn compare(password: &Secret, hash: Option<&PasswordHash>, memory: &mut Memory) -> Verdict {
    let (parsed, otherwise) = match hash.map(|hash| parse(hash.as_phc())) {
        Some(Ok(parsed)) => (Some(parsed), Verdict::Wrong),
        Some(Err(_)) => (None, Verdict::BadHash),
        None => (None, Verdict::Wrong),
    };
    let same = match parsed {
        Some(parsed) => matches(&*parsed, password, memory),
        None => argon::verify_dummy(password.bytes(), memory).map(|()| false),
    };
    match same {
        Some(true) => Verdict::Right,
        Some(false) => otherwise,
        None => Verdict::NotVerified,
    }
}

/// Returns whether the password matches, or `None` if there is not enough memory. An empty password matches nothing,
/// also where another system has stored the hash of one.
fn matches(parsed: &dyn ParsedHash, password: &Secret, memory: &mut Memory) -> Option<bool> {
    let same = parsed.matches(password.bytes(), memory)?;
    Some(same && !password.bytes().is_empty())
}

/// Parses a hash, and checks its cost before anything is computed.
fn parse(text: &str) -> std::result::Result<Box<dyn ParsedHash>, String> {
    match Scheme::of(text) {
        Some(scheme) => (scheme.parse)(text),
        None => Err(format!(
            "its kind is unknown, and only these can be verified here: {}",
            scheme_names()
        )),
    }
}

#[cfg(test)]
pub(super) use self::tests::cheap;

#[cfg(test)]
mod tests;
