//! Verification of stored files, and the commands that scripts use: hash extensions, hash commands, legacy scp, fsync.

mod commands;
mod concurrent_hashes;
mod continued;
pub mod durable;
mod hashes;
mod refusals;
mod scp_stock;
mod scp_wire;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Returns noise, in which no two offsets have the same content.
fn noise(length: usize) -> Vec<u8> {
    testkit::random::noise(length, length as u64)
}

/// Returns the path of a name of any bytes in a directory.
fn at(directory: &Path, name: &[u8]) -> PathBuf {
    directory.join(OsStr::from_bytes(name))
}
