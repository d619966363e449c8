//! Executes SFTP requests against a home, one at a time: bytes in, a reply out. Knows nothing of channels.
//!
//! With [`Wait::Never`] a request that may take long (a cold read, fsync, a large truncation or removal) is not
//! begun: the caller gets [`Halt::WouldBlock`] and asks again from where waiting hurts nobody.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rustix::io::Errno;
use sftp_wire::{DataHeader, NamesReply, Packet, Reply, Request, StatusCode};

use crate::domain::event::{Actor, Event};
use crate::domain::path::VirtualPath;
use crate::session::Working;
use crate::session::memory::{Held, TOO_MUCH_HELD};
use crate::session::share::Descriptor;
use crate::storage::{Error, Links, Metadata, OpenHow, Over, SetAttrs, Storage, Wait};
use base::buffer::{Buffer, Filled};

use super::attrs;
use super::context::Context;
use super::extensions;
use super::handles::{Dir, File, Handles, Open, RawHandle};
use super::outcome::{Answer, Halt, Outcome, finish};
use super::read::Read;
use super::rest::Tail;
use super::status::Refusal;

/// As OpenSSH: so many names in one reply to READDIR.
const NAMES_PER_REPLY: u32 = 100;
/// sshfs takes no reply above 256 KiB and older ones none above 128 KiB; a name and its line take 600 bytes at most.
const NAMES_SIZE: usize = 96 * 1024;
/// What such a reply takes: the last name may begin just before the end.
pub(super) const NAMES_ROOM: usize = NAMES_SIZE + 1024;
/// The same when the user's credit is nearly used up: some names at least.
const FEW_NAMES_SIZE: usize = 4 * 1024;
/// What an open file costs in memory besides its name: its record here, in the home's account and in the log's.
const OPEN_FILE: usize = 1024;
/// What an open directory costs: the same, and the names that are read at once.
const OPEN_DIRECTORY: usize = OPEN_FILE + 32 * 1024;
/// A full home must not fill a terminal.
const NOTICE_EVERY: Duration = Duration::from_secs(1);

/// One client's SFTP session: its home, its handles, and how it likes its answers.
pub struct Sftp {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) handles: Handles,
    pub(super) context: Context,
    notice: Option<Bytes>,
    last_notice: Option<Instant>,
}

impl Sftp {
    /// A session over a home.
    pub fn new(storage: Arc<dyn Storage>, context: Context) -> Self {
        Self {
            storage,
            handles: Handles::new(context.max_handles),
            context,
            notice: None,
            last_notice: None,
        }
    }

    /// Does nothing keep the session from being dropped at once (no file whose close may wait)?
    pub fn holds_nothing(&self) -> bool {
        self.handles.is_empty()
    }

    /// Executes one packet, given without its length field.
    pub fn execute(&mut self, packet: &[u8], wait: Wait) -> Outcome {
        match Packet::decode(packet) {
            // Whatever version the client asks for, the answer is 3.
            Packet::Init { .. } => Outcome::Reply(extensions::version()),
            Packet::Bad { id, code } => Outcome::Reply(Refusal::from(code).reply(id)),
            Packet::Request { id, request } => {
                let answer = self.request(id, request, wait);
                finish(id, answer)
            }
        }
    }

    /// Executes a READ.
    pub fn execute_read(&mut self, id: u32, read: Read, wait: Wait) -> Outcome {
        let answer = self.read(id, read, wait);
        finish(id, answer)
    }

