//! The data types of SSH (RFC 4251, section 5) that SFTP uses: bytes, numbers in network byte order, and strings with
//! their length in front.
//!
//! This is the only place that reads or writes these types. It does not interpret their values.

use std::ops::Deref;

use bytes::{Buf as _, Bytes};

use crate::packet_type::PacketType;

/// Bytes that can be split without a copy: a borrowed slice, or [`Bytes`] whose parts share its memory.
pub trait Input: Deref<Target = [u8]> + Sized {
    /// Removes the first `length` bytes and returns them, or `None` if there are fewer.
    fn take_front(&mut self, length: usize) -> Option<Self>;

    /// Drops the first `length` bytes, or all bytes if there are fewer.
    fn skip(&mut self, length: usize);
}

impl Input for &[u8] {
    fn take_front(&mut self, length: usize) -> Option<Self> {
        let (front, rest) = self.split_at_checked(length)?;
        *self = rest;
        Some(front)
    }

    fn skip(&mut self, length: usize) {
        *self = self.get(length..).unwrap_or_default();
    }
}

impl Input for Bytes {
    fn take_front(&mut self, length: usize) -> Option<Self> {
        (length <= self.len()).then(|| self.split_to(length))
    }

    fn skip(&mut self, length: usize) {
        self.advance(length.min(self.len()));
    }
}

/// Reads fields from the front of a packet. Each method returns `None` where the field is cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reader<B>(B);

impl<B: Input> Reader<B> {
    /// Creates a reader at the beginning of `bytes`.
    pub fn new(bytes: B) -> Self {
        Self(bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let array = *self.0.first_chunk::<N>()?;
        self.0.skip(N);
        Some(array)
    }

    /// Reads the next byte; returns `None` at the end of the packet.
    pub fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(u8::from_be_bytes)
    }

    /// Reads the next four bytes as a number in network byte order.
    pub fn u32(&mut self) -> Option<u32> {
        self.array::<4>().map(u32::from_be_bytes)
    }

    /// Reads the next eight bytes as a number in network byte order.
    pub fn u64(&mut self) -> Option<u64> {
        self.array::<8>().map(u64::from_be_bytes)
    }

    /// Reads the next string, without its length field.
    pub fn string(&mut self) -> Option<B> {
        let length = self.u32()? as usize;
        self.0.take_front(length)
    }

    /// Reads the next string; returns an empty one if no bytes are left.
    pub(crate) fn string_or_end(&mut self) -> Option<B> {
        match self.is_empty() {
            true => self.0.take_front(0),
            false => self.string(),
        }
    }

    /// Returns all bytes that have not been read.
    pub fn rest(self) -> B {
        self.0
    }

    /// Returns whether all bytes have been read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> Reader<&'a [u8]> {
    /// Reads the next string as a path or a name. One NUL at its end is dropped: some clients send C strings with their
    /// final NUL, and OpenSSH accepts them.
    pub fn path(&mut self) -> Option<&'a [u8]> {
        let bytes = self.string()?;
        Some(bytes.strip_suffix(b"\0").unwrap_or(bytes))
    }
}

/// A buffer or counter that fields are written to.
pub trait Output {
    /// Appends the bytes without a length field.
    fn put_bytes(&mut self, bytes: &[u8]);

    /// Appends one byte to the packet.
    fn put_u8(&mut self, number: u8) {
        self.put_bytes(&[number]);
    }

    /// Appends a number as four bytes in network byte order.
    fn put_u32(&mut self, number: u32) {
        self.put_bytes(&number.to_be_bytes());
    }

    /// Appends a number as eight bytes in network byte order.
    fn put_u64(&mut self, number: u64) {
        self.put_bytes(&number.to_be_bytes());
    }

    /// Appends a string: its length in four bytes, then its bytes.
    fn put_string(&mut self, bytes: &[u8]) {
        self.put_u32(length_field(bytes.len()));
        self.put_bytes(bytes);
    }

    /// Appends a path or a name as a string. A path that ends in NUL gets a second NUL, so that [`Reader::path`]
    /// returns the path that was written.
    fn put_path(&mut self, path: &[u8]) {
        if path.ends_with(b"\0") {
            self.put_u32(length_field(path.len().saturating_add(1)));
            self.put_bytes(path);
            self.put_u8(0);
        } else {
            self.put_string(path);
        }
    }
}

impl Output for Vec<u8> {
    fn put_bytes(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Converts a length to the value of its field. No packet comes near 4 GiB.
fn length_field(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Counts the bytes that would be written, so that a packet is built in memory of exactly its size.
#[derive(Debug, Default)]
struct Counter(usize);

impl Output for Counter {
    fn put_bytes(&mut self, bytes: &[u8]) {
        self.0 = self.0.saturating_add(bytes.len());
    }
}

/// A value with a form on the wire: the content behind a packet's type and id, or a part of that content.
pub trait Body {
    /// Appends the encoded value to `out`.
    fn put(&self, out: &mut impl Output);
}

/// A packet to write. The number behind the type is the request's id; in INIT and VERSION it is the version.
pub(crate) struct Outgoing<'a, T> {
    pub(crate) packet_type: PacketType,
    pub(crate) number: u32,
    pub(crate) body: &'a T,
}

impl<T: Body> Outgoing<'_, T> {
    /// Returns the packet with its length field, in memory of exactly its size.
    pub(crate) fn to_bytes(&self) -> Bytes {
        let mut out = Vec::new();
        self.append_to(&mut out);
        out.into()
    }

    /// Appends the packet, with its length field, to `out`.
    pub(crate) fn append_to(&self, out: &mut Vec<u8>) {
        let mut counter = Counter::default();
        self.body.put(&mut counter);
        let length = counter.0.saturating_add(5);
        if out.is_empty() {
            out.reserve_exact(length.saturating_add(4));
        } else {
            // More packets will follow, so let the vector grow by its own rule.
            out.reserve(length.saturating_add(4));
        }
        out.put_u32(length_field(length));
        out.put_u8(self.packet_type.byte());
        out.put_u32(self.number);
        self.body.put(out);
    }
}
