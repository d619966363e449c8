//! Lines of authorized_keys: each holds a key, the addresses that may use it, and its expiry time.
//!
//! A line is accepted as a whole or refused with the reason: an option that cannot be enforced must not be ignored
//! silently. Only the data of keys is compared, never their comments.

#[doc(hidden)]
pub mod fuzz;

use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;
use russh::keys::ssh_key::public::{KeyData, RsaPublicKey};
use russh::keys::{HashAlg, PublicKey};

pub use super::key_options::KeyRestriction;
use super::key_options::{KeyOptions, TouchRules, end_of_options};
use super::presented::is_security_key;
use base::error::{Error, Result};

/// The longest line, in bytes. An RSA key of 8192 bits takes 1.4 KiB; the rest is for options and the comment.
const MAX_LINE: usize = 16 * 1024;

/// The smallest RSA modulus, in bits (RFC 8332 advises against smaller ones).
const MIN_RSA: usize = 2048;

/// The largest RSA modulus, in bits. The library cannot verify larger ones, and they would cost an attacker nothing.
const MAX_RSA: usize = 8192;

/// A key with which a user may sign in, and its conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizedKey {
    line: String,
    options: KeyOptions,
    key: PublicKey,
}

impl AuthorizedKey {
    /// Parses one line of authorized_keys. The error names the part that it refuses.
    pub fn parse(line: &str) -> Result<Self> {
        let line = line.trim();
        read(line).map_err(|why| Error::new("cannot use this public key").because(why))
    }

    /// Returns the line as the store keeps it.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// Returns the fingerprint as `ssh-keygen -l` prints it: `SHA256:…`.
    pub fn fingerprint(&self) -> String {
        self.key.fingerprint(HashAlg::Sha256).to_string()
    }

    /// Returns the type of the key: `ssh-ed25519`, `ssh-rsa`, …
    pub fn algorithm(&self) -> String {
        self.key.algorithm().to_string()
    }

    /// Returns the comment behind the key.
    pub fn comment(&self) -> &str {
        self.key.comment().as_str_lossy()
    }

    /// Checks whether `from=` and `expiry-time=` allow this peer to use the key at the time `now`.
    ///
    /// # Errors
    /// Returns the option that does not allow it.
    pub fn permits(&self, peer: IpAddr, now: Timestamp) -> std::result::Result<(), KeyRestriction> {
        self.options.permit(peer, now)
    }

    /// Returns the time from which `expiry-time=` disables the key, if there is one.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.options.expires_at()
    }

    /// Whether the key is that of an authority (`cert-authority`): it signs in by the certificates that it has signed,
    /// and not by itself.
    pub fn is_authority(&self) -> bool {
        self.options.is_authority()
    }

    /// Returns the principals of `principals=`, if the line has it: a certificate of the authority must name one of
    /// them.
    pub fn principals(&self) -> Option<&[String]> {
        self.options.principals()
    }

    /// Returns what a security key must state in its signature.
    pub(super) fn touch_rules(&self) -> TouchRules {
        self.options.touch_rules()
    }

    /// Returns the key itself.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Whether this is the same key. Comments are not compared.
    pub fn matches(&self, key: &PublicKey) -> bool {
        self.key.key_data() == key.key_data()
    }
}

/// Formats the line as the store keeps it.
impl fmt::Display for AuthorizedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

/// Returns why no user can have this key (its type or its size), or `None` if a user can. It serves keys that clients
/// offer.
pub fn unsupported(key: &PublicKey) -> Option<String> {
    let fit = supported(key.algorithm().as_str()).and_then(|()| match key.key_data() {
        KeyData::Rsa(rsa) => strong_enough(rsa),
        _ => Ok(()),
    });
    fit.err()
}

/// Returns why no user can have a key of this type, or `None` if a user can. It serves keys and certificates that
/// cannot be parsed.
pub fn unsupported_type(name: &str) -> Option<String> {
    let Some(certified) = name.strip_suffix("-cert-v01@openssh.com") else {
        return supported(name).err();
    };
    match certified {
        "rsa-sha2-256" | "rsa-sha2-512" => None,
        _ if certified.starts_with("sk-") => supported(&format!("{certified}@openssh.com")).err(),
        _ => supported(certified).err(),
    }
}

/// A sentence that says what is refused, and why.
type KeyRefusal = String;

