//! The layout of a zip archive that is sent while it is made: files as they are (stored), their sizes and checksums
//! behind them, ZIP64 where 32 bits are not enough. It does no I/O: it returns the bytes to send, and the caller sends
//! the files between them.
//!
//! The specification is PKWARE's APPNOTE.TXT 6.3.10. The crate async_zip is not used, because in archives that are sent
//! like this it writes 4-byte sizes of 0xFFFFFFFF behind every file where 8-byte ones belong (4.3.9.2), and keeps
//! several hundred bytes for each entry without a limit.
//!
//! ```text
//! entry, the file's bytes, finish_entry    for each file
//! entry                                    for each directory
//! end
//! ```

pub mod member;
mod records;
pub mod root_names;

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use bytes::{Bytes, BytesMut};

use self::member::{ZipKind, ZipMember};
use self::records::{EntryRecord, LARGEST_EXTRA, end_records};

/// The most entries of an archive. What is kept of them is in memory until the end.
pub const MOST_ENTRIES: u64 = 1_000_000;

/// The longest name in bytes, which is the longest path of the kernel. The format has room for 65,535.
const LONGEST_NAME: usize = 4096;

/// The size in bytes of the pieces that the central directory is kept and sent in.
const PIECE: usize = 64 * 1024;

/// What the set of names keeps for an entry in bytes: a hash, and what the table has beside it while it grows.
const KEPT_FOR_NAME: usize = 24;

/// Why an entry cannot be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ZipError {
    /// The name would be unpacked elsewhere, or not at all.
    #[error("an archive cannot have this name: it would not be unpacked below the directory of the archive")]
    Name,
    /// The name is too long.
    #[error("the name is longer than 4096 bytes, which no archive program unpacks")]
    LongName,
    /// There is an entry of this name.
    #[error("the archive has this name already")]
    Duplicate,
    /// The archive has [`MOST_ENTRIES`] entries.
    #[error("an archive has at most 1,000,000 files and directories (hint: fetch parts of it one by one)")]
    TooMany,
    /// More bytes of a file were sent than it had at first. The archive cannot be completed.
    #[error("the file has grown while it was sent")]
    Grown,
    /// The calls are in the wrong order: an entry is open, or none is. The archive cannot be completed.
    #[error("the parts of the archive are out of order")]
    Order,
}

/// An archive that is being sent.
#[derive(Default)]
pub struct ZipLayout {
    /// The number of bytes before what is sent next.
    offset: u64,
    /// The central directory so far.
    directory: Vec<BytesMut>,
    entries: u64,
    /// The hashes of all names. Two names with the same one would be taken for equal, once in 10^7 full archives.
    names: HashSet<u64>,
    keys: RandomState,
    /// The file whose bytes are sent now.
    open: Option<EntryRecord>,
}

impl ZipLayout {
    /// Begins an archive.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns how many bytes stay in memory for an entry of this name until the archive ends. The caller charges them
    /// to the user before it adds the entry.
    pub fn kept_bytes(name: &[u8]) -> usize {
        records::CENTRAL_HEADER + name.len().saturating_add(1) + LARGEST_EXTRA + KEPT_FOR_NAME
    }

    /// Adds an entry, and returns what is to be sent before the file's bytes. `name` is the path in the archive,
    /// without a slash at either end, of any bytes.
    ///
    /// After an error of the name, the archive goes on as if it had not been asked for.
    ///
    /// # Errors
    /// Returns an error for a name that is not relative, has a component `.` or `..`, or is there already; if there are
    /// too many entries; and if a file is not finished.
    pub fn entry(&mut self, name: &[u8], member: &ZipMember) -> Result<Bytes, ZipError> {
        if self.open.is_some() {
            return Err(ZipError::Order);
        }
        if self.entries >= MOST_ENTRIES {
            return Err(ZipError::TooMany);
        }
        check_name(name)?;
        if !self.names.insert(self.keys.hash_one(name)) {
            return Err(ZipError::Duplicate);
        }
        let record = EntryRecord::new(name, member, self.offset);
        let header = record.local_header();
        self.advance(header.len());
        match member.kind {
            ZipKind::Directory => self.close(&record),
            ZipKind::File { .. } => self.open = Some(record),
        }
        Ok(header)
    }

    /// Ends the file, and returns what is to be sent behind its bytes. `crc` is the CRC-32 of the `size` bytes that
    /// were sent (`flate2::Crc`).
    ///
    /// # Errors
    /// Returns an error if no file is open, or if more was sent than was announced.
    pub fn finish_entry(&mut self, crc: u32, size: u64) -> Result<Bytes, ZipError> {
        let mut record = self.open.take().ok_or(ZipError::Order)?;
        if !record.finish(crc, size) {
            // Still open, so that the archive does not end as if it were whole.
            self.open = Some(record);
            return Err(ZipError::Grown);
        }
        let descriptor = record.descriptor();
        self.offset = self.offset.saturating_add(size);
        self.advance(descriptor.len());
        self.close(&record);
        Ok(descriptor)
    }

    /// Ends the archive, and returns the pieces that are to be sent last.
    ///
    /// # Errors
    /// Returns an error if a file is not finished.
    pub fn end(self) -> Result<Vec<Bytes>, ZipError> {
        if self.open.is_some() {
            return Err(ZipError::Order);
        }
        let mut pieces: Vec<Bytes> = self.directory.into_iter().map(BytesMut::freeze).collect();
        let size: usize = pieces.iter().map(Bytes::len).sum();
        pieces.push(end_records(self.entries, self.offset, bytes_of(size)));
        Ok(pieces)
    }

    /// Adds a finished entry to the central directory.
    fn close(&mut self, record: &EntryRecord) {
        let header = record.central_header();
        self.entries = self.entries.saturating_add(1);
        if let Some(last) = self.directory.last_mut()
            && last.capacity().saturating_sub(last.len()) >= header.len()
        {
            last.extend_from_slice(&header);
            return;
        }
        let mut piece = BytesMut::with_capacity(PIECE.max(header.len()));
        piece.extend_from_slice(&header);
        self.directory.push(piece);
    }

    fn advance(&mut self, length: usize) {
        self.offset = self.offset.saturating_add(bytes_of(length));
    }
}

fn bytes_of(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// Checks a name as programs on all systems unpack it: on Windows, a backslash separates, too.
fn check_name(name: &[u8]) -> Result<(), ZipError> {
    if name.len() > LONGEST_NAME {
        return Err(ZipError::LongName);
    }
    let is_plain = |part: &[u8]| !matches!(part, b"" | b"." | b"..") && !part.contains(&0);
    let leaves = |part: &[u8]| part == b"..";
    let is_safe = name.split(|&byte| byte == b'/').all(is_plain)
        && !name.starts_with(b"\\")
        && !name.split(|&byte| byte == b'/' || byte == b'\\').any(leaves);
    match is_safe {
        true => Ok(()),
        false => Err(ZipError::Name),
    }
}

#[cfg(test)]
mod tests;
