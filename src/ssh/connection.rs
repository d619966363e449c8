//! The accept loop, and the supervisor of each connection.
//!
//! A connection's states: *held back* (for the delay that its source has earned), *greeting* and *unauthenticated*
//! (until the login grace is over), *signed in* (until the client leaves, is idle for too long, or is asked to go),
//! *asked to go* (a reason is sent; the client has [`FAREWELL`] to read it), *cut* (every read and write fails: this
//! always works).
//!
//! Until the sign-in the supervisor also watches the socket for a peer that hangs up, and the place for being given to
//! another: both cancel [`Signals::gone`], which ends whatever the handler waits for on the peer's behalf, so that
//! neither the place nor a turn in the password queue is held for somebody who is not there.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use russh::Disconnect;
use russh::server::{Handle, RunningSession, run_stream};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::io::descriptors::{self, Spare};
use crate::session::{Activity, Ending};

use super::admission::{Entry, Step};
use super::algorithms::SERVER_ID;
use super::service::{Current, Service};
use super::state::{Connection, Error, Signals};
use super::{refusal, refusals};
use base::socket::{Pusher, Socket};

/// After an error that is not the connection's own (no descriptors, no memory) accepting rests this long.
const ACCEPT_REST: Duration = Duration::from_millis(100);
/// How often the log tells that connections cannot be accepted.
const TELL_FAILURES_EVERY: Duration = Duration::from_secs(10);
/// A peer that has been silent for so long is asked whether it is there; a laptop may sleep for a while.
const SILENT_FOR: Duration = Duration::from_secs(15 * 60);
/// So long between two questions.
const ASK_EVERY: Duration = Duration::from_secs(60);
/// After so many without an answer the connection is lost.
const ASK_TIMES: u32 = 5;
/// For a client to read why it must go.
const FAREWELL: Duration = Duration::from_secs(1);
/// What a peer that is turned away gets instead of a banner (RFC 4253, section 4.2, lets lines precede it).
const TURNED_AWAY: &[u8] = b"Exceeded MaxStartups\r\n";

type Running = RunningSession<Connection>;

/// Why a connection ends whose place is given to another.
const EVICTED: &str = "made room for others: too many connections that have not signed in";

