//! Packets whose bulk is not copied: a file is read straight into them, and their header is written around its bytes.

use crate::constants::SSH_FXP_DATA;
use crate::fault::ServerFault;
use crate::request::Request;

/// The header of a DATA reply, in front of the file's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataHeader {
    /// The request's id.
    pub id: u32,
    /// The number of bytes that follow.
    pub length: u32,
}

impl DataHeader {
    /// The size of the header: length of the packet, type, id, length of the data.
    pub const SIZE: usize = 4 + 1 + 4 + 4;
    /// What the packet's length counts besides the data.
    const COUNTED: u32 = 1 + 4 + 4;

    /// Writes the header to the beginning of a buffer in which the data stands at [`DataHeader::SIZE`] already. A buffer
    /// without room for a header stays as it is.
    pub fn write_to(self, buffer: &mut [u8]) {
        if let Some(header) = buffer.first_chunk_mut::<{ Self::SIZE }>() {
            header[..4].copy_from_slice(&self.length.saturating_add(Self::COUNTED).to_be_bytes());
            header[4] = SSH_FXP_DATA;
            header[5..9].copy_from_slice(&self.id.to_be_bytes());
            header[9..].copy_from_slice(&self.length.to_be_bytes());
        }
    }

    /// Reads the header of a DATA reply; `None` if the packet is of another type.
    ///
    /// # Errors
    /// If the packet's length and that of its data contradict each other.
    pub fn read(header: &[u8; Self::SIZE]) -> Result<Option<Self>, ServerFault> {
        let [p0, p1, p2, p3, packet_type, i0, i1, i2, i3, d0, d1, d2, d3] = *header;
        if packet_type != SSH_FXP_DATA {
            return Ok(None);
        }
        let length = u32::from_be_bytes([d0, d1, d2, d3]);
        if u32::from_be_bytes([p0, p1, p2, p3]).checked_sub(Self::COUNTED) != Some(length) {
            return Err(ServerFault::Body(packet_type));
        }
        let id = u32::from_be_bytes([i0, i1, i2, i3]);
        Ok(Some(Self { id, length }))
    }
}

/// The header of a WRITE, written before its id and the number of its bytes are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteHeader {
    size: usize,
}

impl WriteHeader {
    /// Writes the header to the beginning of a buffer, as far as the buffer goes.
    pub fn begin(buffer: &mut [u8], handle: &[u8], offset: u64) -> Self {
        let mut header = Vec::new();
        Request::Write {
            handle,
            offset,
            data: b"",
        }
        .encode(0, &mut header);
        for (to, from) in buffer.iter_mut().zip(&header) {
            *to = *from;
        }
        Self {
            size: header.len().min(buffer.len()),
        }
    }

    /// Where the data begins in the buffer.
    pub fn size(self) -> usize {
        self.size
    }

    /// Completes the header, now that `length` bytes of data stand behind it.
    pub fn finish(self, buffer: &mut [u8], id: u32, length: u32) {
        let end = self.size.saturating_add(length as usize);
        let fields = [
            (0, u32::try_from(end.saturating_sub(4)).unwrap_or(u32::MAX)),
            (5, id),
            (self.size.saturating_sub(4), length),
        ];
        for (at, number) in fields {
            if let Some(field) = buffer.get_mut(at..at.saturating_add(4)) {
                field.copy_from_slice(&number.to_be_bytes());
            }
        }
    }
}
