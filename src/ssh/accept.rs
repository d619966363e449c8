//! The accept loop: accepts the connections that [`super::admission`] admits, and refuses the others. A connection from
//! a proxy is admitted by the address of its client, once its header was read ([`super::proxies`]).
//!
//! What happens to a connection afterwards is up to [`super::supervisor`].

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::io::descriptors::{self, SpareDescriptor};
use base::error::Clause;
use base::report_interval::ReportInterval;

use super::proxies::{self, ProxiedArrival};
use super::refusal_reason::RefusalReason;
use super::refusals;
use super::service::Service;
use super::supervisor::{refused, serve};

/// The pause after an error that is not the connection's own (no descriptors, no memory).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The shortest time between two log lines that connections cannot be accepted.
const REPORT_FAILURES_EVERY: Duration = Duration::from_secs(10);
/// The line that a refused peer gets instead of a banner (RFC 4253, section 4.2, allows lines before it).
const REFUSAL: &[u8] = b"Exceeded MaxStartups\r\n";
/// Why a connection from a proxy is refused before its header was read.
const TOO_MANY_HEADERS: RefusalReason<'static> = RefusalReason::new(
    "proxy_headers",
    "too many connections from proxies whose PROXY header has not arrived",
);

/// Why a connection from a network of `[limits] deny` is refused.
const DENIED_NETWORK: RefusalReason<'static> =
    RefusalReason::new("denied_network", "its address is in a network of [limits] deny");

/// Accepts connections until `stop` is cancelled. Their tasks are tracked by `tracker`.
pub async fn accept(
    listener: TcpListener,
    service: Arc<Service>,
    stop: CancellationToken,
    tracker: TaskTracker,
) {
    let mut failures = AcceptFailures::new();
    let mut flush_tick = tokio::time::interval(refusals::INTERVAL);
    let mut spare = SpareDescriptor::new();
    let acceptor = Acceptor {
        service,
        stop,
        tracker,
    };
    let refusals = &acceptor.service.refusals;
    loop {
        let accepted = tokio::select! {
            () = acceptor.stop.cancelled() => return refusals.flush_all(),
            accepted = listener.accept() => accepted,
            _ = flush_tick.tick() => {
                refusals.flush(Instant::now());
                continue;
            }
        };
        match accepted {
            Ok((stream, peer)) => {
                let peer = Service::canonical(peer);
                match acceptor.service.proxies.include(peer.ip()) {
                    true => acceptor.receive_header(stream, peer),
                    false => acceptor.admit(stream, peer),
                }
            }
            Err(error) if is_the_peers(&error) => {}
            Err(error) => {
                failures.report(&error);
                if !(descriptors::is_exhausted(&error) && refuse_one(&listener, &mut spare)) {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Refuses one connection with the spare descriptor; without a descriptor, its peer would wait until another connection
/// ends. Returns `false` if no connection waited, or if there was no spare descriptor.
fn refuse_one(listener: &TcpListener, spare: &mut SpareDescriptor) -> bool {
    if !spare.release() {
        spare.keep();
        return false;
    }
    let accepted = listener.poll_accept(&mut Context::from_waker(Waker::noop()));
    let accepted = match accepted {
        Poll::Ready(Ok((stream, _))) => {
            let _ = stream.try_write(REFUSAL);
            true
        }
        Poll::Ready(Err(_)) | Poll::Pending => false,
    };
    spare.keep();
    accepted
}

/// Counts failures to accept, and logs them now and then: without descriptors there are ten in a second.
struct AcceptFailures {
    unreported: u64,
    reports: ReportInterval,
}

impl AcceptFailures {
    fn new() -> Self {
        Self {
            unreported: 0,
            reports: ReportInterval::new(REPORT_FAILURES_EVERY),
        }
    }

    fn report(&mut self, error: &io::Error) {
        self.unreported += 1;
        if self.reports.is_due() {
            tracing::warn!(cause = %Clause(error), times = self.unreported, "cannot accept connections; trying again");
            self.unreported = 0;
        }
    }
}

/// Returns whether an error of accept(2) concerns one connection only.
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

/// Starts the tasks of accepted connections.
#[derive(Clone)]
struct Acceptor {
    service: Arc<Service>,
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl Acceptor {
    /// Serves a connection if the limits allow it. One from a network that is denied is closed without a word.
    fn admit(&self, stream: TcpStream, peer: SocketAddr) {
        let Self {
            service,
            stop,
            tracker,
        } = self.clone();
        let current = service.current();
        if current.limits.denies(peer.ip()) {
            return refused(&service, peer, DENIED_NETWORK);
        }
        match service
            .admission
            .enter(peer.ip(), &current.limits, Instant::now())
        {
            Ok(permit) => {
                tracker.spawn(async move {
                    serve(stream, peer, &service, stop, permit).await;
                    service.left.notify_one();
                });
            }
            Err(reason) => {
                // This sends as much as fits into the socket's buffer now; the server does not wait for such a peer.
                let _ = stream.try_write(REFUSAL);
                let sentence = reason.to_string();
                refused(&service, peer, RefusalReason::new(reason.code(), &sentence));
            }
        }
    }

    /// Reads the header of a connection from a proxy, then admits its client.
    fn receive_header(&self, mut stream: TcpStream, proxy: SocketAddr) {
        let Some(place) = self.service.proxies.enter() else {
            return refused(&self.service, proxy, TOO_MANY_HEADERS);
        };
        let acceptor = self.clone();
        self.tracker.spawn(async move {
            let arrival = tokio::select! {
                arrival = proxies::receive(&mut stream) => arrival,
                () = acceptor.stop.cancelled() => return,
            };
            drop(place);
            match arrival {
                ProxiedArrival::Client(peer) => {
                    let peer = Service::canonical(peer);
                    tracing::debug!(%peer, %proxy, "a proxy connects for a client");
                    acceptor.admit(stream, peer);
                }
                ProxiedArrival::HealthCheck => acceptor.service.count_silent(proxy),
                ProxiedArrival::Broken(sentence) => {
                    let reason = RefusalReason::new("proxy_header", &sentence);
                    refused(&acceptor.service, proxy, reason);
                }
            }
        });
    }
}
