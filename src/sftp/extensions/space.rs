//! The requests for free space: statvfs@openssh.com, fstatvfs@openssh.com and space-available. All of them report what
//! the quota leaves.

use bytes::Bytes;
use sftp_wire::ExtendedReply as _;
use sftp_wire::constants::{SSH_FXE_STATVFS_ST_NOSUID, SSH_FXE_STATVFS_ST_RDONLY};
use sftp_wire::extension::{SpaceAvailable, Statvfs};

use crate::sftp::handles::RawHandle;
use crate::sftp::outcome::{RequestInfo, RequestResult};
use crate::sftp::session::{Sftp, path_of};
use crate::storage::Space;

pub(super) fn statvfs(sftp: &mut Sftp, path: &[u8], info: RequestInfo) -> RequestResult {
    let space = sftp.storage.space(&path_of(path)?, info.wait)?;
    Ok(space_reply(info.id, &space).into())
}

pub(super) fn fstatvfs(sftp: &mut Sftp, handle: &[u8], info: RequestInfo) -> RequestResult {
    let file = sftp.file(RawHandle::from_wire(handle))?;
    let space = file.file.space(info.wait)?;
    Ok(space_reply(info.id, &space).into())
}

fn space_reply(id: u32, space: &Space) -> Bytes {
    let flags = (u64::from(space.read_only) * SSH_FXE_STATVFS_ST_RDONLY)
        | (u64::from(space.no_suid) * SSH_FXE_STATVFS_ST_NOSUID);
    Statvfs {
        block_size: space.block_size,
        fragment_size: space.fragment_size,
        blocks: space.blocks,
        blocks_free: space.blocks_free,
        blocks_available: space.blocks_available,
        files: space.files,
        files_free: space.files_free,
        files_available: space.files_available,
        fsid: space.fsid,
        flags,
        name_max: space.name_max,
    }
    .to_bytes(id)
}

/// Total and per-user figures are equal: a user sees only their own quota.
pub(super) fn space_available(sftp: &mut Sftp, path: &[u8], info: RequestInfo) -> RequestResult {
    // WinSCP and others ask about the current directory, as they do with REALPATH.
    let path = if path.is_empty() { b"." } else { path };
    let space = sftp.storage.space(&path_of(path)?, info.wait)?;
    let bytes = |blocks: u64| blocks.saturating_mul(space.fragment_size);
    let reply = SpaceAvailable {
        bytes_on_device: bytes(space.blocks),
        unused_bytes_on_device: bytes(space.blocks_free),
        bytes_available_to_user: bytes(space.blocks),
        unused_bytes_available_to_user: bytes(space.blocks_available),
        bytes_per_allocation_unit: u32::try_from(space.block_size).unwrap_or(u32::MAX),
    };
    Ok(reply.to_bytes(info.id).into())
}
