//! Why something could not be done on the server, in words for people.

use std::fmt;

use bytes::Bytes;
use sftp_wire::{Reply, StatusCode};

use crate::link::Lost;
use crate::printable::printable_lines;

/// Longest that a server's sentence is shown.
const MAX_SENTENCE: usize = 300;

/// It could not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failed {
    /// The connection is gone: it may be worth trying again on another one.
    Lost(Lost),
    /// The server says no.
    Refused {
        /// The status code.
        code: StatusCode,
        /// The server's sentence, as it came.
        message: Vec<u8>,
    },
    /// The server answered something else than what was asked.
    Nonsense(&'static str),
}

impl From<Lost> for Failed {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

impl Failed {
    /// Nothing has that name.
    pub fn is_missing(&self) -> bool {
        self.is(StatusCode::NoSuchFile)
    }

    /// Nothing more comes.
    pub fn is_end(&self) -> bool {
        self.is(StatusCode::Eof)
    }

    /// The server does not know how.
    pub fn is_unsupported(&self) -> bool {
        self.is(StatusCode::OpUnsupported)
    }

    /// The server says no more than that it failed.
    pub fn is_failure(&self) -> bool {
        self.is(StatusCode::Failure)
    }

    fn is(&self, wanted: StatusCode) -> bool {
        matches!(self, Self::Refused { code, .. } if *code == wanted)
    }

    /// What a reply that is no success says; `wanted` names what was expected.
    pub fn from_reply(reply: Reply<Bytes>, wanted: &'static str) -> Self {
        match reply {
            Reply::Status { code, message, .. } if code != StatusCode::Ok => Self::Refused {
                code,
                message: message.to_vec(),
            },
            _ => Self::Nonsense(wanted),
        }
    }
}

/// A status that says that it is done.
///
/// # Errors
/// Any other reply.
pub fn done(reply: Reply<Bytes>) -> Result<(), Failed> {
    match reply {
        Reply::Status {
            code: StatusCode::Ok, ..
        } => Ok(()),
        other => Err(Failed::from_reply(other, "a status")),
    }
}

impl std::error::Error for Failed {}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(lost) => lost.fmt(f),
            Self::Nonsense(wanted) => write!(f, "the server's answer makes no sense: {wanted} was expected"),
            Self::Refused { code, message } => {
                let sentence = printable_lines(message, 3, MAX_SENTENCE);
                // The standard texts say no more than the code: ours are kinder.
                match (*code, sentence.as_str()) {
                    (StatusCode::NoSuchFile, "" | "No such file") => f.write_str("no such file or directory"),
                    (StatusCode::PermissionDenied, "" | "Permission denied") => {
                        f.write_str("permission denied")
                    }
                    (StatusCode::Eof, _) => f.write_str("the file ended too early"),
                    (StatusCode::OpUnsupported, "" | "Operation unsupported") => {
                        f.write_str("the server does not support this")
                    }
                    (StatusCode::Failure, "" | "Failure") => {
                        f.write_str("the server says no more than \"failure\"")
                    }
                    (code, "") => write!(f, "the server answers with status {}", code.number()),
                    (_, sentence) => f.write_str(sentence),
                }
            }
        }
    }
}
