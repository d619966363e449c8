//! Large byte buffers that are reused: they are filled with zeros once and never cleared after that. A session has one
//! only while it holds bytes, so that idle sessions have none.

use parking_lot::Mutex;
use std::ops::{Deref, DerefMut};

/// The size of a buffer in bytes: a DATA reply of the largest READ (261,120 bytes) with its header, or two reads of the
/// socket.
pub const BUFFER_SIZE: usize = 256 * 1024;

/// The most unused buffers that are kept: 8 MiB in total, so that every core has several.
const MAX_KEPT: usize = 32;

static POOL: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());

/// A buffer of [`BUFFER_SIZE`] initialised bytes, which may contain old data. It returns to the pool when it is
/// dropped.
#[derive(Debug)]
pub struct Buffer {
    // This is empty only while the buffer is dropped.
    bytes: Box<[u8]>,
}

impl Buffer {
    /// Takes a buffer from the pool, or allocates a new one.
    pub fn take() -> Self {
        let pooled = POOL.lock().pop();
        Self {
            bytes: pooled.unwrap_or_else(|| vec![0; BUFFER_SIZE].into_boxed_slice()),
        }
    }
}

/// Frees the buffers that are kept for later use.
pub fn free_unused() {
    let unused = std::mem::take(&mut *POOL.lock());
    drop(unused);
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let mut pool = POOL.lock();
        if pool.len() < MAX_KEPT {
            pool.push(bytes);
        }
    }
}

/// The first bytes of a buffer, which can be passed on as [`bytes::Bytes`].
#[derive(Debug)]
pub struct FilledBuffer {
    buffer: Buffer,
    length: usize,
}

impl FilledBuffer {
    /// Wraps the first `length` bytes of the buffer, at most all.
    pub fn new(buffer: Buffer, length: usize) -> Self {
        let length = length.min(buffer.len());
        Self { buffer, length }
    }
}

impl AsRef<[u8]> for FilledBuffer {
    fn as_ref(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filled_buffer_is_its_first_bytes() {
        let mut buffer = Buffer::take();
        buffer[..3].copy_from_slice(b"abc");
        let bytes = bytes::Bytes::from_owner(FilledBuffer::new(buffer, 3));
        assert_eq!(&bytes[..], b"abc");
    }
}
