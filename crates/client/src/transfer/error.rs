//! Why a file was not transferred, in words for people.

use std::io;

use crate::link::ConnectionLost;
use crate::link::RemoteError;
use crate::plan::Conflict;
use base::error::Clause;

/// Why a file was not transferred.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The connection broke. The transfer goes on on the next one.
    #[error("{0}")]
    ConnectionLost(ConnectionLost),
    /// No connection can be made any more.
    #[error("{0} (hint: run the same command again; it goes on where this one stopped)")]
    Disconnected(RemoteError),
    /// The server refuses something. Holds what was tried.
    #[error("cannot {0} on the server: {1}")]
    Remote(&'static str, RemoteError),
    /// This machine refuses something that was tried.
    #[error("cannot {what}: {}", Clause(.error))]
    Local {
        /// The step that was tried.
        what: &'static str,
        /// The reason why it failed.
        error: io::Error,
    },
    /// A person or an option has to decide.
    #[error("{0} (hint: --overwrite, --skip or --rename decides)")]
    Conflict(Conflict),
    /// What is there cannot be replaced by a file.
    #[error("{0}; it is not replaced by a file (hint: --rename or --skip)")]
    InTheWay(Conflict),
    /// It is not a regular file; only those are sent.
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
    /// The server cannot hash, and verification was asked for.
    #[error("the server cannot hash, and --verify=always was asked for")]
    Unproven,
    /// The two ends hold different bytes.
    #[error("VERIFICATION FAILED: the MD5 is {here} here and {there} on the server (hint: {hint})")]
    Differs {
        /// The hash of this machine's file, in hexadecimal digits.
        here: String,
        /// The hash of the server's file, in hexadecimal digits.
        there: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// The file was to get another name, and all were taken.
    #[error("all other names are taken, too (hint: remove some of them, or choose a name)")]
    NoName,
    /// Somebody stopped the run.
    #[error("stopped (hint: run the same command again; it goes on where this one stopped)")]
    Stopped,
}

impl TransferError {
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
