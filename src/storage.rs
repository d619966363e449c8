//! The storage seen by a session: traits, attributes and errors. Knows no SFTP and no users.
//!
//! Rules stand in decorators (one file each), which implement every method and wrap what they return, so that a
//! rule for open files cannot be forgotten: [`gate`] lets ended sessions do nothing, [`guard`] enforces permissions,
//! [`quota`] charges what grows, [`durable`] waits for the disk where the operator wants that. [`hash`] digests what
//! files hold. [`local`] is the only storage that touches disks, and [`local::jail`] the only place that turns a client's path
//! into a system call.

mod attrs;
#[cfg(test)]
pub(crate) mod conformance;
pub mod durable;
pub mod gate;
pub mod guard;
pub mod hash;
pub mod local;
pub mod marker;
pub mod quota;
pub mod settings;

use std::sync::Arc;

use rustix::io::Errno;

use crate::domain::path::VirtualPath;
use base::size::Size;

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
    /// Only with [`Wait::Never`]: it would have to wait.
    #[error("would block")]
    WouldBlock,
    /// The home is full, by bytes.
    #[error("quota exceeded: {} of {} used", Size(*used), Size(*limit))]
    OverBytes {
        /// Bytes used now.
        used: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The home is full, by files.
    #[error("quota exceeded: {used} of {limit} files used")]
    OverFiles {
        /// Files, directories and links now.
        used: u64,
        /// So many are allowed.
        limit: u64,
    },
    /// The home has to be measured first, and that takes longer than a client should wait.
    #[error("the home is being measured; try again in a moment")]
    Measuring,
    /// The home cannot be measured, so nothing may grow in it.
    #[error("the use of the home cannot be measured; ask the server's operator")]
    Unmeasurable,
    /// The account cannot be written down, so nothing may grow beyond what was written down before.
    #[error("the server cannot write down the use of the home; try again in a moment")]
    NotRecorded,
    /// The storage does not carry this server's marker: its disk is not mounted, or it is another server's.
    #[error("this server does not own the storage of the home, so nothing may grow there; ask its operator")]
    NotOwned,
    /// The session may do nothing any more.
    #[error("this session has ended")]
    Ended,
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

/// May a call wait: a read for the disk, a change for the account that it is charged to?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Yes: off the connection's own task.
    Allowed,
    /// No.
    Never,
}

/// How to rename.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renaming {
    /// What to do where the new name exists.
    pub over: Over,
    /// May it wait?
    pub wait: Wait,
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
    /// Which inode, on which file system.
    pub inode: InodeId,
    /// Last access.
    pub atime: i64,
    /// Last modification.
    pub mtime: i64,
}

/// An inode: `st_dev` and `st_ino`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InodeId {
    /// `st_dev`.
    pub device: u64,
    /// `st_ino`.
    pub number: u64,
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
