//! Headers for packets whose data is not copied: the file is read directly into the packet's buffer, and the header is
//! written in front of the data.

use crate::constants::SSH_FXP_DATA;
use crate::fault::ServerFault;
use crate::request::Request;

/// The header of a DATA reply, which stands in front of the file's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataHeader {
    /// The id of the request that is answered.
    pub id: u32,
    /// The number of data bytes that follow the header.
    pub length: u32,
}

impl DataHeader {
    /// The size of the header in bytes: packet length, type, id and data length.
    pub const SIZE: usize = 4 + 1 + 4 + 4;
    /// The number of bytes, besides the data, that the packet's length field counts.
    const COUNTED: u32 = 1 + 4 + 4;

    /// Writes the header to the beginning of a buffer that already holds the data at [`DataHeader::SIZE`]. A buffer
    /// that is too small for a header is not changed.
    pub fn write_to(self, buffer: &mut [u8]) {
        if let Some(header) = buffer.first_chunk_mut::<{ Self::SIZE }>() {
            header[..4].copy_from_slice(&self.length.saturating_add(Self::COUNTED).to_be_bytes());
            header[4] = SSH_FXP_DATA;
            header[5..9].copy_from_slice(&self.id.to_be_bytes());
            header[9..].copy_from_slice(&self.length.to_be_bytes());
        }
    }

    /// Reads the header of a DATA reply; returns `None` if the packet has another type.
    ///
    /// # Errors
    /// Returns an error if the packet's length and the length of its data contradict each other.
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

/// The header of a WRITE request, written before the request's id and the number of data bytes are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteHeader {
    size: usize,
}

impl WriteHeader {
    /// Writes the header to the beginning of `buffer`; what does not fit is left out.
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

    /// Returns the offset in the buffer at which the data begins, in bytes.
    pub fn size(self) -> usize {
        self.size
    }

    /// Completes the header once `length` bytes of data stand behind it.
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
