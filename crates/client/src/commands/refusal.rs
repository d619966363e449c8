//! Turns an error of the server into an error for people.
//!
//! A refusal concerns one name, and the command goes on with the next. Without a connection nothing is left to do, which
//! is told once.

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

/// The error that ends a command when there is no connection any more, and so many names are not done.
pub(super) fn not_done(lost: ConnectionLost, names: usize) -> Error {
    match names {
        0 | 1 => not_answered(lost),
        _ => Error::new(format!("{lost}; {names} names are not done")).hint("run the same command again"),
    }
}

/// Tells a lost connection from a refusal.
pub(super) fn unless_lost<T>(
    result: Result<T, RemoteError>,
) -> Result<Result<T, RemoteError>, ConnectionLost> {
    match result {
        Err(RemoteError::ConnectionLost(lost)) => Err(lost),
        result => Ok(result),
    }
}
