//! Why a file was not transferred, in words for people.

use std::io;

use crate::link::Lost;
use crate::plan::Conflict;
use crate::remote::failed::Failed;
use base::error::Clause;

/// Why a file was not transferred.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The connection broke: on the next one it goes on.
    #[error("{0}")]
    Lost(Lost),
    /// There is no connection any more.
    #[error("{0} (hint: run the same command again; it goes on where this one stopped)")]
    Ended(Failed),
    /// The server refuses something.
    #[error("cannot {0} on the server: {1}")]
    Remote(&'static str, Failed),
    /// This machine refuses something.
    #[error("cannot {what}: {}", Clause(.error))]
    Local {
        /// What was tried.
        what: &'static str,
        /// Why not.
        error: io::Error,
    },
    /// Somebody has to decide.
    #[error("{0} (hint: --overwrite, --skip or --rename decides)")]
    Conflict(Conflict),
    /// What is there can't be replaced by a file.
    #[error("{0}; it is not replaced by a file (hint: --rename or --skip)")]
    InTheWay(Conflict),
    /// Only files are sent.
    #[error("is not a regular file")]
    NotAFile,
    /// Two files would be stored as one.
    #[error(
        "another file of this run is stored under the same name (hint: transfer it by itself, to another name)"
    )]
    Twice,
    /// The file did not hold still.
    #[error("{0}")]
    Changed(String),
    /// Verification was asked for.
    #[error("the server cannot hash, and --verify=always was asked for")]
    Unproven,
    /// Both ends hold other bytes.
    #[error("VERIFICATION FAILED: the MD5 is {here} here and {there} on the server (hint: {hint})")]
    Differs {
        /// In hexadecimal digits.
        here: String,
        /// In hexadecimal digits.
        there: String,
        /// What to do.
        hint: &'static str,
    },
    /// It was to get another name than the one that is taken.
    #[error("all other names are taken, too (hint: remove some of them, or choose a name)")]
    NoName,
    /// Somebody stopped it.
    #[error("stopped (hint: run the same command again; it goes on where this one stopped)")]
    Stopped,
}

impl Trouble {
    /// For `map_err`: the server refuses to do `what`.
    pub fn remote(what: &'static str) -> impl Fn(Failed) -> Self {
        move |failed| match failed {
            Failed::Lost(lost) => Self::Lost(lost),
            failed => Self::Remote(what, failed),
        }
    }

    /// For `map_err`: this machine refuses to do `what`.
    pub fn local(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |error| Self::Local { what, error }
    }
}
