//! Why storage calls fail: a closed set of kinds that mean the same for every storage.
//!
//! Each storage translates the errors of its own system in one place (for local disks: `local/errors.rs`). The
//! protocol gives each kind a status (`sftp/status.rs`), and commands give each kind a sentence (`exec/reason.rs`).

use std::fmt;

use base::size::Size;

/// The result of a storage call.
pub type Result<T> = std::result::Result<T, Error>;

/// The reason why a storage call failed. The text is the one that other programs of the system display.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The name does not exist.
    #[error("No such file or directory")]
    NotFound,
    /// A component of the path, or what it names, is not a directory.
    #[error("Not a directory")]
    NotADirectory,
    /// The path names a directory, but the call needs a file.
    #[error("Is a directory")]
    IsADirectory,
    /// The new name exists already, and must not be replaced.
    #[error("File exists")]
    AlreadyExists,
    /// The directory is not empty.
    #[error("Directory not empty")]
    NotEmpty,
    /// The path leads through too many symbolic links.
    #[error("Too many levels of symbolic links")]
    LinkLoop,
    /// The storage does not allow the server to do this.
    #[error("Permission denied")]
    AccessDenied,
    /// The operation is not permitted on this object for any user.
    #[error("Operation not permitted")]
    NotPermitted,
    /// A name or a path is too long for the storage.
    #[error("File name too long")]
    NameTooLong,
    /// The arguments are not valid for what the path names.
    #[error("Invalid argument")]
    Invalid,
    /// The file is not open in a way that allows this.
    #[error("Bad file descriptor")]
    BadHandle,
    /// The storage cannot do this to this kind of object.
    #[error("Operation not supported")]
    NotSupported,
    /// The storage cannot do this at all.
    #[error("Function not implemented")]
    NotImplemented,
    /// The file has more names than the call allows.
    #[error("Too many links")]
    TooManyLinks,
    /// The two names lie on different file systems.
    #[error("Invalid cross-device link")]
    CrossesFileSystems,
    /// The path names a FIFO, a socket or a device, which cannot be opened.
    #[error("No such device or address")]
    NotAFile,
    /// The object is in use, or is the home itself.
    #[error("Device or resource busy")]
    Busy,
    /// The disk has no space left.
    #[error("No space left on device")]
    DiskFull,
    /// A quota that the file system itself enforces is used up.
    #[error("Disk quota exceeded")]
    DiskQuota,
    /// The client has left before the work was done.
    #[error("Operation canceled")]
    Cancelled,
    /// The device could not read or write.
    #[error("Input/output error")]
    DeviceFailed,
    /// The server has no descriptors or memory at the moment, or was interrupted. This says nothing about the name.
    #[error("{0}")]
    Unavailable(SystemCause),
    /// Any other failure, which only the storage itself can describe.
    #[error("{0}")]
    Other(SystemCause),
    /// The user lacks the permission with this name.
    #[error("no permission to {0}")]
    Forbidden(&'static str),
    /// The name stands for a folder, or is hidden by one. Only the operator changes folders.
    #[error("this is a folder of the server: only its operator can change it")]
    IsFolder,
    /// The two names lie in different folders, or in a folder and in the home.
    #[error("the two names are in different folders; copy the file instead")]
    CrossesFolders,
    /// The name is that of the part of an upload, or leads through one: only the server itself uses such names.
    #[error("names of this form are kept for unfinished uploads; choose another name")]
    Reserved,
    /// The directory has nothing but parts of uploads that may still be finished. Listings do not show them.
    #[error(
        "the directory has unfinished uploads, which are not listed; finish or remove them first, or wait 7 days"
    )]
    HasUploads,
    /// The directory of the folder does not exist.
    #[error("the directory of this folder is missing on the server; ask the server's operator")]
    FolderMissing,
    /// The folder cannot be opened now.
    #[error("this folder is not available at the moment; ask the server's operator")]
    FolderUnavailable,
    /// The user's permissions begin at this directory or below it, so it must stay where it is.
    #[error("permissions begin at this directory or below it, so it cannot be renamed, replaced or removed")]
    FixedDirectory,
    /// The two names lie in directories with different permissions, and only files move between those.
    #[error("only files can be moved between directories with different permissions")]
    BetweenZones,
    /// A file cannot have names in directories with different permissions.
    #[error("a file cannot have names in directories with different permissions; copy the file instead")]
    LinkBetweenZones,
    /// The file system ignores the case of names, so a rule for a directory could be avoided.
    #[error(
        "permissions by directory cannot hold where the case of names is ignored; ask the server's operator"
    )]
    IgnoresCase,
    /// The call would have to wait, and was made with [`Wait::Never`](super::Wait::Never).
    #[error("would block")]
    WouldBlock,
    /// The account has no room for these bytes.
    #[error("quota exceeded: {} of {} used", Size(*used), Size(*limit))]
    OverBytes {
        /// The number of bytes that are used now.
        used: u64,
        /// The number of bytes that are allowed.
        limit: u64,
    },
    /// The account has no room for another file.
    #[error("quota exceeded: {used} of {limit} files used")]
    OverFiles {
        /// The number of files, directories and links that are used now.
        used: u64,
        /// The number of files, directories and links that are allowed.
        limit: u64,
    },
    /// The home has to be measured first, and that takes longer than a client should wait.
    #[error("the home is being measured; try again in a moment")]
    Measuring,
    /// The home cannot be measured, so nothing in it may grow.
    #[error("the use of the home cannot be measured; ask the server's operator")]
    Unmeasurable,
    /// The account's ceiling cannot be recorded, so nothing may grow beyond the ceiling that was recorded before.
    #[error("the server cannot record the use of the home; try again in a moment")]
    NotRecorded,
    /// The storage does not have this server's marker: its disk is not mounted, or it belongs to another server.
    #[error("this server does not own the storage of the home, so nothing may grow there; ask its operator")]
    NotOwned,
    /// The session has ended, so its calls are refused.
    #[error("this session has ended")]
    Ended,
}

