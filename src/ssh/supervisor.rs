//! The supervisor of one connection: how long it may take, when it must end, and which reason its client gets.
//!
//! What the connection does in between is up to russh and [`super::handler`].
//!
//! The states of a connection: *delayed* (as long as its source is penalised), *exchanging banners* and
//! *unauthenticated* (until the login grace is over), *signed in* (until the client leaves, is idle for too long, or is
//! asked to end), *asked to end* (a reason is sent; the client has [`DISCONNECT_TIMEOUT`] to read it), *cut* (every
//! read and write fails, which always works).
//!
//! Until the sign-in the supervisor also watches for a peer that hangs up, and for an eviction: both cancel
//! [`ConnectionSignals::gone`], which ends whatever the handler waits for on the peer's behalf, so that neither a place
//! nor a permit for a password check is held for a peer that is gone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use russh::Disconnect;
use russh::server::{Handle, prepare_stream};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::domain::event::FileEnd;
use crate::session::tasks::ConnectionTasks;
use crate::session::{Activity, EndRequest};

use super::admission::{AdmissionPermit, Step};
use super::algorithms::SERVER_ID;
use super::connection::Connection;
use super::refusal_reason::{self, RefusalReason};
use super::service::{Current, Service};
use super::signals::ConnectionSignals;
use super::threads::{MovableSession, RunningConnection};
use base::socket::{ConnectionHandle, Socket};

/// The time after which the kernel probes a silent peer. It is long, since a laptop may sleep for a while.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15 * 60);
/// The time between two keepalive probes of the kernel.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);
/// The number of unanswered probes after which the connection is lost.
const KEEPALIVE_PROBES: u32 = 5;
/// The time that a client has to read why its connection ends.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The reason that an evicted connection gets.
const EVICTED: RefusalReason<'static> = RefusalReason::new(
    "evicted",
    "made room for others: too many connections that have not signed in",
);
/// Why a connection ended whose peer has left before it said who it is.
const LOST_EARLY: RefusalReason<'static> = RefusalReason::new(
    "connection_lost",
    "the connection was lost before the client had sent its identification",
);
/// Why a connection is ended whose peer does not say who it is.
const NO_IDENTIFICATION: RefusalReason<'static> = RefusalReason::new(
    "no_identification",
    "no SSH identification within the login grace",
);
/// Why a connection is ended that has taken too long to sign in.
const GRACE_OVER: RefusalReason<'static> =
    RefusalReason::new("login_grace", "not signed in within the login grace");

/// Supervises one connection until it has ended.
pub(super) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    service: &Arc<Service>,
    stop: CancellationToken,
    mut permit: AdmissionPermit,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "the connection was closed immediately");
        return;
    }
    if let Err(error) = enable_keepalive(&stream) {
        tracing::debug!(%peer, %error, "a peer that disappears without closing the connection will not be noticed");
    }
    let cut = CancellationToken::new();
    // When this task ends, the connection ends too.
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
    // What the sign-in needs is large, and is freed with it.
    let signed_in = Box::pin(supervisor.sign_in(socket, &current, &mut permit)).await;
    if let Some(mut session) = signed_in {
        supervisor.session(&mut session, &current).await;
    }
}

