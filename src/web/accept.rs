//! Accepts the connections of browsers, and serves the requests on them: TLS, HTTP/1.1, and how long each step may take.
//!
//! States of a connection: *accepted* (it has a place), *TLS* (at most [`HANDSHAKE`]), *between requests* (at most
//! [`HEADER`], in which the whole head of the next request must arrive), *serving* (as long as the request makes
//! progress: bodies have limits of their own), *closed*. When the server stops, connections between requests are closed,
//! and each other one after its request.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::app::WebApp;
use super::body::EndsWith;
use super::connections::{ConnectionLimits, ConnectionPlace};
use super::routes;
use super::timed_stream::TimedStream;
use super::visitor::ConnectionOrigin;
use crate::ssh::service::Service;

/// The longest time of a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The longest time from the end of one request to the end of the next one's head.
const HEADER: Duration = Duration::from_secs(60);
/// The most bytes of a request's head, and of what is read ahead of a body.
const HEAD_BYTES: usize = 64 * 1024;
/// The most headers of a request. Beyond these, it is refused with 431.
const MOST_HEADERS: usize = 100;
/// The pause after an error that is not the connection's own (no descriptors, no memory).
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What ends the connections of a listener.
#[derive(Clone)]
pub struct WebLifetime {
    /// Cancelled when no connection is accepted any more.
    pub stop: CancellationToken,
    /// The tasks that a drain waits for.
    pub connections: TaskTracker,
}

/// Accepts connections on one socket until the server stops.
pub async fn accept(listener: TcpListener, app: Arc<WebApp>, lifetime: WebLifetime) {
    let router = routes::router(Arc::clone(&app));
    loop {
        let accepted = tokio::select! {
            () = lifetime.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let peer = Service::canonical(peer);
                if let Some(place) = admit(&app, peer) {
                    let connection = WebConnection {
                        peer,
                        place,
                        router: router.clone(),
                        stop: lifetime.stop.clone(),
                    };
                    lifetime
                        .connections
                        .spawn(connection.run(stream, app.tls_config()));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection for the web page");
                tokio::select! {
                    () = lifetime.stop.cancelled() => return,
                    () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                }
            }
        }
    }
}

/// Gives a connection its place, unless its address is denied or there is none.
fn admit(app: &WebApp, peer: SocketAddr) -> Option<ConnectionPlace> {
    if app.service.current().limits.denies(peer.ip()) {
        return None;
    }
    let limits = ConnectionLimits {
        all: app.most_connections,
        is_proxy: app.is_proxy(peer.ip()),
    };
    let place = app.connections.enter(peer.ip(), limits);
    if place.is_none() {
        tracing::debug!(%peer, "refused a connection of the web page: there are too many");
    }
    place
}

/// One connection of a browser.
struct WebConnection {
    peer: SocketAddr,
    place: ConnectionPlace,
    router: Router,
    stop: CancellationToken,
}

impl WebConnection {
    /// Serves the connection until it ends.
    async fn run(self, stream: TcpStream, tls: Option<Arc<ServerConfig>>) {
        let cut = self.place.cut.clone();
        tokio::select! {
            () = cut.cancelled() => {}
            () = self.serve(stream, tls) => {}
        }
    }

    async fn serve(self, stream: TcpStream, tls: Option<Arc<ServerConfig>>) {
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let stream = TimedStream::new(stream);
        let Some(config) = tls else {
            return self.http(stream, false).await;
        };
        let handshake = TlsAcceptor::from(config).accept(stream);
        match tokio::time::timeout(HANDSHAKE, handshake).await {
            Ok(Ok(stream)) => self.http(stream, true).await,
            Ok(Err(error)) => tracing::debug!(peer = %self.peer, %error, "a TLS handshake failed"),
            Err(_) => tracing::debug!(peer = %self.peer, "a TLS handshake has taken too long"),
        }
    }

    async fn http(self, stream: impl AsyncRead + AsyncWrite + Unpin, is_tls: bool) {
        let origin = ConnectionOrigin {
            peer: self.peer,
            is_tls,
        };
        let router = TowerToHyperService::new(self.router);
        let (requests, cut) = (Arc::clone(&self.place.requests), self.place.cut.clone());
        let answer = service_fn(move |mut request: hyper::Request<Incoming>| {
            let served = ServedRequest::begin(&requests);
            request.extensions_mut().insert(origin);
            let answering = router.call(request);
            let cut = cut.clone();
            async move {
                let mut response = answering.await?;
                let ends_with = response.extensions_mut().remove::<EndsWith>();
                let watched = ends_with.map(|EndsWith(gone)| cut_when(gone, cut));
                // The request lasts until its body is sent.
                Ok::<_, Infallible>(response.map(|body| {
                    body.map_frame(move |frame| {
                        let _under_way = (&served, &watched);
                        frame
                    })
                }))
            }
        });
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER)
            .max_buf_size(HEAD_BYTES)
            .max_headers(MOST_HEADERS);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), answer));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(peer = %self.peer, %error, "a connection of the web page was lost");
        }
    }
}

/// Cuts a connection when `gone` is cancelled, unless the returned guard was dropped before.
fn cut_when(gone: CancellationToken, cut: CancellationToken) -> DropGuard {
    let sent = CancellationToken::new();
    let guard = sent.clone().drop_guard();
    tokio::spawn(async move {
        tokio::select! {
            () = sent.cancelled() => {}
            () = gone.cancelled() => cut.cancel(),
        }
    });
    guard
}

/// Counts as a request of its connection until it is dropped.
struct ServedRequest(Arc<AtomicUsize>);

impl ServedRequest {
    fn begin(requests: &Arc<AtomicUsize>) -> Self {
        requests.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(requests))
    }
}

impl Drop for ServedRequest {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
