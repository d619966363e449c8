//! The requests about open files, and OPEN.

use std::sync::Arc;

use bytes::Bytes;
use sftp_wire::{DataHeader, StatusCode};

use crate::domain::event::SizeChange;
use crate::domain::path::VirtualPath;
use crate::session::FileRecord;
use crate::sftp::attrs;
use crate::sftp::handles::{FileHandle, OPEN_FILE, OpenHandle, RawHandle};
use crate::sftp::outcome::{Outcome, RequestInfo, RequestResult, ok};
use crate::sftp::read::Read;
use crate::sftp::session::{Sftp, path_of};
use crate::storage::{Error, FileFacts, Links, OpenFile, OpenHow, SetAttrs, Wait};
use base::buffer::{Buffer, FilledBuffer};

/// Reads from an open file; replies with SSH_FX_EOF at its end.
pub(super) fn read(sftp: &mut Sftp, read: Read, info: RequestInfo) -> RequestResult {
    let file = sftp.file(read.handle)?;
    let mut buffer = Buffer::take();
    let wanted = read.length as usize;
    let room = buffer
        .get_mut(DataHeader::SIZE..DataHeader::SIZE + wanted)
        .unwrap_or_default();
    let count = match file.file.read_at(room, read.offset, info.wait) {
        Ok(count) => count,
        Err(error) => return Err(sftp.file_refused(read.handle, error)),
    };
    if count == 0 && wanted > 0 {
        return Err(StatusCode::Eof.into());
    }
    file.record.note_read(count, read.offset, &*file.file);
    sftp.unpaid_reads.add(count);
    let length = u32::try_from(count).unwrap_or(0);
    DataHeader { id: info.id, length }.write_to(&mut buffer);
    let reply = Bytes::from_owner(FilledBuffer::new(buffer, DataHeader::SIZE + count));
    Ok(reply.into())
}

/// Writes to an open file. A WRITE that would exceed the quota is refused as a whole.
pub(super) fn write(
    sftp: &mut Sftp,
    handle: RawHandle,
    offset: u64,
    data: &[u8],
    info: RequestInfo,
) -> RequestResult {
    let file = sftp.file(handle)?;
    if let Err(error) = file.file.write_at(data, offset, info.wait) {
        if error != Error::WouldBlock {
            file.record.note_refused(offset);
        }
        return Err(sftp.file_refused(handle, error));
    }
    file.record.note_written(data, offset);
    ok(info.id)
}

/// Opens a file, creates it if the flags say so, and replies with its handle.
pub(super) fn open(sftp: &mut Sftp, path: &[u8], how: OpenHow, info: RequestInfo) -> RequestResult {
    let (path, length) = (path_of(path)?, path.len());
    let (descriptor, memory) = sftp.reserve_for_open(OPEN_FILE + length)?;
    let opened = open_file(sftp, &path, how, info.wait);
    let file = sftp.report_refusal(opened, &path)?;
    let facts = if how.may_change() {
        file.facts()
    } else {
        FileFacts::default()
    };
    let record = FileRecord::opened(&sftp.context.session, path, how, facts);
    let handle = sftp.insert(OpenHandle::File(Box::new(FileHandle {
        file,
        record,
        read: how.read,
        complained: false,
        descriptor: Arc::new(descriptor),
        memory,
    })))?;
    Ok(handle.reply(info.id).into())
}

/// Opens a file, or creates it if it is missing, as for most uploads. That is tried first: with `O_EXCL` it takes one system
/// call, while a file that may exist has to be looked at twice before it is opened.
fn open_file(
    sftp: &Sftp,
    path: &VirtualPath,
    how: OpenHow,
    wait: Wait,
) -> crate::storage::Result<Arc<dyn OpenFile>> {
    if how.create && how.truncate && !how.exclusive {
        let exclusive = true;
        match sftp.storage.open(path, OpenHow { exclusive, ..how }, wait) {
            // It exists, or the user may only overwrite what exists.
            Err(Error::AlreadyExists | Error::Forbidden(_)) => {}
            done => return done,
        }
    }
    sftp.not_in_callback(how.truncate && sftp.is_large(path, Links::Follow), wait)?;
    sftp.storage.open(path, how, wait)
}

/// Closes a file or directory. An error means that what was written may not be on the disk.
pub(super) fn close(sftp: &mut Sftp, handle: RawHandle, info: RequestInfo) -> RequestResult {
    let finished = match sftp.handles.file(handle) {
        Some(file) => file.file.finish(info.wait),
        None => Ok(()),
    };
    if finished == Err(Error::WouldBlock) {
        return Ok(Outcome::AskAgain);
    }
    if let Some(file) = sftp.handles.file(handle) {
        file.record.closed(&*file.file, finished.is_ok());
    }
    let finished = match finished {
        Ok(()) => ok(info.id),
        // What was written did not reach the disk.
        Err(error) => Err(sftp.file_refused(handle, error)),
    };
    // OpenSSH gives the same answer to a handle that was never assigned.
    sftp.handles.remove(handle).ok_or(StatusCode::NoSuchFile)?;
    finished
}

/// Replies with the attributes of an open file.
pub(super) fn fstat(sftp: &mut Sftp, handle: RawHandle, info: RequestInfo) -> RequestResult {
    let meta = sftp.file(handle)?.file.stat()?;
    Ok(attrs::reply(info.id, &meta).into())
}

/// Changes the attributes of an open file.
pub(super) fn fsetstat(
    sftp: &mut Sftp,
    handle: RawHandle,
    changes: &SetAttrs,
    info: RequestInfo,
) -> RequestResult {
    sftp.not_in_callback(changes.size.is_some(), info.wait)?;
    let file = sftp.file(handle)?;
    let old = changes.size.and_then(|_| file.file.facts().size);
    if let Err(error) = file.file.set_attrs(changes) {
        return Err(sftp.file_refused(handle, error));
    }
    let sizes = changes.size.map(|wanted| SizeChange {
        old,
        // A client that was refused for want of room cannot cut what was there before.
        new: file.file.facts().size.unwrap_or(wanted),
    });
    if sizes.is_some() {
        file.record.note_resized();
    }
    let path = file.record.path().clone();
    sftp.context.session.attributes_changed(&path, changes, sizes);
    ok(info.id)
}