/// Makes the kernel probe a silent peer now and then. If the peer's machine or link is gone, it sends no message, and
/// its session would keep its place for ever.
fn enable_keepalive(stream: &TcpStream) -> rustix::io::Result<()> {
    use rustix::net::sockopt;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(stream, KEEPALIVE_PROBES)?;
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
        let mut session = self.exchange_banners(socket, current, permit).await?;
        let handle = session.handle();
        let hang_up = async {
            self.socket_handle.hung_up().await;
            self.signals.gone.cancel();
            // The session reads what is left, and ends by itself.
            std::future::pending::<()>().await;
        };
        let (why, reason) = tokio::select! {
            // A client that signs in and leaves immediately has signed in: that must not count against the address.
            biased;
            () = self.signals.signed_in.cancelled() => {
                if permit.signed_in() {
                    return Some(session);
                }
                (None, Some(EVICTED))
            }
            result = &mut session => {
                report_early_end(self.service, self.peer, result.err());
                return None;
            }
            () = self.signals.ending.asked() => return Some(session),
            () = permit.evicted() => (None, Some(EVICTED)),
            () = tokio::time::sleep_until(self.deadline) => (Some("login grace time exceeded"), Some(GRACE_OVER)),
            // Nothing is in progress yet.
            () = self.stop.cancelled() => (Some("the server is stopping"), None),
            () = hang_up => return None,
        };
        self.signals.gone.cancel();
        if let Some(why) = why {
            send_disconnect(&handle, why).await;
        }
        self.cut.cancel();
        let _ = session.await;
        if let Some(reason) = reason {
            refused(self.service, self.peer, reason);
        }
        None
    }

    /// Delays the connection as long as its source is penalised. Returns `false` if it has ended meanwhile, which is
    /// reported.
    async fn wait_out_penalty(&self, permit: &AdmissionPermit) -> bool {
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
                // The peer has left, so there is nothing to delay.
                self.socket_handle.send_immediately(format!("{SERVER_ID}\r\n").as_bytes());
                self.report_no_banner(LOST_EARLY);
                return false;
            }
            () = permit.evicted() => {
                refused(self.service, self.peer, EVICTED);
                return false;
            }
            () = self.stop.cancelled() => return false,
        }
        true
    }

    fn report_no_banner(&self, reason: RefusalReason<'_>) {
        report_no_banner(self.service, self.peer, &self.socket_handle, reason);
    }

    /// Delays the connection as long as its source is penalised, then exchanges identification strings.
    async fn exchange_banners(
        &self,
        socket: Socket,
        current: &Current,
        permit: &AdmissionPermit,
    ) -> Option<RunningConnection> {
        if !self.wait_out_penalty(permit).await {
            return None;
        }
        let tasks = ConnectionTasks::new();
        let handler = Connection::new(
            Arc::clone(self.service),
            self.peer,
            self.socket_handle.clone(),
            self.signals.clone(),
            tasks.starter(),
        )
        .announcing(Arc::clone(&current.announced));
        let started = tokio::select! {
            // A peer that was refused is counted, even if the server stops at the same moment.
            biased;
            started = prepare_stream(Arc::clone(&current.russh), socket, handler) => started,
            () = tokio::time::sleep_until(self.deadline) => {
                self.report_no_banner(NO_IDENTIFICATION);
                return None;
            }
            () = permit.evicted() => {
                refused(self.service, self.peer, EVICTED);
                return None;
            }
            () = self.stop.cancelled() => return None,
        };
        match started {
            Ok(session) => {
                permit.progress.reach(Step::Greeted);
                Some(MovableSession::start(
                    session,
                    tasks,
                    self.socket_handle.clone(),
                    Arc::clone(&self.signals.end_report),
                    &self.service.threads,
                ))
            }
            Err(error) => {
                let sentence = refusal_reason::handshake(&error);
                let code = refusal_reason::handshake_code(&error);
                self.report_no_banner(RefusalReason::new(code, &sentence));
                None
            }
        }
    }

    /// Supervises a connection from the sign-in to its end.
    async fn session(&self, session: &mut RunningConnection, current: &Current) {
        let handle = session.handle();
        let ending = &self.signals.ending;
        tokio::select! {
            // Poll the session first: what a client has sent in time is read before its silence is judged, even if this
            // process has not had the CPU for longer than the timeout.
            biased;
            result = &mut *session => {
                if let Err(error) = result {
                    tracing::debug!(peer = %self.peer, %error, "a connection ended with an error");
                    if let Some(reason) = refusal_reason::fault(&error) {
                        ending.end_files(FileEnd::Lost, reason);
                    }
                }
                return;
            }
            () = ending.asked() => {}
            () = idle(&self.socket_handle, &self.signals.activity, current.limits.idle_timeout_secs) => {
                ending.end("idle for too long");
            }
        }
        send_disconnect(&handle, ending.reason().unwrap_or("ended by the server")).await;
        if tokio::time::timeout(DISCONNECT_TIMEOUT, &mut *session)
            .await
            .is_err()
        {
            self.cut.cancel();
            let _ = session.await;
        }
    }
}

/// Counts a refusal for the audit log.
pub(super) fn refused(service: &Service, peer: SocketAddr, reason: RefusalReason<'_>) {
    service.refusals.note(peer, reason, Instant::now());
}

/// Handles a connection that ended before its peer sent an SSH identification string.
fn report_no_banner(
    service: &Service,
    peer: SocketAddr,
    socket_handle: &ConnectionHandle,
    reason: RefusalReason<'_>,
) {
    let (received, _) = socket_handle.traffic();
    if received > 0 {
        return refused(service, peer, reason);
    }
    service.count_silent(peer);
}

/// Handles a connection that ended before the sign-in. Monitors cause such connections all day, so they are logged at
/// debug level only.
fn report_early_end(service: &Service, peer: SocketAddr, error: Option<russh::Error>) {
    match error {
        Some(russh::Error::IO(_) | russh::Error::Disconnect | russh::Error::HUP) | None => {
            tracing::debug!(%peer, "left before signing in");
        }
        Some(error) => {
            let sentence = refusal_reason::handshake(&error);
            let code = refusal_reason::handshake_code(&error);
            refused(service, peer, RefusalReason::new(code, &sentence));
        }
    }
}

/// Sends the client the reason why its connection ends, if it still reads.
async fn send_disconnect(handle: &Handle, reason: &str) {
    let disconnecting = handle.disconnect(Disconnect::ByApplication, reason.to_owned(), "en".to_owned());
    let _ = tokio::time::timeout(DISCONNECT_TIMEOUT, disconnecting).await;
}

/// Waits until nothing has arrived from the client, and no work was done for it, for that long.
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