/// Accepts until `stop` is cancelled. Connections are owned by `tracker`.
pub async fn accept(
    listener: TcpListener,
    service: Arc<Service>,
    stop: CancellationToken,
    tracker: TaskTracker,
) {
    let mut failures = Failures::default();
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
    service: &Arc<Service>,
    stop: &CancellationToken,
    tracker: &TaskTracker,
) {
    match service
        .admission
        .enter(peer.ip(), &service.limits(), Instant::now())
    {
        Ok(entry) => {
            let (service, stop) = (Arc::clone(service), stop.clone());
            tracker.spawn(async move {
                serve(stream, peer, &service, stop, entry).await;
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

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    service: &Arc<Service>,
    stop: CancellationToken,
    mut entry: Entry,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "the connection was gone at once");
        return;
    }
    if let Err(error) = ask_whether_alive(&stream) {
        tracing::debug!(%peer, %error, "a peer that vanishes without a word will not be noticed");
    }
    let cut = CancellationToken::new();
    // Whatever ends this task ends the connection.
    let _cut_on_drop = cut.clone().drop_guard();
    let socket = Socket::new(stream, cut.clone());
    let pusher = socket.pusher();
    let signals = Signals {
        ending: Ending::default(),
        end_notice: Arc::default(),
        signed_in: CancellationToken::new(),
        gone: CancellationToken::new(),
        activity: Activity::default(),
        progress: entry.progress.clone(),
    };
    let grace = Duration::from_secs(service.auth.settings().login_grace_secs);
    let attended = Attended {
        service,
        peer,
        stop,
        cut,
        pusher,
        signals,
        deadline: tokio::time::Instant::now() + entry.delay + grace,
    };
    let current = service.current();
    if let Some(mut session) = attended.sign_in(socket, &current, &mut entry).await {
        attended.session(&mut session, &current).await;
    }
}

/// Has the kernel ask a silent peer now and then whether it is still there: one whose machine or link is gone says no
/// goodbye, and its session would keep its place for ever.
fn ask_whether_alive(stream: &TcpStream) -> rustix::io::Result<()> {
    use rustix::net::sockopt;
    sockopt::set_tcp_keepidle(stream, SILENT_FOR)?;
    sockopt::set_tcp_keepintvl(stream, ASK_EVERY)?;
    sockopt::set_tcp_keepcnt(stream, ASK_TIMES)?;
    sockopt::set_socket_keepalive(stream, true)
}

/// A connection as its supervisor sees it.
struct Attended<'a> {
    service: &'a Arc<Service>,
    peer: SocketAddr,
    stop: CancellationToken,
    cut: CancellationToken,
    pusher: Pusher,
    signals: Signals,
    /// The end of the login grace.
    deadline: tokio::time::Instant,
}

impl Attended<'_> {
    /// Everything before the sign-in. `None`: it ended without one.
    async fn sign_in(&self, socket: Socket, current: &Current, entry: &mut Entry) -> Option<Running> {
        let mut session = self.greet(socket, current, entry).await?;
        let handle = session.handle();
        let hang_up = async {
            self.pusher.hung_up().await;
            self.signals.gone.cancel();
            // The session reads what is left, and ends by itself.
            std::future::pending::<()>().await;
        };
        let (why, reason) = tokio::select! {
            // Whoever signs in and leaves at once has signed in: that must not count against the address.
            biased;
            () = self.signals.signed_in.cancelled() => {
                if entry.signed_in() {
                    return Some(session);
                }
                (None, Some(EVICTED))
            }
            result = &mut session => {
                left_early(self.service, self.peer, result.err());
                return None;
            }
            () = self.signals.ending.asked() => return Some(session),
            () = entry.evicted() => (None, Some(EVICTED)),
            () = tokio::time::sleep_until(self.deadline) => (Some("login grace time exceeded"), Some("not signed in within the login grace")),
            // Nobody is in the middle of anything yet.
            () = self.stop.cancelled() => (Some("the server is stopping"), None),
            () = hang_up => return None,
        };
        self.signals.gone.cancel();
        if let Some(why) = why {
            farewell(&handle, why).await;
        }
        self.cut.cancel();
        let _ = session.await;
        if let Some(reason) = reason {
            refused(self.service, self.peer, reason);
        }
        None
    }

    /// Holds the connection back for as long as its source has earned, then exchanges identification lines.
    async fn greet(&self, socket: Socket, current: &Current, entry: &Entry) -> Option<Running> {
        let refused = |reason: &str| refused(self.service, self.peer, reason);
        let never_began = |reason: &str| never_began(self.service, self.peer, &self.pusher, reason);
        tokio::select! {
            () = tokio::time::sleep(entry.delay) => {}
            () = self.pusher.hung_up() => {
                // Nothing is left to be slowed down.
                self.pusher.say(format!("{SERVER_ID}\r\n").as_bytes());
                never_began("the connection was lost before the client had said what it is");
                return None;
            }
            () = entry.evicted() => {
                refused(EVICTED);
                return None;
            }
            () = self.stop.cancelled() => return None,
        }
        let handler = Connection::new(
            Arc::clone(self.service),
            self.peer,
            self.pusher.clone(),
            self.signals.clone(),
        );
        let started = tokio::select! {
            started = run_stream(Arc::clone(&current.russh), socket, handler) => started,
            () = tokio::time::sleep_until(self.deadline) => {
                never_began("no SSH greeting within the login grace");
                return None;
            }
            () = entry.evicted() => {
                refused(EVICTED);
                return None;
            }
            () = self.stop.cancelled() => return None,
        };
        match started {
            Ok(session) => {
                entry.progress.reach(Step::Greeted);
                Some(session)
            }
            Err(Error::Ssh(error)) => {
                never_began(&refusal::handshake(&error));
                None
            }
        }
    }

    /// From the sign-in to the end.
    async fn session(&self, session: &mut Running, current: &Current) {
        let handle = session.handle();
        let ending = &self.signals.ending;
        tokio::select! {
            // The session first: what a client has sent in time is read before its silence is judged, also when this
            // process has not had the CPU for longer than the timeout.
            biased;
            result = &mut *session => {
                if let Err(error) = result {
                    tracing::debug!(peer = %self.peer, %error, "a connection ended with an error");
                    if let Some(reason) = refusal::fault(&error) {
                        ending.end(reason);
                    }
                }
                return;
            }
            () = ending.asked() => {}
            () = idle(&self.pusher, &self.signals.activity, current.limits.idle_timeout_secs) => {
                ending.end("idle for too long");
            }
        }
        farewell(&handle, ending.reason().unwrap_or("ended by the server")).await;
        if tokio::time::timeout(FAREWELL, &mut *session).await.is_err() {
            self.cut.cancel();
            let _ = session.await;
        }
    }
}

fn refused(service: &Service, peer: SocketAddr, reason: &str) {
    service.refusals.note(peer, reason, Instant::now());
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
async fn idle(pusher: &Pusher, activity: &Activity, timeout_secs: u64) {
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
