//! The draft's types, one by one.
#![allow(missing_docs, reason = "the names say what is read and written")]

use bytes::{Buf as _, Bytes};

pub fn u32_to(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_be_bytes());
}

pub fn u64_to(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_be_bytes());
}

pub fn string_to(out: &mut Vec<u8>, bytes: &[u8]) {
    // Ours are paths, handles and blocks, far below 4 GiB.
    u32_to(out, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.extend_from_slice(bytes);
}

pub fn u32_of(bytes: &mut Bytes) -> Option<u32> {
    bytes.try_get_u32().ok()
}

pub fn u64_of(bytes: &mut Bytes) -> Option<u64> {
    bytes.try_get_u64().ok()
}

pub fn string_of(bytes: &mut Bytes) -> Option<Bytes> {
    let length = u32_of(bytes)? as usize;
    (length <= bytes.len()).then(|| bytes.split_to(length))
}
