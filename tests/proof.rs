//! Proof of what is stored, and the commands that scripts use: hash extensions, hash commands, legacy scp, fsync.

mod beside;
mod commands;
mod durable;
mod hashes;
mod refusals;
mod scp_stock;
mod scp_wire;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Content that no two offsets of a file share.
fn noise(length: usize) -> Vec<u8> {
    testkit::random::noise(length, length as u64)
}

/// A name of bytes in a directory.
fn at(directory: &Path, name: &[u8]) -> PathBuf {
    directory.join(OsStr::from_bytes(name))
}
