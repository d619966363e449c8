//! Decides which thread serves a connection, so that a client that asks for little does not wait behind those that move
//! much.
//!
//! The kernel gives a thread that sleeps most of the time the CPU as soon as it wakes, and divides the CPU fairly
//! between the threads that always have work. A task of an event loop gets neither: it waits for all tasks before it.
//! So each connection that is active has a thread of its own, a *session thread*, with an event loop of its own.
//!
//! The states of a connection:
//! - *shared*: the server's event loop polls it. Each connection begins here, so that a sign-in and an idle session
//!   cost no thread. Once its user has signed in and it has moved more than [`session::ACTIVE`] within
//!   [`session::ACTIVE_WITHIN`], it is given a thread ([`table`] says which).
//! - *alone*: a session thread polls it, and no other. Calls on a file system run there without a slot of the event
//!   loop ([`crate::io::own_thread`]), since nobody else waits for the thread.
//! - *together*: it shares a session thread with others, because there are as many threads as there may be. Calls on a
//!   file system must not wait, as on the event loop. When threads become free, it gets one of its own.
//! - *ended*: the connection is gone.
//!
//! Every [`session::REVIEW`] a connection on a session thread is looked at: one that has moved next to nothing goes
//! back to the event loop, and one whose user has more threads than they may have now moves to another of the user's. The
//! latter happens at once when a second user needs a thread: until then, the requests of that one would wait behind all
//! threads that a single user may have.
//!
//! Only the socket is registered with the thread's event loop. Timers and blocking calls belong to the server's:
//! a connection is polled inside of its context, and so can change its thread between any two polls. Its tasks
//! ([`crate::session::tasks`]) are polled and moved with it. What supervises
//! the connection stays on the server's event loop, and works even if the thread hangs in a file system.

mod session;
mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::domain::user::UserName;
use crate::io::ThreadSlots;
use crate::io::cpu_slots::cores;
use crate::io::own_thread::OwnSlot;

pub use session::{MovableSession, RunningConnection};
use table::{Choice, Crowding, Improvement, ThreadTable};

/// A thread ends when no session has needed it for this long.
const LINGER: Duration = Duration::from_secs(10);
/// The stack of a session thread. Only the pages that are touched take memory: some 100 KiB.
const STACK: usize = 2 << 20;

/// The session threads of one server. Dropping this ends them.
pub struct SessionThreads {
    shared: Arc<ThreadRegistry>,
    _quit: DropGuard,
}

/// What the session threads and the connections on them share.
struct ThreadRegistry {
    /// The event loop of the server, which owns all timers and tasks.
    event_loop: Handle,
    slots: ThreadSlots,
    table: Mutex<ThreadTable<Arc<SessionThread>>>,
    /// How often a user who was the only one with threads had to share them. Connections look at it when they are polled.
    crowdings: AtomicU64,
    /// Whether one user has many threads, and nobody else has any. Connections look at it when they are polled, too.
    is_of_one_user: AtomicBool,
    /// Is notified when a thread has ended.
    ended: Notify,
    /// Counts the threads that have not ended.
    alive: TaskTracker,
    quit: CancellationToken,
}

/// One session thread, as connections reach it.
struct SessionThread {
    /// Its number, which is also its slot in the scheduler of file systems.
    number: usize,
    event_loop: Handle,
    /// The number of connections that it serves.
    sessions: AtomicUsize,
    /// Is notified when the last of them has left.
    deserted: Notify,
}

/// Forgets a session thread when it is dropped, however the thread has ended.
struct ThreadEnd {
    thread: Arc<SessionThread>,
    shared: Arc<ThreadRegistry>,
    _alive: TaskTrackerToken,
}

/// The place of a connection on a session thread. Dropping it gives the place back.
struct ThreadPlace {
    thread: Arc<SessionThread>,
    user: UserName,
    shared: Arc<ThreadRegistry>,
}

impl SessionThreads {
    /// Creates the threads of a server that runs on `event_loop`: as many as there are `slots`, when they are needed.
    pub fn new(slots: ThreadSlots, event_loop: Handle) -> Self {
        let quit = CancellationToken::new();
        Self {
            shared: Arc::new(ThreadRegistry {
                event_loop,
                table: Mutex::new(ThreadTable::new(slots.capacity(), cores())),
                slots,
                crowdings: AtomicU64::new(0),
                is_of_one_user: AtomicBool::new(false),
                ended: Notify::new(),
                alive: TaskTracker::new(),
                quit: quit.clone(),
            }),
            _quit: quit.drop_guard(),
        }
    }

    /// Waits until a thread has ended because no session needed it.
    pub async fn thread_ended(&self) {
        self.shared.ended.notified().await;
    }

    /// Ends the threads, and with them the connections that they still serve. Returns when all have ended, so never
    /// while one hangs in a file system.
    pub async fn stop(&self) {
        self.shared.quit.cancel();
        self.shared.alive.close();
        self.shared.alive.wait().await;
    }
}

