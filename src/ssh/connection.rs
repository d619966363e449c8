//! The accept loop, and the supervisor of each connection.
//!
//! A connection's states: *greeting* and *unauthenticated* (until the login grace is over), *signed in* (until the
//! client leaves, is idle for too long, or is asked to go), *asked to go* (a reason is sent; the client has
//! [`FAREWELL`] to read it), *cut* (every read and write fails: this always works).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use russh::Disconnect;
use russh::server::{Handle, run_stream};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::event::Event;
use crate::sessions::{Activity, Ending};

use super::admission::Entry;
use super::refusal;
use super::service::Service;
use super::state::{Connection, Error, Signals};
use crate::socket::{Pusher, Socket};

/// After an error that is not the connection's own (no descriptors, no memory) accepting rests this long.
const ACCEPT_REST: Duration = Duration::from_millis(100);
/// How often the log tells that connections cannot be accepted.
const TELL_FAILURES_EVERY: Duration = Duration::from_secs(10);
/// For a client to read why it must go.
const FAREWELL: Duration = Duration::from_secs(1);
/// What a peer that is turned away gets instead of a banner (RFC 4253, section 4.2, lets lines precede it).
const TURNED_AWAY: &[u8] = b"Exceeded MaxStartups\r\n";

/// Accepts until `stop` is cancelled. Connections are owned by `tracker`.
pub async fn accept(
    listener: TcpListener,
    service: Arc<Service>,
    stop: CancellationToken,
    tracker: TaskTracker,
) {
    let mut failures = Failures::default();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let peer = Service::canonical(peer);
                admit(stream, peer, (&service, &stop), &tracker);
            }
            Err(error) if is_the_peers(&error) => {}
            Err(error) => {
                failures.tell(&error);
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
}

/// Failures to accept, told now and then: without descriptors there are ten in a second.
#[derive(Default)]
struct Failures {
    untold: u64,
    last_told: Option<Instant>,
}

impl Failures {
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

/// Errors of accept(2) that concern one connection only.
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
    (service, stop): (&Arc<Service>, &CancellationToken),
    tracker: &TaskTracker,
) {
    match service
        .admission
        .enter(peer.ip(), &service.limits(), Instant::now())
    {
        Ok(entry) => {
            let (service, stop) = (Arc::clone(service), stop.clone());
            tracker.spawn(async move {
                serve(stream, peer, (&service, stop), entry).await;
                service.left.notify_one();
            });
        }
        Err(reason) => {
            // As much as fits into the socket's buffer at once; nobody waits for such a peer.
            let _ = stream.try_write(TURNED_AWAY);
            service.events.emit(&Event::Refused {
                peer,
                reason: reason.to_string(),
            });
        }
    }
}

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    (service, stop): (&Arc<Service>, CancellationToken),
    mut entry: Entry,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "the connection was gone at once");
        return;
    }
    tokio::select! {
        () = tokio::time::sleep(entry.delay) => {}
        () = stop.cancelled() => return,
    }
    let cut = CancellationToken::new();
    // Whatever ends this task ends the connection.
    let _cut_on_drop = cut.clone().drop_guard();
    let socket = Socket::new(stream, cut.clone());
    let pusher = socket.pusher();
    let signed_in = CancellationToken::new();
    let (ending, activity) = (Ending::default(), Activity::default());
    let current = service.current();
    let signals = Signals {
        ending: ending.clone(),
        signed_in: signed_in.clone(),
        activity: activity.clone(),
    };
    let connection = Connection::new(Arc::clone(service), peer, pusher.clone(), signals);
    let grace = tokio::time::sleep(Duration::from_secs(service.auth.settings().login_grace_secs));
    tokio::pin!(grace);

    let started = tokio::select! {
        started = run_stream(Arc::clone(&current.russh), socket, connection) => started,
        () = &mut grace => {
            return never_began(service, peer, &pusher, "no SSH greeting within the login grace");
        }
        () = stop.cancelled() => return,
    };
    let mut session = match started {
        Ok(session) => session,
        Err(Error::Ssh(error)) => return never_began(service, peer, &pusher, &refusal::handshake(&error)),
    };
    let handle = session.handle();
    tokio::select! {
        // Whoever signs in and leaves at once has signed in: that must not count against the address.
        biased;
        () = signed_in.cancelled() => entry.signed_in(),
        result = &mut session => return left_early(service, peer, result.err()),
        () = &mut grace => {
            farewell(&handle, "login grace time exceeded").await;
            cut.cancel();
            let _ = session.await;
            return refused(service, peer, "not signed in within the login grace");
        }
        () = ending.asked() => {}
        // Nobody is in the middle of anything yet.
        () = stop.cancelled() => {
            farewell(&handle, "the server is stopping").await;
            cut.cancel();
            let _ = session.await;
            return;
        }
    }
    tokio::select! {
        result = &mut session => {
            if let Err(error) = result {
                tracing::debug!(%peer, %error, "a connection ended with an error");
            }
            return;
        }
        () = ending.asked() => {}
        () = idle((&pusher, &activity), current.limits.idle_timeout_secs) => ending.end("idle for too long"),
    }
    farewell(&handle, ending.reason().unwrap_or("ended by the server")).await;
    if tokio::time::timeout(FAREWELL, &mut session).await.is_err() {
        cut.cancel();
        let _ = session.await;
    }
}

fn refused(service: &Service, peer: SocketAddr, reason: &str) {
    service.events.emit(&Event::Refused {
        peer,
        reason: reason.to_owned(),
    });
}

/// A connection that ended before its peer had said that it speaks SSH. One that has not said anything at all is a
/// health check, or a load balancer's: it is counted, and otherwise only worth a detail.
fn never_began(service: &Service, peer: SocketAddr, pusher: &Pusher, reason: &str) {
    let (received, _) = pusher.traffic();
    if received > 0 {
        return refused(service, peer, reason);
    }
    let so_far = service.silent.fetch_add(1, Ordering::Relaxed) + 1;
    tracing::debug!(%peer, so_far, "a connection ended that never said anything");
}

/// A connection that ended before anybody signed in: monitors do that all day, so it is only worth a detail.
fn left_early(service: &Service, peer: SocketAddr, error: Option<Error>) {
    match error {
        Some(Error::Ssh(russh::Error::IO(_) | russh::Error::Disconnect | russh::Error::HUP)) | None => {
            tracing::debug!(%peer, "left before signing in");
        }
        Some(Error::Ssh(error)) => refused(service, peer, &refusal::handshake(&error)),
    }
}

/// Tells the client why; it may not be able to hear it.
async fn farewell(handle: &Handle, reason: &str) {
    let telling = handle.disconnect(Disconnect::ByApplication, reason.to_owned(), "en".to_owned());
    let _ = tokio::time::timeout(FAREWELL, telling).await;
}

/// Waits until nothing has come from the client, and nothing was worked on for it, for that long.
async fn idle((pusher, activity): (&Pusher, &Activity), timeout_secs: u64) {
    if timeout_secs == 0 {
        return std::future::pending().await;
    }
    let timeout = Duration::from_secs(timeout_secs);
    loop {
        let input = pusher.last_input();
        let silent = activity.last().map_or(input, |last| last.max(input)).elapsed();
        match timeout.checked_sub(silent) {
            None | Some(Duration::ZERO) => return,
            Some(rest) => tokio::time::sleep(rest).await,
        }
    }
}
