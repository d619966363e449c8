//! `/account/password`: a user's new password. All other browsers, and all sessions by the old one, end.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::put;
use serde::{Deserialize, Serialize};

use crate::auth::NewPasswordDenial;
use crate::web::account::{self, renewal};
use crate::web::api::input::{bad_request, secret};
use crate::web::app::WebApp;
use crate::web::error::WebError;
use crate::web::json::Versioned;
use crate::web::json_body::JsonBody;
use crate::web::users::WebUser;
use crate::web::{confirmation, sign_in, use_cases};
use base::error::Error;
use base::secret::Secret;

pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new().route("/account/password", put(set))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnPasswordBody {
    /// The new password.
    #[serde(default, deserialize_with = "secret")]
    password: Option<Secret>,
    #[serde(default, deserialize_with = "secret")]
    current_password: Option<Secret>,
}

/// A change that is in force.
#[derive(Serialize)]
struct PasswordSetJson {
    changed: bool,
}

async fn set(
    State(app): State<Arc<WebApp>>,
    user: WebUser,
    JsonBody(body): JsonBody<OwnPasswordBody>,
) -> Result<Response, WebError> {
    account::require_own(&account::record(&app, &user).await?)?;
    let Some(new) = body.password else {
        return Err(bad_request("there is no new password"));
    };
    confirmation::password(&app, &user, body.current_password.as_ref()).await?;
    let changing = change(Arc::clone(&app), user, new);
    use_cases::to_its_end(&app, changing).await
}

async fn change(app: Arc<WebApp>, user: WebUser, new: Secret) -> Result<Response, WebError> {
    let (login, name) = (user.login(), user.login().user());
    let peer = user.visitor.address.ip();
    // This must precede the change.
    let revision = app.service.sessions.revision();
    let auth = &app.service.auth;
    let set = auth
        .set_own_password(name.as_str(), peer, login.proofs(), &new)
        .await;
    let renewed = match set {
        Ok(Ok(login)) => login,
        Ok(Err(_)) => return Err(WebError::sign_in_required()),
        Err(NewPasswordDenial::Rules(sentence)) => return Err(bad_request(sentence)),
        Err(NewPasswordDenial::Failed(error)) => {
            return Err(WebError::internal("a user's new password was not set", &error));
        }
    };
    let record = sign_in::own_password(&app, &user.visitor, name);
    let applied = app.running.apply_changes(vec![name.clone()], Some(record)).await;
    if let Err(error) = applied {
        // The server looks for changes by itself within a second.
        tracing::error!(error = %Error::from(error), user = %name, "sessions by the old password do not end yet");
    }
    let cookie = renewal::stay_signed_in(&app, &user, renewed, revision).await;
    let response = Versioned::new(PasswordSetJson { changed: true }).into_response();
    Ok(renewal::with_cookie(response, cookie))
}
