//! Replies of SFTP version 3, as bytes; a codec of its own, on purpose not the library's.

use base::sftp_kinds::{SSH_FXP_STATUS, attributes};

pub fn string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}

pub fn attributes(size: u64, mode: u32) -> Vec<u8> {
    let flags = attributes::SIZE | attributes::PERMISSIONS;
    [&flags.to_be_bytes()[..], &size.to_be_bytes(), &mode.to_be_bytes()].concat()
}

pub fn status(id: u32, code: u32, message: &str) -> Vec<u8> {
    let body = [&code.to_be_bytes()[..], &string(message.as_bytes()), &string(b"")].concat();
    framed(SSH_FXP_STATUS, id, body)
}

pub fn framed(kind: u8, id: u32, body: Vec<u8>) -> Vec<u8> {
    string(&[&[kind][..], &id.to_be_bytes(), &body].concat())
}

/// Turns one bit of data that lies at `offset` of a file, in the byte `at` of the file.
pub fn flip(data: &mut [u8], offset: u64, at: Option<u64>) {
    let at = at.and_then(|at| at.checked_sub(offset));
    if let Some(byte) = at.and_then(|at| data.get_mut(at as usize)) {
        *byte ^= 1;
    }
}
