//! The list of revoked keys and certificates: `[auth] revoked_keys`.
//!
//! It is a text, in the language of the specifications that `ssh-keygen -k` reads, or the binary list that `ssh-keygen`
//! writes ([`super::krl`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;

use russh::keys::ssh_key::Fingerprint;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Certificate, HashAlg, PublicKey};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::position::{ListFault, TextPosition};
use crate::auth::presented::PresentedKey;

/// The most ranges of serial numbers: about 64 MiB.
const MOST_RANGES: usize = 4 << 20;
/// The most characters that are shown of what is not understood.
const SHOWN: usize = 40;

/// The SHA-256 of a public key's blob, which `ssh-keygen -l` shows in base64.
pub(super) type KeyHash = [u8; 32];

/// What is revoked. It is compared by hashes, so that a key costs the same whatever its size.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RevokedKeys {
    keys: BTreeSet<KeyHash>,
    keys_sha1: BTreeSet<[u8; 20]>,
    /// By the hash of the authority's key; `None` is every authority.
    certificates: BTreeMap<Option<KeyHash>, RevokedCertificates>,
}

/// The revoked certificates of an authority.
#[derive(Debug, Default, PartialEq, Eq)]
struct RevokedCertificates {
    /// The revoked serial numbers: the ends of the ranges by their beginnings. They do not overlap once
    /// [`RevokedKeys::finish`] has returned.
    serials: Vec<(u64, u64)>,
    key_ids: BTreeSet<Vec<u8>>,
}

/// The entry that revokes a key or its certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevokedBy {
    /// The key is in the list; with a certificate, the certified key.
    Key,
    /// The key of the authority is in the list.
    Authority,
    /// The serial number of the certificate is in the list.
    Serial,
    /// The id of the certificate is in the list.
    KeyId,
}

impl RevokedBy {
    /// Returns the fixed word for this reason, by which programs that read the audit log know it.
    pub fn code(self) -> &'static str {
        match self {
            RevokedBy::Key => "key_revoked",
            RevokedBy::Authority | RevokedBy::Serial | RevokedBy::KeyId => "certificate_revoked",
        }
    }
}

/// Formats the entry as a clause that follows the name of the key.
impl fmt::Display for RevokedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RevokedBy::Key => "the key is revoked",
            RevokedBy::Authority => "the key of the authority is revoked",
            RevokedBy::Serial => "the serial number of the certificate is revoked",
            RevokedBy::KeyId => "the id of the certificate is revoked",
        })
    }
}

impl RevokedKeys {
    /// Returns the entry that revokes this key or its certificate.
    pub(in crate::auth) fn find(&self, presented: &PresentedKey) -> Option<RevokedBy> {
        // Almost every list is empty.
        if *self == Self::default() {
            return None;
        }
        if self.has_key(presented.key().key_data()) {
            return Some(RevokedBy::Key);
        }
        let certificate = presented.certificate()?;
        let authority = certificate.signature_key();
        if self.has_key(authority) {
            return Some(RevokedBy::Authority);
        }
        let of_authority = self.certificates.get(&hash_of(authority));
        let of_all = self.certificates.get(&None);
        [of_authority, of_all]
            .into_iter()
            .flatten()
            .find_map(|revoked| revoked.find(certificate))
    }

    /// Returns whether the list contains the key itself.
    pub fn has_key(&self, key: &KeyData) -> bool {
        let Some(blob) = blob_of(key) else {
            // It cannot be told whether such a key is revoked. There is none: each was decoded from a blob.
            return true;
        };
        self.keys.contains(&sha256(&blob))
            || (!self.keys_sha1.is_empty() && self.keys_sha1.contains(&<[u8; 20]>::from(Sha1::digest(&blob))))
    }

    /// Returns the number of entries, with each range of serial numbers as one.
    pub fn entries(&self) -> usize {
        let of_authorities = self.certificates.values();
        let certificates = of_authorities.map(|revoked| revoked.serials.len() + revoked.key_ids.len());
        self.keys.len() + self.keys_sha1.len() + certificates.sum::<usize>()
    }

