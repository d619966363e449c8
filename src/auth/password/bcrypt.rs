//! bcrypt, which SFTPGo, PHP, OpenBSD and many others write.

use std::time::Duration;

use base64ct::{Base64Bcrypt, Encoding as _};

use super::memory::Memory;
use super::parsed::{ParsedHash, damaged, same, work};

/// The largest cost of an imported hash: about a second.
const MOST_COST: u32 = 14;
/// The smallest cost that there is.
const LEAST_COST: u32 = 4;
/// What one of the 2^cost steps takes on a slow processor, in nanoseconds.
const NANOS: u64 = 75_000;

/// The number of bytes of a password that count.
const COUNTS: usize = 72;
/// The length of the salt in characters, of which the last has 4 bits that mean nothing.
const SALT: usize = 22;
/// The length of salt and hash in characters.
const DATA: usize = 53;

const FORM: &str = "$2b$COST$ and 53 characters";

struct BcryptHash {
    cost: u32,
    salt: [u8; 16],
    /// The last 31 characters.
    hash: String,
}

/// Parses `$2b$10$…`, which is 60 characters long.
pub(super) fn parse(text: &str) -> Result<Box<dyn ParsedHash>, String> {
    let mut parts = text.split('$').skip(2);
    let (Some(cost), Some(data), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(damaged(FORM));
    };
    let is_number = cost.len() == 2 && cost.bytes().all(|b| b.is_ascii_digit());
    let cost = cost.parse().ok().filter(|_| is_number);
    let cost: u32 = cost.ok_or_else(|| damaged(FORM))?;
    if cost > MOST_COST {
        return Err(format!(
            "its cost is {cost}, and at most {MOST_COST} is taken, so that a sign-in takes no more than about a second"
        ));
    }
    let in_alphabet = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'/';
    if cost < LEAST_COST || data.len() != DATA || !data.bytes().all(in_alphabet) {
        return Err(damaged(FORM));
    }
    let (salt, hash) = data.split_at(SALT);
    Ok(Box::new(BcryptHash {
        cost,
        salt: decode_salt(salt).ok_or_else(|| damaged(FORM))?,
        hash: hash.to_owned(),
    }))
}

/// Decodes the salt. The bits at its end that mean nothing are not the same in all programs.
fn decode_salt(salt: &str) -> Option<[u8; 16]> {
    // 24 characters stand for 18 bytes; the last two of these are filled up with zeros.
    let mut bytes = [0_u8; 18];
    Base64Bcrypt::decode(format!("{salt}.."), &mut bytes).ok()?;
    bytes.get(..16)?.try_into().ok()
}

impl ParsedHash for BcryptHash {
    fn cost(&self) -> Duration {
        work(1 << self.cost, NANOS)
    }

    fn matches(&self, password: &[u8], _memory: &mut Memory) -> Option<bool> {
        // The key is the password with its NUL byte, cut off after 72 bytes.
        let mut key = zeroize::Zeroizing::new([0_u8; COUNTS]);
        let length = password.len().min(COUNTS);
        key.get_mut(..length)?.copy_from_slice(password.get(..length)?);
        let key = key.get(..(length + 1).min(COUNTS))?;
        let output = bcrypt::bcrypt(self.cost, self.salt, key);
        let found = Base64Bcrypt::encode_string(output.get(..23)?);
        Some(same(found.as_bytes(), self.hash.as_bytes()) && !password.contains(&0))
    }

    fn covers(&self, password: &[u8]) -> bool {
        password.len() <= COUNTS
    }
}
