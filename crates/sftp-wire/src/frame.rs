//! Cuts a stream into packets. Each packet begins with its length, which is checked before anything else is read.
//!
//! A packet's length does not include the length field itself. The callers own the buffers; nothing here waits for
//! bytes.

use bytes::{Buf as _, BytesMut};

use crate::constants::SSH_FXP_INIT;
use crate::fault::{ClientFault, ServerFault};
pub use crate::limits::{LARGEST_DATA, LARGEST_REPLY, LARGEST_REQUEST, LENGTH_FIELD};
use crate::reply::Reply;

/// The smallest valid packet, in bytes: a type and an id, or a type and a version. A shorter packet could not be
/// answered.
const SMALLEST: u32 = 5;

fn length_field(buffer: &[u8]) -> Option<u32> {
    buffer
        .first_chunk::<LENGTH_FIELD>()
        .map(|field| u32::from_be_bytes(*field))
}

/// Returns the length in bytes of the request that `buffer` begins with, or `None` if too few bytes have arrived.
///
/// # Errors
/// Returns an error if the length is below 5 or above [`LARGEST_REQUEST`].
pub fn request_length(buffer: &[u8]) -> Result<Option<usize>, ClientFault> {
    match length_field(buffer) {
        None => Ok(None),
        Some(length @ SMALLEST..=LARGEST_REQUEST) => Ok(Some(length as usize)),
        Some(length) => Err(ClientFault::Length(length)),
    }
}

/// Returns the length in bytes of the reply that `buffer` begins with, or `None` if too few bytes have arrived.
///
/// # Errors
/// Returns an error if the length is below 5 or above [`LARGEST_REPLY`].
pub fn reply_length(buffer: &[u8]) -> Result<Option<usize>, ServerFault> {
    match length_field(buffer) {
        None => Ok(None),
        Some(length @ SMALLEST..=LARGEST_REPLY) => Ok(Some(length as usize)),
        Some(length) => Err(ServerFault::Length(length)),
    }
}

/// Returns how many bytes of the packet that `partial` begins with are still missing; 0 if `partial` holds no whole
/// length field.
pub fn missing(partial: &[u8]) -> usize {
    match length_field(partial) {
        Some(length) => (length as usize).saturating_sub(partial.len().saturating_sub(LENGTH_FIELD)),
        None => 0,
    }
}

/// Checks the first packet of a session, given without its length field.
///
/// # Errors
/// Returns an error if the packet is not INIT.
pub fn expect_init(packet: &[u8]) -> Result<(), ClientFault> {
    match packet.first() {
        Some(&SSH_FXP_INIT) => Ok(()),
        Some(&other) => Err(ClientFault::NotInit(other)),
        None => Err(ClientFault::Length(0)),
    }
}

/// Removes the next whole reply from the front of `buffer` and returns it with its id (0 for VERSION, which has none),
/// or `None` if more bytes must arrive first. The reply shares the buffer's memory.
///
/// # Errors
/// Returns an error if the stream cannot be trusted any more.
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
