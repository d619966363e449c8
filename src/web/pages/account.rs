//! `/account`: a user's own account. All of it can be read without a script; `account.mjs` sends changes to the API.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use jiff::Timestamp;

use super::frame::{MenuPage, PageFrame};
use super::rendering::rendered;
use super::shown_time::minute;
use crate::domain::user::{Factor, UserSource};
use crate::store::web::TokenRecord;
use crate::web::account::parts::{OwnBrowser, OwnKey, OwnSession, OwnWork};
use crate::web::account::recent::RecentSignIn;
use crate::web::account::{self, AccountView};
use crate::web::app::WebApp;
use crate::web::error::WebError;
use crate::web::users::WebUser;
use base::size::Size;

/// Returns the routes of the page.
pub(super) fn routes() -> Router<Arc<WebApp>> {
    Router::new().route("/account", get(show))
}

/// The page.
#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: PageFrame,
    /// The user name, for password managers.
    name: String,
    /// Whether an outside source has the user's password and keys.
    is_external: bool,
    /// Since when the password is the present one, or empty.
    password_since: String,
    /// The least number of characters of a new password.
    shortest: usize,
    has_totp: bool,
    is_totp_required: bool,
    recovery_codes_left: u64,
    may_change_keys: bool,
    keys: Vec<OwnKey>,
    /// Whether the user may give tokens for administration.
    is_admin: bool,
    tokens: Vec<ShownToken>,
    browsers: Vec<ShownBrowser>,
    sessions: Vec<ShownSession>,
    sign_ins: Vec<ShownSignIn>,
}

/// A token.
struct ShownToken {
    id: i64,
    scope: &'static str,
    comment: String,
    created: String,
    expires: String,
    has_expired: bool,
    last_used: String,
}

/// A browser that is signed in.
struct ShownBrowser {
    id: String,
    client: String,
    address: String,
    since: String,
    last_used: String,
    is_this_one: bool,
}

/// A session that is live.
struct ShownSession {
    id: u64,
    protocol: &'static str,
    client: String,
    address: String,
    since: String,
    /// What it does with files, a line for each.
    doing: Vec<String>,
    is_this_one: bool,
}

/// A sign-in of late.
struct ShownSignIn {
    at: String,
    address: String,
    client: String,
    method: String,
}

fn minute_or(time: Option<Timestamp>, other: &str) -> String {
    time.map_or_else(|| other.to_owned(), minute)
}

fn token_row(token: &TokenRecord, now: Timestamp) -> ShownToken {
    ShownToken {
        id: token.id,
        scope: token.scope.name(),
        comment: token.comment.clone(),
        created: minute(token.created_at),
        expires: minute_or(token.expires_at, "never"),
        has_expired: token.is_expired(now),
        last_used: minute_or(token.last_used_at, "never"),
    }
}

fn browser_row(browser: OwnBrowser) -> ShownBrowser {
    let record = browser.record;
    ShownBrowser {
        id: browser.id,
        client: record.client,
        address: record.address.to_string(),
        since: minute(record.created_at),
        last_used: minute(record.last_used_at),
        is_this_one: browser.is_this_one,
    }
}

/// Says what is done with a file: `writing /a/b, 1.0 MiB of 2.0 MiB`.
fn doing(work: &OwnWork) -> String {
    let of = work.size.map(|size| format!(" of {}", Size(size)));
    format!(
        "{} {}, {}{}",
        work.kind,
        work.path,
        Size(work.bytes),
        of.unwrap_or_default()
    )
}

fn session_row(session: OwnSession) -> ShownSession {
    ShownSession {
        id: session.id,
        protocol: session.protocol.name(),
        address: session.address.to_string(),
        since: minute(session.since),
        doing: session.work.iter().map(doing).collect(),
        client: session.client,
        is_this_one: session.is_this_one,
    }
}

fn sign_in_row(sign_in: RecentSignIn) -> ShownSignIn {
    ShownSignIn {
        at: minute(sign_in.at),
        address: sign_in.address.to_string(),
        client: sign_in.client.unwrap_or_default(),
        method: sign_in.method.unwrap_or_default(),
    }
}

impl AccountPage {
    fn of(frame: PageFrame, view: AccountView, shortest: usize) -> Self {
        let (user, now) = (view.user, Timestamp::now());
        Self {
            frame,
            is_external: user.source == UserSource::External,
            password_since: minute_or(user.password_set_at, ""),
            shortest,
            has_totp: user.totp.is_some(),
            is_totp_required: user.require().contains(&Factor::Totp),
            recovery_codes_left: view.recovery_codes_left.unwrap_or_default(),
            may_change_keys: view.may_change_keys,
            keys: view.keys,
            is_admin: user.is_admin,
            tokens: view.tokens.iter().map(|token| token_row(token, now)).collect(),
            browsers: view.browsers.into_iter().map(browser_row).collect(),
            sessions: view.sessions.into_iter().map(session_row).collect(),
            sign_ins: view.sign_ins.into_iter().map(sign_in_row).collect(),
            name: user.name.to_string(),
        }
    }
}

async fn show(State(app): State<Arc<WebApp>>, user: WebUser) -> Result<Response, WebError> {
    let view = account::view(&app, &user).await?;
    let frame = PageFrame::of_user(&app, &user, MenuPage::Account).await?;
    let shortest = app.service.auth.settings().password.min_length;
    rendered(&AccountPage::of(frame, view, shortest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_session_does_is_one_line() {
        let work = OwnWork {
            kind: "writing",
            path: "/a b".to_owned(),
            bytes: 1 << 20,
            size: None,
        };
        assert_eq!(doing(&work), "writing /a b, 1.0 MiB");
        let known = OwnWork {
            size: Some(3 << 20),
            ..work
        };
        assert_eq!(doing(&known), "writing /a b, 1.0 MiB of 3.0 MiB");
    }

    #[test]
    fn the_template_has_nothing_inline_and_no_form_shows_what_it_sends() {
        let text = include_str!("../templates/account.html");
        assert!(
            !text.contains("style=") && !text.contains(" on"),
            "nothing inline"
        );
        let scripts = text.matches("<script").count();
        assert_eq!(scripts, text.matches("<script type=\"module\" src=").count());
        let forms: Vec<&str> = text.split("<form ").skip(1).collect();
        assert!(forms.len() > 2);
        for form in forms {
            assert!(
                form.split('>').next().unwrap().contains("method=\"post\""),
                "{form}"
            );
        }
    }
}
