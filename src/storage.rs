//! The storage seen by a session: traits, attributes and errors. This module does not know SFTP or users.
//!
//! Each rule is a decorator in a file of its own. A decorator implements every method and wraps what the inner
//! storage returns, so that a rule cannot be forgotten for open files. [`gate`] stops the calls of sessions that have
//! ended, [`reserved`] hides the parts of uploads, [`guard`] enforces permissions, `accounts/quota.rs` charges growth,
//! and [`durable`] waits for the disk where the operator wants that. [`hash`] computes digests of file contents.
//! [`local`] is the only storage that touches disks, and [`local::jail`] is the only place that turns a client's path
//! into a system call.

pub mod backend;
#[cfg(test)]
pub(crate) mod conformance;
pub mod creation;
pub mod durable;
pub mod error;
pub mod gate;
pub mod guard;
pub mod hash;
pub mod home_lock;
pub mod local;
pub mod location;
pub mod marker;
pub mod reserved;
pub mod router;
pub mod settings;
pub mod types;
pub mod upload_names;
pub mod zones;

use std::sync::Arc;

use crate::domain::path::VirtualPath;
use crate::io::HomeIo;

pub use self::error::{Error, Result};
pub use self::location::FileSystemId;
pub use self::types::{
    Capabilities, DirEntry, FileFacts, FileKind, FileTimes, IfExists, InodeId, Links, Metadata, OpenHow,
    Owner, Renaming, SetAttrs, Space, Wait,
};

/// The storage of one home, which is all that a session can see. All calls may block on the disk.
///
/// No method has a default, so a decorator that forgets one does not compile.
pub trait Storage: Send + Sync {
    /// Opens a file. A directory can be opened for reading only, as with open(2). FIFOs, sockets and devices are
    /// refused.
    fn open(&self, path: &VirtualPath, how: OpenHow, wait: Wait) -> Result<Arc<dyn OpenFile>>;
    /// Opens a directory for listing.
    fn open_dir(&self, path: &VirtualPath) -> Result<Box<dyn DirStream>>;
    /// Returns the attributes of what the path names, or of the link itself.
    fn stat(&self, path: &VirtualPath, links: Links) -> Result<Metadata>;
    /// Changes attributes in OpenSSH's order: size, permissions, times, owner. All of them are tried, and the last
    /// error is returned.
    fn set_attrs(&self, path: &VirtualPath, attrs: &SetAttrs, links: Links) -> Result<()>;
    /// Removes a file or a symbolic link, but never a directory.
    fn remove(&self, path: &VirtualPath, wait: Wait) -> Result<()>;
    /// Creates a directory with these permission bits, to which the umask applies, or with those that the operator has
    /// chosen.
    fn mkdir(&self, path: &VirtualPath, mode: u32, wait: Wait) -> Result<()>;
    /// Removes an empty directory; fails with `NotEmpty` if it has entries.
    fn rmdir(&self, path: &VirtualPath, wait: Wait) -> Result<()>;
    /// Renames a file or directory.
    fn rename(&self, from: &VirtualPath, to: &VirtualPath, how: Renaming) -> Result<()>;
    /// Returns the target of a symbolic link as it was stored.
    fn read_link(&self, path: &VirtualPath) -> Result<Vec<u8>>;
    /// Creates a symbolic link. The target is stored unchanged, and is resolved inside the home when the link is
    /// used.
    fn symlink(&self, target: &[u8], link: &VirtualPath, wait: Wait) -> Result<()>;
    /// Creates a hard link to a file. A symbolic link is not followed.
    fn hard_link(&self, from: &VirtualPath, to: &VirtualPath, wait: Wait) -> Result<()>;
    /// Pins the inode that a name stands for, so that its attributes can be read after the name is gone.
    fn pin(&self, path: &VirtualPath, links: Links) -> Result<Box<dyn PinnedInode>>;
    /// Proves that a path without `..` names a directory, and that no component of it is a symbolic link: that fails with
    /// `LinkLoop`.
    fn prove_directory(&self, path: &VirtualPath) -> Result<()>;
    /// Returns the absolute path without links, `.` and `..`. A last component that does not exist is allowed.
    fn real_path(&self, path: &VirtualPath) -> Result<VirtualPath>;
    /// Returns the space on the file system that holds the path.
    ///
    /// Without [`Wait::Allowed`], returns `Error::WouldBlock` if an account has to be measured first.
    fn space(&self, path: &VirtualPath, wait: Wait) -> Result<Space>;
    /// Flushes the directory that holds a name to the disk (fsync). The name itself need not exist.
    fn sync_name(&self, path: &VirtualPath) -> Result<()>;
    /// Returns the file system that holds the home. Homes with the same identity share its space, and block together.
    fn identity(&self) -> Result<FileSystemId>;
    /// Returns what the storage supports. Anything else is refused with [`Error::NotSupported`].
    fn capabilities(&self) -> Capabilities;
    /// Returns the access of this home to the scheduler of its file system.
    fn scheduler(&self) -> &HomeIo;
}

