//! The requests about open directories, and OPENDIR.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sftp_wire::{NamesReply, StatusCode};

use crate::sftp::attrs;
use crate::sftp::handles::{DirHandle, NamesPrefetch, OPEN_DIRECTORY, OpenHandle, RawHandle, ReadAhead};
use crate::sftp::longname::LongnameFormatter;
use crate::sftp::outcome::{RequestInfo, RequestResult};
use crate::sftp::session::{Sftp, path_of};
use crate::storage::{DirEntry, Error, Wait};

/// The most names in one reply that is made on a thread which serves others, too: this many attributes are read from memory
/// in a quarter of a millisecond.
const FEW_NAMES: u32 = 100;
/// The most bytes of names in one reply. sshfs accepts no reply above 256 KiB, older versions none above 128 KiB, and older
/// versions of libssh2 none above 80,000 bytes; a name with its line takes at most 600 bytes.
const NAMES_SIZE: usize = 64 * 1024;
/// The most bytes of such a reply: the last name may begin just before the limit.
pub(super) const NAMES_ROOM: usize = NAMES_SIZE + 1024;
/// The most bytes of names if the user's credit is nearly used up, so that some names are still sent.
const FEW_NAMES_SIZE: usize = 4 * 1024;
/// How long names are read for one reply. A disk that has to be asked for each name answers with what it has by then.
const READ_FOR: Duration = Duration::from_millis(5);
/// After how many names the time is looked at.
const LOOK_EVERY: u32 = 16;

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
        prefetch: NamesPrefetch::default(),
        is_charged_for_prefetch: false,
        descriptor,
        memory,
    }))?;
    Ok(handle.reply(info.id).into())
}

/// Replies with the next names of an open directory, or with SSH_FX_EOF after the last one.
pub(super) fn readdir(sftp: &mut Sftp, handle: RawHandle, info: RequestInfo) -> RequestResult {
    let limits = NamesLimits::of(sftp, info.wait);
    let (changes, lister) = (sftp.changes, &sftp.context.lister);
    let dir = sftp.handles.dir(handle).ok_or(StatusCode::Failure)?;
    let names = match std::mem::take(&mut dir.prefetch) {
        NamesPrefetch::Ready(ahead) if ahead.is_current(changes) => {
            dir.prefetch = NamesPrefetch::Wanted;
            ahead.names?
        }
        // The attributes must be read again, which may take long.
        NamesPrefetch::Ready(ahead) if info.wait != Wait::Allowed => {
            dir.prefetch = NamesPrefetch::Ready(ahead);
            return Err(Error::WouldBlock.into());
        }
        NamesPrefetch::Ready(ahead) => {
            dir.prefetch = NamesPrefetch::Wanted;
            let names = read_again(dir, lister, ahead.names?);
            match names.count() {
                // All of them are gone.
                0 => read_names(dir, lister, limits)?,
                _ => names,
            }
        }
        NamesPrefetch::Idle | NamesPrefetch::Wanted => read_names(dir, lister, limits)?,
    };
    match names.count() {
        0 => Err(StatusCode::Eof.into()),
        _ => Ok(names.answering(info.id).finish().into()),
    }
}

/// Reads the next names of a directory whose last reply was full, so that they are at hand when the client asks for them.
/// The client's user is charged for them until the directory is closed.
pub(in crate::sftp) fn prefetch(sftp: &mut Sftp, handle: RawHandle) {
    let limits = NamesLimits::of(sftp, Wait::Briefly);
    let (at, changes) = (Instant::now(), sftp.changes);
    let Some(dir) = sftp.handles.dir(handle) else {
        return;
    };
    if !matches!(dir.prefetch, NamesPrefetch::Wanted) || limits.size < NAMES_SIZE {
        return;
    }
    if !dir.is_charged_for_prefetch {
        if !dir.memory.grow(NAMES_ROOM) {
            return;
        }
        dir.is_charged_for_prefetch = true;
    }
    let names = read_names(dir, &sftp.context.lister, limits);
    // The end is looked for again when the client asks: there may be a new name by then.
    if !names.as_ref().is_ok_and(|names| names.count() == 0) {
        dir.prefetch = NamesPrefetch::Ready(ReadAhead { names, at, changes });
    }
}

/// How many names a reply may have.
#[derive(Clone, Copy)]
struct NamesLimits {
    count: u32,
    /// In bytes.
    size: usize,
}

impl NamesLimits {
    fn of(sftp: &Sftp, wait: Wait) -> Self {
        Self {
            count: match wait {
                Wait::Never => FEW_NAMES,
                Wait::Briefly | Wait::Allowed => u32::MAX,
            },
            size: match sftp.context.session.budget.memory.is_short_of_credit() {
                true => FEW_NAMES_SIZE,
                false => NAMES_SIZE,
            },
        }
    }
}

/// Reads the next names of a directory for one reply, and notes whether more are to be read ahead.
fn read_names(
    dir: &mut DirHandle,
    lister: &LongnameFormatter,
    limits: NamesLimits,
) -> crate::storage::Result<NamesReply> {
    let began = Instant::now();
    let now = now();
    let mut names = NamesReply::new(0);
    dir.prefetch = NamesPrefetch::Wanted;
    while names.count() < limits.count && names.size() < limits.size {
        if names.count() % LOOK_EVERY == LOOK_EVERY - 1 && began.elapsed() > READ_FOR {
            break;
        }
        let Some(entry) = dir.stream.next()? else {
            dir.prefetch = NamesPrefetch::Idle;
            break;
        };
        push(&mut names, lister, &entry, now);
    }
    Ok(names)
}

/// Returns entries that were read ahead as they are now, without those that are gone.
fn read_again(dir: &mut DirHandle, lister: &LongnameFormatter, ahead: NamesReply) -> NamesReply {
    let now = now();
    let mut names = NamesReply::new(0);
    for name in ahead.into_names() {
        if let Some(entry) = dir.stream.again(&name) {
            push(&mut names, lister, &entry, now);
        }
    }
    names
}

/// Returns the time in seconds since 1970, by which the lines of entries are formatted.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| d.as_secs()).cast_signed()
}

fn push(names: &mut NamesReply, lister: &LongnameFormatter, entry: &DirEntry, now: i64) {
    let line = lister.line(&entry.name, &entry.meta, now);
    names.push(&entry.name, &line, &attrs::of(&entry.meta));
}