fn read(line: &str) -> std::result::Result<AuthorizedKey, KeyRefusal> {
    if line.len() > MAX_LINE {
        return Err(format!("the line is longer than {MAX_LINE} bytes"));
    }
    if line.contains("PRIVATE KEY-----") {
        return Err(
            "this is a private key, which only its owner may have; the public one is in the file that ends in .pub"
                .to_owned(),
        );
    }
    if line.chars().any(|c| c.is_control() && c != '\t') {
        return Err("the line contains control characters".to_owned());
    }
    // A key's type never contains a quote or `=`, and no option has the name of a key type.
    let (first, _) = blank_cut(line);
    let (options, rest) = if looks_like_type(first) {
        (KeyOptions::default(), line)
    } else {
        let (options, rest) = line.split_at(end_of_options(line));
        if rest.trim().is_empty() {
            return Err(format!("\"{}\" is not a key", shorten(options)));
        }
        (KeyOptions::parse(options)?, rest.trim_start())
    };
    let key = read_key(rest)?;
    let rules = options.touch_rules();
    if rules.verification && !options.is_authority() && !is_security_key(key.key_data()) {
        return Err(
            "option verify-required needs a security key (sk-…): no other can verify its owner".to_owned(),
        );
    }
    Ok(AuthorizedKey {
        line: line.to_owned(),
        options,
        key,
    })
}

fn read_key(text: &str) -> std::result::Result<PublicKey, KeyRefusal> {
    let (kind, rest) = blank_cut(text);
    let (data, comment) = blank_cut(rest);
    supported(kind)?;
    let mut key = PublicKey::from_openssh(&format!("{kind} {data}"))
        .map_err(|error| format!("the key's data is damaged: {error}"))?;
    if let KeyData::Rsa(rsa) = key.key_data() {
        strong_enough(rsa)?;
    }
    key.set_comment(comment);
    Ok(key)
}

/// Checks that this server can verify keys of this type. The error says why it cannot.
fn supported(kind: &str) -> std::result::Result<(), KeyRefusal> {
    let shown = shorten(kind);
    match kind {
        "ssh-ed25519"
        | "ecdsa-sha2-nistp256"
        | "ecdsa-sha2-nistp384"
        | "ecdsa-sha2-nistp521"
        | "ssh-rsa"
        | "sk-ssh-ed25519@openssh.com"
        | "sk-ecdsa-sha2-nistp256@openssh.com" => Ok(()),
        "ssh-dss" => Err(format!("{shown} keys are too weak")),
        _ if kind.contains("-cert-v0") => Err(format!(
            "{shown} is a certificate, which its owner presents: a line has the key of its authority, behind the \
             option cert-authority"
        )),
        _ => Err(format!("\"{shown}\" is not a supported key type")),
    }
}

fn strong_enough(key: &RsaPublicKey) -> std::result::Result<(), KeyRefusal> {
    let bits = key.n().as_positive_bytes().map_or(0, significant_bits);
    if bits < MIN_RSA {
        return Err(format!(
            "an RSA key of {bits} bits is too weak, {MIN_RSA} is the least"
        ));
    }
    if bits > MAX_RSA {
        return Err(format!(
            "an RSA key of {bits} bits is too large, {MAX_RSA} is the most"
        ));
    }
    // The exponent must be odd, at least 3 and at most 32 bits: real keys have no other, and the library verifies no
    // other.
    let exponent = key.e().as_positive_bytes().unwrap_or_default();
    let odd = exponent.last().is_some_and(|b| b & 1 == 1);
    if !odd || exponent == [1] || significant_bits(exponent) > 32 {
        return Err("the RSA key's exponent is not valid".to_owned());
    }
    Ok(())
}

fn significant_bits(number: &[u8]) -> usize {
    let zeros = number.first().map_or(0, |b| b.leading_zeros() as usize);
    number.len() * 8 - zeros
}

fn looks_like_type(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-", "rsa-", "webauthn-"]
        .iter()
        .any(|p| word.starts_with(p))
        && !word.contains(['"', '=', ','])
}

/// Returns the first word, and the text behind the blanks that follow it.
fn blank_cut(text: &str) -> (&str, &str) {
    match text.split_once([' ', '\t']) {
        Some((word, rest)) => (word, rest.trim_start_matches([' ', '\t'])),
        None => (text, ""),
    }
}

/// Shortens the text to a recognisable part that is safe to print on a terminal.
fn shorten(text: &str) -> String {
    let start: String = text.chars().take(40).collect();
    let dots = if start.len() < text.len() { "…" } else { "" };
    format!("{}{dots}", start.escape_debug())
}

#[cfg(test)]
mod tests;
