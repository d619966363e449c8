//! The extensions that Homeport supports: their names and the layouts of their requests and replies.
//!
//! The extensions of OpenSSH follow its PROTOCOL file. The layouts of copy-data, home-directory and space-available
//! follow draft-ietf-secsh-filexfer-extensions-00, md5-hash follows draft-ietf-secsh-filexfer-05, and check-file
//! follows draft-ietf-secsh-filexfer-13. Clients differ in how they read check-file: see [`CheckFileShape`]. The layout of
//! continue-hash@homeport is our own: see [`ContinueHashQuery`].

mod announced;
mod check_file;
mod replies;
mod request;

pub use announced::{Supported, VendorId};
pub use check_file::{CheckFileFormat, CheckFileShape};
pub use replies::{
    ContinueHashReply, ExtendedReply, Limits, Md5HashReply, SpaceAvailable, Statvfs, StringList,
    UsersGroupsById,
};
pub use request::{CheckFileQuery, ContinueHashQuery, ExtendedRequest, IdList, Md5Query};

/// Makes the enum of all extensions from one list, in the order in which Homeport's server announces them. Each line
/// gives the extension's name in packets and the version that VERSION announces.
macro_rules! extensions {
    ($($(#[$doc:meta])* $extension:ident = $name:literal, version $version:literal;)*) => {
        /// An extension, identified by the name that VERSION announces and EXTENDED requests use.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Extension {
            $($(#[$doc])* $extension,)*
        }

        impl Extension {
            /// All extensions, in the order in which Homeport's server announces them.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$extension),*];

            /// Returns the name of the extension in packets.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$extension => $name,)*
                }
            }

            /// Returns the data that VERSION announces: the extension's own version, as a decimal number.
            pub const fn version(self) -> &'static str {
                match self {
                    $(Self::$extension => $version,)*
                }
            }
        }
    };
}

extensions! {
    /// Renames a file and replaces any file that has the new name.
    PosixRename = "posix-rename@openssh.com", version "1";
    /// Returns the size and free space of a file system, by a path.
    Statvfs = "statvfs@openssh.com", version "2";
    /// Returns the size and free space of a file system, by a handle.
    Fstatvfs = "fstatvfs@openssh.com", version "2";
    /// Creates a hard link to a file, as link(2) does.
    Hardlink = "hardlink@openssh.com", version "1";
    /// Writes a file's data to the disk, as fsync(2) does.
    Fsync = "fsync@openssh.com", version "1";
    /// Sets the attributes of a symbolic link itself.
    Lsetstat = "lsetstat@openssh.com", version "1";
    /// Returns the largest packet sizes and the most open handles.
    Limits = "limits@openssh.com", version "1";
    /// Makes a path absolute; the path may begin with `~`.
    ExpandPath = "expand-path@openssh.com", version "1";
    /// Copies data between two open files on the server.
    CopyData = "copy-data", version "1";
    /// Returns the home directory of a user.
    HomeDirectory = "home-directory", version "1";
    /// Returns the names of users and groups by their ids.
    UsersGroupsById = "users-groups-by-id@openssh.com", version "1";
    /// Returns the MD5 hash of a file, by its path.
    Md5Hash = "md5-hash", version "1";
    /// Returns the MD5 hash of a file, by a handle.
    Md5HashHandle = "md5-hash-handle", version "1";
    /// Returns hashes of a file by a handle, in the form that paramiko requests.
    CheckFile = "check-file", version "1";
    /// Returns hashes of a file, by its path.
    CheckFileName = "check-file-name", version "1";
    /// Returns hashes of a file, by a handle.
    CheckFileHandle = "check-file-handle", version "1";
    /// Returns hashes of the beginnings of a file, by a handle, each of which goes on from a state that the client has.
    ContinueHash = "continue-hash@homeport", version "1";
    /// Returns the space on a file system and the user's part of it, by a path.
    SpaceAvailable = "space-available", version "1";
}

impl Extension {
    /// Returns the extension with this name, or `None` if it is not one of these.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|extension| extension.name().as_bytes() == name)
    }
}
