//! `/account/tokens`: what a user's programs show instead of the password.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, post};
use serde::{Deserialize, Serialize};

use crate::domain::token::TokenScope;
use crate::ops::tokens::{self, NewToken};
use crate::shapes::values::Expiry;
use crate::web::account;
use crate::web::admins::WebAdmin;
use crate::web::api::input::{parsed, parsed_if_any, secret};
use crate::web::app::WebApp;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::json::Versioned;
use crate::web::json_body::JsonBody;
use crate::web::users::WebUser;
use crate::web::{confirmation, use_cases};
use base::secret::Secret;

pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .route("/account/tokens", post(add))
        .route("/account/tokens/{id}", delete(remove))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnTokenBody {
    /// `files` or `admin`.
    scope: String,
    #[serde(default)]
    comment: String,
    /// A date, or `never`.
    #[serde(default)]
    expires: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    current_password: Option<Secret>,
}

/// A token that was made.
#[derive(Serialize)]
struct IssuedTokenJson<'a> {
    id: i64,
    /// The token itself, which nobody sees again.
    token: &'a str,
}

/// A token that was taken away.
#[derive(Serialize)]
struct TokenRemovedJson {
    removed: i64,
}

async fn add(
    State(app): State<Arc<WebApp>>,
    user: WebUser,
    JsonBody(body): JsonBody<OwnTokenBody>,
) -> Result<Response, WebError> {
    let record = account::record(&app, &user).await?;
    account::require_own(&record)?;
    let scope: TokenScope = parsed(&body.scope)?;
    let expiry: Option<Expiry> = parsed_if_any(body.expires.as_deref())?;
    if scope == TokenScope::Admin {
        WebAdmin::of(user.clone(), &app).await?;
    }
    confirmation::password(&app, &user, body.current_password.as_ref()).await?;
    let request = NewToken {
        user: record.name.clone(),
        scope,
        comment: body.comment.trim().to_owned(),
        expires_at: expiry.and_then(|Expiry(at)| at),
    };
    let issued = use_cases::run_for(&app, record.name, async move |context| {
        tokens::add(request, context).await
    })
    .await?;
    let body = Versioned::new(IssuedTokenJson {
        id: issued.view.id,
        token: issued.token.reveal(),
    });
    Ok((StatusCode::CREATED, body).into_response())
}

async fn remove(
    State(app): State<Arc<WebApp>>,
    user: WebUser,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    let name = account::record(&app, &user).await?.name;
    let no_such = || WebError::new(WebErrorKind::NotFound, "you have no such token");
    let id: i64 = id.parse().map_err(|_| no_such())?;
    let of = name.clone();
    let removing = use_cases::run_for(&app, name, async move |context| {
        tokens::remove(&of, id, context).await
    });
    removing.await.map_err(|error| match error.kind {
        WebErrorKind::NotFound => no_such(),
        _ => error,
    })?;
    Ok(Versioned::new(TokenRemovedJson { removed: id }).into_response())
}