    fn request(&mut self, id: u32, request: Request<'_>, wait: Wait) -> Answer {
        match request {
            Request::Read {
                handle,
                offset,
                length,
            } => self.read(id, Read::new(handle, offset, length), wait),
            Request::Write { handle, offset, data } => {
                self.write(id, RawHandle::from_wire(handle), offset, data, wait)
            }
            Request::Open { path, flags, attrs } => self.open(id, path, attrs::how(flags, &attrs), wait),
            Request::Close { handle } => self.close(id, RawHandle::from_wire(handle), wait),
            Request::Stat { path } => self.stat(id, path, Links::Follow),
            Request::Lstat { path } => self.stat(id, path, Links::NoFollow),
            Request::Fstat { handle } => {
                let meta = self.file(RawHandle::from_wire(handle))?.file.stat()?;
                Ok(attrs_reply(id, &meta))
            }
            Request::Setstat { path, attrs } => self.setstat(id, path, &attrs::changes(&attrs), wait),
            Request::Fsetstat { handle, attrs } => {
                let changes = attrs::changes(&attrs);
                self.fsetstat(id, RawHandle::from_wire(handle), &changes, wait)
            }
            Request::Opendir { path } => self.opendir(id, path),
            Request::Readdir { handle } => self.readdir(id, RawHandle::from_wire(handle)),
            Request::Remove { path } => self.remove(id, path, wait),
            Request::Mkdir { path, attrs } => self.mkdir(id, path, &attrs::changes(&attrs), wait),
            Request::Rmdir { path } => self.rmdir(id, path, wait),
            Request::Realpath { path } => self.realpath(id, path),
            Request::Rename { from, to } => self.rename(id, from, to, Over::Refuse, wait),
            Request::Readlink { path } => {
                let path = path_of(path)?;
                let target = self.storage.read_link(&path);
                Ok(NamesReply::single(id, &self.tell_refused(target, &path)?))
            }
            Request::Symlink { first, second } => self.symlink(id, first, second, wait),
            Request::Extended(request) => extensions::run(self, request, extensions::Call { id, wait }),
        }
    }

    /// Refuses to begin what may take long inside an SSH callback.
    pub(super) fn not_in_callback(&self, heavy: bool, wait: Wait) -> Result<(), Halt> {
        if heavy && wait == Wait::Never {
            Err(Halt::WouldBlock)
        } else {
            Ok(())
        }
    }

    pub(super) fn file(&mut self, handle: RawHandle) -> Result<&mut File, Halt> {
        self.handles
            .file(handle)
            .ok_or_else(|| StatusCode::Failure.into())
    }

    fn read(&mut self, id: u32, read: Read, wait: Wait) -> Answer {
        let file = self.file(read.handle)?;
        let mut buffer = Buffer::take();
        let wanted = read.length as usize;
        let room = buffer
            .get_mut(DataHeader::SIZE..DataHeader::SIZE + wanted)
            .unwrap_or_default();
        let count = match file.file.read_at(room, read.offset, wait) {
            Ok(count) => count,
            Err(error) => return self.file_refused(read.handle, error),
        };
        if count == 0 && wanted > 0 {
            return Err(StatusCode::Eof.into());
        }
        file.record.bytes_read = file.record.bytes_read.saturating_add(count as u64);
        let length = u32::try_from(count).unwrap_or(0);
        DataHeader { id, length }.write_to(&mut buffer);
        Ok(Bytes::from_owner(Filled::new(buffer, DataHeader::SIZE + count)))
    }

    /// Bytes of a file that were promised in a reply whose beginning went out; `None` if they are not there any more.
    pub(super) fn read_tail(&mut self, tail: Tail) -> Option<Bytes> {
        let file = self.handles.file(tail.handle)?;
        let mut buffer = Buffer::take();
        let room = buffer.get_mut(..tail.left)?;
        let count = file.file.read_at(room, tail.offset, Wait::Allowed).ok()?;
        (count == tail.left).then(|| Bytes::from_owner(Filled::new(buffer, count)))
    }

    fn write(&mut self, id: u32, handle: RawHandle, offset: u64, data: &[u8], wait: Wait) -> Answer {
        let file = self.file(handle)?;
        if let Err(error) = file.file.write_at(data, offset, wait) {
            return self.file_refused(handle, error);
        }
        file.record.bytes_written = file.record.bytes_written.saturating_add(data.len() as u64);
        ok(id)
    }

