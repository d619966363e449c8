//! A browser stays signed in when its user changes what they sign in with, by a new cookie: whoever has copied the old one
//! is signed out with all other browsers.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::http::{HeaderValue, header};
use axum::response::Response;

use crate::auth::Login;
use crate::auth::secret_hash::hash_of;
use crate::domain::user::Factor;
use crate::web::app::WebApp;
use crate::web::cookies;
use crate::web::error::WebError;
use crate::web::sign_in::{self, FormDenied, LONGEST};
use crate::web::users::WebUser;

/// Remembers the browser of a request anew, signs all others of its user out, and returns the header that sets its cookie.
/// `revision` is that of users' records before the change.
///
/// # Errors
/// Returns an error if the browser must sign in again.
pub async fn stay_signed_in(
    app: &Arc<WebApp>,
    user: &WebUser,
    login: Login,
    revision: u64,
) -> Result<HeaderValue, WebError> {
    let remembered = sign_in::remember(app, &user.visitor, login, revision).await;
    let cookie = remembered.map_err(|denied| match denied {
        FormDenied::Wrong => WebError::sign_in_required(),
        FormDenied::Refused(error) => error,
    })?;
    let hash = hash_of(cookie.value.as_bytes());
    let name = user.login().user();
    // Their rows open nothing any more; without them, the list of browsers says so.
    if let Err(error) = app.store.remove_browser_sessions_of(name, Some(&hash)).await {
        tracing::error!(%error, user = %name, "browsers that were signed out stay in the list");
    }
    cookies::set_session(&cookie.value, LONGEST.unsigned_abs().as_secs())
        .ok_or_else(|| WebError::internal("cannot set a cookie", &"its value has other characters"))
}

/// Does the same after a change of the second factor: the user has passed these factors as they are now.
///
/// # Errors
/// Returns an error if the browser must sign in again.
pub async fn renew(
    app: &Arc<WebApp>,
    user: &WebUser,
    factors: &BTreeSet<Factor>,
    revision: u64,
) -> Result<HeaderValue, WebError> {
    let peer = user.visitor.address.ip();
    match app.service.auth.renew(user.login(), factors, peer).await {
        Ok(Ok(login)) => stay_signed_in(app, user, login, revision).await,
        Ok(Err(_)) => Err(WebError::sign_in_required()),
        Err(error) => Err(WebError::internal("cannot look a user up", &error)),
    }
}

/// Adds the cookie to an answer about a change that is in force in any case: without a cookie, the browser must sign in
/// again.
pub fn with_cookie(mut response: Response, cookie: Result<HeaderValue, WebError>) -> Response {
    let cookie = cookie.unwrap_or_else(|error| {
        tracing::info!(
            reason = error.sentence,
            "a browser must sign in again after a change"
        );
        cookies::remove_session()
    });
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response
}
