//! copy-data: copies from one open file to another, on the server.

use std::sync::Arc;

use sftp_wire::StatusCode;

use crate::sftp::handles::RawHandle;
use crate::sftp::outcome::{RequestInfo, RequestResult, ok};
use crate::sftp::session::Sftp;
use crate::storage::Wait;
use base::buffer::Buffer;

/// The offset at which copying begins in one of the two files.
#[derive(Debug, Clone, Copy)]
pub(super) struct CopyPosition {
    handle: RawHandle,
    offset: u64,
}

impl CopyPosition {
    pub(super) fn new(handle: &[u8], offset: u64) -> Self {
        let handle = RawHandle::from_wire(handle);
        Self { handle, offset }
    }
}

/// Executes copy-data: copies between two open files on the server. A length of 0 means to the end.
pub(super) fn copy_data(
    sftp: &mut Sftp,
    source: CopyPosition,
    length: u64,
    target: CopyPosition,
    info: RequestInfo,
) -> RequestResult {
    let (from, offset) = (source.handle, source.offset);
    let (to, to_offset) = (target.handle, target.offset);
    let (source, source_path) = {
        let file = sftp.file(from)?;
        (Arc::clone(&file.file), file.record.path().clone())
    };
    let (target, target_path) = {
        let file = sftp.file(to)?;
        (Arc::clone(&file.file), file.record.path().clone())
    };
    if from == to || source_path == target_path {
        return Err(StatusCode::Failure.into());
    }
    sftp.not_in_callback(true, info.wait)?;
    if i64::try_from(offset).is_err() || i64::try_from(to_offset).is_err() {
        // lseek(2) fails for such offsets.
        return Err(StatusCode::BadMessage.into());
    }
    // Some file systems do not allow these offsets either.
    if let Err(error) = source.read_at(&mut [], offset, Wait::Allowed) {
        return Err(sftp.file_refused(from, error));
    }
    // The end of the source is fixed now: if the target is the same file under another name, the copy would never end.
    let rest = source.stat()?.size.saturating_sub(offset);
    let wanted = if length == 0 { rest } else { length };
    let mut copied = 0;
    let mut buffer = Buffer::take();
    while copied < wanted {
        if sftp.context.gone.is_cancelled() {
            return Err(StatusCode::Failure.into());
        }
        let step = usize::try_from(wanted - copied)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let chunk = buffer.get_mut(..step).unwrap_or_default();
        let at = offset.checked_add(copied).ok_or(StatusCode::BadMessage)?;
        let count = match source.read_at(chunk, at, Wait::Allowed) {
            Ok(count) => count,
            Err(error) => return Err(sftp.file_refused(from, error)),
        };
        if count == 0 {
            return match ends_well(wanted, copied) || length == 0 {
                true => ok(info.id),
                false => Err(StatusCode::Eof.into()),
            };
        }
        let to_at = to_offset.checked_add(copied).ok_or(StatusCode::BadMessage)?;
        if let Err(error) = target.write_at(chunk.get(..count).unwrap_or_default(), to_at, Wait::Allowed) {
            if let Ok(file) = sftp.file(to) {
                file.record.note_refused(to_at);
            }
            return Err(sftp.file_refused(to, error));
        }
        copied += count as u64;
        sftp.file(from)?.record.note_copied_from(count, at);
        let written = chunk.get(..count).unwrap_or_default();
        sftp.file(to)?.record.note_copied_to(written, to_at);
    }
    ok(info.id)
}

/// The size of OpenSSH's copy buffer, in bytes.
const BLOCK: u64 = 64 * 1024;

/// Returns whether a copy that ended early, because the file ended, is a success. As with OpenSSH, a block that is cut
/// short counts as complete, and so does an empty last block; the client gets SSH_FX_EOF only if more than one block is
/// missing.
fn ends_well(wanted: u64, copied: u64) -> bool {
    wanted.div_ceil(BLOCK) <= copied.div_ceil(BLOCK).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_may_go_beyond_the_end_by_a_block() {
        let check = |wanted, copied, well| assert_eq!(ends_well(wanted, copied), well, "{wanted} {copied}");
        check(10, 0, true);
        check(BLOCK, 0, true);
        check(BLOCK + 1, 0, false);
        check(100, 10, true);
        check(2 * BLOCK, 10, true);
        check(2 * BLOCK + 1, 10, false);
        check(u64::MAX, 300_000, false);
    }
}
