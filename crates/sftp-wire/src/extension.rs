//! The extensions that Homeport knows: their names, the layouts of their requests and of their replies.
//!
//! Those of OpenSSH are laid out as in its PROTOCOL file; copy-data, home-directory and space-available as in
//! draft-ietf-secsh-filexfer-extensions-00; md5-hash as in draft-ietf-secsh-filexfer-05, check-file as in
//! draft-ietf-secsh-filexfer-13. What clients make of the latter differs: see [`CheckFileShape`].

mod announced;
mod check_file;
mod replies;
mod request;

pub use announced::{Supported, VendorId};
pub use check_file::{CheckFileFormat, CheckFileShape};
pub use replies::{
    ExtendedReply, Limits, Md5HashReply, SpaceAvailable, Statvfs, StringList, UsersGroupsById,
};
pub use request::{CheckFileQuery, ExtendedRequest, IdList, Md5Query};

/// An extension, by the name that VERSION announces and EXTENDED asks by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// Renames a file, replacing what has the new name.
    PosixRename,
    /// The room on a file system, by a path.
    Statvfs,
    /// The room on a file system, by a handle.
    Fstatvfs,
    /// Makes a hard link.
    Hardlink,
    /// Brings a file to the disk.
    Fsync,
    /// Sets attributes of a symbolic link itself.
    Lsetstat,
    /// How large packets may be, and how many handles may be open.
    Limits,
    /// Makes a path absolute that may begin with `~`.
    ExpandPath,
    /// Copies between open files on the server.
    CopyData,
    /// The home directory of a user.
    HomeDirectory,
    /// The names of users and groups.
    UsersGroupsById,
    /// The MD5 of a file, by its path.
    Md5Hash,
    /// The MD5 of a file, by a handle.
    Md5HashHandle,
    /// Hashes of a file by a handle, as paramiko asks for them.
    CheckFile,
    /// Hashes of a file, by its path.
    CheckFileName,
    /// Hashes of a file, by a handle.
    CheckFileHandle,
    /// The room on a file system and what of it is the user's, by a path.
    SpaceAvailable,
}

impl Extension {
    /// All of them, in the order in which Homeport's server announces them.
    pub const ALL: [Self; 17] = [
        Self::PosixRename,
        Self::Statvfs,
        Self::Fstatvfs,
        Self::Hardlink,
        Self::Fsync,
        Self::Lsetstat,
        Self::Limits,
        Self::ExpandPath,
        Self::CopyData,
        Self::HomeDirectory,
        Self::UsersGroupsById,
        Self::Md5Hash,
        Self::Md5HashHandle,
        Self::CheckFile,
        Self::CheckFileName,
        Self::CheckFileHandle,
        Self::SpaceAvailable,
    ];

    /// Its name in packets.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PosixRename => "posix-rename@openssh.com",
            Self::Statvfs => "statvfs@openssh.com",
            Self::Fstatvfs => "fstatvfs@openssh.com",
            Self::Hardlink => "hardlink@openssh.com",
            Self::Fsync => "fsync@openssh.com",
            Self::Lsetstat => "lsetstat@openssh.com",
            Self::Limits => "limits@openssh.com",
            Self::ExpandPath => "expand-path@openssh.com",
            Self::CopyData => "copy-data",
            Self::HomeDirectory => "home-directory",
            Self::UsersGroupsById => "users-groups-by-id@openssh.com",
            Self::Md5Hash => "md5-hash",
            Self::Md5HashHandle => "md5-hash-handle",
            Self::CheckFile => "check-file",
            Self::CheckFileName => "check-file-name",
            Self::CheckFileHandle => "check-file-handle",
            Self::SpaceAvailable => "space-available",
        }
    }

    /// What VERSION says about it: the extension's own version, as a decimal number.
    pub const fn version(self) -> &'static str {
        match self {
            Self::Statvfs | Self::Fstatvfs => "2",
            Self::PosixRename
            | Self::Hardlink
            | Self::Fsync
            | Self::Lsetstat
            | Self::Limits
            | Self::ExpandPath
            | Self::CopyData
            | Self::HomeDirectory
            | Self::UsersGroupsById
            | Self::Md5Hash
            | Self::Md5HashHandle
            | Self::CheckFile
            | Self::CheckFileName
            | Self::CheckFileHandle
            | Self::SpaceAvailable => "1",
        }
    }

    /// The extension with this name; `None` if it is not one of these.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|extension| extension.name().as_bytes() == name)
    }
}
