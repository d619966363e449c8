//! `archive`: several files and directories as one zip, which streams: nothing of it is on a disk, and little in memory.
//!
//! Links and special files are left out, and so is what the user may not read; an entry at the end names them
//! ([`left_out`]). Anything else that goes wrong breaks the connection off: a file that vanishes or becomes shorter, a disk
//! that fails, a session that ends. So a client never gets a short archive that looks whole.

mod left_out;
mod paths;
mod stream;
mod writer;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::response::Response;
use axum::routing::get;

use self::paths::ArchivePaths;
use self::writer::{ArchiveRoot, ArchiveWriter};
use crate::domain::path::VirtualPath;
use crate::exec::home_session::HomeSession;
use crate::storage::Links;
use crate::storage::router::call_io::CallPath;
use crate::web::api::files::FILE_POLICY;
use crate::web::app::WebApp;
use crate::web::body::EndsWith;
use crate::web::disposition::Disposition;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::json_body;
use crate::web::users::WebUser;
use crate::web::zip::root_names::distinct_names;

/// The name of the entry that says what was left out.
const LEFT_OUT: &[u8] = b"LEFT-OUT.txt";

/// Returns the routes.
pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new().route("/archive", get(by_query).post(by_body))
}

/// Answers `GET archive?path=/a&path=/b`.
async fn by_query(State(app): State<Arc<WebApp>>, user: WebUser, uri: Uri) -> Result<Response, WebError> {
    let paths = ArchivePaths::of_form(uri.query().unwrap_or_default().as_bytes())?;
    archive(&app, user, &paths).await
}

/// Answers POST with a form or a JSON object.
async fn by_body(
    State(app): State<Arc<WebApp>>,
    user: WebUser,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, WebError> {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let kind = kind.and_then(|kind| kind.split(|&byte| byte == b';').next());
    let kind = kind.unwrap_or_default().trim_ascii();
    let paths = if kind.eq_ignore_ascii_case(b"application/json") {
        ArchivePaths::of_json(&json_body::read(body).await?)?
    } else if kind.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
        ArchivePaths::of_form(&json_body::read(body).await?)?
    } else {
        return Err(WebError::new(
            WebErrorKind::UnsupportedType,
            "the body must be a form or JSON with the paths",
        ));
    };
    archive(&app, user, &paths).await
}

async fn archive(app: &Arc<WebApp>, user: WebUser, paths: &ArchivePaths) -> Result<Response, WebError> {
    user.require_files()?;
    let home = Arc::new(user.session.home().await?);
    let mut names: Vec<Vec<u8>> = Vec::with_capacity(paths.all.len() + 1);
    for path in &paths.all {
        let last = path.names().next_back().map(<[u8]>::to_vec);
        names.push(last.unwrap_or_else(|| user.login().user().as_str().as_bytes().to_vec()));
    }
    let title = match names.as_slice() {
        [one] => [&one[..], b".zip"].concat(),
        _ => b"files.zip".to_vec(),
    };
    names.push(LEFT_OUT.to_vec());
    let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
    let mut names = distinct_names(&names);
    let left_out_name = names.pop().unwrap_or_default();
    let mut roots = Vec::with_capacity(names.len());
    // What is missing is told as an error, as long as nothing was sent.
    for (path, name) in paths.all.iter().zip(names) {
        roots.push(root(&home, path, name).await?);
    }
    let gone = user.session.gone().clone();
    let (sender, body) = stream::channel();
    let writer = ArchiveWriter::new(user, home, sender, left_out_name);
    app.tasks.spawn(writer.run(roots));
    let mut response = Response::new(body);
    response.extensions_mut().insert(EndsWith(gone));
    let headers = response.headers_mut();
    let mut add = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    add(header::CONTENT_TYPE, "application/zip");
    add(
        header::CONTENT_DISPOSITION,
        &Disposition::Attachment.header(&title),
    );
    add(header::CONTENT_SECURITY_POLICY, FILE_POLICY);
    Ok(response)
}

/// Finds what a path names, without following a link.
async fn root(home: &HomeSession, path: &VirtualPath, name: Vec<u8>) -> Result<ArchiveRoot, WebError> {
    let wanted = path.clone();
    let looking = home.call(CallPath::Name(path), move |storage, _wait| {
        storage.stat(&wanted, Links::NoFollow)
    });
    let meta = looking
        .await
        .map_err(|error| WebError::storage(error, home.refused(path, error)))?;
    Ok(ArchiveRoot {
        name,
        path: path.clone(),
        meta,
    })
}