impl Error {
    /// Returns the text for a name that lies in the folder with this name: an error about the use or the quota of a home is
    /// about the folder there.
    pub fn text_in_folder(self, folder: &str) -> String {
        match self {
            Error::OverBytes { .. } | Error::OverFiles { .. } => format!("{self} in the folder {folder}"),
            Error::Measuring | Error::Unmeasurable | Error::NotRecorded | Error::NotOwned => self
                .to_string()
                .replacen("the home", &format!("the folder {folder}"), 1),
            _ => self.to_string(),
        }
    }

    /// Returns whether the disk, and not the account, has no space left.
    pub fn is_lack_of_disk_space(self) -> bool {
        matches!(self, Error::DiskFull | Error::DiskQuota)
    }
}

/// A failure with the error number of the storage's own system. Only the storage interprets the number; other code
/// displays it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SystemCause(i32);

impl SystemCause {
    /// Creates the cause from an error number of the operating system.
    pub(in crate::storage) fn of_system(code: i32) -> Self {
        Self(code)
    }
}

impl fmt::Display for SystemCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = std::io::Error::from_raw_os_error(self.0).to_string();
        let end = text.rfind(" (os error").unwrap_or(text.len());
        f.write_str(text.get(..end).unwrap_or_default())
    }
}

impl fmt::Debug for SystemCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({self})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_about_the_use_of_a_home_names_the_folder_there() {
        let check = |error: Error, home: &str, folder: &str| {
            assert_eq!(error.to_string(), home);
            assert_eq!(error.text_in_folder("team"), folder);
        };
        let (used, limit) = (1024, 1024);
        check(
            Error::OverBytes { used, limit },
            "quota exceeded: 1.0 KiB of 1.0 KiB used",
            "quota exceeded: 1.0 KiB of 1.0 KiB used in the folder team",
        );
        check(
            Error::OverFiles { used: 2, limit: 2 },
            "quota exceeded: 2 of 2 files used",
            "quota exceeded: 2 of 2 files used in the folder team",
        );
        for error in [
            Error::Measuring,
            Error::Unmeasurable,
            Error::NotRecorded,
            Error::NotOwned,
        ] {
            let text = error.text_in_folder("team");
            assert!(
                text.contains("the folder team") && !text.contains("home"),
                "{text}"
            );
        }
        check(
            Error::NotFound,
            "No such file or directory",
            "No such file or directory",
        );
    }
}
