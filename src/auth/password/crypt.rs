//! The older schemes of `/etc/shadow`: SHA-512 (`$6$`), SHA-256 (`$5$`) and MD5 (`$1$`, and `$apr1$` as Apache writes
//! it).
//!
//! The work of these schemes grows with the length of the password, which the peer chooses: up to fifteen times for the
//! longest one. A password for which the work would exceed [`MOST_BYTES`] is therefore wrong without being hashed. With
//! the rounds that are usual everywhere (5,000), every length is hashed; with the most rounds, those of 64 bytes are.

use std::time::Duration;

use base64ct::{Base64ShaCrypt, Encoding as _};
use md5::{Digest as _, Md5};
use sha_crypt::{Params, sha256_crypt, sha512_crypt};

use super::memory::Memory;
use super::parsed::{MAX_PASSWORD, ParsedHash, damaged, same, work};

/// The rounds of a hash that does not say how many.
const DEFAULT_ROUNDS: u32 = 5_000;
/// The most rounds of an imported hash.
const MOST_ROUNDS: u32 = 1_000_000;
/// The rounds of MD5, which are always the same.
const MD5_ROUNDS: u32 = 1_000;

/// The most bytes that are hashed for one verification: about a second on a slow processor.
const MOST_BYTES: u64 = 256 << 20;
/// What hashing a byte takes on a slow processor, in nanoseconds.
const NANOS: u64 = 4;
/// What a round hashes besides the password, which it hashes twice at most: the last round's output and the salt.
const ROUND_BYTES: u64 = 96;

/// The longest salt of SHA-256 and SHA-512, in characters.
const MOST_SALT: usize = 16;
/// The longest salt of MD5, in characters.
const MOST_MD5_SALT: usize = 8;

/// The order in which the bytes of the output are written.
const MD5_ORDER: [usize; 16] = [12, 6, 0, 13, 7, 1, 14, 8, 2, 15, 9, 3, 5, 10, 4, 11];
const SHA256_ORDER: [usize; 32] = [
    20, 10, 0, 11, 1, 21, 2, 22, 12, 23, 13, 3, 14, 4, 24, 5, 25, 15, 26, 16, 6, 17, 7, 27, 8, 28, 18, 29,
    19, 9, 30, 31,
];
const SHA512_ORDER: [usize; 64] = [
    42, 21, 0, 1, 43, 22, 23, 2, 44, 45, 24, 3, 4, 46, 25, 26, 5, 47, 48, 27, 6, 7, 49, 28, 29, 8, 50, 51,
    30, 9, 10, 52, 31, 32, 11, 53, 54, 33, 12, 13, 55, 34, 35, 14, 56, 57, 36, 15, 16, 58, 37, 38, 17, 59,
    60, 39, 18, 19, 61, 40, 41, 20, 62, 63,
];

/// The hash function of a scheme.
#[derive(Clone, Copy)]
enum CryptDigest {
    /// MD5, with this text at the beginning, which is hashed, too.
    Md5(&'static str),
    Sha256,
    Sha512,
}

struct CryptHash {
    digest: CryptDigest,
    rounds: u32,
    salt: String,
    /// The last part of the text.
    hash: String,
}

/// Parses `$6$SALT$HASH` or `$6$rounds=N$SALT$HASH`.
pub(super) fn parse_sha512(text: &str) -> Result<Box<dyn ParsedHash>, String> {
    parse_sha(text, CryptDigest::Sha512, "$6$SALT$ and 86 characters")
}

/// Parses `$5$SALT$HASH` or `$5$rounds=N$SALT$HASH`.
pub(super) fn parse_sha256(text: &str) -> Result<Box<dyn ParsedHash>, String> {
    parse_sha(text, CryptDigest::Sha256, "$5$SALT$ and 43 characters")
}

/// Parses `$1$SALT$HASH` or `$apr1$SALT$HASH`.
pub(super) fn parse_md5(text: &str) -> Result<Box<dyn ParsedHash>, String> {
    let magic = if text.starts_with("$apr1$") {
        "$apr1$"
    } else {
        "$1$"
    };
    let parts: Vec<&str> = text.split('$').skip(2).collect();
    let [salt, hash] = parts[..] else {
        return Err(damaged("$1$SALT$ and 22 characters"));
    };
    let parsed = CryptHash {
        digest: CryptDigest::Md5(magic),
        rounds: MD5_ROUNDS,
        salt: salt.to_owned(),
        hash: hash.to_owned(),
    };
    parsed.checked(MOST_MD5_SALT, "$1$SALT$ and 22 characters")
}

fn parse_sha(text: &str, digest: CryptDigest, form: &str) -> Result<Box<dyn ParsedHash>, String> {
    let parts: Vec<&str> = text.split('$').skip(2).collect();
    let (rounds, salt, hash) = match parts[..] {
        [salt, hash] => (DEFAULT_ROUNDS, salt, hash),
        [rounds, salt, hash] => (read_rounds(rounds, form)?, salt, hash),
        _ => return Err(damaged(form)),
    };
    let parsed = CryptHash {
        digest,
        rounds,
        salt: salt.to_owned(),
        hash: hash.to_owned(),
    };
    parsed.checked(MOST_SALT, form)
}

/// Reads `rounds=N`.
fn read_rounds(text: &str, form: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("rounds=").filter(|digits| {
        // A leading 0 is refused by crypt as well.
        digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0')
    });
    let rounds: u64 = digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| damaged(form))?;
    match u32::try_from(rounds) {
        Ok(rounds @ Params::ROUNDS_MIN..=MOST_ROUNDS) => Ok(rounds),
        Ok(0..Params::ROUNDS_MIN) => Err(format!(
            "it has {rounds} rounds, and there are at least {}",
            Params::ROUNDS_MIN
        )),
        _ => Err(format!(
            "it asks for {rounds} rounds, and at most {MOST_ROUNDS} are taken, so that a sign-in takes no more than \
             about a second"
        )),
    }
}

