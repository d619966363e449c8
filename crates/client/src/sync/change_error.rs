//! Why something at the target could not be changed.

use std::fmt;
use std::io;

use crate::link::{ConnectionLost, RemoteError};
use base::error::Clause;

/// Why a change of the target failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ChangeError {
    /// There is no connection to the server any more.
    Lost(ConnectionLost),
    /// The server or this machine refuses it. Holds the reason.
    Refused(String),
}

impl ChangeError {
    /// The same error, which also says what could not be done. A lost connection is the same for everything.
    pub(super) fn when(self, what: &str) -> Self {
        match self {
            Self::Lost(lost) => Self::Lost(lost),
            Self::Refused(why) => Self::Refused(format!("{what}: {why}")),
        }
    }

    /// For `map_err`: says what could not be done.
    pub(super) fn context(what: &'static str) -> impl Fn(Self) -> Self + Copy {
        move |error| error.when(what)
    }
}

impl From<RemoteError> for ChangeError {
    fn from(error: RemoteError) -> Self {
        match error {
            RemoteError::ConnectionLost(lost) => Self::Lost(lost),
            refused @ (RemoteError::Refused { .. } | RemoteError::UnexpectedReply(_)) => {
                Self::Refused(refused.to_string())
            }
        }
    }
}

impl From<io::Error> for ChangeError {
    fn from(error: io::Error) -> Self {
        Self::Refused(Clause(&error).to_string())
    }
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(lost) => write!(f, "{lost}"),
            Self::Refused(why) => f.write_str(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_connection_stays_one_whatever_was_to_be_done() {
        let lost = ConnectionLost("it was closed".into());
        let context = ChangeError::context("cannot keep the times");
        let error = ChangeError::from(RemoteError::from(lost.clone()));
        assert_eq!(context(error), ChangeError::Lost(lost));
        let denied = ChangeError::from(io::Error::from(io::ErrorKind::PermissionDenied));
        assert_eq!(
            context(denied).to_string(),
            "cannot keep the times: permission denied"
        );
    }
}
