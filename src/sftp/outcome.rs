//! The input and the outcome of executing a request.
//!
//! Waiting and hashing are not errors: a request that must be executed again, or that needs a hash before it can be
//! answered, has an [`Outcome`] as a reply has. A refusal becomes a reply in one place, [`Outcome::of`].

use bytes::Bytes;
use sftp_wire::{Reply, StatusCode};

use super::hashes::HashRequest;
use super::status::RequestRefusal;
use crate::domain::path::PathError;
use crate::storage::{Error, Wait};

/// The id of a request, and whether its execution may wait.
#[derive(Debug, Clone, Copy)]
pub struct RequestInfo {
    /// The id, which the reply repeats.
    pub id: u32,
    /// Whether the execution may wait for a disk or an account.
    pub wait: Wait,
}

/// The outcome of executing a request.
pub enum Outcome {
    /// The bytes of the reply, which are to be sent.
    Reply(Bytes),
    /// The request was not executed, because it might wait; it must be executed again where waiting is allowed. This
    /// occurs only with [`Wait::Never`].
    AskAgain,
    /// The caller must compute a hash first, and then sends the reply. This occurs only with [`Wait::Allowed`].
    HashFirst(Box<HashRequest>),
}

impl From<Bytes> for Outcome {
    fn from(reply: Bytes) -> Self {
        Outcome::Reply(reply)
    }
}

impl Outcome {
    /// Returns the outcome of a request with this id. A refusal becomes a STATUS reply.
    pub(super) fn of(id: u32, answer: RequestResult) -> Self {
        match answer {
            Ok(outcome) => outcome,
            Err(RequestError::Refused(refusal)) => Outcome::Reply(refusal.reply(id)),
            Err(RequestError::Storage(Error::WouldBlock)) => Outcome::AskAgain,
            Err(RequestError::Storage(error)) => Outcome::Reply(RequestRefusal::from(error).reply(id)),
        }
    }
}

/// Why a request failed: a refusal of the protocol layer, or an error of the storage.
pub enum RequestError {
    /// The request is refused with a status of the protocol layer.
    Refused(RequestRefusal),
    /// A call of the storage failed.
    Storage(Error),
}

impl From<Error> for RequestError {
    fn from(error: Error) -> Self {
        RequestError::Storage(error)
    }
}

impl From<RequestRefusal> for RequestError {
    fn from(refusal: RequestRefusal) -> Self {
        RequestError::Refused(refusal)
    }
}

impl From<StatusCode> for RequestError {
    fn from(code: StatusCode) -> Self {
        RequestError::Refused(code.into())
    }
}

impl From<PathError> for RequestError {
    fn from(error: PathError) -> Self {
        RequestError::Refused(error.into())
    }
}

/// The result of the function that executes a request.
pub(super) type RequestResult = Result<Outcome, RequestError>;

/// Returns the reply SSH_FX_OK to the request with this id.
pub(super) fn ok(id: u32) -> RequestResult {
    let reply = Reply::status(StatusCode::Ok, StatusCode::Ok.text());
    Ok(reply.to_bytes(id).into())
}
