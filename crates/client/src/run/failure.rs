//! Why the program ends without a result.

use crate::commands::{UsageError, WRONG_USAGE};
use base::error::Error;

/// An error with the exit code that reports it.
pub(super) struct CommandFailure {
    pub(super) code: u8,
    pub(super) error: Error,
}

impl From<Error> for CommandFailure {
    fn from(error: Error) -> Self {
        Self { code: 1, error }
    }
}

impl From<UsageError> for CommandFailure {
    fn from(UsageError(error): UsageError) -> Self {
        Self {
            code: WRONG_USAGE,
            error,
        }
    }
}
