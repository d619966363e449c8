//! The storage seen by a session: traits, attributes and errors. Knows no SFTP and no users.
//!
//! Rules stand in decorators (one file each), which implement every method and wrap what they return, so that a
//! rule for open files cannot be forgotten: [`guard`] enforces permissions, the quota will be another. [`local`]
//! is the only storage that touches disks, and [`jail`] the only place that turns a client's path into a system call.

mod attrs;
#[cfg(test)]
pub(crate) mod conformance;
pub mod guard;
pub mod jail;
pub mod local;

use std::sync::Arc;

use rustix::io::Errno;

use crate::path::VirtualPath;

/// A home: the whole world of a session. All calls may block on the disk.
///
/// No method has a default: a decorator that forgets one does not compile.
pub trait Storage: Send + Sync {
    /// Opens a file; directories open for reading only, as with open(2). FIFOs, sockets and devices are refused.
    fn open(&self, path: &VirtualPath, how: OpenHow) -> Result<Arc<dyn OpenFile>>;
    /// Opens a directory for listing.
    fn open_dir(&self, path: &VirtualPath) -> Result<Box<dyn DirStream>>;
    /// Attributes of what the path names, or of the link itself.
    fn stat(&self, path: &VirtualPath, links: Links) -> Result<Metadata>;
    /// Changes attributes, in OpenSSH's order: size, permissions, times, owner. All are tried; the last error is
    /// returned.
    fn set_attrs(&self, path: &VirtualPath, attrs: &SetAttrs, links: Links) -> Result<()>;
    /// Removes a file or symbolic link, never a directory.
    fn remove(&self, path: &VirtualPath) -> Result<()>;
    /// Makes a directory.
    fn mkdir(&self, path: &VirtualPath, mode: u32) -> Result<()>;
    /// Removes an empty directory.
    fn rmdir(&self, path: &VirtualPath) -> Result<()>;
    /// Renames a file or directory.
    fn rename(&self, from: &VirtualPath, to: &VirtualPath, over: Over) -> Result<()>;
    /// The target of a symbolic link, as it was written.
    fn read_link(&self, path: &VirtualPath) -> Result<Vec<u8>>;
    /// Makes a symbolic link; the target is stored as it is, and resolved inside the home when it is used.
    fn symlink(&self, target: &[u8], link: &VirtualPath) -> Result<()>;
    /// Makes a hard link.
    fn hard_link(&self, from: &VirtualPath, to: &VirtualPath) -> Result<()>;
    /// The absolute path without links, `.` and `..`; a last component that does not exist is allowed.
    fn real_path(&self, path: &VirtualPath) -> Result<VirtualPath>;
    /// Room on the file system that holds the path.
    fn space(&self, path: &VirtualPath) -> Result<Space>;
}

/// An open file. Shared between a session and the task that works for it.
pub trait OpenFile: Send + Sync {
    /// Reads until the buffer is full or the file ends; returns the number of bytes.
    ///
    /// With [`Wait::Never`], `Error::WouldBlock` if the bytes are not all in memory, or if the file system cannot
    /// tell (a short count then means the end of the file, never a cold page).
    fn read_at(&self, buffer: &mut [u8], offset: u64, wait: Wait) -> Result<usize>;
    /// Writes all of `data`, or fails. A file opened for appending ignores the offset.
    fn write_at(&self, data: &[u8], offset: u64) -> Result<()>;
    /// Attributes of the open file.
    fn stat(&self) -> Result<Metadata>;
    /// As [`Storage::set_attrs`].
    fn set_attrs(&self, attrs: &SetAttrs) -> Result<()>;
    /// Brings data and attributes to the disk (fsync).
    fn sync(&self) -> Result<()>;
    /// Room on the file system that holds the file.
    fn space(&self) -> Result<Space>;
}

