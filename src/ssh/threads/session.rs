//! One connection that can change its thread, and what its supervisor holds of it.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use russh::server::{Handle, UnspawnedSession};
use tokio::sync::oneshot;

use crate::io::own_thread;
use crate::session::EndReport;
use crate::session::tasks::ConnectionTasks;
use base::socket::ConnectionHandle;

use super::{SessionThreads, ThreadPlace, ThreadRegistry};
use crate::ssh::connection::Connection;

/// A connection that moves more bytes than this within [`ACTIVE_WITHIN`] is active: some hundred small requests a
/// second are enough. The beginning of a session moves less.
pub(super) const ACTIVE: u64 = 3 * 1024;
/// The same while one user has many threads and nobody else has any: a few small requests are enough, because others would
/// wait behind all these threads until that user has to give most of them up.
const ACTIVE_BESIDE_MANY: u64 = 512;
/// The time that [`ACTIVE`] is measured over.
pub(super) const ACTIVE_WITHIN: Duration = Duration::from_millis(250);
/// How often a connection on a session thread is looked at. One that has moved no more than [`ACTIVE`] since the last
/// look goes back to the event loop.
pub(super) const REVIEW: Duration = Duration::from_secs(2);
/// A connection that gets no thread asks again after this time.
const ASK_AGAIN: Duration = Duration::from_secs(1);

type Ended = Result<(), russh::Error>;
type BoxedSession = Pin<Box<dyn Future<Output = Ended> + Send>>;

/// A running connection, as its supervisor sees it. It resolves when the connection has ended.
pub struct RunningConnection {
    handle: Handle,
    ended: oneshot::Receiver<Ended>,
}

impl RunningConnection {
    /// Returns a handle that sends messages to the connection.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

impl Future for RunningConnection {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        Pin::new(&mut self.ended).poll(cx).map(|ended| {
            ended.unwrap_or_else(|_| {
                tracing::error!("a connection was lost: its task has failed");
                Err(russh::Error::Disconnect)
            })
        })
    }
}

/// A connection that can change its thread between two polls.
pub struct MovableSession {
    session: BoxedSession,
    /// What the connection has started. It goes with the connection.
    tasks: ConnectionTasks,
    socket: ConnectionHandle,
    /// Is set once the user has signed in.
    signed_in: Arc<OnceLock<Arc<EndReport>>>,
    recent: RecentTraffic,
    /// Until then the connection asks for no thread, because there was none for it.
    no_thread_until: Option<Instant>,
    ended: Option<oneshot::Sender<Ended>>,
    shared: Arc<ThreadRegistry>,
}

/// The bytes that a connection had moved when a time began, and when it was polled last.
struct RecentTraffic {
    since: Instant,
    bytes: u64,
    bytes_at_last_poll: u64,
}

/// Why a connection is not polled where it was any more.
enum Departure {
    Ended(Ended),
    /// It is to be looked at: it is active, or it is time for a review.
    Review,
    /// Its user was the only one with threads, and has to share them now.
    Crowded,
}

impl MovableSession {
    /// Starts a connection on the event loop. `signed_in` is set when the user has signed in: before that, the
    /// connection stays where it is.
    pub fn start(
        session: UnspawnedSession<Connection>,
        tasks: ConnectionTasks,
        socket: ConnectionHandle,
        signed_in: Arc<OnceLock<Arc<EndReport>>>,
        threads: &SessionThreads,
    ) -> RunningConnection {
        let UnspawnedSession { handle, session } = session;
        let (sender, ended) = oneshot::channel();
        let movable = Self {
            session,
            tasks,
            recent: RecentTraffic::of(&socket),
            no_thread_until: None,
            socket,
            signed_in,
            ended: Some(sender),
            shared: Arc::clone(&threads.shared),
        };
        movable.go_to_event_loop();
        RunningConnection { handle, ended }
    }

