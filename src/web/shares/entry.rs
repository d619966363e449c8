//! From the token in a link to the session of its visitor.
//!
//! A share without a password and without a limit of uses is entered by every request with its token. The others are
//! opened first, by the form of their page: that makes a visit, which a cookie names.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri};
use jiff::Timestamp;

use super::meter::used_up;
use super::visited::VisitedShare;
use crate::auth::secret_hash::hash_of;
use crate::auth::shares::SharePass;
use crate::auth::{Denial, DenialReason};
use crate::domain::event::Event;
use crate::store::web::ShareRecord;
use crate::web::app::WebApp;
use crate::web::cookies;
use crate::web::error::{WebError, WebErrorKind};
use crate::web::live::{NewWebSession, WebCredential, WebScope, WebSessionKey};
use crate::web::session_start;
use crate::web::users::WebUser;
use crate::web::visitor::Visitor;
use base::secret::Secret;

/// The path of a request below `/s/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LinkPath<'a> {
    /// The token.
    pub(super) token: &'a str,
    /// What follows: empty, or with a slash in front.
    pub(super) rest: &'a str,
}

impl<'a> LinkPath<'a> {
    /// Splits the path of a request.
    pub(super) fn of(uri: &'a Uri) -> Self {
        let path = uri.path();
        let path = path.strip_prefix("/s/").unwrap_or_default();
        let (token, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
        Self { token, rest }
    }

    /// Returns what follows `part`, such as `/files`; `None` if the path has another part.
    pub(super) fn below(self, part: &str) -> Option<&'a str> {
        let rest = self.rest.strip_prefix(part)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }
}

/// A request below `/s/`, without its body.
pub(super) struct AskedOfShare {
    /// Who makes it.
    pub(super) visitor: Visitor,
    /// The method.
    pub(super) method: Method,
    /// The path and the query.
    pub(super) uri: Uri,
    /// The headers.
    pub(super) headers: HeaderMap,
}

impl FromRequestParts<Arc<WebApp>> for AskedOfShare {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<WebApp>) -> Result<Self, Infallible> {
        Ok(Self {
            visitor: Visitor::from_request_parts(parts, app).await?,
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            headers: parts.headers.clone(),
        })
    }
}

/// Whether a share is opened by its form before anything else.
pub(super) fn is_opened_first(share: &ShareRecord) -> bool {
    share.password_hash.is_some() || share.uses_left.is_some()
}

/// Returns the name of the cookie of a share's visits.
pub(super) fn cookie_name(share: i64) -> String {
    format!("__Host-share-{share}")
}

/// Finds the share of a link. An unknown token is answered late.
///
/// # Errors
/// Returns an error if there is none, if it has expired, or if the store cannot answer.
pub(super) async fn find(app: &WebApp, visitor: &Visitor, token: &str) -> Result<ShareRecord, WebError> {
    let token = Secret::new(token.to_owned());
    let found = app.service.auth.shares().find(&token, visitor.address.ip()).await;
    let share = match found {
        Ok(share) => share,
        Err(denial) => return Err(refused(app, visitor, denial).await),
    };
    match share.expires_at.is_some_and(|end| Timestamp::now() >= end) {
        true => Err(expired()),
        false => Ok(share),
    }
}

/// Enters a share on behalf of its owner.
///
/// # Errors
/// Returns an error of the kind `Forbidden` if the share must be opened first, and other errors if it cannot be entered.
pub(super) async fn enter(
    app: &Arc<WebApp>,
    visitor: Visitor,
    share: ShareRecord,
    headers: &HeaderMap,
) -> Result<WebUser, WebError> {
    let address = visitor.address.ip();
    let pass = match is_opened_first(&share) {
        true => known_pass(app, &share, headers).ok_or_else(opened_first)?,
        false => match app.service.auth.shares().pass(&share, None, address).await {
            Ok(pass) => pass,
            Err(denial) => return Err(refused(app, &visitor, denial).await),
        },
    };
    let key = WebSessionKey {
        credential: WebCredential::Share(share.id),
        address,
    };
    let session = match app.sessions.find(&key) {
        Some(session) => session,
        None => {
            let beginning = begin(app, &visitor, &share, &pass);
            let begun = session_start::find_or_begin(app, key, &visitor, beginning).await;
            begun.map_err(|error| match error.kind {
                // The owner's record has changed in this moment.
                WebErrorKind::SignInRequired => ended(),
                _ => error,
            })?
        }
    };
    let share = Arc::new(VisitedShare::new(share)?);
    WebUser::of_visitor(session, visitor, share).await
}