impl CryptHash {
    /// Checks salt and hash.
    fn checked(self, most_salt: usize, form: &str) -> Result<Box<dyn ParsedHash>, String> {
        let decoded = Base64ShaCrypt::decode_vec(&self.hash);
        let is_whole = decoded.is_ok_and(|bytes| bytes.len() == self.digest.length());
        let is_salt =
            self.salt.len() <= most_salt && self.salt.bytes().all(|b| b.is_ascii_graphic() && b != b':');
        match is_whole && is_salt {
            true => Ok(Box::new(self)),
            false => Err(damaged(form)),
        }
    }

    /// Returns how many bytes are hashed for a password of this length.
    fn bytes_for(&self, length: usize) -> u64 {
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        let round = length.saturating_mul(2).saturating_add(ROUND_BYTES);
        round.saturating_mul(self.rounds.into())
    }

    /// Returns the text of the password's hash, without salt.
    fn hash_of(&self, password: &[u8]) -> Option<String> {
        let salt = self.salt.as_bytes();
        Some(match self.digest {
            CryptDigest::Md5(magic) => written(&md5_crypt(password, salt, magic), &MD5_ORDER),
            CryptDigest::Sha256 => {
                let params = Params::new(self.rounds).ok()?;
                written(&sha256_crypt(password, salt, params), &SHA256_ORDER)
            }
            CryptDigest::Sha512 => {
                let params = Params::new(self.rounds).ok()?;
                written(&sha512_crypt(password, salt, params), &SHA512_ORDER)
            }
        })
    }
}

impl CryptDigest {
    /// Returns the length of its output in bytes.
    fn length(self) -> usize {
        match self {
            CryptDigest::Md5(_) => MD5_ORDER.len(),
            CryptDigest::Sha256 => SHA256_ORDER.len(),
            CryptDigest::Sha512 => SHA512_ORDER.len(),
        }
    }
}

impl ParsedHash for CryptHash {
    fn cost(&self) -> Duration {
        work(self.bytes_for(MAX_PASSWORD).min(MOST_BYTES), NANOS)
    }

    fn matches(&self, password: &[u8], _memory: &mut Memory) -> Option<bool> {
        if self.bytes_for(password.len()) > MOST_BYTES {
            return Some(false);
        }
        let found = self.hash_of(password)?;
        Some(same(found.as_bytes(), self.hash.as_bytes()) && !password.contains(&0))
    }
}

/// Returns the output as text: its bytes in the scheme's order, and then in the base64 of `crypt`.
fn written(output: &[u8], order: &[usize]) -> String {
    let bytes: Vec<u8> = order.iter().filter_map(|at| output.get(*at).copied()).collect();
    Base64ShaCrypt::encode_string(&bytes)
}

/// Computes MD5-crypt, as FreeBSD has defined it. `magic` is the beginning of the text, with both `$`.
fn md5_crypt(password: &[u8], salt: &[u8], magic: &str) -> [u8; 16] {
    let mut inner = Md5::new();
    [password, salt, password]
        .iter()
        .for_each(|part| inner.update(part));
    let inner = inner.finalize();
    let mut outer = Md5::new();
    [password, magic.as_bytes(), salt]
        .iter()
        .for_each(|part| outer.update(part));
    for chunk in password.chunks(inner.len()) {
        outer.update(inner.get(..chunk.len()).unwrap_or(&inner));
    }
    let mut bits = password.len();
    while bits > 0 {
        // A NUL byte for each bit that is set, the first byte of the password for each that is not.
        match bits & 1 {
            1 => outer.update([0]),
            _ => outer.update(password.get(..1).unwrap_or_default()),
        }
        bits >>= 1;
    }
    let mut output: [u8; 16] = outer.finalize().into();
    for round in 0..MD5_ROUNDS {
        let (first, last) = match round & 1 {
            1 => (password, &output[..]),
            _ => (&output[..], password),
        };
        let mut hasher = Md5::new();
        hasher.update(first);
        if round % 3 != 0 {
            hasher.update(salt);
        }
        if round % 7 != 0 {
            hasher.update(password);
        }
        hasher.update(last);
        output = hasher.finalize().into();
    }
    output
}
