//! The status codes with which a server says how a request ended.

use crate::constants::*;

/// The code of a STATUS reply (section 7 of the draft).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusCode {
    /// SSH_FX_OK: the request was executed, and has no other reply.
    Ok,
    /// SSH_FX_EOF: the end of the file or of the directory listing was reached.
    Eof,
    /// SSH_FX_NO_SUCH_FILE: no file has this name.
    NoSuchFile,
    /// SSH_FX_PERMISSION_DENIED: the user does not have the permission.
    PermissionDenied,
    /// SSH_FX_FAILURE: the request failed for a reason that has no code of its own.
    Failure,
    /// SSH_FX_BAD_MESSAGE: the request is malformed.
    BadMessage,
    /// SSH_FX_NO_CONNECTION: clients use this code internally; servers do not send it.
    NoConnection,
    /// SSH_FX_CONNECTION_LOST: clients use this code internally; servers do not send it.
    ConnectionLost,
    /// SSH_FX_OP_UNSUPPORTED: the server does not support this operation.
    OpUnsupported,
    /// A code that version 3 does not define. Clients treat it as [`StatusCode::Failure`].
    Other(u32),
}

impl StatusCode {
    /// Returns the status code with this number.
    pub fn from_number(number: u32) -> Self {
        match number {
            SSH_FX_OK => Self::Ok,
            SSH_FX_EOF => Self::Eof,
            SSH_FX_NO_SUCH_FILE => Self::NoSuchFile,
            SSH_FX_PERMISSION_DENIED => Self::PermissionDenied,
            SSH_FX_FAILURE => Self::Failure,
            SSH_FX_BAD_MESSAGE => Self::BadMessage,
            SSH_FX_NO_CONNECTION => Self::NoConnection,
            SSH_FX_CONNECTION_LOST => Self::ConnectionLost,
            SSH_FX_OP_UNSUPPORTED => Self::OpUnsupported,
            other => Self::Other(other),
        }
    }

    /// Returns the number of the status code.
    pub fn number(self) -> u32 {
        match self {
            Self::Ok => SSH_FX_OK,
            Self::Eof => SSH_FX_EOF,
            Self::NoSuchFile => SSH_FX_NO_SUCH_FILE,
            Self::PermissionDenied => SSH_FX_PERMISSION_DENIED,
            Self::Failure => SSH_FX_FAILURE,
            Self::BadMessage => SSH_FX_BAD_MESSAGE,
            Self::NoConnection => SSH_FX_NO_CONNECTION,
            Self::ConnectionLost => SSH_FX_CONNECTION_LOST,
            Self::OpUnsupported => SSH_FX_OP_UNSUPPORTED,
            Self::Other(number) => number,
        }
    }

    /// Returns the text that OpenSSH's server sends with this code.
    pub fn text(self) -> &'static str {
        match self {
            Self::Ok => "Success",
            Self::Eof => "End of file",
            Self::NoSuchFile => "No such file",
            Self::PermissionDenied => "Permission denied",
            Self::Failure | Self::Other(_) => "Failure",
            Self::BadMessage => "Bad message",
            Self::NoConnection => "No connection",
            Self::ConnectionLost => "Connection lost",
            Self::OpUnsupported => "Operation unsupported",
        }
    }
}
