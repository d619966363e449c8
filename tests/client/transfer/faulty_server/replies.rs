//! Replies that several requests have in common.

use bytes::Bytes;
use sftp_wire::{Attributes, Reply, StatusCode};

/// Encodes a STATUS reply with this code and message.
pub fn status(id: u32, code: StatusCode, message: &str) -> Bytes {
    Reply::status(code, message).to_bytes(id)
}

/// Encodes a STATUS reply for a file that does not exist.
pub fn no_such_file(id: u32) -> Bytes {
    status(id, StatusCode::NoSuchFile, "No such file")
}

/// Returns attributes with a size and a mode, and nothing else.
pub fn attributes(size: u64, mode: u32) -> Attributes {
    Attributes {
        size: Some(size),
        permissions: Some(mode),
        ..Attributes::default()
    }
}

/// Flips one bit in the byte `at` of a file, if it lies in `data`, which begins at `offset` of the file.
pub fn flip(data: &mut [u8], offset: u64, at: Option<u64>) {
    let at = at.and_then(|at| at.checked_sub(offset));
    if let Some(byte) = at.and_then(|at| data.get_mut(at as usize)) {
        *byte ^= 1;
    }
}
