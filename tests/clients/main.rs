//! The real server and the stock clients: `sftp`, `scp`, `ssh -s`, and a crowd of connections.
// Tests say what they expect by failing.
#![allow(clippy::pedantic, clippy::restriction)]

#[path = "../support/mod.rs"]
mod support;

mod algorithms;
mod bad_input;
mod broken_off;
mod bytes;
mod bytes_client;
mod changes;
mod changes_more;
mod crowd;
mod lifecycle;
mod machine;
mod order;
mod permissions;
mod preflight;
mod probes;
mod quota_commands;
mod refusals;
mod sandbox;
mod secrets;
mod sign_in;
mod transfers;

use std::path::{Path, PathBuf};

use support::random::noise;
use support::server::Sandbox;

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
