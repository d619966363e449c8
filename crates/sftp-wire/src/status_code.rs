//! How a request ended, as STATUS says it.

use crate::constants::*;

/// The code of a STATUS reply (section 7 of the draft).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusCode {
    /// SSH_FX_OK: the request was executed.
    Ok,
    /// SSH_FX_EOF: the file or the directory has ended.
    Eof,
    /// SSH_FX_NO_SUCH_FILE: nothing has this name.
    NoSuchFile,
    /// SSH_FX_PERMISSION_DENIED: the user may not do that.
    PermissionDenied,
    /// SSH_FX_FAILURE: anything that has no code of its own.
    Failure,
    /// SSH_FX_BAD_MESSAGE: the request makes no sense.
    BadMessage,
    /// SSH_FX_NO_CONNECTION: clients use it among themselves, no server sends it.
    NoConnection,
    /// SSH_FX_CONNECTION_LOST: clients use it among themselves, no server sends it.
    ConnectionLost,
    /// SSH_FX_OP_UNSUPPORTED: the server does not have this operation.
    OpUnsupported,
    /// A code of a later version, or nonsense. Clients treat it as [`StatusCode::Failure`].
    Other(u32),
}

impl StatusCode {
    /// The code with this number.
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

    /// Its number.
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

    /// The text that OpenSSH's server sends with it.
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
