//! The extensions that Homeport supports: their names and the layouts of their requests and replies.
//!
//! The extensions of OpenSSH follow its PROTOCOL file. The layouts of copy-data, home-directory and space-available
//! follow draft-ietf-secsh-filexfer-extensions-00, md5-hash follows draft-ietf-secsh-filexfer-05, and check-file
//! follows draft-ietf-secsh-filexfer-13. Clients differ in how they read check-file: see [`CheckFileShape`].

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

/// An extension, identified by the name that VERSION announces and EXTENDED requests use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// Renames a file and replaces any file that has the new name.
    PosixRename,
    /// Returns the size and free space of a file system, by a path.
    Statvfs,
    /// Returns the size and free space of a file system, by a handle.
    Fstatvfs,
    /// Creates a hard link to a file, as link(2) does.
    Hardlink,
    /// Writes a file's data to the disk, as fsync(2) does.
    Fsync,
    /// Sets the attributes of a symbolic link itself.
    Lsetstat,
    /// Returns the largest packet sizes and the most open handles.
    Limits,
    /// Makes a path absolute; the path may begin with `~`.
    ExpandPath,
    /// Copies data between two open files on the server.
    CopyData,
    /// Returns the home directory of a user.
    HomeDirectory,
    /// Returns the names of users and groups by their ids.
    UsersGroupsById,
    /// Returns the MD5 hash of a file, by its path.
    Md5Hash,
    /// Returns the MD5 hash of a file, by a handle.
    Md5HashHandle,
    /// Returns hashes of a file by a handle, in the form that paramiko requests.
    CheckFile,
    /// Returns hashes of a file, by its path.
    CheckFileName,
    /// Returns hashes of a file, by a handle.
    CheckFileHandle,
    /// Returns the space on a file system and the user's part of it, by a path.
    SpaceAvailable,
}

impl Extension {
    /// All extensions, in the order in which Homeport's server announces them.
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

    /// Returns the name of the extension in packets.
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

    /// Returns the data that VERSION announces: the extension's own version, as a decimal number.
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

    /// Returns the extension with this name, or `None` if it is not one of these.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|extension| extension.name().as_bytes() == name)
    }
}
