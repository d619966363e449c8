//! Transfers, from the decision to the proof: against `homeportd`, against the machine's own `sshd`, and against a
//! server that misbehaves ([`faulty_server`]).
//!
//! [`client`] is the library as a command uses it, with everything written down that a person would see; [`proxy`]
//! stands between the two and cuts, holds and counts.

mod broken;
mod client;
mod faults;
mod faulty_server;
mod full;
mod hashless;
mod meanwhile;
mod moving;
mod proxy;
mod table;

use std::path::Path;

/// Bytes that are the same in each run, and as good as random.
pub fn bytes(seed: u64, length: usize) -> Vec<u8> {
    testkit::random::noise(length, seed)
}

/// What a file holds; `None`: there is none.
pub fn read(path: &Path) -> Option<Vec<u8>> {
    std::fs::read(path).ok()
}

/// Are they the same? Says where they part instead of printing megabytes.
pub fn assert_same(found: &[u8], expected: &[u8], what: &str) {
    let at = found.iter().zip(expected).position(|(a, b)| a != b);
    assert!(
        found == expected,
        "{what}: {} bytes instead of {}, the first difference at {at:?}",
        found.len(),
        expected.len()
    );
}
