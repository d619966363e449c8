//! `/account/browsers`: the browsers in which a user is signed in. Signing one out ends its sessions, too.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::delete;
use serde::Serialize;

use crate::web::account;
use crate::web::app::WebApp;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::json::Versioned;
use crate::web::users::WebUser;
use crate::web::{cookies, sign_in};

pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .route("/account/browsers", delete(sign_others_out))
        .route("/account/browsers/{id}", delete(sign_one_out))
}

/// The browsers that were signed out.
#[derive(Serialize)]
struct SignedOutJson {
    signed_out: usize,
}

async fn sign_others_out(State(app): State<Arc<WebApp>>, user: WebUser) -> Result<Response, WebError> {
    user.require_browser()?;
    let mut signed_out = 0;
    for browser in account::browsers(&app, &user).await? {
        if !browser.is_this_one {
            sign_in::sign_out(&app, &browser.record.id_hash).await?;
            signed_out += 1;
        }
    }
    Ok(Versioned::new(SignedOutJson { signed_out }).into_response())
}

async fn sign_one_out(
    State(app): State<Arc<WebApp>>,
    user: WebUser,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    user.require_browser()?;
    let mut browsers = account::browsers(&app, &user).await?.into_iter();
    let Some(browser) = browsers.find(|browser| browser.id == id) else {
        return Err(WebError::new(
            WebErrorKind::NotFound,
            "you are not signed in in this browser any more",
        ));
    };
    sign_in::sign_out(&app, &browser.record.id_hash).await?;
    let mut response = Versioned::new(SignedOutJson { signed_out: 1 }).into_response();
    if browser.is_this_one {
        response
            .headers_mut()
            .append(header::SET_COOKIE, cookies::remove_session());
    }
    Ok(response)
}
