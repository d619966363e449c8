//! Who makes a request, before it is known on whose behalf: the address, through proxies that are trusted, and the
//! program.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use base::visible;

use super::app::WebApp;

/// The most characters that are kept of what a browser says about itself.
const LONGEST_AGENT: usize = 200;

/// Where a connection comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConnectionOrigin {
    /// The address of the other end: a browser, or a proxy.
    pub peer: SocketAddr,
    /// Whether the connection is encrypted.
    pub is_tls: bool,
}

/// The program that makes a request.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// The address that the request comes from. Behind a trusted proxy, it is the one that the proxy names.
    pub address: SocketAddr,
    /// Whether the browser's own connection is encrypted, as far as is known.
    pub is_secure: bool,
    /// What the browser says about itself, shortened, without control characters.
    pub agent: String,
}

impl Visitor {
    /// Returns who makes the request with these headers.
    pub(super) fn of(app: &WebApp, origin: ConnectionOrigin, headers: &HeaderMap) -> Self {
        let agent = headers
            .get(header::USER_AGENT)
            .map_or(&b""[..], |value| value.as_bytes());
        let (address, is_secure) = app.client_of(origin, headers);
        Self {
            address,
            is_secure,
            agent: visible::bytes(agent).chars().take(LONGEST_AGENT).collect(),
        }
    }
}

impl FromRequestParts<Arc<WebApp>> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<WebApp>) -> Result<Self, Infallible> {
        // Every connection has an origin: see `accept`.
        let origin = parts.extensions.get().copied().unwrap_or(ConnectionOrigin {
            peer: SocketAddr::from(([0, 0, 0, 0], 0)),
            is_tls: false,
        });
        Ok(Self::of(app, origin, &parts.headers))
    }
}
