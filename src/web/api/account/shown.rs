//! The JSON of an account.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::user::Factor;
use crate::store::web::TokenRecord;
use crate::web::account::AccountView;
use crate::web::account::parts::{OwnBrowser, OwnKey, OwnSession, OwnWork};
use crate::web::account::recent::RecentSignIn;

/// An account.
#[derive(Serialize)]
pub(super) struct AccountJson<'a> {
    name: &'a str,
    /// `local` or `external`.
    source: &'static str,
    admin: bool,
    password_set_at: Option<String>,
    totp: bool,
    /// Whether a second factor is required, so that it cannot be taken away.
    totp_required: bool,
    recovery_codes_left: Option<u64>,
    may_change_keys: bool,
    keys: Vec<OwnKeyJson<'a>>,
    tokens: Vec<OwnTokenJson<'a>>,
    browsers: Vec<OwnBrowserJson<'a>>,
    sessions: Vec<OwnSessionJson<'a>>,
    sign_ins: Vec<RecentSignInJson<'a>>,
}

#[derive(Serialize)]
struct OwnKeyJson<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    fingerprint: &'a str,
    comment: &'a str,
    options: &'a str,
}

#[derive(Serialize)]
struct OwnTokenJson<'a> {
    id: i64,
    scope: &'static str,
    comment: &'a str,
    created_at: String,
    expires_at: Option<String>,
    last_used_at: Option<String>,
}

#[derive(Serialize)]
struct OwnBrowserJson<'a> {
    id: &'a str,
    client: &'a str,
    address: IpAddr,
    created_at: String,
    last_used_at: String,
    expires_at: String,
    /// Whether it is the one that asks.
    current: bool,
}

/// A session of the user.
#[derive(Serialize)]
pub(in crate::web::api) struct OwnSessionJson<'a> {
    id: u64,
    protocol: &'static str,
    since: String,
    address: IpAddr,
    client: &'a str,
    method: &'a str,
    open_files: usize,
    work: Vec<OwnWorkJson<'a>>,
    /// Whether it is the one that asks.
    current: bool,
}

#[derive(Serialize)]
struct OwnWorkJson<'a> {
    kind: &'static str,
    path: &'a str,
    bytes: u64,
    size: Option<u64>,
}

#[derive(Serialize)]
struct RecentSignInJson<'a> {
    at: String,
    address: IpAddr,
    client: Option<&'a str>,
    method: Option<&'a str>,
}

fn text(time: Timestamp) -> String {
    format!("{time:.0}")
}

impl<'a> From<&'a AccountView> for AccountJson<'a> {
    fn from(view: &'a AccountView) -> Self {
        let user = &view.user;
        Self {
            name: user.name.as_str(),
            source: user.source.name(),
            admin: user.is_admin,
            password_set_at: user.password_set_at.map(text),
            totp: user.totp.is_some(),
            totp_required: user.require().contains(&Factor::Totp),
            recovery_codes_left: view.recovery_codes_left,
            may_change_keys: view.may_change_keys,
            keys: view.keys.iter().map(Into::into).collect(),
            tokens: view.tokens.iter().map(Into::into).collect(),
            browsers: view.browsers.iter().map(Into::into).collect(),
            sessions: view.sessions.iter().map(Into::into).collect(),
            sign_ins: view.sign_ins.iter().map(Into::into).collect(),
        }
    }
}

impl<'a> From<&'a OwnKey> for OwnKeyJson<'a> {
    fn from(key: &'a OwnKey) -> Self {
        Self {
            kind: &key.kind,
            fingerprint: &key.fingerprint,
            comment: &key.comment,
            options: &key.options,
        }
    }
}

impl<'a> From<&'a TokenRecord> for OwnTokenJson<'a> {
    fn from(token: &'a TokenRecord) -> Self {
        Self {
            id: token.id,
            scope: token.scope.name(),
            comment: &token.comment,
            created_at: text(token.created_at),
            expires_at: token.expires_at.map(text),
            last_used_at: token.last_used_at.map(text),
        }
    }
}

impl<'a> From<&'a OwnBrowser> for OwnBrowserJson<'a> {
    fn from(browser: &'a OwnBrowser) -> Self {
        let record = &browser.record;
        Self {
            id: &browser.id,
            client: &record.client,
            address: record.address,
            created_at: text(record.created_at),
            last_used_at: text(record.last_used_at),
            expires_at: text(record.expires_at),
            current: browser.is_this_one,
        }
    }
}

impl<'a> From<&'a OwnSession> for OwnSessionJson<'a> {
    fn from(session: &'a OwnSession) -> Self {
        Self {
            id: session.id,
            protocol: session.protocol.name(),
            since: text(session.since),
            address: session.address,
            client: &session.client,
            method: &session.method,
            open_files: session.open_files,
            work: session.work.iter().map(Into::into).collect(),
            current: session.is_this_one,
        }
    }
}

impl<'a> From<&'a OwnWork> for OwnWorkJson<'a> {
    fn from(work: &'a OwnWork) -> Self {
        Self {
            kind: work.kind,
            path: &work.path,
            bytes: work.bytes,
            size: work.size,
        }
    }
}

impl<'a> From<&'a RecentSignIn> for RecentSignInJson<'a> {
    fn from(sign_in: &'a RecentSignIn) -> Self {
        Self {
            at: text(sign_in.at),
            address: sign_in.address,
            client: sign_in.client.as_deref(),
            method: sign_in.method.as_deref(),
        }
    }
}
