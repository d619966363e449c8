//! The records of a zip archive, byte by byte (APPNOTE.TXT, section 4.3). All numbers are little-endian.

use bytes::{BufMut as _, Bytes, BytesMut};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::member::{ZipKind, ZipMember};

/// The length in bytes of a header of the central directory, without name and extra fields.
pub const CENTRAL_HEADER: usize = 46;

/// The most bytes of extra fields in the central directory: ZIP64 with three numbers, and the time.
pub const LARGEST_EXTRA: usize = 4 + 3 * 8 + TIME_FIELD;

/// The length in bytes of a local header, without name and extra fields.
const LOCAL_HEADER: usize = 30;

/// The length of the extra field with the time in bytes.
const TIME_FIELD: usize = 9;

/// Made by version 4.5 of the specification on Unix, which is what makes the mode count.
const MADE_BY: u16 = (3 << 8) | VERSION_ZIP64;

/// The version that a program needs for directories and for what is stored.
const VERSION_PLAIN: u16 = 20;

/// The version that a program needs for ZIP64.
const VERSION_ZIP64: u16 = 45;

/// Flag: sizes and checksum are behind the file's bytes.
const HAS_DESCRIPTOR: u16 = 1 << 3;

/// Flag: the name is UTF-8. Without it, the bytes mean what the reader takes them for.
const IS_UTF8: u16 = 1 << 11;

/// A 32-bit number that stands in the ZIP64 field instead.
const ELSEWHERE: u32 = u32::MAX;

/// The attribute by which MS-DOS knows directories.
const DOS_DIRECTORY: u32 = 0x10;

/// What stands in the archive for a file or a directory.
pub struct EntryRecord {
    /// The name, with a slash behind that of a directory.
    name: Vec<u8>,
    is_directory: bool,
    mode: u32,
    mtime: i64,
    /// Where the local header begins.
    offset: u64,
    /// Whether sizes have 64 bits. It is decided before the file is sent, by the size that it may have.
    is_wide: bool,
    /// The size in bytes: first the largest one that is possible, then what was sent.
    size: u64,
    crc: u32,
}

/// A time as MS-DOS has it: two seconds exact, from 1980 to 2107, and without a zone. It is in UTC here; programs that
/// know the extra field take the time from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DosTime {
    /// Year, month and day.
    pub date: u16,
    /// Hour, minute and second.
    pub time: u16,
}

impl EntryRecord {
    /// Returns the record of an entry whose local header begins at `offset`.
    pub fn new(name: &[u8], member: &ZipMember, offset: u64) -> Self {
        let mut name = name.to_vec();
        let (is_directory, size) = match member.kind {
            ZipKind::Directory => (true, 0),
            ZipKind::File { size } => (false, size),
        };
        if is_directory {
            name.push(b'/');
        }
        Self {
            name,
            is_directory,
            mode: member.mode,
            mtime: member.mtime,
            offset,
            is_wide: size >= u64::from(ELSEWHERE),
            size,
            crc: 0,
        }
    }

    /// Records what was sent. Returns `false` if that is more than was announced.
    pub fn finish(&mut self, crc: u32, size: u64) -> bool {
        let fits = size <= self.size;
        if fits {
            self.size = size;
            self.crc = crc;
        }
        fits
    }

    /// Returns the header in front of the file's bytes. Its sizes are 0, because they stand behind.
    pub fn local_header(&self) -> Bytes {
        let mut extra = BytesMut::with_capacity(LARGEST_EXTRA);
        let size = if self.is_wide { ELSEWHERE } else { 0 };
        if self.is_wide {
            put_zip64(&mut extra, &[0, 0]);
        }
        self.put_time(&mut extra);
        let mut out = BytesMut::with_capacity(LOCAL_HEADER + self.name.len() + extra.len());
        out.put_u32_le(0x0403_4b50);
        self.put_common(&mut out, 0);
        out.put_u32_le(size);
        out.put_u32_le(size);
        out.put_u16_le(short(self.name.len()));
        out.put_u16_le(short(extra.len()));
        out.extend_from_slice(&self.name);
        out.extend_from_slice(&extra);
        out.freeze()
    }

    /// Returns what stands behind the file's bytes.
    pub fn descriptor(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(24);
        out.put_u32_le(0x0807_4b50);
        out.put_u32_le(self.crc);
        for _ in ["compressed", "uncompressed"] {
            match self.is_wide {
                true => out.put_u64_le(self.size),
                false => out.put_u32_le(narrow(self.size)),
            }
        }
        out.freeze()
    }

    /// Returns the header in the central directory.
    pub fn central_header(&self) -> Bytes {
        let size = if self.is_wide {
            ELSEWHERE
        } else {
            narrow(self.size)
        };
        let offset = narrow(self.offset);
        let mut wide = Vec::new();
        if self.is_wide {
            wide.extend([self.size, self.size]);
        }
        if offset == ELSEWHERE {
            wide.push(self.offset);
        }
        let mut extra = BytesMut::with_capacity(LARGEST_EXTRA);
        if !wide.is_empty() {
            put_zip64(&mut extra, &wide);
        }
        self.put_time(&mut extra);
        let mut out = BytesMut::with_capacity(CENTRAL_HEADER + self.name.len() + extra.len());
        out.put_u32_le(0x0201_4b50);
        out.put_u16_le(MADE_BY);
        self.put_common(&mut out, self.crc);
        out.put_u32_le(size);
        out.put_u32_le(size);
        out.put_u16_le(short(self.name.len()));
        out.put_u16_le(short(extra.len()));
        // The comment's length, the disk, and the internal attributes.
        out.put_bytes(0, 6);
        out.put_u32_le(self.attributes());
        out.put_u32_le(offset);
        out.extend_from_slice(&self.name);
        out.extend_from_slice(&extra);
        out.freeze()
    }