    /// Something with an open file was refused. That its home is full the user hears once for each file.
    pub(super) fn file_refused(&mut self, handle: RawHandle, error: Error) -> Answer {
        let file = self.file(handle)?;
        let is_told = match error {
            Error::Forbidden(_) => true,
            error => stops_growth(error) && !std::mem::replace(&mut file.complained, true),
        };
        if !is_told {
            return Err(error.into());
        }
        let path = file.record.path.clone();
        Err(self.refused(error, &path))
    }

    fn open(&mut self, id: u32, path: &[u8], how: OpenHow, wait: Wait) -> Answer {
        let (path, length) = (path_of(path)?, path.len());
        let (descriptor, memory) = self.check_room(OPEN_FILE + length)?;
        self.not_in_callback(how.truncate && self.is_large(&path, Links::Follow), wait)?;
        let opened = self.storage.open(&path, how, wait);
        let file = self.tell_refused(opened, &path)?;
        let record = self.context.presence.opened(path, how.write);
        let handle = self.insert(Open::File(File {
            file,
            record,
            read: how.read,
            complained: false,
            descriptor,
            memory,
        }))?;
        Ok(handle.reply(id))
    }

    /// Until this is dropped, the connection is not idle.
    pub(super) fn working(&self) -> Working {
        self.context.presence.activity.begin()
    }

    /// Room for one more open file. Asked before one is made, so that a refusal leaves nothing behind.
    fn check_room(&self, bytes: usize) -> Result<(Descriptor, Held), Halt> {
        let refuse = |sentence: String| Refusal::with_sentence(StatusCode::Failure, sentence);
        self.handles.check_room().map_err(|_| self.too_many_handles())?;
        let share = &self.context.presence.share;
        let descriptor = share.descriptor();
        let descriptor = descriptor.map_err(|used_up| refuse(used_up.to_string()))?;
        let mut memory = Held::nothing(&share.memory);
        if !memory.grow(bytes) {
            return Err(refuse(TOO_MUCH_HELD.to_owned()).into());
        }
        Ok((descriptor, memory))
    }

    fn insert(&mut self, open: Open) -> Result<RawHandle, Halt> {
        self.handles.insert(open).map_err(|_| self.too_many_handles())
    }

    fn too_many_handles(&self) -> Halt {
        let sentence = format!("too many open files (the limit is {})", self.handles.limit());
        Refusal::with_sentence(StatusCode::Failure, sentence).into()
    }

    fn close(&mut self, id: u32, handle: RawHandle, wait: Wait) -> Answer {
        let finished = match self.handles.file(handle) {
            Some(file) => file.file.finish(wait),
            None => Ok(()),
        };
        if finished == Err(Error::WouldBlock) {
            return Err(Halt::WouldBlock);
        }
        let finished = match finished {
            Ok(()) => ok(id),
            // What was written did not reach the disk.
            Err(error) => self.file_refused(handle, error),
        };
        // OpenSSH's answer to a handle that was never given.
        self.handles.remove(handle).ok_or(StatusCode::NoSuchFile)?;
        finished
    }

    fn setstat(&mut self, id: u32, path: &[u8], changes: &SetAttrs, wait: Wait) -> Answer {
        if *changes == SetAttrs::default() {
            // As in OpenSSH, which does not look at the name then.
            return ok(id);
        }
        self.not_in_callback(changes.size.is_some(), wait)?;
        let path = path_of(path)?;
        let done = self.storage.set_attrs(&path, changes, Links::Follow);
        self.tell_refused(done, &path)?;
        ok(id)
    }

    fn fsetstat(&mut self, id: u32, handle: RawHandle, changes: &SetAttrs, wait: Wait) -> Answer {
        self.not_in_callback(changes.size.is_some(), wait)?;
        match self.file(handle)?.file.set_attrs(changes) {
            Ok(()) => ok(id),
            Err(error) => self.file_refused(handle, error),
        }
    }

