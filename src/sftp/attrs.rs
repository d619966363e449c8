//! File attributes on the wire (draft-ietf-secsh-filexfer-02, section 5).

use crate::storage::{Metadata, SetAttrs};

use super::packet::Fields;
use super::reply::Reply;
use base::sftp_kinds::attributes::{ACMODTIME, EXTENDED, PERMISSIONS, SIZE, UIDGID};

/// Permission bits with set-uid, set-gid and sticky: clients send the file type along.
const MODE_BITS: u32 = 0o7777;

/// Reads attributes; `None` where they are cut short. Extended pairs are read over.
pub fn read(fields: &mut Fields<'_>) -> Option<SetAttrs> {
    let flags = fields.u32()?;
    let has = |bit: u32| flags & bit != 0;
    let mut attrs = SetAttrs::default();
    if has(SIZE) {
        attrs.size = Some(fields.u64()?);
    }
    if has(UIDGID) {
        attrs.owner = Some((fields.u32()?, fields.u32()?));
    }
    if has(PERMISSIONS) {
        attrs.permissions = Some(fields.u32()? & MODE_BITS);
    }
    if has(ACMODTIME) {
        attrs.times = Some((fields.u32()?, fields.u32()?));
    }
    if has(EXTENDED) {
        // Each pair takes eight bytes at least, so a packet's own length bounds this loop.
        for _ in 0..fields.u32()? {
            fields.string()?;
            fields.string()?;
        }
    }
    Some(attrs)
}

/// Appends attributes: size, owner, permissions and times, always all four, as OpenSSH does.
pub fn write(reply: &mut Reply, meta: &Metadata) {
    reply.u32(SIZE | UIDGID | PERMISSIONS | ACMODTIME);
    reply.u64(meta.size);
    reply.u32(meta.uid);
    reply.u32(meta.gid);
    reply.u32(meta.mode);
    reply.u32(seconds(meta.atime));
    reply.u32(seconds(meta.mtime));
}

/// A time as version 3 can say it, in 32 bits: the nearest one from 1970 to 2106. Cut off instead, as OpenSSH does it,
/// 1960 would be 2096.
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
    fn reads_what_clients_send() {
        let mut wire = Vec::new();
        wire.extend(0x8000_000fu32.to_be_bytes());
        wire.extend(5u64.to_be_bytes());
        wire.extend(1u32.to_be_bytes());
        wire.extend(2u32.to_be_bytes());
        wire.extend(0o100_644u32.to_be_bytes());
        wire.extend(7u32.to_be_bytes());
        wire.extend(8u32.to_be_bytes());
        wire.extend(1u32.to_be_bytes());
        wire.extend([0, 0, 0, 1, b'n', 0, 0, 0, 1, b'v']);
        let attrs = read(&mut Fields(&wire)).unwrap();
        assert_eq!(attrs.size, Some(5));
        assert_eq!(attrs.owner, Some((1, 2)));
        assert_eq!(attrs.permissions, Some(0o644));
        assert_eq!(attrs.times, Some((7, 8)));
        for cut in 0..wire.len() {
            assert_eq!(read(&mut Fields(&wire[..cut])), None, "cut at {cut}");
        }
    }
}
