//! Turns an error of the server into an error for people.

use crate::link::RemoteError;
use base::error::Error;

/// For `map_err`: says that the server refuses to do `what`. A lost connection is reported as such.
pub(super) fn refused(what: &'static str) -> impl Fn(RemoteError) -> Error {
    move |failed| match failed {
        RemoteError::ConnectionLost(lost) => Error::new(lost.to_string()),
        failed => Error::new(format!("cannot {what}")).because(failed),
    }
}
