//! The account of a user: what its page and the API show of it.
//!
//! Only a browser that has signed in sees it. What wants the password again is decided by `web/api/account.rs`.

pub mod enrolments;
pub mod parts;
pub mod recent;
pub mod renewal;

use std::collections::BTreeSet;

use self::parts::{OwnBrowser, OwnKey, OwnSession};
use self::recent::{RecentSignIn, recent};
use super::app::WebApp;
use super::error::{WebError, WebErrorKind};
use super::users::WebUser;
use crate::domain::user::{User, UserSource};
use crate::store::web::{BrowserSessionRecord, TokenRecord};
use base::error::Error;

/// The account of a user.
pub struct AccountView {
    /// The user's record.
    pub user: User,
    /// How many recovery codes are left; `None` without a second factor.
    pub recovery_codes_left: Option<u64>,
    /// Whether the user may add and remove keys.
    pub may_change_keys: bool,
    /// The user's keys.
    pub keys: Vec<OwnKey>,
    /// The user's tokens.
    pub tokens: Vec<TokenRecord>,
    /// The browsers that are signed in, the last used first.
    pub browsers: Vec<OwnBrowser>,
    /// The sessions that are live, the oldest first.
    pub sessions: Vec<OwnSession>,
    /// The sign-ins of late, the latest first.
    pub sign_ins: Vec<RecentSignIn>,
}

/// Returns the live sessions of the user who asks.
pub fn sessions(app: &WebApp, user: &WebUser) -> Vec<OwnSession> {
    let name = BTreeSet::from([user.login().user().clone()]);
    let sessions = app.service.sessions.of_users(&name);
    let live = sessions.iter().filter(|session| !session.gate.is_closed());
    live.map(|session| OwnSession::of(session, user.session.session()))
        .collect()
}

/// Returns the browsers in which the user who asks is signed in.
///
/// # Errors
/// Returns an error if the store cannot be read.
pub async fn browsers(app: &WebApp, user: &WebUser) -> Result<Vec<OwnBrowser>, WebError> {
    let found = app.store.browser_sessions_of(user.login().user()).await;
    let found = found.map_err(unreadable)?;
    let browsers = found.into_iter();
    Ok(browsers
        .map(|record| OwnBrowser::of(record, user.cookie.as_ref()))
        .collect())
}

/// Returns the record of the user who asks, for what only a browser may do.
///
/// # Errors
/// Returns an error for a token, or if the store cannot be read.
pub async fn record(app: &WebApp, user: &WebUser) -> Result<User, WebError> {
    user.require_browser()?;
    let found = app.store.user(user.login().user()).await.map_err(unreadable)?;
    found.ok_or_else(WebError::sign_in_required)
}

/// Refuses what only the outside source of a user decides.
///
/// # Errors
/// Returns an error that says where it is changed.
pub fn require_own(record: &User) -> Result<(), WebError> {
    match record.source {
        UserSource::Local => Ok(()),
        UserSource::External => Err(WebError::new(
            WebErrorKind::Forbidden,
            "your account is kept outside of this server, and so is what you sign in with",
        )
        .hint("change it where your organisation keeps its accounts")),
    }
}

/// Returns the account of the user who asks.
///
/// # Errors
/// Returns an error for a token, or if the store cannot be read.
pub async fn view(app: &WebApp, user: &WebUser) -> Result<AccountView, WebError> {
    let record = record(app, user).await?;
    let name = &record.name;
    let recovery_codes_left = match record.totp {
        Some(_) => Some(app.store.recovery_codes_left(name).await.map_err(unreadable)?),
        None => None,
    };
    let (browsers, sessions) = (browsers(app, user).await?, sessions(app, user));
    let places = app.store.sign_ins_of(name).await.map_err(unreadable)?;
    let remembered: Vec<BrowserSessionRecord> =
        browsers.iter().map(|browser| browser.record.clone()).collect();
    Ok(AccountView {
        recovery_codes_left,
        may_change_keys: app.settings().own_keys && record.source == UserSource::Local,
        keys: record.keys.iter().map(|line| OwnKey::of(line)).collect(),
        tokens: app.store.tokens(Some(name)).await.map_err(unreadable)?,
        sign_ins: recent(&sessions, &remembered, &places),
        browsers,
        sessions,
        user: record,
    })
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "it is what a failed call of the store is mapped by"
)]
fn unreadable(error: Error) -> WebError {
    WebError::internal("cannot read an account", &error)
}
