//! The open files and directories of one channel. A handle consists of a slot and of how often the slot was used, so a
//! closed handle never refers to a later file.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sftp_wire::{NamesReply, Reply};

use crate::io::HomeIo;
use crate::session::FileRecord;
use crate::session::budget::Descriptor;
use crate::session::memory::MemoryCharge;
use crate::storage::{self, DirStream, OpenFile};

/// How long entries that were read ahead are told as they were then: others may change them meanwhile.
const CURRENT_FOR: Duration = Duration::from_secs(1);
/// The memory of an open file besides its name, in bytes: its record here, in the home's account and in the audit log.
pub(super) const OPEN_FILE: usize = 1024;
/// The memory of an open directory, in bytes: that of a file, and the names that are read at once.
pub(super) const OPEN_DIRECTORY: usize = OPEN_FILE + 32 * 1024;

/// A handle as a number: a slot, and how often it was used before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawHandle(pub u32);

impl RawHandle {
    /// A handle that is never assigned.
    pub const NONE: RawHandle = RawHandle(u32::MAX);

    /// Returns the handle that a client has sent. Bytes that are not four become [`RawHandle::NONE`], which refers to
    /// nothing.
    pub fn from_wire(bytes: &[u8]) -> Self {
        bytes
            .try_into()
            .map_or(Self::NONE, |four| Self(u32::from_be_bytes(four)))
    }

    /// Encodes the reply that gives the handle to the client.
    pub fn reply(self, id: u32) -> Bytes {
        Reply::Handle(&self.0.to_be_bytes()[..]).to_bytes(id)
    }
}

/// The open files and directories of one channel.
pub struct HandleTable {
    slots: Vec<HandleSlot>,
    free: Vec<u16>,
    limit: usize,
}

#[derive(Default)]
struct HandleSlot {
    /// Half of the handle's number. It is incremented each time the slot is freed.
    generation: u16,
    open: Option<OpenHandle>,
}

/// What a handle refers to.
pub enum OpenHandle {
    /// A file that OPEN has opened.
    File(Box<FileHandle>),
    /// A directory that OPENDIR has opened.
    Dir(DirHandle),
}

/// An open file, and what was done with it.
pub struct FileHandle {
    /// The file. It is closed before its record emits the closing.
    pub file: Arc<dyn OpenFile>,
    /// What was done with the file, for the audit log.
    pub record: FileRecord,
    /// Whether the file was opened for reading.
    pub read: bool,
    /// Whether the user has been shown that the home is full.
    pub complained: bool,
    /// The share of the user's descriptors that the open file takes. A hash that is computed beside later requests keeps the
    /// file open after CLOSE, and the share with it.
    pub descriptor: Arc<Descriptor>,
    /// The share of the user's memory that the handle takes.
    pub memory: MemoryCharge,
}

/// A directory that is being listed.
pub struct DirHandle {
    /// The entries of the listing that were not sent yet.
    pub stream: Box<dyn DirStream>,
    /// The access of the directory to its file system; `None` if that is the home's.
    pub io: Option<HomeIo>,
    /// What was read before the client has asked for it.
    pub prefetch: NamesPrefetch,
    /// Whether `memory` includes what is read ahead.
    pub is_charged_for_prefetch: bool,
    /// The share of the user's descriptors that the open directory takes.
    pub descriptor: Descriptor,
    /// The share of the user's memory that the handle takes.
    pub memory: MemoryCharge,
}

/// The entries of a directory that are read before the client asks for them.
#[derive(Debug, Default)]
pub enum NamesPrefetch {
    /// There is nothing to read ahead: no reply was full yet, or the last one was not.
    #[default]
    Idle,
    /// The last reply was full, so the next entries may be read.
    Wanted,
    /// The next entries were read.
    Ready(ReadAhead),
}

/// The entries that were read ahead, and when.
#[derive(Debug)]
pub struct ReadAhead {
    /// The entries, or the error of reading them.
    pub names: storage::Result<NamesReply>,
    /// When they were read.
    pub at: Instant,
    /// How many requests that may change something the session had executed by then.
    pub changes: u64,
}

impl ReadAhead {
    /// Returns whether the entries can be told as they are, after so many requests that may change something.
    pub fn is_current(&self, changes: u64) -> bool {
        self.changes == changes && self.at.elapsed() <= CURRENT_FOR
    }
}

/// The error for a channel that has as many handles as it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandlesExhausted;

