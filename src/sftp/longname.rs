//! The `ls -l` line of a directory entry, as OpenSSH's `ls_file` prints it. FileZilla and WinSCP parse it.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::storage::{FileKind, Metadata};
use base::mode;

use super::attrs;

/// Files that were changed within half a year are listed with the time of day, others with the year, as ls does. In
/// seconds.
const HALF_YEAR_SECS: i64 = 365 * 24 * 60 * 60 / 2;
/// The usual length of a line without its name, in bytes; names of users and numbers may be longer.
const USUAL_LENGTH: usize = 64;

/// The user and group that the server runs as, which own the files that its users write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnIds {
    /// The numeric user id of the server's process.
    pub uid: u32,
    /// The numeric group id of the server's process.
    pub gid: u32,
    /// The numeric id of the group that users' files get, if one is configured.
    pub file_group: Option<u32>,
}

impl OwnIds {
    /// Returns whether this is a group that users' files have.
    pub fn is_group(self, gid: u32) -> bool {
        gid == self.gid || Some(gid) == self.file_group
    }
}

/// Formats the line of a directory entry, with the names of owner and group and in a time zone.
#[derive(Debug, Clone)]
pub struct LongnameFormatter {
    /// The server's own uid and gid, which are shown as the user's name.
    pub own_ids: OwnIds,
    /// The name of the signed-in user.
    pub user: String,
    /// The time zone of the dates.
    pub zone: TimeZone,
}

impl LongnameFormatter {
    /// Returns the line for one entry: mode, links, owner, group, exact size, date, name.
    ///
    /// It is written into one buffer, and without the machinery of `write!`, because listing a large directory consists
    /// mostly of this.
    pub fn line(&self, name: &[u8], meta: &Metadata, now: i64) -> Vec<u8> {
        let mut line = Vec::with_capacity(USUAL_LENGTH + name.len());
        line.extend_from_slice(&mode::mode_letters(kind_letter(meta), meta.mode));
        line.extend_from_slice(b"  ");
        right_aligned(&mut line, meta.links, 3, b' ');
        line.push(b' ');
        self.owner(&mut line, meta.uid, meta.uid == self.own_ids.uid);
        self.owner(&mut line, meta.gid, self.own_ids.is_group(meta.gid));
        right_aligned(&mut line, meta.size, 8, b' ');
        line.push(b' ');
        // The time is that of the attributes in the same entry, limited to what every calendar has.
        self.date(&mut line, attrs::seconds(meta.mtime).into(), now);
        line.push(b' ');
        line.extend_from_slice(name);
        line
    }

    fn owner(&self, line: &mut Vec<u8>, id: u32, is_own: bool) {
        let begin = line.len();
        match is_own {
            true => line.extend_from_slice(self.user.as_bytes()),
            false => right_aligned(line, id.into(), 0, b' '),
        }
        line.resize(line.len().max(begin + 8), b' ');
        line.push(b' ');
    }

    fn date(&self, line: &mut Vec<u8>, mtime: i64, now: i64) {
        let Ok(time) = Timestamp::from_second(mtime) else {
            return;
        };
        let local = self.zone.to_datetime(time);
        let number = |line: &mut Vec<u8>, number: i16, width, fill| {
            right_aligned(line, number.unsigned_abs().into(), width, fill);
        };
        let month = MONTHS
            .get(usize::from(local.month().unsigned_abs()).saturating_sub(1))
            .unwrap_or(&"???");
        line.extend_from_slice(month.as_bytes());
        line.push(b' ');
        number(line, local.day().into(), 2, b' ');
        line.push(b' ');
        match now.saturating_sub(mtime) < HALF_YEAR_SECS {
            true => {
                number(line, local.hour().into(), 2, b'0');
                line.push(b':');
                number(line, local.minute().into(), 2, b'0');
            }
            false => number(line, local.year(), 5, b' '),
        }
    }
}

/// Appends a number, with bytes before it up to this width.
fn right_aligned(line: &mut Vec<u8>, number: u64, width: usize, fill: u8) {
    let begin = line.len();
    let mut rest = number;
    loop {
        // One digit always fits.
        line.push(b'0' + u8::try_from(rest % 10).unwrap_or(0));
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    line.resize(line.len().max(begin + width), fill);
    if let Some(field) = line.get_mut(begin..) {
        field.reverse();
    }
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Returns the letter for the type of the file.
fn kind_letter(meta: &Metadata) -> u8 {
    match meta.kind {
        FileKind::File => b'-',
        FileKind::Directory => b'd',
        FileKind::Symlink => b'l',
        FileKind::Special => mode::kind_letter(meta.mode),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(kind: FileKind, mode: u32, size: u64, mtime: i64) -> Metadata {
        Metadata {
            inode: crate::storage::InodeId { device: 1, number: 1 },
            kind,
            mode,
            size,
            uid: 1000,
            gid: 7,
            links: 1,
            atime: 0,
            mtime,
        }
    }

    #[test]
    fn lines_are_those_of_ls() {
        let lister = LongnameFormatter {
            own_ids: OwnIds {
                uid: 1000,
                gid: 1000,
                file_group: Some(4242),
            },
            user: "calvin".into(),
            zone: TimeZone::UTC,
        };
        let now = 1_700_000_000;
        let check = |meta: Metadata, name: &[u8], expected: &str| {
            assert_eq!(String::from_utf8_lossy(&lister.line(name, &meta, now)), expected);
        };
        check(
            meta(FileKind::File, 0o100_644, 1234, now - 60),
            b"a b",
            "-rw-r--r--    1 calvin   7            1234 Nov 14 22:12 a b",
        );
        check(
            meta(FileKind::Directory, 0o041_777, 4096, 0),
            b"tmp",
            "drwxrwxrwt    1 calvin   7            4096 Jan  1  1970 tmp",
        );
        check(
            meta(FileKind::Symlink, 0o120_777, 3, now - HALF_YEAR_SECS),
            b"l",
            "lrwxrwxrwx    1 calvin   7               3 May 16  2023 l",
        );
        check(
            meta(FileKind::File, 0o100_644, 1, -315_619_200),
            b"old",
            "-rw-r--r--    1 calvin   7               1 Jan  1  1970 old",
        );
        for far in [i64::from(u32::MAX) + 1, i64::MAX] {
            check(
                meta(FileKind::File, 0o100_644, 1, far),
                b"far",
                "-rw-r--r--    1 calvin   7               1 Feb  7 06:28 far",
            );
        }
        check(
            meta(FileKind::Special, 0o012_640, 99_999_999_999, now),
            b"p",
            "prw-r-S---    1 calvin   7        99999999999 Nov 14 22:13 p",
        );
    }
}
