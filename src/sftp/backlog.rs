//! The requests that wait, in the order of their arrival, in little more memory than their own bytes.
//!
//! Small ones are stored one after the other in pieces of [`PIECE`] bytes; a READ takes [`READ_SIZE`]. A large one has
//! memory of its own, which its execution takes over.

use std::collections::VecDeque;

use sftp_wire::PacketType;

use super::handles::RawHandle;
use super::read::Read;

/// The size of a waiting READ in bytes: a mark, id, handle, offset and length.
const READ_SIZE: usize = 1 + 4 + 4 + 8 + 4;
const _: () = assert!(READ_SIZE <= 24, "a queued READ takes at most 24 bytes");
/// The size of a READ as clients send it, in bytes: length, type, id, handle (a string of four bytes), offset and
/// length.
const READ_PACKET_SIZE: usize = 4 + 1 + 4 + 8 + 8 + 4;
/// The size of a piece in bytes: large enough that the list of pieces costs little, and small enough for a channel that
/// has only one.
const PIECE: usize = 16 * 1024;
/// The size in bytes from which a request has memory of its own: an eighth of a piece, which is the most that is unused
/// at its end.
const LARGE: usize = 2 * 1024;

const READ: u8 = 0;
const PACKET: u8 = 1;

/// A request that was taken out of the backlog.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum WaitingRequest {
    /// A READ and its id.
    Read(u32, Read),
    /// Any other packet, without its length field.
    Packet(Box<[u8]>),
}

/// The next request of the backlog, without taking it out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NextRequest<'a> {
    /// A READ and its id.
    Read(u32, Read),
    /// Any other packet, without its length field.
    Packet(&'a [u8]),
}

impl WaitingRequest {
    /// Returns the request by reference.
    pub(super) fn next(&self) -> NextRequest<'_> {
        match self {
            WaitingRequest::Read(id, read) => NextRequest::Read(*id, *read),
            WaitingRequest::Packet(packet) => NextRequest::Packet(packet),
        }
    }
}

impl NextRequest<'_> {
    /// Returns the number of bytes of the channel's window that the request occupies.
    pub(super) fn size(&self) -> usize {
        match self {
            NextRequest::Read(..) => READ_PACKET_SIZE,
            NextRequest::Packet(packet) => packet.len() + 4,
        }
    }

    /// Returns the length of the packet if it is a WRITE.
    pub(super) fn write_len(&self) -> Option<usize> {
        match self {
            NextRequest::Packet(packet) if PacketType::of(packet) == Some(PacketType::Write) => {
                Some(packet.len())
            }
            NextRequest::Packet(_) | NextRequest::Read(..) => None,
        }
    }
}

#[derive(Debug)]
enum BacklogPiece {
    Small { bytes: Vec<u8>, at: usize },
    Large(Box<[u8]>),
}

/// The requests that wait, in order.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    pieces: VecDeque<BacklogPiece>,
}

impl Backlog {
    /// Returns whether no request waits.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Appends a packet, which is given without its length field.
    pub(super) fn push(&mut self, packet: &[u8]) {
        match Read::of_packet(packet) {
            Some((id, read)) if packet.len() + 4 == READ_PACKET_SIZE => self.small(&[
                &[READ],
                &id.to_ne_bytes(),
                &read.handle.0.to_ne_bytes(),
                &read.offset.to_ne_bytes(),
                &read.length.to_ne_bytes(),
            ]),
            _ => match u16::try_from(packet.len()) {
                Ok(length) if packet.len() < LARGE => {
                    self.small(&[&[PACKET], &length.to_ne_bytes(), packet]);
                }
                _ => self.pieces.push_back(BacklogPiece::Large(packet.into())),
            },
        }
    }

    /// Appends a small request, whose bytes are the concatenated parts.
    fn small(&mut self, parts: &[&[u8]]) {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if let Some(BacklogPiece::Small { bytes, .. }) = self.pieces.back_mut()
            && bytes.len() + length <= PIECE
        {
            if bytes.len() + length > bytes.capacity() {
                // Double the capacity, up to the size of a piece.
                let more = bytes.len().min(PIECE - bytes.len()).max(length);
                bytes.reserve_exact(more);
            }
            parts.iter().for_each(|part| bytes.extend_from_slice(part));
        } else {
            let bytes = parts.concat();
            self.pieces.push_back(BacklogPiece::Small { bytes, at: 0 });
        }
    }

