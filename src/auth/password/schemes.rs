//! The table of the schemes by which passwords are hashed. A new scheme is one entry.
//!
//! What the schemes have in common:
//! - The text of a hash is parsed completely, and its cost checked, before anything is computed. The limits are such
//!   that a verification takes about a second at most.
//! - Passwords are bytes. The functions of C (`crypt`) end at a NUL byte, so that with them `secret` and `secret\0x`
//!   are the same password. No client can have set one with a NUL byte there, so such a password is wrong here; it is
//!   right only for the schemes that have taken bytes all along (Argon2, PBKDF2, SSHA-512).
//! - bcrypt ignores what follows the 72nd byte, here as elsewhere: whoever has such a password goes on signing in.

use super::parsed::Parse;
use super::{argon, bcrypt, crypt, pbkdf2, ssha, yescrypt};

/// A way to hash passwords.
pub(super) struct Scheme {
    /// The name, which `check` and `user show` print.
    pub(super) name: &'static str,
    /// What the text of a hash begins with.
    prefixes: &'static [&'static str],
    /// Parses the text of a hash.
    pub(super) parse: Parse,
}

/// All schemes. The prefixes are distinct.
static SCHEMES: [Scheme; 8] = [
    Scheme::new(argon::NAME, &["$argon2"], argon::parse),
    Scheme::new("bcrypt", &["$2a$", "$2b$", "$2y$"], bcrypt::parse),
    Scheme::new("yescrypt", &["$y$"], yescrypt::parse),
    Scheme::new("sha512-crypt", &["$6$"], crypt::parse_sha512),
    Scheme::new("sha256-crypt", &["$5$"], crypt::parse_sha256),
    Scheme::new("md5-crypt", &["$1$", "$apr1$"], crypt::parse_md5),
    Scheme::new(
        "pbkdf2",
        &[
            "$pbkdf2-sha1$",
            "$pbkdf2-sha256$",
            "$pbkdf2-sha512$",
            "$pbkdf2-b64salt-sha256$",
        ],
        pbkdf2::parse,
    ),
    Scheme::new("ssha512", &["{SSHA512}"], ssha::parse),
];

impl Scheme {
    const fn new(name: &'static str, prefixes: &'static [&'static str], parse: Parse) -> Self {
        Self {
            name,
            prefixes,
            parse,
        }
    }

    /// Returns the scheme of a hash.
    pub(super) fn of(text: &str) -> Option<&'static Self> {
        let begins = |scheme: &&Scheme| scheme.prefixes.iter().any(|prefix| text.starts_with(prefix));
        SCHEMES.iter().find(begins)
    }
}

/// Returns the names of all schemes.
pub(super) fn names() -> String {
    let names: Vec<&str> = SCHEMES.iter().map(|scheme| scheme.name).collect();
    names.join(", ")
}
