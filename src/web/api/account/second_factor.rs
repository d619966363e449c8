//! `/account/totp`: a user's second factor. It is begun with the password, is in force after one right code, and is taken
//! away with the password and a code.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::auth::totp::TotpSecret;
use crate::domain::user::{Factor, User};
use crate::ops::users::totp::{self, EnrolmentRequest};
use crate::web::account::enrolments::{FirstCode, WantedEnrolment};
use crate::web::account::{self, renewal};
use crate::web::api::input::{bad_request, secret};
use crate::web::app::WebApp;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::json::Versioned;
use crate::web::json_body::JsonBody;
use crate::web::qr_path::QrPath;
use crate::web::users::WebUser;
use crate::web::{confirmation, use_cases};
use base::secret::Secret;

/// How long the answer to a wrong first code is held back.
const AFTER_WRONG_CODE: Duration = Duration::from_secs(1);

pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new()
        .route("/account/totp", post(begin))
        .route("/account/totp/confirm", post(confirm))
        .route("/account/totp/remove", post(remove))
}

/// The password, and a code of the second factor that the user has.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProofsBody {
    #[serde(default, deserialize_with = "secret")]
    current_password: Option<Secret>,
    #[serde(default, deserialize_with = "secret")]
    code: Option<Secret>,
}

/// A secret that waits for its first code.
#[derive(Serialize)]
struct BegunJson<'a> {
    /// The secret in base32.
    secret: &'a str,
    /// The address that devices read from the QR code.
    url: &'a str,
    qr: Option<QrPath>,
}

/// A second factor that is in force.
#[derive(Serialize)]
struct EnrolledJson<'a> {
    /// The recovery codes, which nobody sees again.
    recovery_codes: Vec<&'a str>,
}

/// A second factor that was taken away.
#[derive(Serialize)]
struct FactorRemovedJson {
    changed: bool,
}

/// Checks the password and, of a user who has a second factor, a code.
async fn prove(app: &WebApp, user: &WebUser, record: &User, body: &ProofsBody) -> Result<(), WebError> {
    if record.totp.is_some() && body.code.is_none() {
        return Err(WebError::new(
            WebErrorKind::PasswordRequired,
            "this needs a code of the second factor that you have, too",
        )
        .hint("code"));
    }
    let passed = confirmation::password(app, user, body.current_password.as_ref()).await?;
    match (&record.totp, &body.code) {
        (Some(_), Some(code)) => confirmation::code(app, user, passed, code).await,
        _ => Ok(()),
    }
}