    /// Returns the next request without taking it out.
    pub(super) fn front(&self) -> Option<NextRequest<'_>> {
        match self.pieces.front()? {
            BacklogPiece::Small { bytes, at } => decode(bytes.get(*at..)?).map(|(next, _)| next),
            BacklogPiece::Large(packet) => Some(NextRequest::Packet(packet)),
        }
    }

    /// Takes the next request out.
    pub(super) fn pop(&mut self) -> Option<WaitingRequest> {
        let (request, emptied) = match self.pieces.front_mut()? {
            BacklogPiece::Large(packet) => (WaitingRequest::Packet(std::mem::take(packet)), true),
            BacklogPiece::Small { bytes, at } => {
                let (next, length) = decode(bytes.get(*at..)?)?;
                let request = match next {
                    NextRequest::Read(id, read) => WaitingRequest::Read(id, read),
                    NextRequest::Packet(packet) => WaitingRequest::Packet(packet.into()),
                };
                *at += length;
                (request, *at >= bytes.len())
            }
        };
        if emptied {
            self.pieces.pop_front();
            if self.pieces.is_empty() {
                // Shrink the list, which a burst may have made large.
                self.pieces = VecDeque::new();
            }
        }
        Some(request)
    }
}

/// Decodes the first request in a piece, and returns how many bytes it occupies there.
fn decode(bytes: &[u8]) -> Option<(NextRequest<'_>, usize)> {
    let (mark, rest) = bytes.split_first()?;
    if *mark == READ {
        let (id, rest) = rest.split_first_chunk()?;
        let (handle, rest) = rest.split_first_chunk()?;
        let (offset, rest) = rest.split_first_chunk()?;
        let (length, _) = rest.split_first_chunk()?;
        let read = Read {
            handle: RawHandle(u32::from_ne_bytes(*handle)),
            offset: u64::from_ne_bytes(*offset),
            length: u32::from_ne_bytes(*length),
        };
        return Some((NextRequest::Read(u32::from_ne_bytes(*id), read), READ_SIZE));
    }
    let (length, rest) = rest.split_first_chunk()?;
    let length = usize::from(u16::from_ne_bytes(*length));
    Some((NextRequest::Packet(rest.get(..length)?), length + 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_packet(id: u32, offset: u64) -> Vec<u8> {
        let (id, offset) = (id.to_be_bytes(), offset.to_be_bytes());
        [&[5][..], &id, &[0, 0, 0, 4, 0, 0, 0, 9], &offset, &[0, 0, 128, 0]].concat()
    }

    #[test]
    fn requests_come_out_as_they_went_in() {
        let mut backlog = Backlog::default();
        let mut sizes = 0;
        for number in 0..10_000u32 {
            let packet = match number % 4 {
                0 | 1 => read_packet(number, u64::from(number) * 7),
                2 => vec![17; 5 + number as usize % 100],
                _ => vec![6; 1900 + number as usize % 300],
            };
            sizes += packet.len() + 4;
            backlog.push(&packet);
        }
        let memory: usize = backlog
            .pieces
            .iter()
            .map(|piece| match piece {
                BacklogPiece::Small { bytes, .. } => bytes.capacity() + size_of::<BacklogPiece>(),
                BacklogPiece::Large(bytes) => bytes.len() + size_of::<BacklogPiece>(),
            })
            .sum();
        assert!(memory < sizes + sizes / 4, "{memory} bytes for {sizes}");
        for number in 0..10_000u32 {
            let next = backlog.front().unwrap();
            match (number % 4, &next) {
                (0 | 1, NextRequest::Read(id, read)) => {
                    assert_eq!((*id, read.offset), (number, u64::from(number) * 7));
                    assert_eq!((read.handle.0, read.length), (9, 32_768));
                }
                (2, NextRequest::Packet(packet)) => assert_eq!(packet.len(), 5 + number as usize % 100),
                (3, NextRequest::Packet(packet)) => assert_eq!(packet.len(), 1900 + number as usize % 300),
                (_, other) => panic!("{other:?}"),
            }
            let size = next.size();
            let request = backlog.pop().unwrap();
            assert_eq!(request.next().size(), size);
            sizes -= size;
        }
        assert!(backlog.is_empty() && backlog.pop().is_none());
        assert_eq!((sizes, backlog.pieces.capacity()), (0, 0));
    }
}
