//! What comes of executing a request, for the session inside and for its caller.

use bytes::Bytes;
use sftp_wire::StatusCode;

use super::hashes::Question;
use super::status::Refusal;
use crate::domain::path::PathError;
use crate::storage::Error;

/// What comes of executing a request.
pub enum Outcome {
    /// This is to be sent.
    Reply(Bytes),
    /// Only with [`Wait::Never`](crate::storage::Wait::Never): nothing was done, ask again where waiting is allowed.
    WouldBlock,
    /// Only with [`Wait::Allowed`](crate::storage::Wait::Allowed): something is to be hashed first, which is the caller's to do.
    Hash(Box<Question>),
}

/// Why there is no reply yet, or none but a status.
pub enum Halt {
    /// The client gets this status.
    Refused(Refusal),
    /// Only with [`Wait::Never`](crate::storage::Wait::Never): nothing was done, ask again where waiting is allowed.
    WouldBlock,
    /// Something is to be hashed first.
    Hash(Box<Question>),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        match error {
            Error::WouldBlock => Halt::WouldBlock,
            error => Halt::Refused(error.into()),
        }
    }
}

impl From<Refusal> for Halt {
    fn from(refusal: Refusal) -> Self {
        Halt::Refused(refusal)
    }
}

impl From<StatusCode> for Halt {
    fn from(code: StatusCode) -> Self {
        Halt::Refused(code.into())
    }
}

impl From<PathError> for Halt {
    fn from(error: PathError) -> Self {
        Halt::Refused(error.into())
    }
}

/// A reply, or why there is none yet.
pub(super) type Answer = Result<Bytes, Halt>;

/// Makes a reply of a refusal.
pub(super) fn finish(id: u32, answer: Answer) -> Outcome {
    match answer {
        Ok(reply) => Outcome::Reply(reply),
        Err(Halt::Refused(refusal)) => Outcome::Reply(refusal.reply(id)),
        Err(Halt::WouldBlock) => Outcome::WouldBlock,
        Err(Halt::Hash(question)) => Outcome::Hash(question),
    }
}
