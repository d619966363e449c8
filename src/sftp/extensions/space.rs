//! How much room there is: statvfs@openssh.com and fstatvfs@openssh.com (OpenSSH's PROTOCOL file), and space-available
//! (draft-ietf-secsh-filexfer-extensions-00). All of them say what the quota leaves.

use bytes::Bytes;

use crate::sftp::outcome::Answer;
use crate::sftp::reply::Reply;
use crate::sftp::session::{Sftp, path_of};
use crate::storage::Space;

use super::{Call, need};

pub(super) fn statvfs(sftp: &mut Sftp, mut call: Call<'_>) -> Answer {
    let path = path_of(need(call.body.path())?)?;
    let space = sftp.storage.space(&path, call.wait)?;
    Ok(space_reply(call.id, &space))
}

pub(super) fn fstatvfs(sftp: &mut Sftp, mut call: Call<'_>) -> Answer {
    let space = sftp.file(need(call.body.handle())?)?.file.space(call.wait)?;
    Ok(space_reply(call.id, &space))
}

fn space_reply(id: u32, space: &Space) -> Bytes {
    const READ_ONLY: u64 = 1;
    const NO_SUID: u64 = 2;
    let flags = (u64::from(space.read_only) * READ_ONLY) | (u64::from(space.no_suid) * NO_SUID);
    let mut reply = Reply::extended(id);
    for number in [
        space.block_size,
        space.fragment_size,
        space.blocks,
        space.blocks_free,
        space.blocks_available,
        space.files,
        space.files_free,
        space.files_available,
        space.fsid,
        flags,
        space.name_max,
    ] {
        reply.u64(number);
    }
    reply.finish()
}

/// What is there for everybody and what is there for the user is the same here: nobody else's room is his business.
pub(super) fn space_available(sftp: &mut Sftp, mut call: Call<'_>) -> Answer {
    // WinSCP and others ask about the directory they are in, as they do with REALPATH.
    let path = need(call.body.path())?;
    let path = if path.is_empty() { b"." } else { path };
    let space = sftp.storage.space(&path_of(path)?, call.wait)?;
    let bytes = |blocks: u64| blocks.saturating_mul(space.fragment_size);
    let mut reply = Reply::extended(call.id);
    for number in [
        bytes(space.blocks),
        bytes(space.blocks_free),
        bytes(space.blocks),
        bytes(space.blocks_available),
    ] {
        reply.u64(number);
    }
    reply.u32(u32::try_from(space.block_size).unwrap_or(u32::MAX));
    Ok(reply.finish())
}
