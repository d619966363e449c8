//! File attributes on the wire (draft-ietf-secsh-filexfer-02, section 5).

use crate::vfs::{Metadata, SetAttrs};

use super::kinds::attributes::{ACMODTIME, EXTENDED, PERMISSIONS, SIZE, UIDGID};
use super::packet::Fields;
use super::reply::Reply;

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

/// Version 3 has 32 bits for a time: as in OpenSSH, what does not fit is cut.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the wire has no more"
)]
fn seconds(time: i64) -> u32 {
    time as u32
}

#[cfg(test)]
mod tests {
    use super::*;

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