    /// Writes what both headers have: version, flags, method, time and checksum.
    fn put_common(&self, out: &mut BytesMut, crc: u32) {
        let is_far = narrow(self.offset) == ELSEWHERE;
        let version = match self.is_wide || is_far {
            true => VERSION_ZIP64,
            false => VERSION_PLAIN,
        };
        let mut flags = 0;
        if !self.is_directory {
            flags |= HAS_DESCRIPTOR;
        }
        if std::str::from_utf8(&self.name).is_ok() {
            flags |= IS_UTF8;
        }
        let changed = DosTime::of(self.mtime);
        out.put_u16_le(version);
        out.put_u16_le(flags);
        // Stored.
        out.put_u16_le(0);
        out.put_u16_le(changed.time);
        out.put_u16_le(changed.date);
        out.put_u32_le(crc);
    }

    /// Writes the extra field with the time in seconds since 1970, of 32 bits. A time that does not fit is left out.
    fn put_time(&self, out: &mut BytesMut) {
        if let Ok(seconds) = i32::try_from(self.mtime) {
            out.put_u16_le(0x5455);
            out.put_u16_le(5);
            // The time of the last change alone.
            out.put_u8(1);
            out.put_i32_le(seconds);
        }
    }

    /// Returns the external attributes: the kind and the permission bits of Unix, and the kind for MS-DOS.
    fn attributes(&self) -> u32 {
        let (kind, dos) = match self.is_directory {
            true => (0o040_000, DOS_DIRECTORY),
            false => (0o100_000, 0),
        };
        ((kind | (self.mode & 0o777)) << 16) | dos
    }
}

impl DosTime {
    /// Returns the time that is nearest to this one, in seconds since 1970.
    pub fn of(seconds: i64) -> Self {
        // 1980-01-01 00:00:00.
        let earliest = Self {
            date: (1 << 5) | 1,
            time: 0,
        };
        // 2107-12-31 23:59:58.
        let latest = Self {
            date: (127 << 9) | (12 << 5) | 31,
            time: (23 << 11) | (59 << 5) | 29,
        };
        let Ok(time) = Timestamp::from_second(seconds) else {
            return if seconds < 0 { earliest } else { latest };
        };
        let time = TimeZone::UTC.to_datetime(time);
        let year = i32::from(time.year()) - 1980;
        if year < 0 {
            return earliest;
        }
        if year > 127 {
            return latest;
        }
        let part = |number: i8| u16::try_from(number).unwrap_or_default();
        let year = u16::try_from(year).unwrap_or_default();
        Self {
            date: (year << 9) | (part(time.month()) << 5) | part(time.day()),
            time: (part(time.hour()) << 11) | (part(time.minute()) << 5) | (part(time.second()) / 2),
        }
    }
}

/// Returns the records at the end of an archive with so many entries, whose central directory begins at `offset` and
/// has `size` bytes.
pub fn end_records(entries: u64, offset: u64, size: u64) -> Bytes {
    let few = u16::try_from(entries).unwrap_or(u16::MAX);
    let is_wide = few == u16::MAX || narrow(offset) == ELSEWHERE || narrow(size) == ELSEWHERE;
    let mut out = BytesMut::with_capacity(98);
    if is_wide {
        out.put_u32_le(0x0606_4b50);
        // The length of the rest of this record.
        out.put_u64_le(44);
        out.put_u16_le(MADE_BY);
        out.put_u16_le(VERSION_ZIP64);
        // This disk, and that of the directory.
        out.put_bytes(0, 8);
        out.put_u64_le(entries);
        out.put_u64_le(entries);
        out.put_u64_le(size);
        out.put_u64_le(offset);
        // Where the record above is.
        out.put_u32_le(0x0706_4b50);
        out.put_u32_le(0);
        out.put_u64_le(offset.saturating_add(size));
        out.put_u32_le(1);
    }
    out.put_u32_le(0x0605_4b50);
    out.put_bytes(0, 4);
    out.put_u16_le(few);
    out.put_u16_le(few);
    out.put_u32_le(narrow(size));
    out.put_u32_le(narrow(offset));
    // No comment.
    out.put_u16_le(0);
    out.freeze()
}

/// Writes the extra field with numbers of 64 bits.
fn put_zip64(out: &mut BytesMut, numbers: &[u64]) {
    out.put_u16_le(1);
    out.put_u16_le(short(numbers.len()).saturating_mul(8));
    for number in numbers {
        out.put_u64_le(*number);
    }
}

/// Returns a number of 32 bits, or [`ELSEWHERE`] if it has more.
fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(ELSEWHERE)
}

/// Returns the length of a name or of extra fields, which have at most some kilobytes.
fn short(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}
