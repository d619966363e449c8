//! What the operator says about keys of all users: the authorities whose certificates are accepted, and what is
//! revoked.

pub mod krl;
mod position;
pub mod revoked;

use std::path::Path;

use base::error::{Error, Result};
use base::regular;

pub use self::position::ListFault;
use self::position::TextPosition;
use self::revoked::RevokedKeys;
use super::keys::AuthorizedKey;
use super::settings::AuthSettings;

/// The largest file of authorities, in bytes: a thousand of the longest keys.
const LARGEST_CA_FILE: u64 = 2 << 20;
/// The largest list of revoked keys, in bytes: two million serial numbers in the binary form.
const LARGEST_REVOKED: u64 = 16 << 20;

/// The authorities and the revoked keys of one configuration.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct KeyTrust {
    authorities: Vec<AuthorizedKey>,
    revoked: RevokedKeys,
}

impl KeyTrust {
    /// Reads the files that `[auth]` names.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read, or contains something that is not understood: a list that is read in
    /// part would accept what it should refuse.
    pub fn load(settings: &AuthSettings) -> Result<Self> {
        let mut trust = Self::default();
        if let Some(file) = &settings.user_ca_keys {
            let bytes = read(file, "user_ca_keys", LARGEST_CA_FILE)?;
            trust.authorities = parse_authorities(&bytes).map_err(|fault| fault.of_file(file))?;
        }
        if let Some(file) = &settings.revoked_keys {
            let bytes = read(file, "revoked_keys", LARGEST_REVOKED)?;
            trust.revoked = parse_revoked(&bytes).map_err(|fault| fault.of_file(file))?;
        }
        Ok(trust)
    }

    /// Returns the authorities that are trusted for all users.
    pub fn authorities(&self) -> &[AuthorizedKey] {
        &self.authorities
    }

    /// Returns what is revoked.
    pub fn revoked(&self) -> &RevokedKeys {
        &self.revoked
    }
}

fn read(file: &Path, setting: &str, most: u64) -> Result<Vec<u8>> {
    regular::read_regular(file, most).map_err(|error| {
        Error::new(format!(
            "cannot read \"{}\", which is {setting} in [auth]",
            file.display()
        ))
        .because(error)
        .hint("the server's user must be able to read it; without the setting there is no such list")
    })
}

/// Parses a list of revoked keys, whichever of the two forms it has.
///
/// # Errors
/// Returns the first thing that is not understood.
fn parse_revoked(bytes: &[u8]) -> std::result::Result<RevokedKeys, ListFault> {
    let mut list = match bytes.starts_with(krl::MAGIC) {
        true => krl::parse(bytes)?,
        false => revoked::parse_text(bytes)?,
    };
    list.finish();
    Ok(list)
}

/// Parses a file with the public keys of authorities, one in each line, as in authorized_keys. Empty lines and lines
/// that begin with `#` are skipped.
fn parse_authorities(bytes: &[u8]) -> std::result::Result<Vec<AuthorizedKey>, ListFault> {
    let mut authorities = Vec::new();
    for line in TextPosition::lines(bytes) {
        let (position, text) = line?;
        let key = AuthorizedKey::parse(text).map_err(|error| ListFault::at(position, error.to_string()))?;
        if key.principals().is_some() {
            return Err(ListFault::at(
                position,
                "principals= would let a certificate for them sign in as every user: it belongs in the keys of a user",
            ));
        }
        authorities.push(key);
    }
    Ok(authorities)
}

/// The body of the fuzz target for the lists of authorities and of revoked keys.
#[doc(hidden)]
pub mod fuzz {
    use super::{parse_authorities, parse_revoked};

    /// Parses `data` as both lists. Nothing panics, what is accepted is bounded, and each authority is accepted again
    /// from its line.
    pub fn fuzz_key_lists(data: &[u8]) {
        for authority in parse_authorities(data).unwrap_or_default() {
            let again = parse_authorities(authority.line().as_bytes());
            assert_eq!(again.as_deref(), Ok(&[authority][..]));
        }
        if let Ok(revoked) = parse_revoked(data) {
            assert!(revoked.entries() <= data.len().saturating_mul(8));
        }
    }
}

#[cfg(test)]
mod tests;
