//! Why a request was not answered as asked: its status, a fixed word for programs, and a sentence for people, which says
//! nothing about the host.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::json::Versioned;
use crate::ops::running::Unanswered;
use crate::storage::Error as StorageError;

/// Why a request failed. The response is made where the kind of the caller is known: see [`WebError::for_program`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebError {
    /// The kind, which has the status and the fixed word.
    pub kind: WebErrorKind,
    /// A sentence for people.
    pub sentence: String,
    /// What to do next, if that is known.
    pub hint: Option<String>,
}

/// The kinds of failures, each with its status and its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table below says what they are")]
pub enum WebErrorKind {
    BadRequest,
    SignInRequired,
    Forbidden,
    PasswordRequired,
    Origin,
    NotFound,
    MethodNotAllowed,
    Conflict,
    WrongKind,
    Gone,
    LengthRequired,
    PreconditionFailed,
    TooLarge,
    UnsupportedType,
    Range,
    Locked,
    TooMany,
    Checksum,
    Internal,
    Busy,
    OverQuota,
    DiskFull,
}

impl WebErrorKind {
    /// Returns the status and the fixed word.
    pub fn code(self) -> ErrorCode {
        let (status, word) = match self {
            Self::BadRequest => (400, "bad_request"),
            Self::SignInRequired => (401, "sign_in_required"),
            Self::Forbidden => (403, "forbidden"),
            Self::PasswordRequired => (403, "password_required"),
            Self::Origin => (403, "origin"),
            Self::NotFound => (404, "not_found"),
            Self::MethodNotAllowed => (405, "method_not_allowed"),
            Self::Conflict => (409, "conflict"),
            Self::WrongKind => (409, "wrong_kind"),
            Self::Gone => (410, "gone"),
            Self::LengthRequired => (411, "length_required"),
            Self::PreconditionFailed => (412, "precondition_failed"),
            Self::TooLarge => (413, "too_large"),
            Self::UnsupportedType => (415, "unsupported_type"),
            Self::Range => (416, "range"),
            Self::Locked => (423, "locked"),
            Self::TooMany => (429, "too_many"),
            Self::Checksum => (460, "checksum"),
            Self::Internal => (500, "internal"),
            Self::Busy => (503, "busy"),
            Self::OverQuota => (507, "over_quota"),
            Self::DiskFull => (507, "disk_full"),
        };
        ErrorCode {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            word,
        }
    }
}

/// What programs see of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorCode {
    /// The status of the response.
    pub status: StatusCode,
    /// The fixed word.
    pub word: &'static str,
}

impl WebError {
    /// Creates an error.
    pub fn new(kind: WebErrorKind, sentence: impl Into<String>) -> Self {
        Self {
            kind,
            sentence: sentence.into(),
            hint: None,
        }
    }

    /// Creates an error from a text of another part, which may end with ` (hint: …)`.
    pub fn worded(kind: WebErrorKind, text: &str) -> Self {
        let without_end = text.strip_suffix(')');
        match without_end.and_then(|text| text.split_once(" (hint: ")) {
            Some((sentence, hint)) => Self::new(kind, sentence).hint(hint),
            None => Self::new(kind, text),
        }
    }

