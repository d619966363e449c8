//! The API of administrators: what the command line changes and shows, with the same checks, words and JSON.

mod audit;
mod homes;
mod sessions;
mod sharing;
mod users;

use std::fmt::Display;
use std::sync::Arc;

use axum::Router;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use serde::{Deserialize, Deserializer};

use crate::web::app::WebApp;
use crate::web::error::{WebError, WebErrorKind};
use base::secret::Secret;

/// Returns the routes of administrators.
pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .merge(audit::routes())
        .merge(homes::routes())
        .merge(sessions::routes())
        .merge(sharing::routes())
        .merge(users::routes())
}

/// What stands behind the question mark of an address, or why it cannot be used.
type AskedFor<T> = Result<Query<T>, QueryRejection>;

/// Returns what stands behind the question mark of an address.
fn asked<T>(query: AskedFor<T>) -> Result<T, WebError> {
    match query {
        Ok(Query(asked)) => Ok(asked),
        Err(rejection) => Err(bad_request(rejection.body_text())),
    }
}

/// Returns the error of a value that cannot be used.
fn bad_request(why: impl Display) -> WebError {
    WebError::new(WebErrorKind::BadRequest, why.to_string())
}

/// Parses a word of an address.
fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, WebError>
where
    T::Err: Display,
{
    text.parse().map_err(bad_request)
}

/// Parses a word of an address that may be left out, or be empty.
fn parsed_if_any<T: std::str::FromStr>(text: Option<&str>) -> Result<Option<T>, WebError>
where
    T::Err: Display,
{
    text.filter(|text| !text.is_empty()).map(parsed).transpose()
}

/// Reads a secret from JSON. No copy of it is kept.
fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}
