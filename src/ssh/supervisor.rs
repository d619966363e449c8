//! The supervisor of one connection: how long it may take, when it must go, and what it is told then.
//!
//! What the connection does in between is russh's and [`super::handler`]'s.
//!
//! A connection's states: *held back* (for the delay that its source has earned), *greeting* and *unauthenticated*
//! (until the login grace is over), *signed in* (until the client leaves, is idle for too long, or is asked to go),
//! *asked to go* (a reason is sent; the client has [`FAREWELL`] to read it), *cut* (every read and write fails: this
//! always works).
//!
//! Until the sign-in the supervisor also watches the socket for a peer that hangs up, and the place for being given
//! to another: both cancel [`ConnectionSignals::gone`], which ends whatever the handler waits for on the peer's
//! behalf, so that neither the place nor a turn in the password queue is held for somebody who is not there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use russh::Disconnect;
use russh::server::{Handle, prepare_stream};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::session::{Activity, EndRequest};

use super::admission::{AdmissionPermit, Step};
use super::algorithms::SERVER_ID;
use super::connection::{Connection, ConnectionSignals};
use super::refusal_reason;
use super::service::{Current, Service};
use super::threads::{MovableSession, RunningConnection};
use base::socket::{ConnectionHandle, Socket};

/// A peer that has been silent for so long is asked whether it is there; a laptop may sleep for a while.
const SILENT_FOR: Duration = Duration::from_secs(15 * 60);
/// The time between two keepalive probes of the kernel.
const ASK_EVERY: Duration = Duration::from_secs(60);
/// After so many probes without an answer the connection is lost.
const ASK_TIMES: u32 = 5;
/// The time that a client has to read why it must go.
const FAREWELL: Duration = Duration::from_secs(1);

/// Why a connection ends whose place is given to another.
const EVICTED: &str = "made room for others: too many connections that have not signed in";

/// Supervises one connection until it has ended.
pub(super) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    service: &Arc<Service>,
    stop: CancellationToken,
    mut permit: AdmissionPermit,
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
    let socket = match Socket::new(stream, cut.clone()) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::warn!(%peer, %error, "cannot serve a connection");
            return;
        }
    };
    let socket_handle = socket.handle();
    let signals = ConnectionSignals {
        ending: EndRequest::default(),
        end_report: Arc::default(),
        signed_in: CancellationToken::new(),
        gone: CancellationToken::new(),
        activity: Activity::default(),
        progress: permit.progress.clone(),
    };
    let grace = Duration::from_secs(service.auth.settings().login_grace_secs);
    let supervisor = Supervisor {
        service,
        peer,
        stop,
        cut,
        socket_handle,
        signals,
        deadline: tokio::time::Instant::now() + permit.delay + grace,
    };
    let current = service.current();
    if let Some(mut session) = supervisor.sign_in(socket, &current, &mut permit).await {
        supervisor.session(&mut session, &current).await;
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
struct Supervisor<'a> {
    service: &'a Arc<Service>,
    peer: SocketAddr,
    stop: CancellationToken,
    cut: CancellationToken,
    socket_handle: ConnectionHandle,
    signals: ConnectionSignals,
    /// The end of the login grace.
    deadline: tokio::time::Instant,
}

