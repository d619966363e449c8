//! The arguments and results of storage calls: flags, attributes and space.

use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use super::{Error, Result};
use crate::domain::event::FileIdentity;
use crate::io::InlinePermit;

/// How to open a file: the flags of SSH_FXP_OPEN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenHow {
    /// Opens the file for reading.
    pub read: bool,
    /// Opens the file for writing.
    pub write: bool,
    /// Makes every write go to the end of the file.
    pub append: bool,
    /// Creates the file if it does not exist.
    pub create: bool,
    /// Truncates the file to zero bytes. As with open(2) on Linux and with OpenSSH, this works without `write` too,
    /// if the file may be written.
    pub truncate: bool,
    /// Together with `create`, fails if the file exists.
    pub exclusive: bool,
    /// The permission bits of a new file, already masked with 0o7777; `None` means 0666. The process's umask applies, and
    /// a mode that the operator has chosen takes their place.
    pub mode: Option<u32>,
}

impl OpenHow {
    /// Whether opening the file in this way, or writing to it later, may change it.
    pub fn may_change(self) -> bool {
        self.write || self.create || self.truncate
    }

    /// Whether the file may be written through the handle.
    pub fn may_write(self) -> bool {
        self.write || self.append
    }
}

/// What to do if the last component is a symbolic link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// Follows the link to its target.
    Follow,
    /// Acts on the link itself, without following it.
    NoFollow,
}

/// Whether a call may wait: a read for the disk, or a change for the account that it is charged to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The call may wait, because it runs outside the connection's own task.
    Allowed,
    /// The call may wait for one read of a local disk, or for a lock up to [`BRIEFLY`], because its thread serves no other
    /// connection. It must not begin anything that takes longer.
    Briefly,
    /// The call must not wait.
    Never,
}

/// The longest wait for a lock with [`Wait::Briefly`]: a lock is held during a few system calls.
const BRIEFLY: Duration = Duration::from_millis(20);

impl Wait {
    /// Returns whether a call that is made with this permit may wait.
    pub fn with(permit: &InlinePermit<'_>) -> Self {
        match permit.is_alone() {
            true => Self::Briefly,
            false => Self::Never,
        }
    }

    /// Checks that something which takes long may begin; `heavy` is whether it does.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] if it does, and the call may not wait for so long.
    pub fn check_heavy(self, heavy: bool) -> Result<()> {
        match heavy && self != Self::Allowed {
            true => Err(Error::WouldBlock),
            false => Ok(()),
        }
    }

    /// Locks a mutex that other calls hold during system calls.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] if the mutex is locked and the call may not wait for as long as that lasts.
    pub fn lock<T>(self, mutex: &Mutex<T>) -> Result<MutexGuard<'_, T>> {
        let locked = match self {
            Self::Allowed => return Ok(mutex.lock()),
            Self::Briefly => mutex.try_lock_for(BRIEFLY),
            Self::Never => mutex.try_lock(),
        };
        locked.ok_or(Error::WouldBlock)
    }
}

/// How to rename a file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renaming {
    /// What to do if the new name exists.
    pub if_exists: IfExists,
    /// Whether only a regular file with one name may be renamed. Anything else fails with `NotAFile` or `TooManyLinks`.
    pub only_files: bool,
    /// Whether the call may wait.
    pub wait: Wait,
}

/// What a rename does if the new name exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfExists {
    /// The rename fails with `AlreadyExists` (SSH_FXP_RENAME).
    Refuse,
    /// The rename replaces the old object atomically (posix-rename@openssh.com).
    Replace,
}

/// The kind of object that a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file with content.
    File,
    /// A directory, which holds other names.
    Directory,
    /// A symbolic link, which names a target.
    Symlink,
    /// A FIFO, socket or device, which appears in listings and is never opened.
    Special,
}