impl HandleTable {
    /// Creates a table for at most `limit` handles (and at most 65,535, since the last index belongs to
    /// [`RawHandle::NONE`]).
    pub fn new(limit: usize) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            limit: limit.min(usize::from(u16::MAX)),
        }
    }

    /// Returns the most handles that may be open at once.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Returns whether one more handle can be given. It is called before a file is created, so that a refusal has no
    /// effect.
    pub fn has_free_handle(&self) -> bool {
        !self.free.is_empty() || self.slots.len() < self.limit
    }

    /// Stores what was opened, and returns the handle for it.
    pub fn insert(&mut self, open: OpenHandle) -> Result<RawHandle, HandlesExhausted> {
        if !self.has_free_handle() {
            return Err(HandlesExhausted);
        }
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = u16::try_from(self.slots.len()).map_err(|_| HandlesExhausted)?;
                self.slots.push(HandleSlot::default());
                index
            }
        };
        let slot = self.slots.get_mut(usize::from(index)).ok_or(HandlesExhausted)?;
        slot.open = Some(open);
        Ok(RawHandle(u32::from(slot.generation) << 16 | u32::from(index)))
    }

    fn slot(&mut self, handle: RawHandle) -> Option<(u16, &mut HandleSlot)> {
        let [g1, g0, i1, i0] = handle.0.to_be_bytes();
        let index = u16::from_be_bytes([i1, i0]);
        let slot = self.slots.get_mut(usize::from(index))?;
        (slot.generation == u16::from_be_bytes([g1, g0])).then_some((index, slot))
    }

    /// Returns the file that a handle refers to.
    pub fn file(&mut self, handle: RawHandle) -> Option<&mut FileHandle> {
        match self.slot(handle)?.1.open.as_mut()? {
            OpenHandle::File(file) => Some(&mut **file),
            OpenHandle::Dir(_) => None,
        }
    }

    /// Returns the directory that a handle refers to.
    pub fn dir(&mut self, handle: RawHandle) -> Option<&mut DirHandle> {
        match self.slot(handle)?.1.open.as_mut()? {
            OpenHandle::Dir(dir) => Some(dir),
            OpenHandle::File(_) => None,
        }
    }

    /// Takes out what a handle refers to. The handle is invalid from then on.
    pub fn remove(&mut self, handle: RawHandle) -> Option<OpenHandle> {
        let (index, slot) = self.slot(handle)?;
        let open = slot.open.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(index);
        Some(open)
    }

    /// Takes everything out, for the end of a session.
    pub fn drain(&mut self) -> impl Iterator<Item = OpenHandle> + '_ {
        self.free.clear();
        self.slots.drain(..).filter_map(|slot| slot.open)
    }

    /// Takes out what is open on other file systems than this one, as a table for each handle, with the access to its file
    /// system.
    pub fn take_elsewhere(&mut self, home: &HomeIo) -> Vec<(HomeIo, HandleTable)> {
        let mut elsewhere = Vec::new();
        for slot in &mut self.slots {
            let io = match &slot.open {
                Some(OpenHandle::File(file)) => Some(file.file.scheduler().clone()),
                Some(OpenHandle::Dir(dir)) => dir.io.clone(),
                None => None,
            };
            if let Some(io) = io.filter(|io| !io.is_same_as(home)) {
                let mut table = HandleTable::new(1);
                table.slots.push(HandleSlot {
                    generation: 0,
                    open: slot.open.take(),
                });
                elsewhere.push((io, table));
            }
        }
        elsewhere
    }

    /// Returns whether no handle is open.
    pub fn is_empty(&self) -> bool {
        self.free.len() == self.slots.len()
    }
}

/// The client did not close what is still open when the session ends.
impl Drop for HandleTable {
    fn drop(&mut self) {
        for open in self.slots.iter_mut().filter_map(|slot| slot.open.as_mut()) {
            if let OpenHandle::File(file) = open {
                file.record.given_up(&*file.file);
                file.file.abandon();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::budget::{ServerBudget, UserBudget};
    use crate::storage::{DirEntry, Result};

    struct Nothing;

    impl DirStream for Nothing {
        fn next(&mut self) -> Result<Option<DirEntry>> {
            Ok(None)
        }

        fn again(&mut self, _: &[u8]) -> Option<DirEntry> {
            None
        }
    }

    fn dir() -> OpenHandle {
        let budget = UserBudget::of(&Arc::new(ServerBudget::new(2, 0)));
        OpenHandle::Dir(DirHandle {
            stream: Box::new(Nothing),
            io: None,
            prefetch: NamesPrefetch::default(),
            is_charged_for_prefetch: false,
            descriptor: budget.descriptor().unwrap(),
            memory: MemoryCharge::nothing(&budget.memory),
        })
    }

    #[test]
    fn only_four_bytes_are_a_handle_of_ours() {
        assert_eq!(RawHandle::from_wire(&[0, 0, 0, 9]), RawHandle(9));
        for bytes in [&b""[..], b"abc", &[0, 0, 0, 9, 0]] {
            assert_eq!(RawHandle::from_wire(bytes), RawHandle::NONE);
        }
        let reply = RawHandle(0x0102_0304).reply(7);
        assert_eq!(&reply[..], [0, 0, 0, 13, 102, 0, 0, 0, 7, 0, 0, 0, 4, 1, 2, 3, 4]);
    }

    #[test]
    fn a_closed_handle_never_means_its_successor() {
        let mut handles = HandleTable::new(2);
        let first = handles.insert(dir()).unwrap();
        assert!(handles.dir(first).is_some());
        assert!(handles.file(first).is_none());
        assert!(handles.remove(first).is_some());
        let second = handles.insert(dir()).unwrap();
        assert_ne!(first, second);
        assert!(handles.dir(first).is_none());
        assert!(handles.remove(first).is_none());
        assert!(handles.dir(RawHandle::NONE).is_none());
        assert!(handles.dir(RawHandle(0x1234)).is_none());
    }

    #[test]
    fn the_limit_holds_and_room_comes_back() {
        let mut handles = HandleTable::new(2);
        let a = handles.insert(dir()).unwrap();
        handles.insert(dir()).unwrap();
        assert_eq!(handles.insert(dir()), Err(HandlesExhausted));
        handles.remove(a).unwrap();
        assert!(handles.insert(dir()).is_ok());
        assert!(!handles.is_empty());
        assert_eq!(handles.drain().count(), 2);
        assert!(handles.is_empty());
    }
}
