//! Transfers, from the decision to the verification: against `homeportd`, against the machine's own `sshd`, and against
//! a server with chosen faults ([`faulty_server`]).
//!
//! [`client`] is the library as a command uses it, and records all results; [`proxy`] is between client and server, and
//! cuts, pauses and counts.

mod broken;
mod changing;
mod client;
mod commands_go_on;
mod faults;
mod faulty_server;
mod final_attributes;
mod full;
mod hashless;
mod lost;
mod many_small;
mod meanwhile;
mod other_views;
mod parallel;
mod proof;
mod proxy;
mod ranges;
mod rate;
mod retries;
mod sync;
mod table;
mod temporary;
mod told_once;
mod verbs;

use std::path::Path;

/// Returns pseudo-random bytes that are the same in each run.
pub fn bytes(seed: u64, length: usize) -> Vec<u8> {
    testkit::random::noise(length, seed)
}

/// Returns the content of a file, or `None` if it does not exist.
pub fn read(path: &Path) -> Option<Vec<u8>> {
    std::fs::read(path).ok()
}

/// Asserts that the bytes are equal. It reports the first difference instead of printing megabytes.
pub fn assert_same(found: &[u8], expected: &[u8], what: &str) {
    let at = found.iter().zip(expected).position(|(a, b)| a != b);
    assert!(
        found == expected,
        "{what}: {} bytes instead of {}, the first difference at {at:?}",
        found.len(),
        expected.len()
    );
}
