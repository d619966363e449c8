//! `PUT files/DIR?directory` makes a directory, and `PATCH files/X` gives a file or directory another name, in the same
//! directory or in another one.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};

use super::target::FileRequest;
use crate::domain::path::VirtualPath;
use crate::session::name_changes::{self, NewName};
use crate::storage::router::call_io::CallPath;
use crate::storage::{Error as StorageError, IfExists};
use crate::web::error::{WebError, WebErrorKind};
use crate::web::json::Versioned;
use crate::web::url_path::{JsonPath, from_b64, plain_path};

/// The mode of a new directory, to which the umask applies.
const DIRECTORY_MODE: u32 = 0o777;

/// The body of PATCH.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPathBody {
    /// The new path.
    rename: Option<String>,
    /// The same in Base64, for bytes that are not UTF-8.
    rename_b64: Option<String>,
    /// Whether a file that has the new name is replaced.
    #[serde(default)]
    replace: bool,
}

impl NewPathBody {
    fn target(&self) -> Result<VirtualPath, WebError> {
        let bad = |text: &str| WebError::worded(WebErrorKind::BadRequest, text);
        let raw = match (&self.rename, &self.rename_b64) {
            (Some(text), None) => text.as_bytes().to_vec(),
            (None, Some(text)) => {
                from_b64(text).ok_or_else(|| bad("rename_b64 must be Base64 with padding"))?
            }
            (Some(_), Some(_)) | (None, None) => {
                return Err(bad("the body needs \"rename\" or \"rename_b64\", and not both"));
            }
        };
        if !raw.starts_with(b"/") {
            return Err(bad("the new path must begin with a slash"));
        }
        let path = plain_path(&raw).map_err(|error| bad(&error.to_string()))?;
        Ok(path.without_slash())
    }
}

/// The answer to PATCH.
#[derive(Serialize)]
struct RenamedFile {
    #[serde(flatten)]
    path: JsonPath,
}

/// Makes a directory.
pub(super) async fn make_directory(request: &FileRequest) -> Result<Response, WebError> {
    let (context, path) = (request.home.context.clone(), request.path.clone());
    let making = request
        .home
        .call(CallPath::Name(&request.path), move |storage, wait| {
            name_changes::mkdir(&context, storage, &path, DIRECTORY_MODE, wait)
        });
    match making.await {
        Ok(()) => {}
        Err(StorageError::AlreadyExists) => {
            return Err(WebError::new(
                WebErrorKind::Conflict,
                "there is something of this name already",
            ));
        }
        Err(error) => return Err(request.refused(error)),
    }
    request.home.context.unsaved.saved().await;
    Ok(StatusCode::CREATED.into_response())
}

/// Gives a file or directory another name.
pub(super) async fn rename(request: &FileRequest, body: &NewPathBody) -> Result<Response, WebError> {
    let to = body.target()?;
    let names = NewName {
        from: request.path.clone(),
        to: to.clone(),
        if_exists: match body.replace {
            true => IfExists::Replace,
            false => IfExists::Refuse,
        },
    };
    let context = request.home.context.clone();
    let paths = [CallPath::Name(&request.path), CallPath::Name(&to)];
    let renaming = request.home.call_on_paths(&paths, move |storage, wait| {
        name_changes::rename(&context, storage, &names, wait)
    });
    match renaming.await {
        Ok(()) => {}
        Err(StorageError::AlreadyExists) => {
            return Err(WebError::new(
                WebErrorKind::Conflict,
                "there is something of the new name already",
            )
            .hint("choose another name, or replace a file with \"replace\": true"));
        }
        Err(error) => return Err(request.refused(error)),
    }
    request.home.context.unsaved.saved().await;
    let path = JsonPath::of(&to);
    Ok(Versioned::new(RenamedFile { path }).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_path_is_text_or_bytes() {
        let check = |json: &str, expected: Option<&[u8]>| {
            let body = serde_json::from_str::<NewPathBody>(json);
            let target = body.ok().and_then(|body| body.target().ok());
            assert_eq!(target.map(|path| path.absolute()).as_deref(), expected, "{json}");
        };
        check(r#"{"rename":"/a/b"}"#, Some(b"/a/b"));
        check(r#"{"rename":"/a/b/","replace":true}"#, Some(b"/a/b"));
        check(r#"{"rename_b64":"L/8="}"#, Some(b"/\xff"));
        for bad in [
            r#"{"rename":"a"}"#,
            r#"{"rename":"/a/../b"}"#,
            r#"{"rename":"/a","rename_b64":"L2E="}"#,
            r#"{"rename_b64":"!"}"#,
            r#"{"rename":"/a","other":1}"#,
            "{}",
        ] {
            check(bad, None);
        }
    }
}
