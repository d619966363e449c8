//! What stands behind the question mark of an address.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;

use super::error::{WebError, WebErrorKind};

/// What stands behind the question mark, or why it cannot be used.
pub type AskedFor<T> = Result<Query<T>, QueryRejection>;

/// Returns what stands behind the question mark.
///
/// # Errors
/// Returns an error that says which value cannot be used.
pub fn asked<T>(query: AskedFor<T>) -> Result<T, WebError> {
    match query {
        Ok(Query(asked)) => Ok(asked),
        Err(rejection) => Err(WebError::new(WebErrorKind::BadRequest, rejection.body_text())),
    }
}