/// The attributes of an inode, as stat(2) returns them. Times are in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// The kind of the inode: file, directory, link or other.
    pub kind: FileKind,
    /// The file type and the permission bits (`st_mode`).
    pub mode: u32,
    /// The size in bytes (`st_size`).
    pub size: u64,
    /// The user id of the owner (`st_uid`).
    pub uid: u32,
    /// The group id of the owner (`st_gid`).
    pub gid: u32,
    /// The number of hard links (`st_nlink`).
    pub links: u64,
    /// The identity of the inode: its device and its number.
    pub inode: InodeId,
    /// The time of the last access.
    pub atime: i64,
    /// The time of the last modification.
    pub mtime: i64,
}

/// Identifies an inode by its device and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InodeId {
    /// The device number of the file system (`st_dev`).
    pub device: u64,
    /// The inode number on that file system (`st_ino`).
    pub number: u64,
}

impl From<InodeId> for FileIdentity {
    fn from(inode: InodeId) -> Self {
        Self {
            device: inode.device,
            inode: inode.number,
        }
    }
}

impl From<FileIdentity> for InodeId {
    fn from(file: FileIdentity) -> Self {
        Self {
            device: file.device,
            number: file.inode,
        }
    }
}

/// The attributes to change; those that are `None` stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetAttrs {
    /// The new size in bytes. A file that becomes longer is filled with a hole.
    pub size: Option<u64>,
    /// The new permission bits, already masked with 0o7777.
    pub permissions: Option<u32>,
    /// The new owner and group. Only the current ones are accepted, since users are virtual.
    pub owner: Option<Owner>,
    /// The new access and modification times.
    pub times: Option<FileTimes>,
}

/// The owner of a file, as numeric ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The numeric user id (`st_uid`).
    pub uid: u32,
    /// The numeric group id (`st_gid`).
    pub gid: u32,
}

/// The times of a file, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileTimes {
    /// The time of the last access.
    pub accessed: u32,
    /// The time of the last modification.
    pub modified: u32,
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// The name as the raw bytes that are stored.
    pub name: Vec<u8>,
    /// The attributes as lstat(2) returns them.
    pub meta: Metadata,
}

/// What an open file is, for the server's own records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileFacts {
    /// Whether the opening has created the file.
    pub created: bool,
    /// Whether the opening has truncated a file that existed.
    pub truncated: bool,
    /// The identity of the inode, if it can be read.
    pub inode: Option<InodeId>,
    /// The size in bytes now, if it can be read.
    pub size: Option<u64>,
    /// The number of names now, if it can be read.
    pub links: Option<u64>,
}

/// The space on a file system, as statvfs(3) returns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// The preferred block size for transfers, in bytes.
    pub block_size: u64,
    /// The unit of the block counts, in bytes.
    pub fragment_size: u64,
    /// The total number of blocks.
    pub blocks: u64,
    /// The number of free blocks.
    pub blocks_free: u64,
    /// The number of free blocks for users other than root.
    pub blocks_available: u64,
    /// The total number of inodes.
    pub files: u64,
    /// The number of free inodes.
    pub files_free: u64,
    /// The number of free inodes for users other than root.
    pub files_available: u64,
    /// The id of the file system.
    pub fsid: u64,
    /// Whether the file system is mounted read-only.
    pub read_only: bool,
    /// Whether the file system ignores set-uid bits.
    pub no_suid: bool,
    /// The longest file name, in bytes.
    pub name_max: u64,
}

/// The optional features of a storage, beyond what every storage supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether it supports symbolic and hard links.
    pub links: bool,
    /// Whether it can write anywhere in a file, and not only at its end.
    pub random_writes: bool,
    /// Whether it can rename directories, and not only files.
    pub directory_renames: bool,
    /// Whether a new file gets the mode that its client asks for, and not one that the operator has chosen.
    pub chosen_modes: bool,
}

impl Capabilities {
    /// The capabilities of a POSIX file system.
    pub const ALL: Self = Self {
        links: true,
        random_writes: true,
        directory_renames: true,
        chosen_modes: true,
    };
}
