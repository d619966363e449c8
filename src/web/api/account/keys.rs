//! `/account/keys`: a user's own keys, with the checks and words of `user key add`, unless `[web] own_keys` forbids it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, post};
use serde::Deserialize;

use crate::domain::user::UserName;
use crate::ops::users;
use crate::shapes::json::ChangeJson;
use crate::web::account;
use crate::web::api::input::{bad_request, key_lines, secret};
use crate::web::app::WebApp;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::json::Versioned;
use crate::web::json_body::JsonBody;
use crate::web::users::WebUser;
use crate::web::{confirmation, use_cases};
use base::secret::Secret;

pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .route("/account/keys", post(add))
        .route("/account/keys/{fingerprint}", delete(remove))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnKeysBody {
    /// Lines of authorized_keys, or the text of a `.pub` file.
    keys: String,
    #[serde(default, deserialize_with = "secret")]
    current_password: Option<Secret>,
}

/// Returns the name of the user, if they may change their keys.
async fn changer(app: &WebApp, user: &WebUser) -> Result<UserName, WebError> {
    let record = account::record(app, user).await?;
    account::require_own(&record)?;
    match app.settings().own_keys {
        true => Ok(record.name),
        false => Err(WebError::new(
            WebErrorKind::Forbidden,
            "on this server, users do not change their keys themselves",
        )
        .hint("ask whoever runs it")),
    }
}

async fn add(
    State(app): State<Arc<WebApp>>,
    user: WebUser,
    JsonBody(body): JsonBody<OwnKeysBody>,
) -> Result<Response, WebError> {
    let name = changer(&app, &user).await?;
    let lines = key_lines(&body.keys)?;
    if lines.is_empty() {
        return Err(bad_request("there is no key"));
    }
    confirmation::password(&app, &user, body.current_password.as_ref()).await?;
    let of = name.clone();
    let change = use_cases::run_for(&app, name, async move |context| {
        users::add_keys(&of, lines, context).await
    })
    .await?;
    Ok(Versioned::new(ChangeJson::from(&change)).into_response())
}

async fn remove(
    State(app): State<Arc<WebApp>>,
    user: WebUser,
    Path(fingerprint): Path<String>,
) -> Result<Response, WebError> {
    let name = changer(&app, &user).await?;
    let of = name.clone();
    let change = use_cases::run_for(&app, name, async move |context| {
        users::remove_key(&of, &fingerprint, context).await
    })
    .await?;
    Ok(Versioned::new(ChangeJson::from(&change)).into_response())
}
