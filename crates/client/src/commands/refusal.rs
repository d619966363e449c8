//! Turns an error of the server into an error for people.

use crate::link::{ConnectionLost, RemoteError};
use base::error::Error;

/// For `map_err`: says that the server refuses to do `what`. A lost connection is reported as such.
pub(super) fn refused(what: &'static str) -> impl Fn(RemoteError) -> Error {
    move |failed| match failed {
        RemoteError::ConnectionLost(lost) => not_answered(lost),
        failed => Error::new(format!("cannot {what}")).because(failed),
    }
}

/// For `map_err`: says that the connection was lost before there was an answer.
pub(super) fn not_answered(lost: ConnectionLost) -> Error {
    Error::new(lost.to_string())
}
