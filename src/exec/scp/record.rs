//! Parses the lines of scp's protocol, strictly. It neither reads from the channel nor writes files.

pub(crate) mod fuzz;

use crate::storage::FileTimes;

/// A line of the protocol, sent by the client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// A `T` record: the times of the next file or directory.
    Times(FileTimes),
    /// A `C` record: a file, whose bytes follow.
    File { mode: u32, size: u64, name: &'a [u8] },
    /// A `D` record: a directory that the client enters.
    Directory { mode: u32, name: &'a [u8] },
    /// An `E` record: the client leaves the directory.
    Up,
    /// The byte 1: the client could not read something.
    Warning,
    /// The byte 2: the client ends the transfer.
    Fatal,
}

/// The error for a line that is not a record.
pub(super) const UNEXPECTED: &str = "expected control record";

/// Parses a line, which is given without its newline.
///
/// # Errors
/// Returns what is wrong, in OpenSSH's words.
pub(super) fn parse(line: &[u8]) -> Result<Record<'_>, &'static str> {
    let (&kind, rest) = line.split_first().ok_or("unexpected <newline>")?;
    match kind {
        b'T' => times(rest).map(Record::Times),
        b'C' => {
            let EntryFields { mode, size, name } = entry(rest)?;
            Ok(Record::File { mode, size, name })
        }
        b'D' => {
            let EntryFields { mode, name, size: _ } = entry(rest)?;
            Ok(Record::Directory { mode, name })
        }
        b'E' => Ok(Record::Up),
        1 => Ok(Record::Warning),
        2 => Ok(Record::Fatal),
        _ => Err(UNEXPECTED),
    }
}

/// The fields of a `C` or `D` record: `mode size name`.
struct EntryFields<'a> {
    mode: u32,
    size: u64,
    name: &'a [u8],
}

fn entry(rest: &[u8]) -> Result<EntryFields<'_>, &'static str> {
    let (digits, rest) = rest.split_first_chunk::<4>().ok_or("bad mode")?;
    let mut mode = 0;
    for digit in digits {
        match digit {
            b'0'..=b'7' => mode = mode << 3 | u32::from(digit - b'0'),
            _ => return Err("bad mode"),
        }
    }
    let rest = rest.strip_prefix(b" ").ok_or("mode not delimited")?;
    let (size, rest) = number(rest, "size not present", "size out of range")?;
    if i64::try_from(size).is_err() {
        return Err("size out of range");
    }
    let name = rest.strip_prefix(b" ").ok_or("size not delimited")?;
    Ok(EntryFields { mode, size, name })
}

/// Parses the fields of a `T` record: `seconds microseconds seconds microseconds`.
fn times(rest: &[u8]) -> Result<FileTimes, &'static str> {
    let (modified, rest) = number(rest, "mtime.sec not present", "mtime.sec out of range")?;
    let rest = rest.strip_prefix(b" ").ok_or("mtime.sec not delimited")?;
    let (micros, rest) = number(rest, "mtime.usec not present", "mtime.usec out of range")?;
    let rest = rest.strip_prefix(b" ").ok_or("mtime.usec not delimited")?;
    let (accessed, rest) = number(rest, "atime.sec not present", "atime.sec out of range")?;
    let rest = rest.strip_prefix(b" ").ok_or("atime.sec not delimited")?;
    let (other_micros, rest) = number(rest, "atime.usec not present", "atime.usec out of range")?;
    if micros > 999_999 || other_micros > 999_999 || !rest.is_empty() {
        return Err("atime.usec not delimited");
    }
    // A time that does not fit into SFTP's 32 bits becomes the latest that does, in the year 2106.
    let nearest = |secs: u64| u32::try_from(secs).unwrap_or(u32::MAX);
    Ok(FileTimes {
        modified: nearest(modified),
        accessed: nearest(accessed),
    })
}

fn number<'a>(
    text: &'a [u8],
    missing: &'static str,
    too_large: &'static str,
) -> Result<(u64, &'a [u8]), &'static str> {
    let length = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(length);
    if digits.is_empty() {
        return Err(missing);
    }
    let mut value: u64 = 0;
    for digit in digits {
        value = value
            .checked_mul(10)
            .and_then(|value| value.checked_add(u64::from(digit - b'0')))
            .ok_or(too_large)?;
    }
    Ok((value, rest))
}

/// Returns whether a file or directory may have this name. As in OpenSSH's sink, it must be one component, and neither
/// `.` nor `..`.
pub(super) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name != b"." && name != b".." && !name.contains(&b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_scp_are_read() {
        let check = |line: &[u8], expected: Record<'_>| assert_eq!(parse(line), Ok(expected));
        check(
            b"C0644 12 a b",
            Record::File {
                mode: 0o644,
                size: 12,
                name: b"a b",
            },
        );
        check(
            b"C7777 9223372036854775807 \xff",
            Record::File {
                mode: 0o7777,
                size: i64::MAX as u64,
                name: b"\xff",
            },
        );
        check(
            b"D0755 0 d",
            Record::Directory {
                mode: 0o755,
                name: b"d",
            },
        );
        check(
            b"T1183828267 0 1183828268 999999",
            Record::Times(FileTimes {
                modified: 1_183_828_267,
                accessed: 1_183_828_268,
            }),
        );
        check(
            b"T99999999999 0 0 0",
            Record::Times(FileTimes {
                modified: u32::MAX,
                accessed: 0,
            }),
        );
        check(b"E", Record::Up);
        check(b"\x01scp: x: No such file", Record::Warning);
        check(b"\x02", Record::Fatal);
    }

    #[test]
    fn malformed_lines_are_refused_with_a_reason() {
        let check =
            |line: &[u8], expected: &str| assert_eq!(parse(line), Err(expected), "{}", line.escape_ascii());
        check(b"", "unexpected <newline>");
        check(b"X", "expected control record");
        check(b"C", "bad mode");
        check(b"C08", "bad mode");
        check(b"C0888 1 x", "bad mode");
        check(b"C06441 x", "mode not delimited");
        check(b"C0644 -1 x", "size not present");
        check(b"C0644 1x", "size not delimited");
        check(b"C0644 9223372036854775808 x", "size out of range");
        check(b"C0644 99999999999999999999999 x", "size out of range");
        check(b"D0755 x", "size not present");
        check(b"T1 0 2", "atime.sec not delimited");
        check(b"T1 1000000 2 0", "atime.usec not delimited");
        check(b"T-1 0 2 0", "mtime.sec not present");
        for name in [&b""[..], b".", b"..", b"a/b", b"/"] {
            assert!(!is_name(name));
        }
        assert!(is_name(b"..."));
    }
}