impl Supervisor<'_> {
    /// Supervises everything before the sign-in; returns `None` if the connection ended without one.
    async fn sign_in(
        &self,
        socket: Socket,
        current: &Current,
        permit: &mut AdmissionPermit,
    ) -> Option<RunningConnection> {
        let mut session = self.greet(socket, current, permit).await?;
        let handle = session.handle();
        let hang_up = async {
            self.socket_handle.hung_up().await;
            self.signals.gone.cancel();
            // The session reads what is left, and ends by itself.
            std::future::pending::<()>().await;
        };
        let (why, reason) = tokio::select! {
            // Whoever signs in and leaves at once has signed in: that must not count against the address.
            biased;
            () = self.signals.signed_in.cancelled() => {
                if permit.signed_in() {
                    return Some(session);
                }
                (None, Some(EVICTED))
            }
            result = &mut session => {
                left_early(self.service, self.peer, result.err());
                return None;
            }
            () = self.signals.ending.asked() => return Some(session),
            () = permit.evicted() => (None, Some(EVICTED)),
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
    async fn greet(
        &self,
        socket: Socket,
        current: &Current,
        permit: &AdmissionPermit,
    ) -> Option<RunningConnection> {
        let refused = |reason: &str| refused(self.service, self.peer, reason);
        let never_began = |reason: &str| never_began(self.service, self.peer, &self.socket_handle, reason);
        // A timer of no time takes up to a millisecond.
        let held_back = async {
            if !permit.delay.is_zero() {
                tokio::time::sleep(permit.delay).await;
            }
        };
        tokio::select! {
            biased;
            () = held_back => {}
            () = self.socket_handle.hung_up() => {
                // Nothing is left to be slowed down.
                self.socket_handle.say(format!("{SERVER_ID}\r\n").as_bytes());
                never_began("the connection was lost before the client had said what it is");
                return None;
            }
            () = permit.evicted() => {
                refused(EVICTED);
                return None;
            }
            () = self.stop.cancelled() => return None,
        }
        let handler = Connection::new(
            Arc::clone(self.service),
            self.peer,
            self.socket_handle.clone(),
            self.signals.clone(),
        );
        let started = tokio::select! {
            // A peer that was refused is counted, also when the server stops in the same moment.
            biased;
            started = prepare_stream(Arc::clone(&current.russh), socket, handler) => started,
            () = tokio::time::sleep_until(self.deadline) => {
                never_began("no SSH greeting within the login grace");
                return None;
            }
            () = permit.evicted() => {
                refused(EVICTED);
                return None;
            }
            () = self.stop.cancelled() => return None,
        };
        match started {
            Ok(session) => {
                permit.progress.reach(Step::Greeted);
                Some(MovableSession::start(
                    session,
                    self.socket_handle.clone(),
                    Arc::clone(&self.signals.end_report),
                    &self.service.threads,
                ))
            }
            Err(error) => {
                never_began(&refusal_reason::handshake(&error));
                None
            }
        }
    }

    /// Supervises a connection from the sign-in to its end.
    async fn session(&self, session: &mut RunningConnection, current: &Current) {
        let handle = session.handle();
        let ending = &self.signals.ending;
        tokio::select! {
            // The session first: what a client has sent in time is read before its silence is judged, also when this
            // process has not had the CPU for longer than the timeout.
            biased;
            result = &mut *session => {
                if let Err(error) = result {
                    tracing::debug!(peer = %self.peer, %error, "a connection ended with an error");
                    if let Some(reason) = refusal_reason::fault(&error) {
                        ending.end(reason);
                    }
                }
                return;
            }
            () = ending.asked() => {}
            () = idle(&self.socket_handle, &self.signals.activity, current.limits.idle_timeout_secs) => {
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

/// Counts a refusal, which the audit log is told of.
pub(super) fn refused(service: &Service, peer: SocketAddr, reason: &str) {
    service.refusals.note(peer, reason, Instant::now());
}

/// A connection that ended before its peer had said that it speaks SSH. One that has not said anything at all is a
/// health check, or a load balancer's: it is counted, and otherwise only worth a detail.
fn never_began(service: &Service, peer: SocketAddr, socket_handle: &ConnectionHandle, reason: &str) {
    let (received, _) = socket_handle.traffic();
    if received > 0 {
        return refused(service, peer, reason);
    }
    let so_far = service.silent.fetch_add(1, Ordering::Relaxed) + 1;
    tracing::debug!(%peer, so_far, "a connection ended that never said anything");
}

/// A connection that ended before anybody signed in: monitors do that all day, so it is only worth a detail.
fn left_early(service: &Service, peer: SocketAddr, error: Option<russh::Error>) {
    match error {
        Some(russh::Error::IO(_) | russh::Error::Disconnect | russh::Error::HUP) | None => {
            tracing::debug!(%peer, "left before signing in");
        }
        Some(error) => refused(service, peer, &refusal_reason::handshake(&error)),
    }
}

/// Tells the client why it must go, if it can hear it.
async fn farewell(handle: &Handle, reason: &str) {
    let telling = handle.disconnect(Disconnect::ByApplication, reason.to_owned(), "en".to_owned());
    let _ = tokio::time::timeout(FAREWELL, telling).await;
}

/// Waits until nothing has come from the client, and nothing was worked on for it, for that long.
async fn idle(socket_handle: &ConnectionHandle, activity: &Activity, timeout_secs: u64) {
    if timeout_secs == 0 {
        return std::future::pending().await;
    }
    let timeout = Duration::from_secs(timeout_secs);
    loop {
        let input = socket_handle.last_input();
        let silent = activity.last().map_or(input, |last| last.max(input)).elapsed();
        match timeout.checked_sub(silent) {
            None | Some(Duration::ZERO) => return,
            Some(rest) => tokio::time::sleep(rest).await,
        }
    }
}
