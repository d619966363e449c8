//! Signing in by browser: a name, a password and a code in one form, and the cookie by which the browser is known from
//! then on.
//!
//! States of a sign-in: *asked* (the form is shown), *denied* (the same answer whatever was wrong, at the time that the
//! throttle chooses), *a new password is wanted* (everything was proven, and the password has expired: the proofs wait in
//! memory: [`pending`]), *remembered* (the cookie's hash is in the store).

pub mod pending;

use std::sync::Arc;
use std::time::{Duration, Instant};

use data_encoding::BASE64URL_NOPAD;
use jiff::{SignedDuration, Timestamp};

use super::app::WebApp;
use super::error::{WebError, WebErrorKind};
use super::live::{NewWebSession, WebCredential, WebScope, WebSessionKey};
use super::operator::WebOperator;
use super::session_start;
use super::visitor::Visitor;
use crate::auth::secret_hash::hash_of;
use crate::auth::{
    Attempt, Credential, Denial, Login, NewPasswordDenial, Proofs, RememberedSignIn, Revocation,
};
use crate::domain::event::{AdminRecord, Event};
use crate::domain::user::{Factor, MAX_NAME, UserName};
use crate::ops::running::RunningServer as _;
use crate::store::web::{BrowserSessionRecord, TokenRecord};
use base::secret::Secret;
use pending::PendingSignIn;

/// How long a browser stays signed in, whether it is used or not.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long a browser stays signed in without a request.
pub const QUIET: SignedDuration = SignedDuration::from_hours(24);
/// The time before which no form is answered that was wrong: longer than a password and a code take to be examined, so
/// that the time does not tell which of them was wrong.
const FAILED_AT_LEAST: Duration = Duration::from_secs(1);
/// The bytes of a cookie before they are encoded.
const COOKIE_BYTES: usize = 32;

/// What a form contains.
pub struct SignInForm {
    /// The user name as it was typed.
    pub name: String,
    /// The password.
    pub password: Secret,
    /// The one-time code or the recovery code; empty if there is none.
    pub code: Secret,
}

/// A sign-in that was accepted.
pub enum AcceptedForm {
    /// The browser is signed in.
    SignedIn(NewCookie),
    /// The password has expired; this text identifies the sign-in that waits for a new one.
    NewPassword(String),
}

/// The cookie of a browser that has just signed in.
pub struct NewCookie {
    /// The value.
    pub value: String,
}

/// Why a form was not accepted.
#[derive(Debug)]
pub enum FormDenied {
    /// Name, password or code is wrong, or the user may not sign in. Nothing else may be told.
    Wrong,
    /// The sign-in was right, and is refused all the same, for this reason.
    Refused(WebError),
}

