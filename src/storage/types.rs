//! What storage calls take and give: flags, attributes, room.

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
    pub owner: Option<Owner>,
    /// Access and modification time.
    pub times: Option<FileTimes>,
}

/// The owner of a file, as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// The times of a file, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileTimes {
    /// The last access.
    pub accessed: u32,
    /// The last modification.
    pub modified: u32,
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

/// What a storage can do, beside what all of them can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// It has symbolic and hard links.
    pub links: bool,
    /// It can write anywhere in a file, and not only at its end.
    pub random_writes: bool,
    /// It can rename directories.
    pub directory_renames: bool,
}

impl Capabilities {
    /// The capabilities of a POSIX file system.
    pub const ALL: Self = Self {
        links: true,
        random_writes: true,
        directory_renames: true,
    };
}