/// An open file, shared between a session and the tasks that work for it.
pub trait OpenFile: Send + Sync {
    /// Reads until the buffer is full or the file ends, and returns the number of bytes.
    ///
    /// With [`Wait::Never`], returns `Error::WouldBlock` if the bytes are not all in memory; with [`Wait::Briefly`], too,
    /// if the file system cannot tell. A short count then means the end of the file, never a page that is not cached.
    fn read_at(&self, buffer: &mut [u8], offset: u64, wait: Wait) -> Result<usize>;
    /// Writes all of `data`, or fails. A file opened for appending ignores the offset.
    ///
    /// Without [`Wait::Allowed`], returns `Error::WouldBlock` without writing anything if an account has to be renewed
    /// first.
    fn write_at(&self, data: &[u8], offset: u64, wait: Wait) -> Result<()>;
    /// Returns the attributes of the open file.
    fn stat(&self) -> Result<Metadata>;
    /// Changes attributes as [`Storage::set_attrs`] does.
    fn set_attrs(&self, attrs: &SetAttrs) -> Result<()>;
    /// Flushes data and attributes to the disk (fsync).
    fn sync(&self) -> Result<()>;
    /// Does what must be done before the client is told that the file is closed.
    ///
    /// Without [`Wait::Allowed`], returns `Error::WouldBlock` without doing anything if that has to wait for the disk.
    fn finish(&self, wait: Wait) -> Result<()>;
    /// Returns the space on the file system that holds the file, as [`Storage::space`] does.
    fn space(&self, wait: Wait) -> Result<Space>;
    /// Gives the file up because its client will never close it, for example after the connection was lost. It is
    /// called once, instead of [`OpenFile::finish`], before the last reference is dropped. It cannot fail, since
    /// there is no client to report an error to.
    fn abandon(&self);
    /// Returns what the file is, for the server's own records. It is answered even for sessions that have ended.
    fn facts(&self) -> FileFacts;
    /// Returns the access of this file to the scheduler of its file system, as [`Storage::scheduler`] does.
    fn scheduler(&self) -> &HomeIo;
}

/// An inode that was found by its name and is kept, without being open.
pub trait PinnedInode: Send {
    /// Returns the current attributes of the inode. `links` is 0 once the last name is gone.
    fn stat(&self) -> Result<Metadata>;
}

/// A directory that is being listed.
pub trait DirStream: Send {
    /// Returns the next entry, or `None` at the end. An entry has its own attributes, not those of a link's target.
    /// `.` and `..` are included, and `..` of the home is the home. An entry that vanishes before its attributes are
    /// read is left out.
    fn next(&mut self) -> Result<Option<DirEntry>>;

    /// Returns an entry that was returned before, with the attributes that it has now; `None` if it is gone.
    fn again(&mut self, name: &[u8]) -> Option<DirEntry>;
}
