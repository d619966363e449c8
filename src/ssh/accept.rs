//! The accept loop: lets connections in as [`super::admission`] decides, and turns the others away.
//!
//! What becomes of a connection afterwards is the business of [`super::supervisor`].

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::io::descriptors::{self, Spare};

use super::refusals;
use super::service::Service;
use super::supervisor::{refused, serve};

/// After an error that is not the connection's own (no descriptors, no memory) accepting rests this long.
const ACCEPT_REST: Duration = Duration::from_millis(100);
/// The log tells at most this often that connections cannot be accepted.
const TELL_FAILURES_EVERY: Duration = Duration::from_secs(10);
/// What a peer that is turned away gets instead of a banner (RFC 4253, section 4.2, lets lines precede it).
const TURNED_AWAY: &[u8] = b"Exceeded MaxStartups\r\n";

/// Accepts until `stop` is cancelled. Connections are owned by `tracker`.
pub async fn accept(
    listener: TcpListener,
    service: Arc<Service>,
    stop: CancellationToken,
    tracker: TaskTracker,
) {
    let mut failures = AcceptFailures::default();
    let mut telling = tokio::time::interval(refusals::INTERVAL);
    let mut spare = Spare::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return service.refusals.flush_all(),
            accepted = listener.accept() => accepted,
            _ = telling.tick() => {
                service.refusals.flush(Instant::now());
                continue;
            }
        };
        match accepted {
            Ok((stream, peer)) => {
                let peer = Service::canonical(peer);
                admit(stream, peer, &service, &stop, &tracker);
            }
            Err(error) if is_the_peers(&error) => {}
            Err(error) => {
                failures.tell(&error);
                if !(descriptors::are_used_up(&error) && turn_one_away(&listener, &mut spare)) {
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            }
        }
    }
}

/// Without a descriptor for a connection, its peer would wait until somebody else leaves: it is turned away with the one
/// that is kept. `false`: there was nobody, or not even that.
fn turn_one_away(listener: &TcpListener, spare: &mut Spare) -> bool {
    if !spare.give_up() {
        spare.keep();
        return false;
    }
    let accepted = listener.poll_accept(&mut Context::from_waker(Waker::noop()));
    let accepted = match accepted {
        Poll::Ready(Ok((stream, _))) => {
            let _ = stream.try_write(TURNED_AWAY);
            true
        }
        Poll::Ready(Err(_)) | Poll::Pending => false,
    };
    spare.keep();
    accepted
}

/// Failures to accept, which the log is told of now and then: without descriptors there are ten in a second.
#[derive(Default)]
struct AcceptFailures {
    untold: u64,
    last_told: Option<Instant>,
}

impl AcceptFailures {
    fn tell(&mut self, error: &io::Error) {
        self.untold += 1;
        if self
            .last_told
            .is_none_or(|last| last.elapsed() >= TELL_FAILURES_EVERY)
        {
            tracing::warn!(%error, times = self.untold, "cannot accept connections; trying again");
            self.untold = 0;
            self.last_told = Some(Instant::now());
        }
    }
}

/// Whether an error of accept(2) concerns one connection only.
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

fn admit(
    stream: TcpStream,
    peer: SocketAddr,
    service: &Arc<Service>,
    stop: &CancellationToken,
    tracker: &TaskTracker,
) {
    match service
        .admission
        .enter(peer.ip(), &service.limits(), Instant::now())
    {
        Ok(permit) => {
            let (service, stop) = (Arc::clone(service), stop.clone());
            tracker.spawn(async move {
                serve(stream, peer, &service, stop, permit).await;
                service.left.notify_one();
            });
        }
        Err(reason) => {
            // As much as fits into the socket's buffer at once; nobody waits for such a peer.
            let _ = stream.try_write(TURNED_AWAY);
            refused(service, peer, &reason.to_string());
        }
    }
}
