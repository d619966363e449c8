//! A WRITE whose data is read straight into its packet.

use base::buffer::{Buffer, FilledBuffer};
use bytes::Bytes;
use sftp_wire::WriteHeader;

/// A WRITE with space for its data, so that a file is read into the packet itself.
#[derive(Debug)]
pub struct Block {
    buffer: Buffer,
    header: WriteHeader,
    /// The offset of the data in the file.
    pub offset: u64,
    /// The size of the data, in bytes.
    pub length: u32,
}

impl Block {
    /// Creates a block with space for `room` bytes, or fewer if the header and they do not fit into a [`Buffer`].
    pub fn new(handle: &[u8], offset: u64, room: u32) -> Self {
        let mut buffer = Buffer::take();
        let header = WriteHeader::begin(&mut buffer, handle, offset);
        let most = buffer.len().saturating_sub(header.size());
        let length = room.min(u32::try_from(most).unwrap_or(u32::MAX));
        Self {
            buffer,
            header,
            offset,
            length,
        }
    }

    /// The place for the data.
    pub fn data(&mut self) -> &mut [u8] {
        let end = self.end();
        self.buffer.get_mut(self.header.size()..end).unwrap_or_default()
    }

    /// Shortens the data to the first `length` bytes.
    pub fn cut(&mut self, length: u32) {
        self.length = self.length.min(length);
    }

    fn end(&self) -> usize {
        self.header.size().saturating_add(self.length as usize)
    }

    /// The whole packet, and its data alone, which lies in it.
    pub fn with_id(mut self, id: u32) -> (Bytes, Bytes) {
        let (start, end) = (self.header.size(), self.end());
        self.header.finish(&mut self.buffer, id, self.length);
        let packet = Bytes::from_owner(FilledBuffer::new(self.buffer, end));
        let data = packet.slice(start.min(packet.len())..);
        (packet, data)
    }
}

#[cfg(test)]
mod tests {
    use sftp_wire::Request;

    use super::*;

    #[test]
    fn a_block_is_the_same_packet_as_a_write() {
        for (data, room) in [(&b"some bytes"[..], 10), (b"cut", 10), (b"", 0)] {
            let mut block = Block::new(b"handle", 1 << 40, room);
            block.data()[..data.len()].copy_from_slice(data);
            block.cut(u32::try_from(data.len()).unwrap());
            let mut expected = Vec::new();
            let (handle, offset) = (&b"handle"[..], 1 << 40);
            Request::Write { handle, offset, data }.encode(7, &mut expected);
            let (packet, alone) = block.with_id(7);
            assert_eq!((&packet[..], &alone[..]), (&expected[..], data));
        }
        assert!(
            Block::new(&[0; 256], 0, u32::MAX).length >= 261_120,
            "the largest WRITE fits"
        );
    }
}
