//! READ requests as plain numbers, so that a queue of them is small.

use sftp_wire::frame::LARGEST_DATA;
use sftp_wire::{Packet, PacketType, Request};

use super::handles::RawHandle;

/// A READ whose handle is a number, and which asks for no more than one reply may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// The handle of the file.
    pub handle: RawHandle,
    /// The offset of the first byte.
    pub offset: u64,
    /// The number of bytes, at most [`LARGEST_DATA`].
    pub length: u32,
}

impl Read {
    /// Creates a READ from the fields of its packet.
    pub fn new(handle: &[u8], offset: u64, length: u32) -> Self {
        Self {
            handle: RawHandle::from_wire(handle),
            offset,
            length: length.min(LARGEST_DATA),
        }
    }

    /// Returns the READ that a packet contains, with its id; `None` if it is another request.
    pub fn of_packet(packet: &[u8]) -> Option<(u32, Self)> {
        if PacketType::of(packet) != Some(PacketType::Read) {
            return None;
        }
        match Packet::decode(packet) {
            Packet::Request {
                id,
                request:
                    Request::Read {
                        handle,
                        offset,
                        length,
                    },
            } => Some((id, Self::new(handle, offset, length))),
            Packet::Init { .. } | Packet::Request { .. } | Packet::Bad { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(request: &Request<'_>, id: u32) -> Vec<u8> {
        let mut wire = Vec::new();
        request.encode(id, &mut wire);
        wire.split_off(4)
    }

    proptest! {
        #[test]
        fn reads_are_kept_whole(id: u32, handle: u32, offset: u64, length: u32) {
            let bytes = &handle.to_be_bytes();
            let wire = packet(&Request::Read { handle: bytes, offset, length }, id);
            let expected = Read { handle: RawHandle(handle), offset, length: length.min(LARGEST_DATA) };
            prop_assert_eq!(Read::of_packet(&wire), Some((id, expected)));
        }

        #[test]
        fn no_bytes_make_the_reader_panic(wire in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = Read::of_packet(&wire);
        }
    }

    #[test]
    fn other_packets_are_not_reads() {
        let handle = &[0, 0, 0, 9];
        for request in [Request::Readdir { handle }, Request::Close { handle }] {
            assert_eq!(Read::of_packet(&packet(&request, 1)), None);
        }
        let read = Request::Read {
            handle,
            offset: 0,
            length: 1,
        };
        let whole = packet(&read, 1);
        assert_eq!(Read::of_packet(&whole[..whole.len() - 1]), None);
    }
}
