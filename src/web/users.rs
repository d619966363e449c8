//! On whose behalf a request is made: by the cookie of a browser, or by a token.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use super::app::WebApp;
use super::cookies;
use super::error::{WebError, WebErrorKind};
use super::live::{NewWebSession, RequestTurn, WebCredential, WebScope, WebSession, WebSessionKey};
use super::session_start;
use super::shares::visited::VisitedShare;
use super::sign_in;
use super::visitor::Visitor;
use crate::auth::Login;
use crate::auth::secret_hash::hash_of;
use crate::domain::path::VirtualPath;
use crate::domain::token::TokenScope;
use base::secret::Secret;

/// The user of a request. It holds the request's turn: a body that outlives its handler keeps it.
#[derive(Clone)]
pub struct WebUser {
    /// The session of the request.
    pub session: Arc<WebSession>,
    /// Who makes the request.
    pub visitor: Visitor,
    /// The hash of the browser's cookie; `None` for a token.
    pub cookie: Option<[u8; 32]>,
    /// The share, if a visitor acts on behalf of the user.
    pub share: Option<Arc<VisitedShare>>,
    _turn: Arc<RequestTurn>,
}

impl WebUser {
    /// Returns the user of a request that a visitor of a share makes.
    ///
    /// # Errors
    /// Returns an error if the session has too many requests at once.
    pub(super) async fn of_visitor(
        session: Arc<WebSession>,
        visitor: Visitor,
        share: Arc<VisitedShare>,
    ) -> Result<Self, WebError> {
        let turn = session.turn().await?;
        Ok(Self {
            session,
            visitor,
            cookie: None,
            share: Some(share),
            _turn: Arc::new(turn),
        })
    }

    /// Returns the number of the share, if a visitor acts on behalf of the user.
    pub fn share_id(&self) -> Option<i64> {
        self.share.as_ref().map(|share| share.record.id)
    }

    /// Returns the path of a file that is sent, as the user has it: visitors name paths in their share.
    ///
    /// # Errors
    /// Returns an error for a path that visitors may not name.
    pub fn target_of(&self, named: &VirtualPath) -> Result<VirtualPath, WebError> {
        match &self.share {
            Some(share) => share.target_of(named),
            None => Ok(named.clone()),
        }
    }

    /// Returns a path of the user as whoever asks may see it.
    pub fn shown(&self, path: &VirtualPath) -> VirtualPath {
        match &self.share {
            Some(share) => share.shown(path),
            None => path.clone(),
        }
    }

    /// Returns the proof that the user has signed in.
    pub fn login(&self) -> &Login {
        self.session.login()
    }

    /// Fails unless the request comes from a browser: what concerns the account itself is not for tokens.
    ///
    /// # Errors
    /// Returns an error that says so.
    pub fn require_browser(&self) -> Result<(), WebError> {
        match self.session.scope() {
            WebScope::Browser => Ok(()),
            WebScope::Token(_) => Err(WebError::new(
                WebErrorKind::Forbidden,
                "this needs a sign-in by browser; a token is not enough",
            )),
            WebScope::Share => Err(WebError::not_found()),
        }
    }

    /// Fails unless the request may work on the user's files.
    ///
    /// # Errors
    /// Returns an error that says so.
    pub fn require_files(&self) -> Result<(), WebError> {
        match self.session.scope() {
            WebScope::Browser | WebScope::Share | WebScope::Token(TokenScope::Files) => Ok(()),
            WebScope::Token(TokenScope::Admin) => Err(WebError::new(
                WebErrorKind::Forbidden,
                "this token is for administration, not for files",
            )
            .hint("homeportd token add NAME --scope files")),
        }
    }
}

/// Returns the token that a request shows.
fn bearer(headers: &HeaderMap) -> Result<Option<Secret>, WebError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let bytes = value.as_bytes();
    match bytes.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"Bearer ") => {
            Ok(Some(Secret::from_bytes(token.trim_ascii().to_vec())))
        }
        _ => Err(WebError::new(
            WebErrorKind::SignInRequired,
            "only tokens are accepted here: Authorization: Bearer TOKEN",
        )),
    }
}

impl FromRequestParts<Arc<WebApp>> for WebUser {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<WebApp>) -> Result<Self, WebError> {
        // A request that was made for a visitor of a share: see `shares::inner`. Nothing from outside puts it there.
        if let Some(visitor) = parts.extensions.get::<Self>() {
            return Ok(visitor.clone());
        }
        let Ok(visitor) = Visitor::from_request_parts(parts, app).await;
        let cookie = cookies::session_cookie(&parts.headers);
        let (session, cookie) = match (bearer(&parts.headers)?, cookie) {
            (Some(token), None) => (of_token(app, &token, &visitor).await?, None),
            (None, Some(cookie)) => {
                let hash = hash_of(cookie.as_bytes());
                (of_browser(app, hash, &visitor).await?, Some(hash))
            }
            (Some(_), Some(_)) => {
                return Err(WebError::new(
                    WebErrorKind::BadRequest,
                    "a request shows a token or a cookie, and not both",
                ));
            }
            (None, None) => return Err(WebError::sign_in_required()),
        };
        let turn = session.turn().await?;
        Ok(Self {
            session,
            visitor,
            cookie,
            share: None,
            _turn: Arc::new(turn),
        })
    }
}

/// Returns the session of a browser.
async fn of_browser(
    app: &Arc<WebApp>,
    hash: [u8; 32],
    visitor: &Visitor,
) -> Result<Arc<WebSession>, WebError> {
    let key = WebSessionKey {
        credential: WebCredential::Browser(hash),
        address: visitor.address.ip(),
    };
    if let Some(session) = app.sessions.find(&key) {
        return Ok(session);
    }
    let resuming = sign_in::resume(app, hash, visitor);
    session_start::find_or_begin(app, key, visitor, resuming).await
}

/// Returns the session of a token. The token is looked up each time: one that was removed opens nothing from then on.
async fn of_token(app: &Arc<WebApp>, token: &Secret, visitor: &Visitor) -> Result<Arc<WebSession>, WebError> {
    let revision = app.service.sessions.revision();
    let accepted = sign_in::by_token(app, token, visitor).await?;
    let key = WebSessionKey {
        credential: WebCredential::Token(accepted.record.id),
        address: visitor.address.ip(),
    };
    let beginning = async {
        Ok(NewWebSession {
            login: accepted.login,
            revision,
            scope: WebScope::Token(accepted.record.scope),
            method: "token".to_owned(),
        })
    };
    session_start::find_or_begin(app, key, visitor, beginning).await
}
