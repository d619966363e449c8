//! The body of the fuzz target for authorized_keys: no line makes the parser panic, and an accepted key is accepted
//! again from the line that the store keeps.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;

use super::AuthorizedKey;

/// Parses each line of `data`, and asserts that the line which the store keeps has the same meaning.
pub fn fuzz_authorized_keys(data: &[u8]) {
    for line in String::from_utf8_lossy(data).lines() {
        let Ok(key) = AuthorizedKey::parse(line) else {
            continue;
        };
        let again = AuthorizedKey::parse(key.line());
        assert!(again.as_ref().is_ok_and(|again| again.matches(&key.key)));
        let Ok(again) = again else { continue };
        assert_eq!(
            (
                again.line(),
                again.fingerprint(),
                again.algorithm(),
                again.comment(),
                again.expires_at()
            ),
            (
                key.line(),
                key.fingerprint(),
                key.algorithm(),
                key.comment(),
                key.expires_at()
            )
        );
        for peer in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            assert_eq!(
                key.permits(peer, Timestamp::UNIX_EPOCH),
                again.permits(peer, Timestamp::UNIX_EPOCH)
            );
            assert!(key.expires_at().is_none_or(|end| key.permits(peer, end).is_err()));
        }
    }
}
