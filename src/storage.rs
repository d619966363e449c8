//! The storage seen by a session: traits, attributes and errors. Knows no SFTP and no users.
//!
//! Rules stand in decorators (one file each), which implement every method and wrap what they return, so that a
//! rule for open files cannot be forgotten: [`gate`] lets ended sessions do nothing, [`guard`] enforces permissions,
//! [`quota`] charges what grows, [`durable`] waits for the disk where the operator wants that. [`hash`] digests what
//! files hold. [`local`] is the only storage that touches disks, and [`local::jail`] the only place that turns a client's path
//! into a system call.

pub mod backend;
#[cfg(test)]
pub(crate) mod conformance;
pub mod durable;
pub mod error;
pub mod gate;
pub mod guard;
pub mod hash;
pub mod local;
pub mod location;
pub mod marker;
pub mod settings;
pub mod types;

use std::sync::Arc;

use crate::domain::path::VirtualPath;
use crate::io::HomeIo;

pub use self::error::{Error, Result};
pub use self::location::FileSystemId;
pub use self::types::{
    Capabilities, DirEntry, FileKind, FileTimes, InodeId, Links, Metadata, OpenHow, Over, Owner, Renaming,
    SetAttrs, Space, Wait,
};

/// A home: the whole world of a session. All calls may block on the disk.
///
/// No method has a default: a decorator that forgets one does not compile.
pub trait Storage: Send + Sync {
    /// Opens a file; directories open for reading only, as with open(2). FIFOs, sockets and devices are refused.
    fn open(&self, path: &VirtualPath, how: OpenHow, wait: Wait) -> Result<Arc<dyn OpenFile>>;
    /// Opens a directory for listing.
    fn open_dir(&self, path: &VirtualPath) -> Result<Box<dyn DirStream>>;
    /// Attributes of what the path names, or of the link itself.
    fn stat(&self, path: &VirtualPath, links: Links) -> Result<Metadata>;
    /// Changes attributes, in OpenSSH's order: size, permissions, times, owner. All are tried; the last error is
    /// returned.
    fn set_attrs(&self, path: &VirtualPath, attrs: &SetAttrs, links: Links) -> Result<()>;
    /// Removes a file or symbolic link, never a directory.
    fn remove(&self, path: &VirtualPath, wait: Wait) -> Result<()>;
    /// Makes a directory.
    fn mkdir(&self, path: &VirtualPath, mode: u32, wait: Wait) -> Result<()>;
    /// Removes an empty directory.
    fn rmdir(&self, path: &VirtualPath, wait: Wait) -> Result<()>;
    /// Renames a file or directory.
    fn rename(&self, from: &VirtualPath, to: &VirtualPath, how: Renaming) -> Result<()>;
    /// The target of a symbolic link, as it was written.
    fn read_link(&self, path: &VirtualPath) -> Result<Vec<u8>>;
    /// Makes a symbolic link; the target is stored as it is, and resolved inside the home when it is used.
    fn symlink(&self, target: &[u8], link: &VirtualPath, wait: Wait) -> Result<()>;
    /// Makes a hard link.
    fn hard_link(&self, from: &VirtualPath, to: &VirtualPath, wait: Wait) -> Result<()>;
    /// Holds what a name stands for, so that it can be looked at after the name is gone.
    fn pin(&self, path: &VirtualPath, links: Links) -> Result<Box<dyn PinnedInode>>;
    /// The absolute path without links, `.` and `..`; a last component that does not exist is allowed.
    fn real_path(&self, path: &VirtualPath) -> Result<VirtualPath>;
    /// Room on the file system that holds the path.
    ///
    /// With [`Wait::Never`], `Error::WouldBlock` if an account has to be measured first.
    fn space(&self, path: &VirtualPath, wait: Wait) -> Result<Space>;
    /// Brings the directory that a name stands in to the disk (fsync); the name itself need not exist.
    fn sync_name(&self, path: &VirtualPath) -> Result<()>;
    /// Which file system the home lies on. Homes with the same identity fill up and hang together.
    fn identity(&self) -> Result<FileSystemId>;
    /// What the storage can do. What it cannot do it refuses with [`Error::NotSupported`].
    fn capabilities(&self) -> Capabilities;
    /// The way of this home's calls to the threads that may wait for its file system.
    fn scheduler(&self) -> &HomeIo;
}

/// An open file. Shared between a session and the task that works for it.
pub trait OpenFile: Send + Sync {
    /// Reads until the buffer is full or the file ends; returns the number of bytes.
    ///
    /// With [`Wait::Never`], `Error::WouldBlock` if the bytes are not all in memory, or if the file system cannot
    /// tell (a short count then means the end of the file, never a cold page).
    fn read_at(&self, buffer: &mut [u8], offset: u64, wait: Wait) -> Result<usize>;
    /// Writes all of `data`, or fails. A file opened for appending ignores the offset.
    ///
    /// With [`Wait::Never`], `Error::WouldBlock` if an account has to be renewed first; nothing is written then.
    fn write_at(&self, data: &[u8], offset: u64, wait: Wait) -> Result<()>;
    /// Attributes of the open file.
    fn stat(&self) -> Result<Metadata>;
    /// As [`Storage::set_attrs`].
    fn set_attrs(&self, attrs: &SetAttrs) -> Result<()>;
    /// Brings data and attributes to the disk (fsync).
    fn sync(&self) -> Result<()>;
    /// Does what must be done before the client may believe that the file is closed.
    ///
    /// With [`Wait::Never`], `Error::WouldBlock` if that waits for the disk; nothing is done then.
    fn finish(&self, wait: Wait) -> Result<()>;
    /// Room on the file system that holds the file, as [`Storage::space`] has it.
    fn space(&self, wait: Wait) -> Result<Space>;
    /// Gives the file up because its client will never close it, as when the connection is lost. Called instead of
    /// [`OpenFile::finish`], once, before the last reference is dropped; it cannot fail, since nobody hears of it.
    fn abandon(&self);
    /// The way of this file's calls to the threads that may wait for its file system, as [`Storage::scheduler`] has it.
    fn scheduler(&self) -> &HomeIo;
}

/// Something that was found by its name, and is held on to; not open.
pub trait PinnedInode: Send {
    /// Its attributes as they are now; `links` is 0 once the last name is gone.
    fn stat(&self) -> Result<Metadata>;
}

/// A directory being listed.
pub trait DirStream: Send {
    /// The next entry with its own (not its target's) attributes, `.` and `..` included; `None` at the end.
    /// An entry that vanishes between being listed and being looked at is left out. `..` of the home is the home.
    fn next(&mut self) -> Result<Option<DirEntry>>;
}
