//! The JSON of responses: every object begins with the version of its format.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// The version of the format of all JSON.
const VERSION: u32 = 1;

/// An object that begins with the version.
#[derive(Serialize)]
pub struct Versioned<T> {
    v: u32,
    #[serde(flatten)]
    value: T,
}

impl<T: Serialize> Versioned<T> {
    /// Wraps the other members of the object.
    pub fn new(value: T) -> Self {
        Self { v: VERSION, value }
    }
}

impl<T: Serialize> IntoResponse for Versioned<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self) {
            Ok(bytes) => {
                let json = HeaderValue::from_static("application/json");
                ([(header::CONTENT_TYPE, json)], bytes).into_response()
            }
            // Errors are JSON, too.
            Err(error) => {
                tracing::error!(%error, "cannot write JSON");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}
