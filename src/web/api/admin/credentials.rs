//! `/users/NAME/password`, `/keys` and `/totp`: what a user signs in with. All that hands out rights asks for the
//! administrator's own password.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::IntoResponse as _;
use axum::routing::{delete, get, post, put};
use serde::{Deserialize, Serialize};

use super::users::{Answer, changed, password_of, user_name};
use crate::domain::user::UserName;
use crate::ops::passwords::NewPassword;
use crate::ops::users::{self, totp};
use crate::shapes::json::{ChangeJson, KeyJson};
use crate::web::admins::WebAdmin;
use crate::web::api::input::{bad_request, key_lines, secret};
use crate::web::app::WebApp;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::json::Versioned;
use crate::web::json_body::JsonBody;
use base::error::Error;
use base::secret::Secret;

pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .route("/users/{name}/password", put(set_password))
        .route("/users/{name}/keys", get(list_keys).post(add_keys))
        .route("/users/{name}/keys/{fingerprint}", delete(remove_key))
        .route("/users/{name}/totp/reset", post(reset_totp))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PasswordBody {
    #[serde(default, deserialize_with = "secret")]
    password: Option<Secret>,
    #[serde(default)]
    generate: bool,
    #[serde(default, deserialize_with = "secret")]
    current_password: Option<Secret>,
}

async fn set_password(
    State(app): State<Arc<WebApp>>,
    admin: WebAdmin,
    Path(name): Path<String>,
    JsonBody(body): JsonBody<PasswordBody>,
) -> Answer {
    let name = user_name(&name)?;
    let is_generated = body.generate;
    let password = password_of(body.password, is_generated)?;
    let Some(password) = password else {
        return Err(bad_request("there is no password"));
    };
    admin.confirm(&app, body.current_password.as_ref()).await?;
    let chosen = password.clone();
    let change = admin
        .run(&app, async move |context| {
            let ask = |_: &UserName| Ok::<_, Error>(NewPassword::Plain(chosen.clone()));
            users::set_password(&name, &ask, context).await
        })
        .await?;
    let shown = is_generated.then(|| password.reveal());
    Ok(Versioned::new(ChangeJson::with_password(&change, shown)).into_response())
}

#[derive(Serialize)]
struct KeysJson<'a> {
    keys: Vec<KeyJson<'a>>,
}

async fn list_keys(State(app): State<Arc<WebApp>>, admin: WebAdmin, Path(name): Path<String>) -> Answer {
    let name = user_name(&name)?;
    let keys = admin
        .run(&app, async move |context| users::list_keys(&name, context).await)
        .await?;
    let keys = keys.iter().map(Into::into).collect();
    Ok(Versioned::new(KeysJson { keys }).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysBody {
    /// Lines of authorized_keys, or the text of a `.pub` file.
    keys: String,
    #[serde(default, deserialize_with = "secret")]
    current_password: Option<Secret>,
}

async fn add_keys(
    State(app): State<Arc<WebApp>>,
    admin: WebAdmin,
    Path(name): Path<String>,
    JsonBody(body): JsonBody<KeysBody>,
) -> Answer {
    let name = user_name(&name)?;
    let lines = key_lines(&body.keys)?;
    if lines.is_empty() {
        return Err(bad_request("there is no key"));
    }
    admin.confirm(&app, body.current_password.as_ref()).await?;
    let change = admin
        .run(&app, async move |context| {
            users::add_keys(&name, lines, context).await
        })
        .await?;
    Ok(changed(&change))
}

async fn remove_key(
    State(app): State<Arc<WebApp>>,
    admin: WebAdmin,
    Path((name, fingerprint)): Path<(String, String)>,
) -> Answer {
    let name = user_name(&name)?;
    let change = admin
        .run(&app, async move |context| {
            users::remove_key(&name, &fingerprint, context).await
        })
        .await?;
    Ok(changed(&change))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfirmedBody {
    #[serde(default, deserialize_with = "secret")]
    current_password: Option<Secret>,
}

async fn reset_totp(
    State(app): State<Arc<WebApp>>,
    admin: WebAdmin,
    Path(name): Path<String>,
    JsonBody(body): JsonBody<ConfirmedBody>,
) -> Answer {
    let name = user_name(&name)?;
    if name == *admin.name() {
        return Err(WebError::new(
            WebErrorKind::Conflict,
            "your own second factor is changed on your account's page",
        )
        .hint("/account"));
    }
    admin.confirm(&app, body.current_password.as_ref()).await?;
    let change = admin
        .run(&app, async move |context| totp::reset_totp(&name, context).await)
        .await?;
    Ok(changed(&change))
}