/// A directory being listed.
pub trait DirStream: Send {
    /// The next entry with its own (not its target's) attributes, `.` and `..` included; `None` at the end.
    /// An entry that vanishes between being listed and being looked at is left out. `..` of the home is the home.
    fn next(&mut self) -> Result<Option<DirEntry>>;
    /// Attributes of the directory itself.
    fn stat(&self) -> Result<Metadata>;
    /// Changes attributes of the directory itself.
    fn set_attrs(&self, attrs: &SetAttrs) -> Result<()>;
    /// Room on the file system that holds the directory.
    fn space(&self) -> Result<Space>;
    /// Brings the directory to the disk (fsync).
    fn sync(&self) -> Result<()>;
}

/// The result of a storage call.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a storage call failed: closed kinds, mapped to a status in one place of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file system said so.
    #[error("{0}")]
    Os(Errno),
    /// The user lacks the permission; its name.
    #[error("no permission to {0}")]
    Forbidden(&'static str),
    /// Only with [`Wait::Never`]: it would have to wait for the disk.
    #[error("would block")]
    WouldBlock,
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        Error::Os(errno)
    }
}

/// How to open a file (the flags of SSH_FXP_OPEN, in words).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenHow {
    /// For reading.
    pub read: bool,
    /// For writing.
    pub write: bool,
    /// Every write goes to the end.
    pub append: bool,
    /// Make the file if it is missing.
    pub create: bool,
    /// Cut it to nothing. As open(2) on Linux and OpenSSH have it, without `write` too, where the file may be written.
    pub truncate: bool,
    /// With `create`: fail if it exists.
    pub exclusive: bool,
    /// Permission bits of a new file, already masked with 0o7777; `None`: 0666. The process's umask applies.
    pub mode: Option<u32>,
}

/// What to do where the last component is a symbolic link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// Go to its target.
    Follow,
    /// The link itself is meant.
    NoFollow,
}

/// May a read wait for the disk?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Yes: off the connection's own task.
    Allowed,
    /// No.
    Never,
}

/// What a rename does where the new name exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// It fails (SSH_FXP_RENAME).
    Refuse,
    /// It replaces, atomically (posix-rename@openssh.com).
    Replace,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A FIFO, socket or device: shown in listings, never opened.
    Special,
}

/// Attributes, as stat(2) has them. Times are seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// File, directory, link or other.
    pub kind: FileKind,
    /// `st_mode`, with the file type.
    pub mode: u32,
    /// `st_size`.
    pub size: u64,
    /// `st_uid`.
    pub uid: u32,
    /// `st_gid`.
    pub gid: u32,
    /// `st_nlink`.
    pub links: u64,
    /// Last access.
    pub atime: i64,
    /// Last modification.
    pub mtime: i64,
}

/// Attributes to change; what is `None` stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetAttrs {
    /// New size, by cutting or by a hole.
    pub size: Option<u64>,
    /// Permission bits, already masked with 0o7777.
    pub permissions: Option<u32>,
    /// Owner and group. Only what they are already is allowed: users are virtual.
    pub owner: Option<(u32, u32)>,
    /// Access and modification time.
    pub times: Option<(u32, u32)>,
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// As stored: bytes.
    pub name: Vec<u8>,
    /// As lstat(2) has it.
    pub meta: Metadata,
}

/// Room on a file system, as statvfs(3) has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Preferred block size for transfers.
    pub block_size: u64,
    /// Unit of the block counts.
    pub fragment_size: u64,
    /// Blocks in all.
    pub blocks: u64,
    /// Free blocks.
    pub blocks_free: u64,
    /// Free blocks for users that are not root.
    pub blocks_available: u64,
    /// Inodes in all.
    pub files: u64,
    /// Free inodes.
    pub files_free: u64,
    /// Free inodes for users that are not root.
    pub files_available: u64,
    /// File system id.
    pub fsid: u64,
    /// Is it mounted read-only?
    pub read_only: bool,
    /// Does it ignore set-uid bits?
    pub no_suid: bool,
    /// Longest file name.
    pub name_max: u64,
}
