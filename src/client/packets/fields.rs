//! The draft's types, one by one.

use bytes::{Buf as _, Bytes};

pub(super) fn u32_to(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_be_bytes());
}

pub(super) fn u64_to(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_be_bytes());
}

pub(super) fn string_to(out: &mut Vec<u8>, bytes: &[u8]) {
    // Ours are paths, handles and blocks, far below 4 GiB.
    u32_to(out, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.extend_from_slice(bytes);
}

pub(super) fn u32_of(bytes: &mut Bytes) -> Option<u32> {
    bytes.try_get_u32().ok()
}

pub(super) fn u64_of(bytes: &mut Bytes) -> Option<u64> {
    bytes.try_get_u64().ok()
}

pub(super) fn string_of(bytes: &mut Bytes) -> Option<Bytes> {
    let length = u32_of(bytes)? as usize;
    (length <= bytes.len()).then(|| bytes.split_to(length))
}
