//! The errors of transfers, with messages for people.

use std::io;

use crate::link::ConnectionLost;
use crate::link::{HashValue, NoHash, RemoteError};
use crate::plan::Conflict;
use base::error::Clause;

/// Why a file was not transferred.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The connection broke. The transfer continues on the next one.
    #[error("{0}")]
    ConnectionLost(ConnectionLost),
    /// No connection can be made any more.
    #[error("{0} (hint: run the same command again; it goes on where this one stopped)")]
    Disconnected(RemoteError),
    /// The server refused an operation. The first field names it.
    #[error("cannot {0} on the server: {1}")]
    Remote(&'static str, RemoteError),
    /// An operation on this machine failed.
    #[error("cannot {what}: {}", Clause(.error))]
    Local {
        /// The operation, for the message.
        what: &'static str,
        /// The reason why it failed.
        error: io::Error,
    },
    /// The user or an option has to decide.
    #[error("{0} (hint: --overwrite, --skip, --rename or --update decides)")]
    Conflict(Conflict),
    /// The existing entry cannot be replaced by a file.
    #[error("{0}; it is not replaced by a file (hint: --rename or --skip)")]
    InTheWay(Conflict),
    /// The source is not a regular file; only those are transferred.
    #[error("is not a regular file")]
    NotAFile,
    /// Another file of this run has the same name.
    #[error(
        "another file of this run is stored under the same name (hint: transfer it by itself, to another name)"
    )]
    SameName,
    /// The file changed while it was transferred.
    #[error("{0}")]
    Changed(String),
    /// A stream ended before its end. It cannot be resumed.
    #[error("{0}")]
    BrokenStream(String),
    /// The hash of the server's file cannot be had, and verification was asked for.
    #[error("{0}, and --verify=always was asked for")]
    Unproven(NoHash),
    /// The two ends hold different bytes.
    #[error("VERIFICATION FAILED: the {} is {here} here and {there} on the server (hint: {hint})", .here.kind())]
    Differs {
        /// The hash of this machine's file.
        here: HashValue,
        /// The hash of the server's file.
        there: HashValue,
        /// The advice for the user.
        hint: &'static str,
    },
    /// The server's file has another size than what was sent, and its hash cannot be had.
    #[error(
        "VERIFICATION FAILED: {here} bytes were sent, and the file on the server has {there} (hint: {hint})"
    )]
    OtherSize {
        /// The number of bytes that were sent.
        here: u64,
        /// The size of the server's file, in bytes.
        there: u64,
        /// The advice for the user.
        hint: &'static str,
    },
    /// All names that were tried for a renamed file are taken.
    #[error("all other names are taken, too (hint: remove some of them, or choose a name)")]
    NoName,
    /// The user stopped the run, which can be resumed.
    #[error("stopped (hint: run the same command again; it goes on where this one stopped)")]
    Stopped,
}

impl From<ConnectionLost> for TransferError {
    fn from(lost: ConnectionLost) -> Self {
        Self::ConnectionLost(lost)
    }
}

impl TransferError {
    /// The error for a file that changed while it was transferred.
    pub(super) fn changed(what: &str, hint: &str) -> Self {
        Self::Changed(format!("{what} (hint: {hint})"))
    }

    /// For `map_err`: says that the server refuses to do `what`.
    pub fn remote(what: &'static str) -> impl Fn(RemoteError) -> Self {
        move |failed| match failed {
            RemoteError::ConnectionLost(lost) => Self::ConnectionLost(lost),
            failed => Self::Remote(what, failed),
        }
    }

    /// For `map_err`: says that this machine refuses to do `what`.
    pub fn local(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |error| Self::Local { what, error }
    }
}
