//! The real server and the stock clients: `sftp`, `scp`, `ssh -s`, and a crowd of connections.

mod algorithms;
mod bad_input;
mod broken_off;
mod bytes;
mod bytes_client;
mod certificates;
mod crowd;
mod denied;
mod host_keys;
mod order;
mod password_change;
mod probes;
mod proxy;
mod refusals;
mod second_factor;
mod security_keys;
mod sign_in;
mod transfers;
mod urgent;

use std::path::{Path, PathBuf};

use testkit::random::noise;
use testkit::server::TestServer;

/// Creates a file of noise in the test's directory.
pub fn local_file(sandbox: &TestServer, name: &str, length: usize) -> PathBuf {
    let path = sandbox.path().join(name);
    std::fs::write(&path, noise(length, length as u64)).unwrap();
    path
}

/// Asserts that two files are equal, without printing them.
pub fn assert_same(a: &Path, b: &Path) {
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
