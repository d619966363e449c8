//! The body of the fuzz target for password hashes: no text makes the parser panic, what is accepted costs no more than
//! the limits say, and verifying it does not panic.

use std::time::Duration;

use super::{Memory, import, parse};
use crate::auth::password::schemes::Scheme;
use base::secret::Secret;

/// No accepted hash costs more.
const MOST: Duration = Duration::from_millis(1300);
/// Hashes that cost no more are also verified: some of each scheme, except for Argon2, whose memory takes its time.
const CHEAP: Duration = Duration::from_millis(12);
/// One input out of so many is verified, by its length.
const VERIFIED: usize = 16;

/// Parses the first line of `data` as a hash, and verifies the second one against it.
pub fn fuzz_password_hash(data: &[u8]) {
    let mut lines = data.splitn(2, |byte| *byte == b'\n');
    let text = String::from_utf8_lossy(lines.next().unwrap_or_default());
    let Ok(parsed) = parse(&text) else {
        assert!(import(&text).is_err());
        return;
    };
    assert!(Scheme::of(&text).is_some());
    assert!(parsed.cost() <= MOST, "{text}");
    let imported = import(&text);
    assert!(imported.is_ok_and(|hash| hash.as_phc() == text));
    if parsed.cost() > CHEAP || text.starts_with("$argon2") || !data.len().is_multiple_of(VERIFIED) {
        return;
    }
    let password = Secret::from_bytes(lines.next().unwrap_or_default().to_vec());
    let mut memory = Memory::default();
    let first = parsed.matches(password.bytes(), &mut memory);
    assert_eq!(first, parsed.matches(password.bytes(), &mut memory));
}
