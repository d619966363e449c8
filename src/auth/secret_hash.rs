//! The hash by which the store knows random secrets: tokens, cookies of browsers, links. They are too long to be guessed, so
//! a hash that is quick will do.

use sha2::{Digest as _, Sha256};

/// Returns the SHA-256 of a random secret, by which the store knows it.
pub fn hash_of(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}
