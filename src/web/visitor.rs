//! Who makes a request, before it is known on whose behalf: the address, through proxies that are trusted, and the
//! program.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, header};

use super::app::WebApp;
use super::forwarded;
use super::host::WebScheme;
use base::visible;

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
    pub scheme: WebScheme,
    /// The host that the browser asks, with its port, as the request or the proxy names it; empty if neither does.
    pub host: String,
    /// What the browser says about itself, shortened, without control characters.
    pub agent: String,
}

impl Visitor {
    /// Returns who makes a request with these extensions and headers.
    pub(super) fn of_request(app: &WebApp, extensions: &Extensions, headers: &HeaderMap) -> Self {
        // Every connection has an origin: see `accept`.
        let origin = extensions.get().copied().unwrap_or(ConnectionOrigin {
            peer: SocketAddr::from(([0, 0, 0, 0], 0)),
            is_tls: false,
        });
        Self::of(app, origin, headers)
    }

    /// Returns who makes the request with these headers.
    fn of(app: &WebApp, origin: ConnectionOrigin, headers: &HeaderMap) -> Self {
        let agent = headers
            .get(header::USER_AGENT)
            .map_or(&b""[..], |value| value.as_bytes());
        let proxied = forwarded::resolve(headers, origin.peer, &app.settings().trusted_proxies);
        let own_scheme = match origin.is_tls {
            true => WebScheme::Https,
            false => WebScheme::Http,
        };
        let own_host = || headers.get(header::HOST)?.to_str().ok().map(str::to_owned);
        Self {
            address: proxied.client,
            scheme: proxied.scheme.unwrap_or(own_scheme),
            host: proxied.host.or_else(own_host).unwrap_or_default(),
            agent: visible::bytes(agent).chars().take(LONGEST_AGENT).collect(),
        }
    }
}

impl FromRequestParts<Arc<WebApp>> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<WebApp>) -> Result<Self, Infallible> {
        Ok(Self::of_request(app, &parts.extensions, &parts.headers))
    }
}
