//! Accepts the connections of those who read metrics, with limits of its own: neither do clients of SFTP take places
//! from them, nor they from clients.

use std::collections::VecDeque;
use std::io::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::http::{self, HttpRequest, HttpResponse, HttpStatus, HttpTimeouts};
use super::page::MetricsPage;
use crate::domain::network::Network;
use crate::telemetry::metrics::exposition;

/// The most connections at once for each listening socket. A scrape takes milliseconds, so these are many. They are
/// part of the descriptors that are kept for the server itself.
const MAX_CONNECTIONS: usize = 8;
/// The pause after an error that is not the connection's own (no descriptors, no memory).
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Serves metrics on one socket until `quit` is cancelled. `allow` has the networks that may ask besides loopback.
pub async fn serve(
    listener: TcpListener,
    allow: Vec<Network>,
    page: Arc<MetricsPage>,
    quit: CancellationToken,
) {
    let mut connections = Connections::default();
    loop {
        let accepted = tokio::select! {
            () = quit.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) if may_ask(&allow, peer.ip()) => connections.start(stream, Arc::clone(&page)),
            Ok((stream, peer)) => {
                tracing::debug!(%peer, "refused to show metrics: \"allow\" in [metrics] does not name the peer");
                let refusal =
                    HttpResponse::text(HttpStatus::Forbidden, "this address may not read the metrics");
                // As much as fits into the socket's buffer is sent; the server does not wait for such a peer.
                if let Ok(stream) = stream.into_std() {
                    let _ = (&stream).write(&refusal.to_bytes(false));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection for metrics");
                tokio::select! {
                    () = quit.cancelled() => break,
                    () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                }
            }
        }
    }
    connections.tasks.shutdown().await;
}

fn may_ask(allow: &[Network], peer: IpAddr) -> bool {
    peer.to_canonical().is_loopback() || allow.iter().any(|network| network.contains(peer))
}

/// The connections of one socket.
#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    /// The same connections, oldest first.
    handles: VecDeque<AbortHandle>,
}

impl Connections {
    /// Serves a connection. If there are too many, it takes the place of the oldest one, which waits for a slow peer.
    fn start(&mut self, stream: TcpStream, page: Arc<MetricsPage>) {
        while self.tasks.try_join_next().is_some() {}
        self.handles.retain(|handle| !handle.is_finished());
        if self.handles.len() >= MAX_CONNECTIONS
            && let Some(oldest) = self.handles.pop_front()
        {
            oldest.abort();
        }
        let serving = http::serve(stream, HttpTimeouts::default(), async move |request| {
            answer(request, &page).await
        });
        self.handles.push_back(self.tasks.spawn(serving));
    }
}

async fn answer(request: HttpRequest, page: &MetricsPage) -> HttpResponse {
    match &request.path[..] {
        "/metrics" => HttpResponse::page(exposition::CONTENT_TYPE, page.text()),
        "/healthz" => HttpResponse::text(HttpStatus::Ok, "ok"),
        "/readyz" => match page.not_ready().await {
            None => HttpResponse::text(HttpStatus::Ok, "ready"),
            Some(why) => HttpResponse::text(HttpStatus::Unavailable, why),
        },
        _ => HttpResponse::text(HttpStatus::NotFound, "there are /metrics, /healthz and /readyz"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_and_named_networks_may_ask() {
        let allow = vec![Network::try_from("10.0.0.0/8".to_owned()).unwrap()];
        let check = |peer: &str, expected: bool| {
            assert_eq!(may_ask(&allow, peer.parse().unwrap()), expected, "{peer}");
        };
        check("127.0.0.1", true);
        check("::1", true);
        check("::ffff:127.0.0.1", true);
        check("10.1.2.3", true);
        check("::ffff:10.1.2.3", true);
        check("192.0.2.1", false);
        check("2001:db8::1", false);
    }
}
