//! A reply that the peer's window has cut: what of it has not gone out yet.
//!
//! The rest of a DATA reply stays in memory as long as the user's credit has room for it. Without, it becomes a *tail*,
//! which is read from the file again when the window opens: a client that does not read makes the server hold no data.
//! Should the file have become shorter by then, the channel ends: its length was told, and other bytes would be a lie.

use std::sync::Arc;

use bytes::Bytes;
use sftp_wire::frame::LENGTH_FIELD;
use sftp_wire::{DataHeader, PacketType};

use super::handles::RawHandle;
use super::read::Read;
use crate::session::stream::connection_budget::{ConnectionBudget, Reservation};

/// A rest of this size is kept in any case: all that is not data, and not the listing of a directory, fits.
const SMALL: usize = 8 * 1024;

/// The part of a reply that has not gone out.
#[derive(Debug, Default)]
pub(super) struct UnsentReply {
    /// The bytes that go out next.
    pub(super) bytes: Bytes,
    /// What is read from the file again, behind `bytes`.
    pub(super) tail: Option<UnreadTail>,
    /// Where the data of `bytes` comes from, if it is a DATA reply, and how long the reply was.
    source: Option<(Read, usize)>,
    held: Option<Reservation>,
}

/// Bytes of a file that were promised to the client, and are read when its window opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UnreadTail {
    /// The handle of the file.
    pub(super) handle: RawHandle,
    /// The offset of the first byte that is left.
    pub(super) offset: u64,
    /// The number of bytes that are left.
    pub(super) left: usize,
}

impl UnsentReply {
    /// All of a reply; `read`: what was asked for, if that was a READ.
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

    /// Whether all has gone out.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.tail.is_none()
    }

    /// Charges what is left after the window was filled, or lets go of it.
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
        // A copy, so that the buffer is free.
        self.bytes = Bytes::copy_from_slice(self.bytes.get(..header).unwrap_or_default());
    }

    /// Puts more of the tail where it goes out next.
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
    fn with_credit_the_rest_stays_and_without_it_is_read_again() {
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