    fn stat(&mut self, id: u32, path: &[u8], links: Links) -> Answer {
        let meta = self.storage.stat(&path_of(path)?, links)?;
        Ok(attrs_reply(id, &meta))
    }

    fn opendir(&mut self, id: u32, path: &[u8]) -> Answer {
        let path = path_of(path)?;
        let (descriptor, memory) = self.check_room(OPEN_DIRECTORY)?;
        let opened = self.storage.open_dir(&path);
        let stream = self.tell_refused(opened, &path)?;
        let handle = self.insert(Open::Dir(Dir {
            stream,
            descriptor,
            memory,
        }))?;
        Ok(handle.reply(id))
    }

    fn readdir(&mut self, id: u32, handle: RawHandle) -> Answer {
        let dir = self.handles.dir(handle).ok_or(StatusCode::Failure)?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_secs());
        let size = match self.context.presence.share.memory.is_short_of_credit() {
            true => FEW_NAMES_SIZE,
            false => NAMES_SIZE,
        };
        let mut reply = NamesReply::new(id);
        while reply.count() < NAMES_PER_REPLY && reply.size() < size {
            let Some(entry) = dir.stream.next()? else { break };
            let lister = &self.context.lister;
            let line = lister.line(&entry.name, &entry.meta, now.cast_signed());
            reply.push(&entry.name, &line, &attrs::of(&entry.meta));
        }
        match reply.count() {
            0 => Err(StatusCode::Eof.into()),
            _ => Ok(reply.finish()),
        }
    }

    pub(super) fn tell(&self, event: impl FnOnce(Actor) -> Event) {
        self.context.presence.tell(event);
    }

    /// Passes a result on; of a refusal that somebody should hear of, the log and perhaps the user do.
    pub(super) fn tell_refused<T>(
        &mut self,
        result: crate::storage::Result<T>,
        path: &VirtualPath,
    ) -> Result<T, Halt> {
        result.map_err(|error| self.refused(error, path))
    }

    fn refused(&mut self, error: Error, path: &VirtualPath) -> Halt {
        let sentence = || Refusal::from(error).sentence().to_owned();
        if stops_growth(error) {
            self.notice(&sentence());
        }
        self.context.presence.refused(error, path, sentence);
        error.into()
    }

    /// Something for the user's terminal: stock clients show a status 4 as "Failure" and no more.
    fn notice(&mut self, sentence: &str) {
        let now = Instant::now();
        if self
            .last_notice
            .is_none_or(|last| now.duration_since(last) >= NOTICE_EVERY)
        {
            self.last_notice = Some(now);
            self.notice = Some(format!("{sentence}\n").into());
        }
    }

    /// What is to be shown on the user's terminal, beside the reply.
    pub fn take_notice(&mut self) -> Option<Bytes> {
        self.notice.take()
    }
}

/// Refusals whose reason the user should read: "Failure" alone would have them look for a fault of their own.
fn stops_growth(error: Error) -> bool {
    matches!(
        error,
        Error::OverBytes { .. }
            | Error::OverFiles { .. }
            | Error::Measuring
            | Error::Unmeasurable
            | Error::NotRecorded
            | Error::NotOwned
            | Error::Os(Errno::NOSPC | Errno::DQUOT)
    )
}

/// A path of a request. Unlike REALPATH's, an empty one names nothing, as in open(2).
pub(super) fn path_of(raw: &[u8]) -> Result<VirtualPath, Refusal> {
    if raw.is_empty() {
        return Err(StatusCode::NoSuchFile.into());
    }
    Ok(VirtualPath::parse(raw)?)
}

pub(super) fn ok(id: u32) -> Answer {
    Ok(Reply::status(StatusCode::Ok, StatusCode::Ok.text()).to_bytes(id))
}

fn attrs_reply(id: u32, meta: &Metadata) -> Bytes {
    Reply::<&[u8]>::Attrs(attrs::of(meta)).to_bytes(id)
}
