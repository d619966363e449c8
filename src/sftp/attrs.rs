//! Converts attributes and open flags between packets and the storage.
//!
//! [`sftp_wire`] defines their layout, and the storage defines what they mean to a file system.

use bytes::Bytes;
use sftp_wire::{Attributes, OpenFlags, Owner, Reply, Times};

use crate::storage::{self, FileTimes, Metadata, OpenHow, SetAttrs};

/// The permission bits, with set-uid, set-gid and sticky: clients send the file type along, which is ignored.
const MODE_BITS: u32 = 0o7777;

/// Returns the changes that a client asks for.
pub fn changes(attributes: &Attributes) -> SetAttrs {
    let Attributes {
        size,
        owner,
        permissions,
        times,
    } = *attributes;
    SetAttrs {
        size,
        permissions: permissions.map(|mode| mode & MODE_BITS),
        owner: owner.map(|Owner { uid, gid }| storage::Owner { uid, gid }),
        times: times.map(|Times { accessed, modified }| FileTimes { accessed, modified }),
    }
}

/// Returns the attributes that a client gets: size, owner, permissions and times, always all four, as with OpenSSH.
pub fn of(meta: &Metadata) -> Attributes {
    Attributes {
        size: Some(meta.size),
        owner: Some(Owner {
            uid: meta.uid,
            gid: meta.gid,
        }),
        permissions: Some(meta.mode),
        times: Some(Times {
            accessed: seconds(meta.atime),
            modified: seconds(meta.mtime),
        }),
    }
}

/// Encodes the reply to a request for attributes.
pub fn reply(id: u32, meta: &Metadata) -> Bytes {
    Reply::<&[u8]>::Attrs(of(meta)).to_bytes(id)
}

/// Returns how to open a file. As with OpenSSH, a request for neither reading nor writing is one for reading.
pub fn how(flags: OpenFlags, attributes: &Attributes) -> OpenHow {
    let write = flags.contains(OpenFlags::WRITE);
    OpenHow {
        read: flags.contains(OpenFlags::READ) || !write,
        write,
        append: flags.contains(OpenFlags::APPEND),
        create: flags.contains(OpenFlags::CREAT),
        truncate: flags.contains(OpenFlags::TRUNC),
        exclusive: flags.contains(OpenFlags::EXCL),
        mode: changes(attributes).permissions,
    }
}

/// Converts a time to the 32 bits of version 3: the nearest one from 1970 to 2106. OpenSSH truncates it, which turns
/// 1960 into 2096.
pub(super) fn seconds(time: i64) -> u32 {
    u32::try_from(time.max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_the_nearest_that_the_wire_can_say() {
        let check = |time: i64, told: u32| assert_eq!(seconds(time), told, "{time}");
        check(0, 0);
        check(1_700_000_000, 1_700_000_000);
        check(-1, 0);
        check(-315_619_200, 0);
        check(i64::MIN, 0);
        check(u32::MAX.into(), u32::MAX);
        check(i64::from(u32::MAX) + 1, u32::MAX);
        check(i64::MAX, u32::MAX);
    }

    #[test]
    fn clients_change_what_they_send_without_the_type_of_the_file() {
        let attributes = Attributes {
            size: Some(5),
            owner: Some(Owner { uid: 1, gid: 2 }),
            permissions: Some(0o100_644),
            times: Some(Times {
                accessed: 7,
                modified: 8,
            }),
        };
        let expected = SetAttrs {
            size: Some(5),
            permissions: Some(0o644),
            owner: Some(storage::Owner { uid: 1, gid: 2 }),
            times: Some(FileTimes {
                accessed: 7,
                modified: 8,
            }),
        };
        assert_eq!(changes(&attributes), expected);
        assert_eq!(changes(&Attributes::default()), SetAttrs::default());
    }

    #[test]
    fn a_file_is_opened_as_its_flags_say() {
        let attributes = Attributes {
            permissions: Some(0o100_644),
            ..Attributes::default()
        };
        let expected = |read, write, rest: u32| OpenHow {
            read,
            write,
            append: rest & 4 != 0,
            create: rest & 8 != 0,
            truncate: rest & 16 != 0,
            exclusive: rest & 32 != 0,
            mode: Some(0o644),
        };
        for (flags, expected) in [
            (1, expected(true, false, 0)),
            (2 + 8 + 16, expected(false, true, 24)),
            (0, expected(true, false, 0)),
            (1 + 2 + 4 + 32, expected(true, true, 36)),
        ] {
            assert_eq!(how(OpenFlags::from_bits(flags), &attributes), expected, "{flags}");
        }
        assert_eq!(how(OpenFlags::READ, &Attributes::default()).mode, None);
    }
}
