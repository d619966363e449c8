//! The real server and the stock clients: `sftp`, `scp`, `ssh -s`, and a crowd of connections.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test says what it expects by failing"
)]

#[path = "../support/mod.rs"]
mod support;

mod algorithms;
mod bad_input;
mod broken_off;
mod bytes;
mod changes;
mod changes_more;
mod crowd;
mod lifecycle;
mod machine;
mod order;
mod preflight;
mod probes;
mod quota_commands;
mod refusals;
mod sandbox;
mod secrets;
mod sign_in;
mod transfers;

use std::path::{Path, PathBuf};

use support::server::Sandbox;

/// Content that no two offsets of a file share.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        // xorshift64*: fast and even enough.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes()
    };
    let mut content: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| next()).collect();
    content.truncate(length);
    content
}

/// A file of noise in the sandbox's directory.
fn local_file(sandbox: &Sandbox, name: &str, length: usize) -> PathBuf {
    let path = sandbox.path().join(name);
    std::fs::write(&path, noise(length, length as u64)).unwrap();
    path
}

/// Fails when the files differ, without printing them.
fn assert_same(a: &Path, b: &Path) {
    let read = |path: &Path| std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (left, right) = (read(a), read(b));
    let at = left.iter().zip(&right).position(|(x, y)| x != y);
    assert!(
        left == right,
        "{} ({} bytes) and {} ({} bytes) differ at {at:?}",
        a.display(),
        left.len(),
        b.display(),
        right.len()
    );
}
