//! The one request that carries much.

use bytes::Bytes;

use super::request::{HEADERS, Request};
use base::buffer::{Buffer, Filled};

/// A WRITE with room for its data, so that a file is read into the packet itself.
#[derive(Debug)]
pub struct Block {
    buffer: Buffer,
    /// Where the data begins.
    header: usize,
    /// Of the file.
    pub offset: u64,
    /// Of the data, in bytes.
    pub length: u32,
}

impl Block {
    /// Room for at most `room` bytes, or what fits into a [`Buffer`] with its header.
    pub fn new(handle: &[u8], offset: u64, room: u32) -> Self {
        let mut packet = Vec::with_capacity(HEADERS);
        let data = &[];
        Request::Write { handle, offset, data }.encode(0, &mut packet);
        let mut buffer = Buffer::take();
        let header = packet.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(&packet) {
            *to = *from;
        }
        let most = buffer.len().saturating_sub(header);
        let length = room.min(u32::try_from(most).unwrap_or(u32::MAX));
        Self {
            buffer,
            header,
            offset,
            length,
        }
    }

    /// Where the data goes.
    pub fn data(&mut self) -> &mut [u8] {
        let end = self.end();
        self.buffer.get_mut(self.header..end).unwrap_or_default()
    }

    /// Only the first bytes were filled.
    pub fn cut(&mut self, length: u32) {
        self.length = self.length.min(length);
    }

    fn end(&self) -> usize {
        self.header.saturating_add(self.length as usize)
    }

    /// The whole packet, and its data alone, which lies in it.
    pub fn with_id(mut self, id: u32) -> (Bytes, Bytes) {
        let end = self.end();
        let fields = [
            (0, u32::try_from(end.saturating_sub(4)).unwrap_or(u32::MAX)),
            (5, id),
            (self.header.saturating_sub(4), self.length),
        ];
        for (at, number) in fields {
            if let Some(field) = self.buffer.get_mut(at..at + 4) {
                field.copy_from_slice(&number.to_be_bytes());
            }
        }
        let header = self.header;
        let packet = Bytes::from_owner(Filled::new(self.buffer, end));
        let data = packet.slice(header.min(packet.len())..);
        (packet, data)
    }
}
