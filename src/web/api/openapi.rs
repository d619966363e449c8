//! `GET openapi.json`: the description of the API for programs, in the words of OpenAPI 3.1. Anybody may read it.
//!
//! It is written by hand, one file for each subject, and joined when somebody first asks for it. Tests compare it with the
//! routes and with the kinds of failures, so that neither has what the other lacks.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use serde_json::{Map, Value};

use crate::web::app::WebApp;
use crate::web::error::WebError;
use base::error::{Error, Result};

/// The files of the document. Each is an object with some of its members.
const PARTS: [DocumentPart; 14] = [
    DocumentPart {
        file: "info.json",
        text: include_str!("openapi/info.json"),
    },
    DocumentPart {
        file: "files.json",
        text: include_str!("openapi/files.json"),
    },
    DocumentPart {
        file: "files_parameters.json",
        text: include_str!("openapi/files_parameters.json"),
    },
    DocumentPart {
        file: "uploads.json",
        text: include_str!("openapi/uploads.json"),
    },
    DocumentPart {
        file: "archive.json",
        text: include_str!("openapi/archive.json"),
    },
    DocumentPart {
        file: "account.json",
        text: include_str!("openapi/account.json"),
    },
    DocumentPart {
        file: "second_factor.json",
        text: include_str!("openapi/second_factor.json"),
    },
    DocumentPart {
        file: "sessions.json",
        text: include_str!("openapi/sessions.json"),
    },
    DocumentPart {
        file: "shares.json",
        text: include_str!("openapi/shares.json"),
    },
    DocumentPart {
        file: "admin_users.json",
        text: include_str!("openapi/admin_users.json"),
    },
    DocumentPart {
        file: "admin_credentials.json",
        text: include_str!("openapi/admin_credentials.json"),
    },
    DocumentPart {
        file: "admin_sharing.json",
        text: include_str!("openapi/admin_sharing.json"),
    },
    DocumentPart {
        file: "admin_server.json",
        text: include_str!("openapi/admin_server.json"),
    },
    DocumentPart {
        file: "admin_audit.json",
        text: include_str!("openapi/admin_audit.json"),
    },
];

/// The joined document, as it is sent.
static DOCUMENT: LazyLock<Result<Bytes>> = LazyLock::new(|| {
    let document = joined()?;
    let text = serde_json::to_vec(&document)
        .map_err(|cause| Error::new("cannot write the description of the API").because(cause))?;
    Ok(Bytes::from(text))
});

/// A file of the document.
struct DocumentPart {
    file: &'static str,
    text: &'static str,
}

/// Returns the routes.
pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new().route("/openapi.json", get(document))
}

/// Answers with the document.
async fn document() -> std::result::Result<Response, WebError> {
    match &*DOCUMENT {
        Ok(text) => {
            let json = HeaderValue::from_static("application/json");
            Ok(([(header::CONTENT_TYPE, json)], text.clone()).into_response())
        }
        Err(error) => Err(WebError::internal("the description of the API is broken", error)),
    }
}

/// Returns the document, from all parts.
fn joined() -> Result<Map<String, Value>> {
    let mut document = Map::new();
    for part in &PARTS {
        let broken = || {
            Error::new(format!(
                "the part {} of the description of the API is broken",
                part.file
            ))
        };
        let members: Map<String, Value> =
            serde_json::from_str(part.text).map_err(|cause| broken().because(cause))?;
        join(&mut document, members).map_err(|cause| broken().because(cause))?;
    }
    Ok(document)
}

/// Adds the members of an object to another one. Objects of the same name are joined, too; nothing else may have the same
/// name as what is there.
fn join(into: &mut Map<String, Value>, part: Map<String, Value>) -> Result<()> {
    for (name, value) in part {
        let Some(known) = into.get_mut(&name) else {
            into.insert(name, value);
            continue;
        };
        match (known, value) {
            (Value::Object(known), Value::Object(more)) => join(known, more)?,
            _ => return Err(Error::new(format!("another part has {name}, too"))),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
