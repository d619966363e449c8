//! The requests about open directories, and OPENDIR.

use std::time::{SystemTime, UNIX_EPOCH};

use sftp_wire::{NamesReply, StatusCode};

use crate::sftp::attrs;
use crate::sftp::handles::{DirHandle, OPEN_DIRECTORY, OpenHandle, RawHandle};
use crate::sftp::outcome::{RequestInfo, RequestResult};
use crate::sftp::session::{Sftp, path_of};

/// The most names in one reply to READDIR, as with OpenSSH.
const NAMES_PER_REPLY: u32 = 100;
/// The most bytes of names in one reply. sshfs accepts no reply above 256 KiB, and older versions none above 128 KiB; a
/// name with its line takes at most 600 bytes.
const NAMES_SIZE: usize = 96 * 1024;
/// The most bytes of such a reply: the last name may begin just before the limit.
pub(super) const NAMES_ROOM: usize = NAMES_SIZE + 1024;
/// The most bytes of names if the user's credit is nearly used up, so that some names are still sent.
const FEW_NAMES_SIZE: usize = 4 * 1024;

/// Opens a directory for listing, and replies with its handle.
pub(super) fn opendir(sftp: &mut Sftp, path: &[u8], info: RequestInfo) -> RequestResult {
    let path = path_of(path)?;
    let (descriptor, memory) = sftp.reserve_for_open(OPEN_DIRECTORY)?;
    let opened = sftp.storage.open_dir(&path);
    let stream = sftp.report_refusal(opened, &path)?;
    let io = sftp.io.of_directory(&path);
    let handle = sftp.insert(OpenHandle::Dir(DirHandle {
        stream,
        io,
        descriptor,
        memory,
    }))?;
    Ok(handle.reply(info.id).into())
}

/// Replies with the next names of an open directory, or with SSH_FX_EOF after the last one.
pub(super) fn readdir(sftp: &mut Sftp, handle: RawHandle, info: RequestInfo) -> RequestResult {
    let dir = sftp.handles.dir(handle).ok_or(StatusCode::Failure)?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    let size = match sftp.context.session.budget.memory.is_short_of_credit() {
        true => FEW_NAMES_SIZE,
        false => NAMES_SIZE,
    };
    let mut reply = NamesReply::new(info.id);
    while reply.count() < NAMES_PER_REPLY && reply.size() < size {
        let Some(entry) = dir.stream.next()? else { break };
        let lister = &sftp.context.lister;
        let line = lister.line(&entry.name, &entry.meta, now.cast_signed());
        reply.push(&entry.name, &line, &attrs::of(&entry.meta));
    }
    match reply.count() {
        0 => Err(StatusCode::Eof.into()),
        _ => Ok(reply.finish().into()),
    }
}