/// Signs a visitor in. A visit of a share that is not opened first counts here.
async fn begin(
    app: &WebApp,
    visitor: &Visitor,
    share: &ShareRecord,
    pass: &SharePass,
) -> Result<NewWebSession, WebError> {
    let revision = app.service.sessions.revision();
    let login = match app.service.auth.shares().login(share, pass).await {
        Ok(login) => login,
        Err(denial) => return Err(refused(app, visitor, denial).await),
    };
    if !is_opened_first(share) {
        take_use(app, share).await?;
    }
    Ok(NewWebSession {
        login,
        revision,
        scope: WebScope::Share,
        method: "share".to_owned(),
    })
}

/// Counts a visit.
///
/// # Errors
/// Returns an error if there may be no further one.
pub(super) async fn take_use(app: &WebApp, share: &ShareRecord) -> Result<(), WebError> {
    let taken = app.store.take_share_use(share.id).await;
    match taken.map_err(|error| WebError::internal("the visits of a share cannot be counted", &error))? {
        true => Ok(()),
        false => Err(
            WebError::new(WebErrorKind::Gone, "this link was used as often as it may be")
                .hint("ask whoever sent it to you for another one"),
        ),
    }
}

/// Returns what the visitor has proven before.
fn known_pass(app: &WebApp, share: &ShareRecord, headers: &HeaderMap) -> Option<SharePass> {
    let cookie = cookies::value(headers, &cookie_name(share.id))?;
    app.visits.find(&hash_of(cookie.as_bytes()), share.id)
}

/// Reports a refusal, waits for the moment at which it is answered, and returns the answer, which does not say what is
/// wrong with the owner.
pub(super) async fn refused(app: &WebApp, visitor: &Visitor, denial: Denial) -> WebError {
    let Denial::Failed { reason, answer_at } = denial else {
        return ended();
    };
    app.service.events.emit(&Event::Denied {
        peer: visitor.address,
        user: String::new(),
        method: "share",
        code: reason.code(),
        reason: reason.to_string(),
    });
    tokio::time::sleep_until(answer_at).await;
    match reason {
        DenialReason::UnknownShare => WebError::new(
            WebErrorKind::NotFound,
            "this link does not exist, or not any more",
        )
        .hint("check that it is complete, or ask whoever sent it to you"),
        DenialReason::ShareExpired => expired(),
        DenialReason::WrongPassword | DenialReason::PasswordTooLong => {
            WebError::new(WebErrorKind::Forbidden, "this is not the password of the link")
        }
        DenialReason::Throttled | DenialReason::QueueFull => WebError::new(
            WebErrorKind::TooMany,
            "too many wrong passwords were given lately, so this one was not looked at",
        )
        .hint("wait a minute, then try again"),
        DenialReason::Store(error) => WebError::internal("a share cannot be looked up", &error),
        DenialReason::NotVerified => WebError::new(
            WebErrorKind::Busy,
            "the password could not be examined: try again",
        ),
        _ => ended(),
    }
}

fn opened_first() -> WebError {
    WebError::new(WebErrorKind::Forbidden, "this link must be opened first")
        .hint("open it in a browser, which asks for its password if it has one")
}

fn expired() -> WebError {
    WebError::new(WebErrorKind::Gone, "this link has expired")
        .hint("ask whoever sent it to you for another one")
}

fn ended() -> WebError {
    used_up()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_have_a_token_and_a_part() {
        let check = |uri: &str, token: &str, rest: &str, files: Option<&str>| {
            let uri: Uri = uri.parse().unwrap();
            let path = LinkPath::of(&uri);
            assert_eq!(path, LinkPath { token, rest }, "{uri}");
            assert_eq!(path.below("/files"), files, "{uri}");
        };
        check("/s/abc", "abc", "", None);
        check("/s/abc/", "abc", "/", None);
        check("/s/abc/files/a%2Fb?x", "abc", "/files/a%2Fb", Some("/a%2Fb"));
        check("/s/abc/files", "abc", "/files", Some(""));
        check("/s/abc/filesx", "abc", "/filesx", None);
        check("/s/", "", "", None);
    }
}