    pub(super) fn revoke_blob(&mut self, blob: &[u8]) {
        self.keys.insert(sha256(blob));
    }

    pub(super) fn revoke_sha256(&mut self, hash: KeyHash) {
        self.keys.insert(hash);
    }

    pub(super) fn revoke_sha1(&mut self, hash: [u8; 20]) {
        self.keys_sha1.insert(hash);
    }

    pub(super) fn revoke_id(&mut self, authority: Option<KeyHash>, id: &[u8]) {
        let revoked = self.certificates.entry(authority).or_default();
        revoked.key_ids.insert(id.to_vec());
    }

    /// Adds serial numbers. The error says that there are too many ranges.
    pub(super) fn revoke_serials(
        &mut self,
        authority: Option<KeyHash>,
        serials: RangeInclusive<u64>,
    ) -> Result<(), String> {
        let (first, last) = serials.into_inner();
        let ranges = &mut self.certificates.entry(authority).or_default().serials;
        let is_full = ranges.len() >= MOST_RANGES;
        match ranges.last_mut() {
            // Lists are mostly sorted.
            Some((_, end)) if end.checked_add(1) == Some(first) => *end = last.max(*end),
            _ if is_full => {
                return Err(format!(
                    "there are more than {MOST_RANGES} ranges of serial numbers"
                ));
            }
            _ => ranges.push((first, last)),
        }
        Ok(())
    }

    /// Sorts what was added, so that it can be searched.
    pub(super) fn finish(&mut self) {
        for revoked in self.certificates.values_mut() {
            revoked.serials.sort_unstable();
            revoked.serials.dedup_by(|next, before| {
                let continues = next.0 <= before.1.saturating_add(1);
                if continues {
                    before.1 = before.1.max(next.1);
                }
                continues
            });
            revoked.serials.shrink_to_fit();
        }
    }
}

impl RevokedCertificates {
    fn find(&self, certificate: &Certificate) -> Option<RevokedBy> {
        // As with sshd, 0 is the serial number of a certificate that was signed without one.
        let serial = certificate.serial();
        let before = self.serials.partition_point(|(first, _)| *first <= serial);
        let range = before.checked_sub(1).and_then(|at| self.serials.get(at));
        if serial != 0 && range.is_some_and(|(_, last)| serial <= *last) {
            return Some(RevokedBy::Serial);
        }
        let id = certificate.key_id().as_bytes();
        self.key_ids.contains(id).then_some(RevokedBy::KeyId)
    }
}

pub(super) fn sha256(blob: &[u8]) -> KeyHash {
    Sha256::digest(blob).into()
}

fn blob_of(key: &KeyData) -> Option<Vec<u8>> {
    PublicKey::from(key.clone()).to_bytes().ok()
}

fn hash_of(key: &KeyData) -> Option<KeyHash> {
    blob_of(key).map(|blob| sha256(&blob))
}