async fn begin(
    State(app): State<Arc<WebApp>>,
    user: WebUser,
    JsonBody(body): JsonBody<ProofsBody>,
) -> Result<Response, WebError> {
    let record = account::record(&app, &user).await?;
    let browser = user.cookie.ok_or_else(WebError::sign_in_required)?;
    let settings = app.service.auth.settings();
    if settings.methods_for(Factor::Totp).next().is_none() {
        return Err(WebError::new(
            WebErrorKind::Conflict,
            "this server accepts no codes, so that you could not sign in any more",
        )
        .hint("ask whoever runs it: [auth] methods needs \"keyboard-interactive\""));
    }
    prove(&app, &user, &record, &body).await?;
    let secret =
        TotpSecret::generate().map_err(|error| WebError::internal("cannot make a second factor", &error))?;
    let (base32, url) = (secret.base32(), secret.url(record.name.as_str()));
    let response = Versioned::new(BegunJson {
        secret: base32.as_str(),
        url: url.as_str(),
        qr: QrPath::of(&url),
    })
    .into_response();
    let wanted = WantedEnrolment {
        replaces: record.totp.is_some(),
        user: record.name,
        secret,
    };
    app.enrolments.begin(browser, wanted);
    Ok(response)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstCodeBody {
    #[serde(default, deserialize_with = "secret")]
    code: Option<Secret>,
}

async fn confirm(
    State(app): State<Arc<WebApp>>,
    user: WebUser,
    JsonBody(body): JsonBody<FirstCodeBody>,
) -> Result<Response, WebError> {
    let record = account::record(&app, &user).await?;
    let browser = user.cookie.ok_or_else(WebError::sign_in_required)?;
    let Some(code) = body.code else {
        return Err(bad_request("there is no code"));
    };
    let now = Timestamp::now().as_second();
    match app.enrolments.prove(&browser, &record.name, code.bytes(), now) {
        FirstCode::NothingWaits => Err(WebError::new(
            WebErrorKind::Gone,
            "no second factor waits for a code here: it was begun too long ago, or with too many wrong codes",
        )
        .hint("begin again")),
        FirstCode::Wrong => {
            tokio::time::sleep(AFTER_WRONG_CODE).await;
            Err(
                bad_request("this is not the code that your device should show now")
                    .hint("give the code that it shows now; if that is wrong, too, look at its clock"),
            )
        }
        FirstCode::Right(wanted, step) => {
            let enrolling = enroll(Arc::clone(&app), user, wanted, step);
            use_cases::to_its_end(&app, enrolling).await
        }
    }
}

async fn enroll(
    app: Arc<WebApp>,
    user: WebUser,
    wanted: WantedEnrolment,
    step: i64,
) -> Result<Response, WebError> {
    // This must precede the change.
    let revision = app.service.sessions.revision();
    let name = wanted.user.clone();
    let enrolment = use_cases::run_for(&app, name, async move |context| {
        let WantedEnrolment {
            user,
            secret,
            replaces,
        } = wanted;
        let request = EnrolmentRequest {
            replace: replaces,
            secret: Some(secret),
        };
        let enrolment = totp::enroll_totp(&user, request, context).await?;
        // The first code is used up.
        if let Err(error) = context.store.take_totp_step(&user, step).await {
            (context.warn)(&error);
        }
        Ok(enrolment)
    })
    .await?;
    if let Err(error) = &enrolment.change {
        tracing::error!(%error, user = %user.login().user(), "a second factor is stored, but not in force yet");
    }
    let factors = BTreeSet::from([Factor::Password, Factor::Totp]);
    let cookie = renewal::renew(&app, &user, &factors, revision).await;
    let codes: Vec<_> = enrolment.codes.iter().map(|code| code.shown()).collect();
    let response = Versioned::new(EnrolledJson {
        recovery_codes: codes.iter().map(|code| code.as_str()).collect(),
    })
    .into_response();
    Ok(renewal::with_cookie(response, cookie))
}

async fn remove(
    State(app): State<Arc<WebApp>>,
    user: WebUser,
    JsonBody(body): JsonBody<ProofsBody>,
) -> Result<Response, WebError> {
    let record = account::record(&app, &user).await?;
    let refused = |why: &str| WebError::new(WebErrorKind::Conflict, why);
    if record.totp.is_none() {
        return Err(refused("you have no second factor"));
    }
    if record.require().contains(&Factor::Totp) {
        return Err(refused("a second factor is required of you").hint("it can be replaced by a new one"));
    }
    prove(&app, &user, &record, &body).await?;
    let removing = take_away(Arc::clone(&app), user);
    use_cases::to_its_end(&app, removing).await
}

async fn take_away(app: Arc<WebApp>, user: WebUser) -> Result<Response, WebError> {
    // This must precede the change.
    let revision = app.service.sessions.revision();
    let name = user.login().user().clone();
    let of = name.clone();
    let change = use_cases::run_for(&app, name, async move |context| {
        totp::reset_totp(&of, context).await
    })
    .await?;
    let cookie = renewal::renew(&app, &user, &BTreeSet::from([Factor::Password]), revision).await;
    let response = Versioned::new(FactorRemovedJson {
        changed: change.is_change,
    })
    .into_response();
    Ok(renewal::with_cookie(response, cookie))
}
