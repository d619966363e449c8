//! What a request is executed with, and what comes of executing it.
//!
//! Waiting and hashing are not errors: a request that has to be asked again, or that needs a hash before it can be
//! answered, is an [`Outcome`] like a reply. A refusal becomes a reply in one place, [`Outcome::of`].

use bytes::Bytes;
use sftp_wire::{Reply, StatusCode};

use super::hashes::HashRequest;
use super::status::RequestRefusal;
use crate::domain::path::PathError;
use crate::storage::{Error, Wait};

/// The id that a request is answered under, and whether it may wait where it is executed.
#[derive(Debug, Clone, Copy)]
pub struct RequestInfo {
    /// The id of the request.
    pub id: u32,
    /// Whether the request may take long here.
    pub wait: Wait,
}

/// What comes of executing a request.
pub enum Outcome {
    /// These bytes are to be sent.
    Reply(Bytes),
    /// Nothing was done, and the request is to be executed again where waiting is allowed. Comes with
    /// [`Wait::Never`] only.
    AskAgain,
    /// The caller is to hash something first, which then makes the reply. Comes with [`Wait::Allowed`] only.
    HashFirst(Box<HashRequest>),
}

impl From<Bytes> for Outcome {
    fn from(reply: Bytes) -> Self {
        Outcome::Reply(reply)
    }
}

impl Outcome {
    /// The outcome of a request with this id, whose answer may be a refusal.
    pub(super) fn of(id: u32, answer: RequestResult) -> Self {
        match answer {
            Ok(outcome) => outcome,
            Err(RequestError::Refused(refusal)) => Outcome::Reply(refusal.reply(id)),
            Err(RequestError::Storage(Error::WouldBlock)) => Outcome::AskAgain,
            Err(RequestError::Storage(error)) => Outcome::Reply(RequestRefusal::from(error).reply(id)),
        }
    }
}

/// Why a request failed.
pub enum RequestError {
    /// The request is refused with a status of ours.
    Refused(RequestRefusal),
    /// A call on the storage failed.
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

/// What the function for a request returns.
pub(super) type RequestResult = Result<Outcome, RequestError>;

/// The reply that a request was executed.
pub(super) fn ok(id: u32) -> RequestResult {
    let reply = Reply::status(StatusCode::Ok, StatusCode::Ok.text());
    Ok(reply.to_bytes(id).into())
}
