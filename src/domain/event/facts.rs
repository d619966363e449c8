//! What events say about files, attributes, quotas and the operator's changes.

use std::time::Duration;

/// How a file was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileOpening {
    /// Whether the file was opened for writing.
    pub write: bool,
    /// Whether the file did not exist before.
    pub created: bool,
    /// Whether the file existed, and was cut to zero bytes.
    pub truncated: bool,
}

/// What was done with a file between its opening and its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileUse {
    /// The number of bytes that were read.
    pub bytes_read: u64,
    /// The number of bytes that were written.
    pub bytes_written: u64,
    /// How long the file was open.
    pub duration: Duration,
    /// How the use of the file ended.
    pub end: FileEnd,
    /// The size of the file in bytes when it was closed; `None` if it is not known.
    pub size: Option<u64>,
}

/// How the use of an open file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileEnd {
    /// The client has closed it.
    Client,
    /// The connection or the channel ended before the client had closed it.
    Lost,
    /// The server has ended the session: an operator, a limit, or because its user has lost something.
    Kicked,
    /// The server was stopped.
    Stopping,
    /// The client has closed it, but something that it had written was refused, or did not reach the disk.
    Error,
}

impl FileEnd {
    /// Returns the stable name of this end.
    pub fn name(self) -> &'static str {
        match self {
            FileEnd::Client => "client",
            FileEnd::Lost => "lost",
            FileEnd::Kicked => "kicked",
            FileEnd::Stopping => "stopping",
            FileEnd::Error => "error",
        }
    }
}

/// The attributes of a file or directory that were changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChangedAttributes {
    /// The sizes, if the size was set.
    pub size: Option<SizeChange>,
    /// The permission bits that were asked for, if they were set.
    pub permissions: Option<u32>,
    /// Whether the times of the last access and modification were set.
    pub times: bool,
    /// Whether the owner was set; only the present owner can be.
    pub owner: bool,
}

/// The change of a file's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeChange {
    /// The size in bytes before; `None` if it is not known.
    pub old: Option<u64>,
    /// The size in bytes afterwards.
    pub new: u64,
}
