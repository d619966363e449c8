//! Requests of visitors are answered by the API of users, so that ranges, archives and resumable uploads are written once.
//! A visitor's request is never passed on as it came: its method, its path and its headers are chosen here, and what the
//! answer would say about the owner is taken out of it.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse as _, Response};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

use crate::web::api;
use crate::web::app::WebApp;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::users::WebUser;

/// The API as visitors' requests reach it.
#[derive(Clone)]
pub(super) struct InnerApi(Router);

/// A request that is made on behalf of a visitor.
pub(super) struct InnerRequest {
    /// The method.
    pub(super) method: Method,
    /// The path and the query.
    pub(super) target: String,
    /// The headers.
    pub(super) headers: HeaderMap,
    /// The body.
    pub(super) body: Body,
}

impl InnerApi {
    /// Takes the API of users.
    pub(super) fn new(app: &Arc<WebApp>) -> Self {
        let router = Router::new().nest("/api/v1", api::routes());
        Self(router.with_state(Arc::clone(app)))
    }

    /// Makes a request on behalf of a visitor.
    ///
    /// # Errors
    /// Returns an error if the path cannot be that of a request.
    pub(super) async fn call(&self, visitor: WebUser, inner: InnerRequest) -> Result<Response, WebError> {
        let uri: Uri = inner.target.parse().map_err(|_| WebError::not_found())?;
        let mut request = Request::new(inner.body);
        *request.method_mut() = inner.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = inner.headers;
        request.extensions_mut().insert(visitor);
        let answering = TowerToHyperService::new(self.0.clone()).call(request);
        let answered: Result<Response, Infallible> = answering.await;
        match answered {
            Ok(response) => Ok(response),
            Err(never) => match never {},
        }
    }
}

/// Takes out of a refusal what concerns the owner: paths, quotas and the names of others. The headers stay.
pub(super) fn outside_view(mut response: Response) -> Response {
    let Some(error) = response.extensions_mut().remove::<WebError>() else {
        return response;
    };
    let mut shown = sentence(error.kind).into_response();
    for (name, value) in response.headers() {
        if !shown.headers().contains_key(name) && *name != axum::http::header::CONTENT_LENGTH {
            shown.headers_mut().insert(name.clone(), value.clone());
        }
    }
    shown
}

/// Returns what a visitor is told of an error of this kind.
fn sentence(kind: WebErrorKind) -> WebError {
    let sentence = match kind {
        WebErrorKind::BadRequest
        | WebErrorKind::MethodNotAllowed
        | WebErrorKind::LengthRequired
        | WebErrorKind::UnsupportedType => "the request is not one that can be answered",
        WebErrorKind::SignInRequired | WebErrorKind::Gone => "this is not there any more",
        WebErrorKind::Forbidden | WebErrorKind::PasswordRequired | WebErrorKind::Origin => {
            "this link does not allow that"
        }
        WebErrorKind::NotFound | WebErrorKind::WrongKind => "there is nothing of this name",
        WebErrorKind::Conflict => "this is not what the server has",
        WebErrorKind::PreconditionFailed => "the file has changed",
        WebErrorKind::TooLarge => "this is more than was announced",
        WebErrorKind::Range => "the file has no such part",
        WebErrorKind::Locked => "somebody else is sending this file",
        WebErrorKind::TooMany => "there are too many requests or unfinished files at once",
        WebErrorKind::Checksum => "what arrived is not what was sent: send it again",
        WebErrorKind::Internal => "the server could not do this; its log says why",
        WebErrorKind::Busy => "the server cannot do this at the moment: try again",
        WebErrorKind::OverQuota | WebErrorKind::DiskFull => "there is no room for this file at the moment",
    };
    // A visitor does not sign in.
    let kind = match kind {
        WebErrorKind::SignInRequired => WebErrorKind::Gone,
        WebErrorKind::WrongKind => WebErrorKind::NotFound,
        kind => kind,
    };
    WebError::new(kind, sentence)
}
