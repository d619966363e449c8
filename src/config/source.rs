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

/// Returns the position of the value of a setting, if the file has it. The name of the section may have dots.
pub(super) fn span_of(table: &DeTable<'_>, section: &str, name: &str) -> Option<Range<usize>> {
    let mut parts = section.split('.');
    let mut within = table.get(parts.next()?)?.get_ref();
    for part in parts {
        within = within.get(part)?.get_ref();
    }
    Some(within.get(name)?.span())
}
