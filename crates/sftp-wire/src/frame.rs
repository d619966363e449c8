//! Cuts a stream into packets: each has its length in front, which is checked before anything else is looked at.
//!
//! The length field itself does not count. Buffers belong to the callers; nothing here waits for bytes.

use bytes::{Buf as _, BytesMut};

use crate::constants::SSH_FXP_INIT;
use crate::fault::{ClientFault, ServerFault};
pub use crate::limits::{LARGEST_DATA, LARGEST_REPLY, LARGEST_REQUEST};
use crate::reply::Reply;

/// A type and an id, or a version: a shorter packet could not be answered.
const SMALLEST: u32 = 5;

/// The bytes of a length field.
pub const LENGTH_FIELD: usize = 4;

fn length_field(buffer: &[u8]) -> Option<u32> {
    buffer
        .first_chunk::<LENGTH_FIELD>()
        .map(|field| u32::from_be_bytes(*field))
}

/// The length of the request that `buffer` begins with; `None` if too few bytes have come to tell.
///
/// # Errors
/// If no request can be that short or long.
pub fn request_length(buffer: &[u8]) -> Result<Option<usize>, ClientFault> {
    match length_field(buffer) {
        None => Ok(None),
        Some(length @ SMALLEST..=LARGEST_REQUEST) => Ok(Some(length as usize)),
        Some(length) => Err(ClientFault::Length(length)),
    }
}

/// The length of the reply that `buffer` begins with; `None` if too few bytes have come to tell.
///
/// # Errors
/// If no reply can be that short or long.
pub fn reply_length(buffer: &[u8]) -> Result<Option<usize>, ServerFault> {
    match length_field(buffer) {
        None => Ok(None),
        Some(length @ SMALLEST..=LARGEST_REPLY) => Ok(Some(length as usize)),
        Some(length) => Err(ServerFault::Length(length)),
    }
}

/// How many bytes of the packet that `partial` begins with have not come yet; 0 if `partial` is too short to tell.
pub fn missing(partial: &[u8]) -> usize {
    match length_field(partial) {
        Some(length) => (length as usize).saturating_sub(partial.len().saturating_sub(LENGTH_FIELD)),
        None => 0,
    }
}

/// Checks the first packet of a session, given without its length field.
///
/// # Errors
/// If it is not INIT.
pub fn expect_init(packet: &[u8]) -> Result<(), ClientFault> {
    match packet.first() {
        Some(&SSH_FXP_INIT) => Ok(()),
        Some(&other) => Err(ClientFault::NotInit(other)),
        None => Err(ClientFault::Length(0)),
    }
}

/// Takes the next whole reply off the front of `buffer`, with its id (0 for VERSION, which has none); `None` if more
/// bytes must come first. The reply shares the buffer's memory.
///
/// # Errors
/// If the stream cannot be trusted any more.
pub fn next_reply(buffer: &mut BytesMut) -> Result<Option<(u32, Reply<bytes::Bytes>)>, ServerFault> {
    let Some(length) = reply_length(buffer)? else {
        return Ok(None);
    };
    if buffer.len() - LENGTH_FIELD < length {
        return Ok(None);
    }
    buffer.advance(LENGTH_FIELD);
    Reply::decode(buffer.split_to(length).freeze()).map(Some)
}
