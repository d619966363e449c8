//! Replies of SFTP version 3, built field by field.

use bytes::Bytes;

use super::packet::RawHandle;
use super::status::Status;
use base::sftp_kinds::*;

/// Builds one reply: length field, type, and what is put behind them.
#[derive(Debug)]
pub struct Reply {
    bytes: Vec<u8>,
}

/// Where the data of a DATA reply begins: length, type, id, length of the data.
pub const DATA_HEADER: usize = 4 + 1 + 4 + 4;

impl Reply {
    fn new(kind: u8) -> Self {
        Self {
            bytes: vec![0, 0, 0, 0, kind],
        }
    }

    /// VERSION 3, with the extensions and their data.
    pub fn version<'e>(extensions: impl Iterator<Item = (&'e str, &'e [u8])>) -> Bytes {
        let mut reply = Self::new(SSH_FXP_VERSION);
        reply.u32(3);
        for (name, data) in extensions {
            reply.string(name.as_bytes());
            reply.string(data);
        }
        reply.finish()
    }

    /// STATUS with a sentence in English.
    pub fn status(id: u32, status: Status, sentence: &str) -> Bytes {
        let mut reply = Self::new(SSH_FXP_STATUS);
        reply.u32(id);
        reply.u32(status.code());
        reply.string(sentence.as_bytes());
        reply.string(b"");
        reply.finish()
    }

    /// HANDLE.
    pub fn handle(id: u32, handle: RawHandle) -> Bytes {
        let mut reply = Self::new(SSH_FXP_HANDLE);
        reply.u32(id);
        reply.string(&handle.0.to_be_bytes());
        reply.finish()
    }

    /// ATTRS; the attributes follow.
    pub fn attrs(id: u32) -> Self {
        let mut reply = Self::new(SSH_FXP_ATTRS);
        reply.u32(id);
        reply
    }

    /// NAME with so many names; they follow.
    pub fn names(id: u32, count: u32) -> Self {
        let mut reply = Self::new(SSH_FXP_NAME);
        reply.u32(id);
        reply.u32(count);
        reply
    }

    /// NAME with one name that stands for its own long form, without attributes: REALPATH and READLINK.
    pub fn name(id: u32, name: &[u8]) -> Bytes {
        let mut reply = Self::names(id, 1);
        reply.string(name);
        reply.string(name);
        reply.u32(0);
        reply.finish()
    }

    /// EXTENDED_REPLY; what the extension says follows.
    pub fn extended(id: u32) -> Self {
        let mut reply = Self::new(SSH_FXP_EXTENDED_REPLY);
        reply.u32(id);
        reply
    }

    /// Appends a number of four bytes.
    pub fn u32(&mut self, number: u32) {
        self.bytes.extend_from_slice(&number.to_be_bytes());
    }

    /// Appends a number of eight bytes.
    pub fn u64(&mut self, number: u64) {
        self.bytes.extend_from_slice(&number.to_be_bytes());
    }

    /// Appends a string.
    pub fn string(&mut self, bytes: &[u8]) {
        // Ours are names and sentences, far below 4 GiB.
        self.u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends bytes without a length: they go to the end of the reply.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Writes the length field; the reply is complete.
    pub fn finish(mut self) -> Bytes {
        let length = u32::try_from(self.bytes.len().saturating_sub(4)).unwrap_or(u32::MAX);
        if let Some(field) = self.bytes.first_chunk_mut::<4>() {
            *field = length.to_be_bytes();
        }
        self.bytes.into()
    }

    /// Appends to NAME's list: the count is written last.
    pub fn set_count(&mut self, count: u32) {
        if let Some(field) = self.bytes.get_mut(9..13) {
            field.copy_from_slice(&count.to_be_bytes());
        }
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Never: a reply has a type at least.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// Writes the header of a DATA reply in front of `length` bytes that stand at [`DATA_HEADER`] already.
pub fn write_data_header(buffer: &mut [u8], id: u32, length: u32) {
    let fields = [
        length.saturating_add(9).to_be_bytes(),
        id.to_be_bytes(),
        length.to_be_bytes(),
    ];
    if let Some(header) = buffer.first_chunk_mut::<DATA_HEADER>() {
        header[..4].copy_from_slice(&fields[0]);
        header[4] = SSH_FXP_DATA;
        header[5..9].copy_from_slice(&fields[1]);
        header[9..].copy_from_slice(&fields[2]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_reply_is_its_header_and_the_bytes() {
        let mut buffer = vec![0; DATA_HEADER + 3];
        buffer[DATA_HEADER..].copy_from_slice(b"abc");
        write_data_header(&mut buffer, 0x0102_0304, 3);
        assert_eq!(
            buffer,
            [0, 0, 0, 12, 103, 1, 2, 3, 4, 0, 0, 0, 3, b'a', b'b', b'c']
        );
    }
}
