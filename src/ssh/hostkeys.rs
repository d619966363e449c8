//! Host keys, which identify this server. They are files in OpenSSH's format, in one directory.
//!
//! A server's identity changes only when its operator changes it: each key that is recorded in the store must still
//! exist, or the server does not start.

mod key_file;
pub mod rotation;

use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use getrandom::SysRng;
use russh::keys::ssh_key;
use russh::keys::ssh_key::private::{KeypairData, RsaKeypair};
use russh::keys::ssh_key::rand_core::UnwrapErr;
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey};

use self::key_file::{Unusable, cannot_make};
use crate::store::Store;
use base::error::{Error, Result};

pub use self::key_file::{public_file, read_one};

/// The size of the key that `hostkey generate --type rsa` creates, in bits: the least that is recommended beyond 2030.
const RSA_BITS: usize = 3072;

/// The type of a host key. There is one file for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Ed25519 is the default type.
    Ed25519,
    /// ECDSA: this server creates keys on the curve P-256, and accepts others.
    Ecdsa,
    /// RSA: this server creates keys of 3072 bits, and accepts others.
    Rsa,
}

impl Kind {
    /// All types, most preferred first.
    pub const ALL: [Kind; 3] = [Kind::Ed25519, Kind::Ecdsa, Kind::Rsa];

    /// The types of keys that a new server gets: old clients support only the second. RSA has to be asked for
    /// (RUSTSEC-2023-0071).
    pub const MADE: [Kind; 2] = [Kind::Ed25519, Kind::Ecdsa];

    /// Returns the name on the command line, which is also a part of the file name.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Ed25519 => "ed25519",
            Kind::Ecdsa => "ecdsa",
            Kind::Rsa => "rsa",
        }
    }

    /// Returns the algorithm of the keys that this server creates of this type.
    pub fn algorithm(self) -> Algorithm {
        match self {
            Kind::Ed25519 => Algorithm::Ed25519,
            Kind::Ecdsa => Algorithm::Ecdsa {
                curve: EcdsaCurve::NistP256,
            },
            Kind::Rsa => Algorithm::Rsa { hash: None },
        }
    }

    /// Returns the path of the file with the private key, which has the same name as sshd's.
    pub fn file(self, directory: &Path) -> PathBuf {
        directory.join(format!("ssh_host_{}_key", self.name()))
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Kind::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| {
                Error::new(format!("\"{}\" is not a type of host key", text.escape_debug()))
                    .hint("ed25519, ecdsa or rsa")
            })
    }
}

/// Returns the keys that a server shows, most preferred first.
///
/// If the store has recorded none and the directory contains none, those of a new server are created. New keys are
/// recorded.
///
/// # Errors
/// Returns an error if a key cannot be used, or if one that was recorded is gone or has become another.
pub async fn ensure(directory: &Path, store: &dyn Store) -> Result<Vec<PrivateKey>> {
    let recorded = store.host_keys().await?;
    let mut keys = load(directory)?;
    verify(directory, &keys, &recorded)?;
    if keys.is_empty() {
        keys = generate_new(directory)?;
    }
    for key in &keys {
        let algorithm = key.algorithm();
        if !recorded.iter().any(|(name, _)| name == algorithm.as_str()) {
            store
                .record_host_key(algorithm.as_str(), &fingerprint(key))
                .await?;
        }
    }
    Ok(keys)
}

/// Creates the keys of a new server.
///
/// # Errors
/// Returns an error if one exists already, or cannot be written.
pub fn generate_new(directory: &Path) -> Result<Vec<PrivateKey>> {
    Kind::MADE
        .into_iter()
        .map(|kind| generate(directory, kind))
        .collect()
}

/// Returns what an operator should know about a key that works all the same.
pub fn notice(key: &Algorithm) -> Option<&'static str> {
    matches!(key, Algorithm::Rsa { .. }).then_some(
        "the RSA host key is signed with by code whose timing may give the key away over the network \
         (RUSTSEC-2023-0071, without a fix yet) (hint: keep it only for clients that know neither ed25519 nor ecdsa)",
    )
}

/// Compares the keys that exist with those that clients have been shown. It changes nothing.
///
/// # Errors
/// Returns an error if a recorded key is gone or has become another.
pub fn verify(directory: &Path, keys: &[PrivateKey], recorded: &[(String, String)]) -> Result<()> {
    for (algorithm, shown) in recorded {
        let found = keys.iter().find(|key| key.algorithm().as_str() == algorithm);
        let cause = match found {
            None => "is gone".to_owned(),
            Some(key) if fingerprint(key) != *shown => format!("has become {}", fingerprint(key)),
            Some(_) => continue,
        };
        let kind = kind_of(algorithm).name();
        return Err(Error::new(format!(
            "the {algorithm} host key in \"{}\" {cause}, but clients know this server by {shown}",
            directory.display()
        ))
        .hint(format!(
            "put the old key back, or accept the new identity: homeportd hostkey generate --type {kind}; or do without \
             a key of this type: homeportd hostkey retire --type {kind} --without-successor"
        )));
    }
    Ok(())
}

/// Returns the type of the keys of an algorithm, by its name in SSH.
pub fn kind_of(algorithm: &str) -> Kind {
    match algorithm {
        name if name.starts_with("ecdsa") => Kind::Ecdsa,
        name if name.contains("rsa") => Kind::Rsa,
        _ => Kind::Ed25519,
    }
}

/// Returns the fingerprint as clients show it: `SHA256:…`.
pub fn fingerprint(key: &PrivateKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// Reads the keys in a directory, most preferred first; none if there are none.
///
/// # Errors
/// Returns an error if one is readable by others, owned by another user, encrypted or malformed.
pub fn load(directory: &Path) -> Result<Vec<PrivateKey>> {
    let mut keys: Vec<PrivateKey> = Vec::new();
    for kind in Kind::ALL {
        let file = kind.file(directory);
        let Some(key) = key_file::read(&file).map_err(|e| e.about(&file))? else {
            continue;
        };
        if keys.iter().any(|other| other.algorithm() == key.algorithm()) {
            let cause = format!("another file holds a key of its algorithm, {}", key.algorithm());
            return Err(Unusable::new(cause, "keep one of the two").about(&file));
        }
        keys.push(key);
    }
    Ok(keys)
}

/// Creates a key that does not exist yet, with its public half beside it, and the directory if it is missing (0700).
///
/// # Errors
/// Returns an error if the key exists, or if it cannot be written. The file is either complete or does not exist.
pub fn generate(directory: &Path, kind: Kind) -> Result<PrivateKey> {
    create(&kind.file(directory), kind)
}

/// Creates a key in this file as [`generate`] does.
fn create(file: &Path, kind: Kind) -> Result<PrivateKey> {
    let key = random(kind).map_err(|e| cannot_make(file, io::Error::other(e)))?;
    key_file::write(file, &key)?;
    Ok(key)
}

fn random(kind: Kind) -> ssh_key::Result<PrivateKey> {
    // The kernel's generator does not fail once the system is up.
    let mut rng = UnwrapErr(SysRng);
    let mut key = match kind {
        Kind::Ed25519 | Kind::Ecdsa => PrivateKey::random(&mut rng, kind.algorithm())?,
        Kind::Rsa => PrivateKey::new(KeypairData::Rsa(RsaKeypair::random(&mut rng, RSA_BITS)?), "")?,
    };
    key.set_comment("homeport");
    Ok(key)
}

#[cfg(test)]
mod tests;