/// Parses the text. Each line is a public key or certificate, or a word with a colon and its value.
pub(super) fn parse_text(bytes: &[u8]) -> Result<RevokedKeys, ListFault> {
    let mut list = RevokedKeys::default();
    let mut authority = None;
    for line in TextPosition::lines(bytes) {
        let (position, text) = line?;
        let (word, value) = match text.split_once(':') {
            Some((word, value)) if !word.contains([' ', '\t', '"', '=']) => (word, value.trim()),
            // It is a public key, without a word in front of it.
            _ => ("", text),
        };
        let fault = |what: String| ListFault::at(position.of_part(text, value), what);
        match word.to_ascii_lowercase().as_str() {
            "ca" => {
                let key = public_key(value).ok_or_else(|| fault(not_a_key(value)))?;
                authority = hash_of(key.key_data());
            }
            "serial" => {
                let serials = serials(value).map_err(fault)?;
                list.revoke_serials(authority, serials).map_err(fault)?;
            }
            "id" if value.is_empty() => return Err(fault("expected the id of a certificate".to_owned())),
            "id" => list.revoke_id(authority, value.as_bytes()),
            "" | "key" => revoke_key_line(&mut list, value).map_err(fault)?,
            "sha1" | "sha256" if !value.contains([' ', '\t']) => {
                revoke_hash(&mut list, text).map_err(fault)?
            }
            "sha1" | "sha256" => {
                let key = public_key(value).ok_or_else(|| fault(not_a_key(value)))?;
                list.keys.extend(hash_of(key.key_data()));
            }
            "hash" => revoke_hash(&mut list, value).map_err(fault)?,
            other => {
                let what = format!(
                    "\"{}:\" is not known: a line is a key, or begins with serial:, id:, key:, sha256:, hash: or ca:",
                    base::visible::sample(other.as_bytes(), SHOWN)
                );
                return Err(ListFault::at(position, what));
            }
        }
    }
    Ok(list)
}

/// Revokes a key, or the certificate whose line this is.
fn revoke_key_line(list: &mut RevokedKeys, line: &str) -> Result<(), String> {
    if let Some(key) = public_key(line) {
        list.keys.extend(hash_of(key.key_data()));
        return Ok(());
    }
    let certificate = Certificate::from_openssh(&without_comment(line)).map_err(|_| not_a_key(line))?;
    let authority = hash_of(certificate.signature_key());
    match certificate.serial() {
        // As with ssh-keygen, a certificate without a serial number is revoked by its id.
        0 => {
            list.revoke_id(authority, certificate.key_id().as_bytes());
            Ok(())
        }
        serial => list.revoke_serials(authority, serial..=serial),
    }
}

/// Revokes the key with the fingerprint that `ssh-keygen -l` shows: `SHA256:…`.
fn revoke_hash(list: &mut RevokedKeys, text: &str) -> Result<(), String> {
    let (name, hash) = text.split_once(':').unwrap_or(("", text));
    let canonical = format!(
        "{}:{}",
        name.to_ascii_uppercase(),
        hash.trim().trim_end_matches('=')
    );
    let fingerprint = canonical.parse::<Fingerprint>().ok();
    match fingerprint.filter(|fingerprint| fingerprint.algorithm() == HashAlg::Sha256) {
        Some(fingerprint) => {
            let hash = fingerprint.as_bytes().try_into();
            list.revoke_sha256(hash.map_err(|_| "the hash has the wrong length".to_owned())?);
            Ok(())
        }
        None => Err("expected a fingerprint as ssh-keygen -l shows it: SHA256: and 43 characters".to_owned()),
    }
}

/// Parses `N` or `N-M`. As in ssh-keygen, numbers may be hexadecimal.
fn serials(text: &str) -> Result<RangeInclusive<u64>, String> {
    let number = |text: &str| {
        let text = text.trim();
        let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(digits) if digits.bytes().all(|b| b.is_ascii_hexdigit()) => {
                u64::from_str_radix(digits, 16).ok()
            }
            Some(_) => None,
            None => Some(text)
                .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|text| text.parse().ok()),
        };
        number.ok_or("expected a serial number, as in 17, or a range, as in 17-23".to_owned())
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(text)?, number(text)?),
    };
    if first == 0 {
        return Err(
            "0 is the serial number of every certificate that was signed without one (hint: use id: or key:)"
                .to_owned(),
        );
    }
    if last < first {
        return Err("the range ends before it begins".to_owned());
    }
    Ok(first..=last)
}

fn public_key(line: &str) -> Option<PublicKey> {
    PublicKey::from_openssh(&without_comment(line)).ok()
}

/// Returns the type and the data of a key, whatever blanks are between and behind them.
fn without_comment(line: &str) -> String {
    line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

fn not_a_key(text: &str) -> String {
    format!(
        "\"{}\" is not a public key or certificate",
        base::visible::sample(text.as_bytes(), SHOWN)
    )
}