/// Returns a new random text for a cookie.
pub(super) fn random_text() -> Result<String, WebError> {
    let mut bytes = [0; COOKIE_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| WebError::internal("no randomness for a cookie", &error))?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

/// Judges a form. A refusal is answered at the moment that the throttle has chosen.
///
/// # Errors
/// Returns why the browser is not signed in.
pub async fn sign_in(
    app: &Arc<WebApp>,
    visitor: &Visitor,
    form: SignInForm,
) -> Result<AcceptedForm, FormDenied> {
    let answer_at = tokio::time::Instant::now() + FAILED_AT_LEAST;
    let outcome = examine(app, visitor, form).await;
    if let Err(FormDenied::Wrong) = outcome {
        tokio::time::sleep_until(answer_at).await;
    }
    outcome
}

async fn examine(app: &Arc<WebApp>, visitor: &Visitor, form: SignInForm) -> Result<AcceptedForm, FormDenied> {
    let revision = app.service.sessions.revision();
    let password = Credential::Password(&form.password);
    let outcome = judge(app, visitor, &form.name, password, Proofs::default()).await?;
    // A field that was left empty is judged too: it is as wrong as any other code.
    let outcome = match outcome {
        Judged::Partial(passed) => {
            judge(app, visitor, &form.name, Credential::Code(&form.code), passed).await?
        }
        outcome => outcome,
    };
    match outcome {
        Judged::Complete(login) => Ok(AcceptedForm::SignedIn(
            remember(app, visitor, *login, revision).await?,
        )),
        Judged::NewPassword(passed) => {
            let text = random_text().map_err(FormDenied::Refused)?;
            let pending = PendingSignIn {
                user: form.name,
                peer: visitor.address.ip(),
                passed,
                since: Instant::now(),
            };
            app.pending.add(hash_of(text.as_bytes()), pending);
            Ok(AcceptedForm::NewPassword(text))
        }
        // A key is wanted besides, which a browser cannot show.
        Judged::Partial(_) => {
            let reason =
                "password and code are right, and a key is needed besides, which a browser cannot show";
            denied(app, visitor, &form.name, "incomplete", reason);
            Err(FormDenied::Wrong)
        }
    }
}

/// Sets the password of a sign-in that waits for a new one, and completes it.
///
/// # Errors
/// Returns why the password was not set, or why the browser is not signed in.
pub async fn new_password(
    app: &Arc<WebApp>,
    visitor: &Visitor,
    pending: &str,
    password: &Secret,
) -> Result<NewCookie, FormDenied> {
    let hash = hash_of(pending.as_bytes());
    let waiting = app
        .pending
        .take(&hash)
        .filter(|waiting| waiting.peer == visitor.address.ip());
    let Some(waiting) = waiting else {
        return Err(FormDenied::Refused(WebError::new(
            WebErrorKind::Gone,
            "this took too long: sign in again",
        )));
    };
    let revision = app.service.sessions.revision();
    let auth = &app.service.auth;
    let set = auth
        .set_own_password(&waiting.user, waiting.peer, &waiting.passed, password)
        .await;
    match set {
        Ok(Ok(login)) => {
            let record = own_password(app, visitor, login.user());
            app.service.events.emit(&Event::Admin(Box::new(record)));
            remember(app, visitor, login, revision).await
        }
        Ok(Err(_)) => Err(FormDenied::Wrong),
        Err(NewPasswordDenial::Rules(sentence)) => {
            app.pending.add(hash, waiting);
            Err(FormDenied::Refused(WebError::new(
                WebErrorKind::BadRequest,
                sentence,
            )))
        }
        Err(NewPasswordDenial::Failed(error)) => {
            denied(
                app,
                visitor,
                &waiting.user,
                "password_expired",
                &error.to_string(),
            );
            Err(FormDenied::Wrong)
        }
    }
}

/// Describes that a user has chosen a new password on the web page.
pub(super) fn own_password(app: &WebApp, visitor: &Visitor, user: &UserName) -> AdminRecord {
    let by = WebOperator::new(Arc::clone(&app.running), user.clone()).operator();
    AdminRecord::own_password(by, user.as_str(), visitor.address)
}

/// The outcome of an attempt that did not fail.
enum Judged {
    Complete(Box<Login>),
    Partial(Proofs),
    NewPassword(Proofs),
}

/// Judges one credential; a failure is reported, and held back.
async fn judge(
    app: &WebApp,
    visitor: &Visitor,
    user: &str,
    credential: Credential<'_>,
    passed: Proofs,
) -> Result<Judged, FormDenied> {
    let attempt = Attempt {
        user,
        peer: visitor.address.ip(),
        credential,
        passed,
        offered: None,
    };
    match app.service.auth.login(attempt).await {
        Ok(login) => Ok(Judged::Complete(Box::new(login))),
        Err(Denial::Partial { passed, .. }) => Ok(Judged::Partial(passed)),
        Err(Denial::PasswordExpired { passed }) => Ok(Judged::NewPassword(passed)),
        Err(Denial::Failed { reason, answer_at }) => {
            denied(app, visitor, user, reason.code(), &reason.to_string());
            tokio::time::sleep_until(answer_at).await;
            Err(FormDenied::Wrong)
        }
    }
}

/// Emits the event that a sign-in was refused.
fn denied(app: &WebApp, visitor: &Visitor, user: &str, code: &'static str, reason: &str) {
    app.service.events.emit(&Event::Denied {
        peer: visitor.address,
        user: user.chars().take(MAX_NAME).collect(),
        method: "password",
        code,
        reason: reason.to_owned(),
    });
}

/// Remembers a browser, and begins its session.
pub(super) async fn remember(
    app: &Arc<WebApp>,
    visitor: &Visitor,
    login: Login,
    revision: u64,
) -> Result<NewCookie, FormDenied> {
    let remembered = app.service.auth.remember(&login).ok_or(FormDenied::Wrong)?;
    let value = random_text().map_err(FormDenied::Refused)?;
    let id_hash = hash_of(value.as_bytes());
    let now = Timestamp::now();
    let record = BrowserSessionRecord {
        id_hash,
        user: remembered.user,
        incarnation: remembered.incarnation,
        factors: remembered.factors,
        fingerprint: remembered.fingerprint,
        created_at: now,
        last_used_at: now,
        expires_at: now.saturating_add(LONGEST).unwrap_or(Timestamp::MAX),
        address: visitor.address.ip(),
        client: visitor.agent.clone(),
    };
    let stored = app.store.add_browser_session(&record).await;
    stored.map_err(|error| FormDenied::Refused(WebError::internal("cannot remember a browser", &error)))?;
    let key = WebSessionKey {
        credential: WebCredential::Browser(id_hash),
        address: visitor.address.ip(),
    };
    let new = NewWebSession {
        method: method_of(&login),
        login,
        revision,
        scope: WebScope::Browser,
    };
    let begun = session_start::find_or_begin(app, key, visitor, async { Ok(new) }).await;
    if let Err(error) = begun {
        let _ = app.store.remove_browser_session(&id_hash).await;
        return Err(FormDenied::Refused(error));
    }
    Ok(NewCookie { value })
}

/// Returns how the audit log names the sign-in of a browser.
fn method_of(login: &Login) -> String {
    match login.factors().contains(&Factor::Totp) {
        true => "password+totp".to_owned(),
        false => "password".to_owned(),
    }
}

/// Accepts a browser that has signed in before, if its user's record still does.
///
/// # Errors
/// Returns an error if the browser must sign in again, or if the store cannot answer.
pub(super) async fn resume(
    app: &WebApp,
    hash: [u8; 32],
    visitor: &Visitor,
) -> Result<NewWebSession, WebError> {
    let internal = |error| WebError::internal("cannot look a browser up", &error);
    let revision = app.service.sessions.revision();
    let record = app.store.browser_session(&hash).await.map_err(internal)?;
    let record = record.ok_or_else(WebError::sign_in_required)?;
    let now = Timestamp::now();
    let is_quiet = record
        .last_used_at
        .saturating_add(QUIET)
        .is_ok_and(|end| end <= now);
    if record.expires_at <= now || is_quiet {
        app.store.remove_browser_session(&hash).await.map_err(internal)?;
        return Err(WebError::sign_in_required());
    }
    let user = record.user.to_string();
    let remembered = RememberedSignIn {
        user: record.user,
        incarnation: record.incarnation,
        factors: record.factors,
        fingerprint: record.fingerprint,
    };
    let address = visitor.address.ip();
    match app
        .service
        .auth
        .resume(&remembered, address)
        .await
        .map_err(internal)?
    {
        Ok(login) => {
            let touched = app.store.touch_browser_session(&hash, now, address).await;
            touched.map_err(internal)?;
            Ok(NewWebSession {
                login,
                revision,
                scope: WebScope::Browser,
                method: "cookie".to_owned(),
            })
        }
        Err(lost) => {
            denied(app, visitor, &user, "record_changed", &lost.to_string());
            // An address that is not allowed now may be so again, and the browser may move.
            if lost != Revocation::Address {
                app.store.remove_browser_session(&hash).await.map_err(internal)?;
            }
            Err(WebError::sign_in_required())
        }
    }
}

/// A token that was accepted.
pub(super) struct AcceptedToken {
    /// The proof that its user may do something.
    pub login: Login,
    /// The token as it is stored.
    pub record: TokenRecord,
}

/// Judges a token; a refusal is answered at the moment that the throttle has chosen.
///
/// # Errors
/// Returns an error if the token is not accepted.
pub(super) async fn by_token(
    app: &WebApp,
    token: &Secret,
    visitor: &Visitor,
) -> Result<AcceptedToken, WebError> {
    match app.service.auth.token(token, visitor.address.ip()).await {
        Ok((login, record)) => Ok(AcceptedToken { login, record }),
        Err(Denial::Failed { reason, answer_at }) => {
            app.service.events.emit(&Event::Denied {
                peer: visitor.address,
                user: String::new(),
                method: "token",
                code: reason.code(),
                reason: reason.to_string(),
            });
            tokio::time::sleep_until(answer_at).await;
            Err(WebError::new(
                WebErrorKind::SignInRequired,
                "this token is not accepted",
            ))
        }
        Err(Denial::Partial { .. } | Denial::PasswordExpired { .. }) => Err(WebError::sign_in_required()),
    }
}

/// Signs a browser out: its cookie opens nothing any more, and its sessions end.
///
/// # Errors
/// Returns an error if the store cannot be written.
pub async fn sign_out(app: &WebApp, hash: &[u8; 32]) -> Result<(), WebError> {
    let removed = app.store.remove_browser_session(hash).await;
    removed.map_err(|error| WebError::internal("cannot sign a browser out", &error))?;
    app.sessions.end(WebCredential::Browser(*hash), "signed out");
    Ok(())
}
