//! The values of requests: parsed, or refused in words.

use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize as _, Deserializer};

use crate::ops::key_files;
use crate::web::error::{WebError, WebErrorKind};
use base::secret::Secret;

/// Returns the error of a value that cannot be used.
pub(super) fn bad_request(why: impl Display) -> WebError {
    WebError::new(WebErrorKind::BadRequest, why.to_string())
}

/// Parses a word of an address.
pub(super) fn parsed<T: FromStr>(text: &str) -> Result<T, WebError>
where
    T::Err: Display,
{
    text.parse().map_err(bad_request)
}

/// Parses a word of an address that may be left out, or be empty.
pub(super) fn parsed_if_any<T: FromStr>(text: Option<&str>) -> Result<Option<T>, WebError>
where
    T::Err: Display,
{
    text.filter(|text| !text.is_empty()).map(parsed).transpose()
}

/// Reads a secret from JSON. No copy of it is kept.
pub(super) fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}

/// Returns the lines of authorized_keys in a text. One that cannot be used refuses them all.
pub(super) fn key_lines(text: &str) -> Result<Vec<String>, WebError> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let keys = key_files::parse("the request", text.as_bytes()).map_err(bad_request)?;
    match keys.refused.first() {
        None => Ok(keys.lines),
        Some(line) => Err(bad_request(format!(
            "line {} of the keys cannot be used: {}",
            line.number, line.reason
        ))),
    }
}
