//! The configuration file as text.

use std::ops::Range;
use std::path::Path;

use toml::de::DeTable;

use base::regular;

/// The largest configuration that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Reads the file.
///
/// # Errors
/// Returns an error if it cannot be read, is not a regular file, or is too large.
pub(super) fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    regular::read_regular(file, MAX_BYTES)
}

/// Returns the number of the line in the file at which something begins, counted from 1.
pub(super) fn line_of(file: &Path, find: impl Fn(&DeTable<'_>) -> Option<Range<usize>>) -> Option<usize> {
    let text = String::from_utf8(read(file).ok()?).ok()?;
    let table = DeTable::parse(&text).ok()?;
    let before = text.get(..find(table.get_ref())?.start)?;
    Some(before.matches('\n').count() + 1)
}