    /// Polls the connection and its tasks.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let session = self.session.as_mut();
        self.tasks.poll_with(cx, |cx| session.poll(cx))
    }

    fn go_to_event_loop(mut self) {
        self.recent = RecentTraffic::of(&self.socket);
        let event_loop = self.shared.event_loop.clone();
        event_loop.spawn(self.on_event_loop());
    }

    /// Runs on the server's event loop until the connection ends or becomes active.
    async fn on_event_loop(mut self) {
        loop {
            let departure = std::future::poll_fn(|cx| match self.poll(cx) {
                Poll::Ready(ended) => Poll::Ready(Departure::Ended(ended)),
                Poll::Pending if self.is_active() => Poll::Ready(Departure::Review),
                Poll::Pending => Poll::Pending,
            });
            match departure.await {
                Departure::Ended(ended) => return self.end(ended),
                Departure::Review | Departure::Crowded => {
                    let user = self
                        .signed_in
                        .get()
                        .map(|report| report.session().login.user().clone());
                    if let Some(place) = user.and_then(|user| self.shared.place(&user)) {
                        return self.go_to(place);
                    }
                    self.no_thread_until = Some(Instant::now() + ASK_AGAIN);
                }
            }
        }
    }

    fn go_to(self, place: ThreadPlace) {
        let event_loop = place.thread.event_loop.clone();
        event_loop.spawn(self.on_thread(place));
    }

    /// Runs on a session thread until the connection ends, becomes quiet, or gets a better place.
    async fn on_thread(mut self, place: ThreadPlace) {
        if let Err(error) = self.socket.change_event_loop() {
            tracing::debug!(%error, "a connection cannot be served by its thread");
            return match self.register_with_event_loop() {
                Ok(()) => self.go_to_event_loop(),
                Err(error) => self.end(Err(error.into())),
            };
        }
        loop {
            self.recent = RecentTraffic::of(&self.socket);
            let departure = self.poll_on_thread(&place).await;
            match departure {
                Departure::Ended(ended) => return self.end(ended),
                Departure::Review if self.recent.moved(&self.socket) <= ACTIVE => {
                    // If that fails, the connection stays where it is.
                    if self.register_with_event_loop().is_ok() {
                        return self.go_to_event_loop();
                    }
                }
                Departure::Review | Departure::Crowded => {
                    if let Some(better) = place.better() {
                        return self.go_to(better);
                    }
                }
            }
        }
    }

    /// Polls the connection in the context of the server's event loop, until it has ended, [`REVIEW`] is over, or its user
    /// may have fewer threads.
    fn poll_on_thread<'a>(
        &'a mut self,
        place: &'a ThreadPlace,
    ) -> impl Future<Output = Departure> + Send + 'a {
        let event_loop = self.shared.event_loop.clone();
        let crowdings = self.shared.crowdings();
        let mut review = {
            let _context = event_loop.enter();
            Box::pin(tokio::time::sleep(REVIEW))
        };
        std::future::poll_fn(move |cx| {
            let _context = event_loop.enter();
            let _own = own_thread::enter(place.slot());
            // The review first: a connection that always has something to do uses up what a task may do at once, after
            // which a timer is never ready. Whoever reviews the connection polls it next.
            if review.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Departure::Review);
            }
            if self.shared.crowdings() != crowdings {
                return Poll::Ready(Departure::Crowded);
            }
            self.poll(cx).map(Departure::Ended)
        })
    }

    fn register_with_event_loop(&self) -> std::io::Result<()> {
        let _context = self.shared.event_loop.enter();
        self.socket.change_event_loop()
    }

    /// Whether the connection is active and may have a thread. What it moves until the sign-in does not count.
    fn is_active(&mut self) -> bool {
        if self.signed_in.get().is_none() {
            self.recent = RecentTraffic::of(&self.socket);
            return false;
        }
        let now = Instant::now();
        let enough = match self.shared.is_of_one_user.load(Ordering::Relaxed) {
            true => ACTIVE_BESIDE_MANY,
            false => ACTIVE,
        };
        self.recent.moved_lately(&self.socket, now) > enough
            && self.no_thread_until.is_none_or(|until| until <= now)
    }

    /// Tells the supervisor that the connection has ended, once all that it held is dropped.
    fn end(mut self, ended: Ended) {
        let sender = self.ended.take();
        drop(self);
        if let Some(sender) = sender {
            // A supervisor that has given up does not wait for it.
            let _ = sender.send(ended);
        }
    }
}

impl Drop for MovableSession {
    fn drop(&mut self) {
        // What the connection holds may need the event loop to be dropped: files are closed by a task.
        let _context = self.shared.event_loop.enter();
        self.session = Box::pin(std::future::pending());
        self.tasks.end();
    }
}

impl RecentTraffic {
    fn of(socket: &ConnectionHandle) -> Self {
        let bytes = total(socket);
        Self {
            since: Instant::now(),
            bytes,
            bytes_at_last_poll: bytes,
        }
    }

    /// The bytes that were moved since the time began.
    fn moved(&self, socket: &ConnectionHandle) -> u64 {
        total(socket) - self.bytes
    }

    /// The bytes that were moved within [`ACTIVE_WITHIN`], to be asked for after each poll. An older time begins
    /// anew at the last poll.
    fn moved_lately(&mut self, socket: &ConnectionHandle, now: Instant) -> u64 {
        if now.duration_since(self.since) > ACTIVE_WITHIN {
            self.since = now;
            self.bytes = self.bytes_at_last_poll;
        }
        self.bytes_at_last_poll = total(socket);
        self.bytes_at_last_poll - self.bytes
    }
}

/// The bytes that a connection has received and sent.
fn total(socket: &ConnectionHandle) -> u64 {
    let (received, sent) = socket.traffic();
    received + sent
}
