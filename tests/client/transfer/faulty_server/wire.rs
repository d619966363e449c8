//! What several answers are made of.

use bytes::Bytes;
use sftp_wire::{Attributes, Reply, StatusCode};

pub fn status(id: u32, code: StatusCode, message: &str) -> Bytes {
    Reply::status(code, message).to_bytes(id)
}

pub fn no_such_file(id: u32) -> Bytes {
    status(id, StatusCode::NoSuchFile, "No such file")
}

pub fn attributes(size: u64, mode: u32) -> Attributes {
    Attributes {
        size: Some(size),
        permissions: Some(mode),
        ..Attributes::default()
    }
}

/// Turns one bit of data that lies at `offset` of a file, in the byte `at` of the file.
pub fn flip(data: &mut [u8], offset: u64, at: Option<u64>) {
    let at = at.and_then(|at| at.checked_sub(offset));
    if let Some(byte) = at.and_then(|at| data.get_mut(at as usize)) {
        *byte ^= 1;
    }
}
