//! The forms of pages: every body has a limit, and a time in which it must arrive.

use axum::body::Body;
use axum::extract::{Form, FromRequest, Request};
use serde::de::DeserializeOwned;

use super::error::{WebError, WebErrorKind};
use super::json_body;

/// The body of a request, read as a form.
pub struct FormBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for FormBody<T> {
    type Rejection = WebError;

    async fn from_request(request: Request, state: &S) -> Result<Self, WebError> {
        let (head, body) = request.into_parts();
        let bytes = json_body::read(body).await?;
        let read = Request::from_parts(head, Body::from(bytes));
        // What was typed may be a secret, so the error does not repeat it.
        let form = Form::<T>::from_request(read, state)
            .await
            .map_err(|_| WebError::new(WebErrorKind::BadRequest, "this is not the form of the page"))?;
        Ok(Self(form.0))
    }
}
