//! The unsent part of a reply that did not fit into the peer's window.
//!
//! The unsent part of a DATA reply stays in memory as long as the user's credit has room for it. Otherwise it becomes a
//! *tail*, which is read from the file again when the window opens, so that a client that does not read does not make
//! the server hold data. If the file has become shorter by then, the channel ends: the length of the reply was already
//! sent, and other bytes would be wrong.

use std::sync::Arc;

use bytes::Bytes;
use sftp_wire::frame::LENGTH_FIELD;
use sftp_wire::{DataHeader, PacketType};

use super::handles::RawHandle;
use super::read::Read;
use crate::session::stream::connection_budget::{ConnectionBudget, Reservation};

/// An unsent part of up to this many bytes is always kept: all replies but DATA and directory listings are smaller.
const SMALL: usize = 8 * 1024;

/// The part of a reply that was not sent yet.
#[derive(Debug, Default)]
pub(super) struct UnsentReply {
    /// The bytes that are sent next.
    pub(super) bytes: Bytes,
    /// The bytes that follow `bytes`, and are read from the file again.
    pub(super) tail: Option<UnreadTail>,
    /// The READ that was answered, if this is a DATA reply, and the length of the reply.
    source: Option<(Read, usize)>,
    held: Option<Reservation>,
}

/// Bytes of a file that were promised to the client, and are read when its window opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UnreadTail {
    /// The handle of the file.
    pub(super) handle: RawHandle,
    /// The offset of the first byte that was not sent.
    pub(super) offset: u64,
    /// The number of bytes that were not sent.
    pub(super) left: usize,
}

impl UnsentReply {
    /// Wraps a complete reply; `read` is the request, if it was a READ.
    pub(super) fn of(reply: Bytes, read: Option<Read>) -> Self {
        let packet = reply.get(LENGTH_FIELD..).unwrap_or_default();
        let is_data = PacketType::of(packet) == Some(PacketType::Data);
        let source = read.filter(|_| is_data).map(|read| (read, reply.len()));
        Self {
            bytes: reply,
            tail: None,
            source,
            held: None,
        }
    }

    /// Returns whether everything was sent.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.tail.is_none()
    }

    /// Charges the part that is left after the window was filled, or drops what can be read again.
    pub(super) fn wait(&mut self, budget: &Arc<ConnectionBudget>) {
        if self.bytes.is_empty() {
            self.held = None;
        }
        if self.bytes.len() <= SMALL || self.held.is_some() {
            return;
        }
        let mut reservation = Reservation::nothing(budget);
        if reservation.grow(self.bytes.len()) {
            self.held = Some(reservation);
            return;
        }
        let Some((read, length)) = self.source.take() else {
            return;
        };
        let sent = length - self.bytes.len();
        let header = DataHeader::SIZE.saturating_sub(sent);
        let data_sent = sent.saturating_sub(DataHeader::SIZE);
        self.tail = Some(UnreadTail {
            handle: read.handle,
            offset: read.offset.saturating_add(data_sent as u64),
            left: self.bytes.len() - header,
        });
        // Copy the header, so that the buffer can be freed.
        self.bytes = Bytes::copy_from_slice(self.bytes.get(..header).unwrap_or_default());
    }

    /// Adds bytes of the tail that were read again, to be sent next.
    pub(super) fn read_on(&mut self, bytes: Bytes) {
        if let Some(tail) = &mut self.tail {
            tail.offset = tail.offset.saturating_add(bytes.len() as u64);
            tail.left = tail.left.saturating_sub(bytes.len());
            if tail.left == 0 {
                self.tail = None;
            }
        }
        self.bytes = bytes;
        self.source = None;
        self.held = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data_reply(length: usize) -> Bytes {
        let mut reply = vec![9; DataHeader::SIZE + length];
        reply[LENGTH_FIELD] = PacketType::Data.byte();
        reply.into()
    }

    const READ: Read = Read {
        handle: RawHandle(3),
        offset: 1000,
        length: 40_000,
    };

    #[test]
    fn with_credit_the_unsent_part_stays_and_without_it_is_read_again() {
        let cut = |memory: usize, sent: usize| {
            let mut rest = UnsentReply::of(data_reply(40_000), Some(READ));
            let _ = rest.bytes.split_to(sent);
            rest.wait(&ConnectionBudget::with(memory));
            (rest.bytes.len(), rest.tail)
        };
        let tail = |offset, left| {
            Some(UnreadTail {
                handle: READ.handle,
                offset,
                left,
            })
        };
        assert_eq!(cut(1 << 30, 10_000), (30_013, None));
        assert_eq!(cut(0, 10_013), (0, tail(11_000, 30_000)));
        assert_eq!(cut(0, 13), (0, tail(1000, 40_000)));
        assert_eq!(cut(0, 5), (8, tail(1000, 40_000)));
        assert_eq!(cut(0, 0), (13, tail(1000, 40_000)));
        assert_eq!(cut(0, 39_000), (1013, None), "little is kept");
    }

    #[test]
    fn a_tail_ends() {
        let mut rest = UnsentReply::of(data_reply(40_000), Some(READ));
        let _ = rest.bytes.split_to(13);
        rest.wait(&ConnectionBudget::with(0));
        rest.read_on(Bytes::from(vec![1; 30_000]));
        assert_eq!(rest.tail.unwrap().offset, 31_000);
        rest.read_on(Bytes::from(vec![1; 10_000]));
        assert!(rest.tail.is_none() && !rest.is_empty());
    }
}
