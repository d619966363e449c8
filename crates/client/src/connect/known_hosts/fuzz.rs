//! The body of the fuzz target for known_hosts: no text makes it panic, and no text in the file hides that a key is
//! listed for a host.

use std::path::Path;

use super::{HostKeyStatus, HostName, KnownHosts, new_line};

/// Reads `data` as a file, and asserts that each key that is listed for a host counts, and that a key which is added
/// for a host is known or revoked afterwards.
pub fn fuzz_known_hosts(data: &[u8]) {
    let file = Path::new("known_hosts");
    let mut known = KnownHosts::default();
    known.add(file, &String::from_utf8_lossy(data));
    let hosts = [
        HostName::new("example.com", 22, None),
        HostName::new("192.0.2.1", 2222, None),
        HostName::new("example.com", 22, Some("alias")),
    ];
    let keys: Vec<_> = known.lines.iter().map(|line| line.listed.key.clone()).collect();
    for host in &hosts {
        let _ = known.algorithms(host);
        for line in known.lines.iter().filter(|line| line.is_for(host.as_str())) {
            let status = known.check(host, &line.listed.key);
            assert!(
                matches!(status, HostKeyStatus::Known | HostKeyStatus::Revoked(_)),
                "{status:?}"
            );
        }
        // A few are enough: each is compared with all lines.
        for (key, hash) in keys.iter().take(4).zip([false, true].into_iter().cycle()) {
            let Ok(line) = new_line(host, key, hash) else {
                continue;
            };
            let mut learned = known.clone();
            learned.add(file, &line);
            let status = learned.check(host, key);
            assert!(
                matches!(status, HostKeyStatus::Known | HostKeyStatus::Revoked(_)),
                "{status:?}"
            );
        }
    }
}
