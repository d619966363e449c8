//! The errors of operations on the server, with messages for people.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sftp_wire::{Reply, StatusCode};

use base::visible::printable_lines;

/// The longest part of a server's sentence that is shown, in characters.
const MAX_SENTENCE: usize = 300;

/// The connection to the server is lost. Holds the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the connection to the server was lost: {0}")]
pub struct ConnectionLost(pub Arc<str>);

/// Why an operation on the server failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteError {
    /// The connection is lost. Another attempt on a new one may succeed.
    ConnectionLost(ConnectionLost),
    /// The server refuses the request.
    Refused {
        /// The status code of the reply.
        code: StatusCode,
        /// The server's sentence, as it came.
        message: Vec<u8>,
    },
    /// The reply is not of the expected type. Holds what was expected.
    UnexpectedReply(&'static str),
}

impl From<ConnectionLost> for RemoteError {
    fn from(lost: ConnectionLost) -> Self {
        Self::ConnectionLost(lost)
    }
}

impl RemoteError {
    /// Whether the file does not exist.
    pub fn is_missing(&self) -> bool {
        self.is(StatusCode::NoSuchFile)
    }

    /// Whether the file or the directory has ended.
    pub fn is_end(&self) -> bool {
        self.is(StatusCode::Eof)
    }

    /// Whether this user may not do that.
    pub fn is_denied(&self) -> bool {
        self.is(StatusCode::PermissionDenied)
    }

    /// Whether the server does not support the request.
    pub fn is_unsupported(&self) -> bool {
        self.is(StatusCode::OpUnsupported)
    }

    /// Whether the server reports a failure without a reason.
    pub fn is_failure(&self) -> bool {
        self.is(StatusCode::Failure)
    }

    fn is(&self, wanted: StatusCode) -> bool {
        matches!(self, Self::Refused { code, .. } if *code == wanted)
    }

    /// The error that a reply means which is not a success. `wanted` names what was expected.
    pub fn from_reply(reply: Reply<Bytes>, wanted: &'static str) -> Self {
        match reply {
            Reply::Status { code, message, .. } if code != StatusCode::Ok => Self::Refused {
                code,
                message: message.to_vec(),
            },
            _ => Self::UnexpectedReply(wanted),
        }
    }
}

/// What a request has brought, for code that goes on after a refusal. A server that refuses has answered; one whose
/// connection is lost has not, and that must not be taken for a refusal.
pub trait Answered<T>: Sized {
    /// The value. `None`: the server refuses, for whatever reason.
    ///
    /// # Errors
    /// When the connection is lost.
    fn unless_refused(self) -> Result<Option<T>, ConnectionLost>;

    /// The value. `None`: nothing has the name.
    ///
    /// # Errors
    /// When the server refuses for another reason, or the connection is lost.
    fn unless_missing(self) -> Result<Option<T>, RemoteError>;
}

impl<T> Answered<T> for Result<T, RemoteError> {
    fn unless_refused(self) -> Result<Option<T>, ConnectionLost> {
        match self {
            Ok(value) => Ok(Some(value)),
            Err(RemoteError::ConnectionLost(lost)) => Err(lost),
            Err(RemoteError::Refused { .. } | RemoteError::UnexpectedReply(_)) => Ok(None),
        }
    }

    fn unless_missing(self) -> Result<Option<T>, RemoteError> {
        match self {
            Ok(value) => Ok(Some(value)),
            Err(failed) if failed.is_missing() => Ok(None),
            Err(failed) => Err(failed),
        }
    }
}

/// Why the transport below an SFTP channel failed. Holds its own error.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct TransportError(pub Box<dyn std::error::Error + Send + Sync>);

/// Why there is no SFTP.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The server refused the subsystem.
    #[error("the server does not offer SFTP (hint: this account may be for something else)")]
    NoSftp,
    /// The server sent text instead of SFTP. Holds its beginning.
    #[error(
        "the server sent text instead of SFTP: \"{0}\" (hint: its login shell prints that at each sign-in, or the account is for something else; in a startup file such as .bashrc, such commands belong behind a check for a terminal)"
    )]
    Text(String),
    /// The first reply of the server is not one to INIT. Holds its beginning.
    #[error(
        "the server's first reply is not one of SFTP: \"{0}\" (hint: the account may have no SFTP, or its login shell prints that from a startup file such as .bashrc)"
    )]
    OtherReply(String),
    /// The server ended SFTP before its first reply. Holds the last text that it sent.
    #[error("the server ended SFTP before it had begun{0}")]
    Silent(String),
    /// The server did not answer in time. Holds to what.
    #[error("the server has not answered {0} within {secs} s (hint: --connect-timeout sets the limit)", secs = .1.as_secs())]
    NoAnswer(&'static str, Duration),
    /// The server started something that does not speak SFTP. Holds the last text that it sent.
    #[error(
        "the server has accepted SFTP, but has not begun it within {secs} s{1} (hint: the account may be for another command; --connect-timeout sets the limit)",
        secs = .0.as_secs()
    )]
    NotBegun(Duration, String),
    /// The server speaks another version than 3.
    #[error("the server speaks version {0} of SFTP, and 3 is needed")]
    Version(u32),
    /// The connection was lost while the channel was opened.
    #[error(transparent)]
    ConnectionLost(#[from] ConnectionLost),
    /// The connection below the channel failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// Checks for a status of success.
///
/// # Errors
/// At any other reply.
pub fn done(reply: Reply<Bytes>) -> Result<(), RemoteError> {
    match reply {
        Reply::Status {
            code: StatusCode::Ok, ..
        } => Ok(()),
        other => Err(RemoteError::from_reply(other, "a status")),
    }
}

impl std::error::Error for RemoteError {}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectionLost(lost) => lost.fmt(f),
            Self::UnexpectedReply(wanted) => {
                write!(f, "the server's answer makes no sense: {wanted} was expected")
            }
            Self::Refused { code, message } => {
                let sentence = printable_lines(message, 3, MAX_SENTENCE);
                // The standard texts say no more than the code, so our own texts are shown.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_connection_is_not_an_answer() {
        let lost = ConnectionLost("it was closed".into());
        let refused = |code| RemoteError::Refused {
            code,
            message: Vec::new(),
        };
        let (missing, denied) = (
            refused(StatusCode::NoSuchFile),
            refused(StatusCode::PermissionDenied),
        );
        let odd = RemoteError::UnexpectedReply("a name");
        let failed = |error: &RemoteError| Err::<u8, _>(error.clone());
        let seven: Result<u8, RemoteError> = Ok(7);
        assert_eq!(seven.clone().unless_refused(), Ok(Some(7)));
        assert_eq!(seven.unless_missing(), Ok(Some(7)));
        for refusal in [&missing, &denied, &odd] {
            assert_eq!(failed(refusal).unless_refused(), Ok(None), "{refusal}");
        }
        assert_eq!(failed(&missing).unless_missing(), Ok(None));
        for other in [denied, odd, lost.clone().into()] {
            assert_eq!(failed(&other).unless_missing(), Err(other));
        }
        assert_eq!(failed(&lost.clone().into()).unless_refused(), Err(lost));
    }
}