impl ThreadRegistry {
    /// Finds a place on a session thread for a connection of `user`. `None`: there may be no thread, or the system has
    /// none.
    fn place(self: &Arc<Self>, user: &UserName) -> Option<ThreadPlace> {
        let is_stuck = |number| self.slots.is_stuck(number);
        let mut table = self.table.lock();
        let number = match table.choose(user, is_stuck)? {
            Choice::Thread(thread) => return Some(self.enter(&mut table, thread, user)),
            Choice::New(number) => number,
        };
        let crowding = table.reserve(number, user);
        self.note(&table, crowding);
        // Starting a thread takes long, and other connections need the table meanwhile.
        drop(table);
        let started = self.start(number);
        let mut table = self.table.lock();
        match started {
            Ok(thread) => {
                table.add(number, Arc::clone(&thread));
                Some(self.counted(thread, user))
            }
            Err(error) => {
                tracing::debug!(%error, "cannot start a session thread");
                table.cancel(number, user);
                let thread = table.share(user, is_stuck)?;
                Some(self.enter(&mut table, thread, user))
            }
        }
    }

    /// Counts a connection on a thread that others may use already.
    fn enter(
        self: &Arc<Self>,
        table: &mut ThreadTable<Arc<SessionThread>>,
        thread: Arc<SessionThread>,
        user: &UserName,
    ) -> ThreadPlace {
        let crowding = table.enter(thread.number, user);
        self.note(table, crowding);
        self.counted(thread, user)
    }

    /// Notes what the table says after a change, for connections that do not lock it.
    fn note(&self, table: &ThreadTable<Arc<SessionThread>>, crowding: Crowding) {
        self.is_of_one_user
            .store(table.is_of_one_user(), Ordering::Relaxed);
        if crowding == Crowding::NoLongerAlone {
            self.crowdings.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns a number that changes when the only user with threads has to share them.
    fn crowdings(&self) -> u64 {
        self.crowdings.load(Ordering::Relaxed)
    }

    /// Returns the place of a connection that the table has counted. The table is locked, so that
    /// [`ThreadPlace::is_alone`] never misses one.
    fn counted(self: &Arc<Self>, thread: Arc<SessionThread>, user: &UserName) -> ThreadPlace {
        thread.sessions.fetch_add(1, Ordering::Relaxed);
        ThreadPlace {
            thread,
            user: user.clone(),
            shared: Arc::clone(self),
        }
    }

    fn start(self: &Arc<Self>, number: usize) -> std::io::Result<Arc<SessionThread>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = Arc::new(SessionThread {
            number,
            event_loop: runtime.handle().clone(),
            sessions: AtomicUsize::new(0),
            deserted: Notify::new(),
        });
        let end = ThreadEnd {
            thread: Arc::clone(&thread),
            shared: Arc::clone(self),
            _alive: self.alive.token(),
        };
        // Without a thread the runtime is left here, to be dropped where that may not wait.
        let runtime = Arc::new(Mutex::new(Some(runtime)));
        let handed_over = Arc::clone(&runtime);
        let started = std::thread::Builder::new()
            .name(format!("session-{number}"))
            .stack_size(STACK)
            .spawn(move || {
                // The runtime ends before the thread is forgotten, and with it all connections that are left.
                let end = end;
                let runtime = handed_over.lock().take();
                if let Some(runtime) = runtime {
                    runtime.block_on(end.shared.serve(&end.thread));
                }
            });
        if let Err(error) = started {
            if let Some(runtime) = runtime.lock().take() {
                runtime.shutdown_background();
            }
            return Err(error);
        }
        Ok(thread)
    }

    /// The life of a session thread: it serves until nobody has needed it for a while.
    async fn serve(&self, thread: &SessionThread) {
        let unneeded = async {
            loop {
                thread.deserted.notified().await;
                tokio::time::sleep(LINGER).await;
                if self.table.lock().retire(thread.number) {
                    return;
                }
            }
        };
        tokio::select! {
            () = unneeded => {}
            () = self.quit.cancelled() => {}
        }
    }
}

impl ThreadPlace {
    fn is_alone(&self) -> bool {
        self.thread.sessions.load(Ordering::Relaxed) == 1
    }

    /// The slot that calls on file systems take on the thread.
    fn slot(&self) -> OwnSlot {
        OwnSlot {
            number: self.thread.number,
            alone: self.is_alone(),
        }
    }

    /// A better place for this connection, if there is one now.
    fn better(&self) -> Option<ThreadPlace> {
        let improvement = self
            .shared
            .table
            .lock()
            .improvement(self.thread.number, &self.user)?;
        let place = self.shared.place(&self.user)?;
        let is_better = match improvement {
            Improvement::FewerThreads => place.thread.number != self.thread.number,
            Improvement::OwnThread => place.is_alone(),
        };
        is_better.then_some(place)
    }
}

impl Drop for ThreadEnd {
    fn drop(&mut self) {
        let is_it = |thread: &Arc<SessionThread>| Arc::ptr_eq(thread, &self.thread);
        self.shared.table.lock().lost(self.thread.number, is_it);
        self.shared.ended.notify_one();
    }
}

impl Drop for ThreadPlace {
    fn drop(&mut self) {
        let mut table = self.shared.table.lock();
        table.leave(self.thread.number, &self.user);
        self.shared.note(&table, Crowding::AsBefore);
        if self.thread.sessions.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.thread.deserted.notify_one();
        }
    }
}