    /// Returns the error of a request that is refused because the user has something open or in memory elsewhere.
    pub fn exhausted(why: impl std::fmt::Display) -> Self {
        Self::new(WebErrorKind::Busy, why.to_string()).hint("try again when other transfers have ended")
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// Returns the error of a request without a sign-in, or with one that has ended.
    pub fn sign_in_required() -> Self {
        Self::new(WebErrorKind::SignInRequired, "sign in first")
    }

    /// Returns the error of something that does not exist, or that this user must not know of.
    pub fn not_found() -> Self {
        Self::new(WebErrorKind::NotFound, "there is nothing of this name")
    }

    /// Returns the error of what an administrator has asked for, in the words of the command line.
    pub fn of_administration(error: &base::error::Error) -> Self {
        let kind = match error.exit_code() {
            base::error::NOT_FOUND => WebErrorKind::NotFound,
            base::error::EXISTS => WebErrorKind::Conflict,
            _ => WebErrorKind::BadRequest,
        };
        Self::new(kind, error.to_string())
    }

    /// Logs a failure of the server itself, and returns the error that its client gets.
    pub fn internal(what: &str, cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(error = %cause, "{what}");
        Self::new(
            WebErrorKind::Internal,
            "the server could not do this; its log says why",
        )
    }

    /// Returns the error of a call on the storage. `sentence` is what the session says of it.
    pub fn storage(error: StorageError, sentence: String) -> Self {
        let kind = match error {
            StorageError::NotFound => WebErrorKind::NotFound,
            StorageError::AlreadyExists | StorageError::NotEmpty | StorageError::HasUploads => {
                WebErrorKind::Conflict
            }
            StorageError::NotADirectory
            | StorageError::IsADirectory
            | StorageError::NotAFile
            | StorageError::LinkLoop
            | StorageError::NotSupported
            | StorageError::NotImplemented
            | StorageError::CrossesFileSystems
            | StorageError::CrossesFolders
            | StorageError::TooManyLinks
            | StorageError::BetweenZones
            | StorageError::LinkBetweenZones
            | StorageError::IgnoresCase => WebErrorKind::WrongKind,
            StorageError::AccessDenied
            | StorageError::NotPermitted
            | StorageError::Forbidden(_)
            | StorageError::Reserved
            | StorageError::IsFolder
            | StorageError::FixedDirectory => WebErrorKind::Forbidden,
            StorageError::NameTooLong | StorageError::Invalid => WebErrorKind::BadRequest,
            StorageError::DiskFull | StorageError::DiskQuota => WebErrorKind::DiskFull,
            StorageError::OverBytes { .. } | StorageError::OverFiles { .. } => WebErrorKind::OverQuota,
            StorageError::Ended => WebErrorKind::SignInRequired,
            StorageError::BadHandle
            | StorageError::Busy
            | StorageError::Cancelled
            | StorageError::DeviceFailed
            | StorageError::Unavailable(_)
            | StorageError::Other(_)
            | StorageError::FolderMissing
            | StorageError::FolderUnavailable
            | StorageError::WouldBlock
            | StorageError::Measuring
            | StorageError::Unmeasurable
            | StorageError::NotRecorded
            | StorageError::NotOwned => WebErrorKind::Busy,
        };
        Self::new(kind, sentence)
    }

    /// Returns the response for a program: a JSON object with the word, the sentence and the hint.
    pub fn for_program(&self) -> Response {
        let code = self.kind.code();
        let body = Versioned::new(ErrorBody {
            error: ErrorFields {
                code: code.word,
                message: &self.sentence,
                hint: self.hint.as_deref(),
            },
        });
        let mut response = (code.status, body).into_response();
        self.add_headers(response.headers_mut());
        response
    }

    /// Adds the headers that the kind demands.
    pub fn add_headers(&self, headers: &mut HeaderMap) {
        match self.kind {
            WebErrorKind::SignInRequired => {
                let bearer = HeaderValue::from_static("Bearer realm=\"homeport\"");
                headers.insert(header::WWW_AUTHENTICATE, bearer);
            }
            WebErrorKind::Busy | WebErrorKind::TooMany => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
    }
}

/// The server itself has not answered what an administrator has asked.
impl From<Unanswered> for WebError {
    fn from(unanswered: Unanswered) -> Self {
        Self::of_administration(&unanswered.into())
    }
}

/// The body of an error.
#[derive(Serialize)]
struct ErrorBody<'a> {
    error: ErrorFields<'a>,
}

/// What a program reads about an error.
#[derive(Serialize)]
struct ErrorFields<'a> {
    code: &'static str,
    message: &'a str,
    hint: Option<&'a str>,
}

impl IntoResponse for WebError {
    fn into_response(self) -> Response {
        // `guard` makes a page of it for browsers.
        let mut response = self.for_program();
        response.extensions_mut().insert(self);
        response
    }
}
