//! Several connections to one server, for a run of transfers (`--parallel`).
//!
//! The first connection is the session's own. Those beside it are made when they are needed: when every connection that
//! is up has a job, or when a large file is spread. Each of them is in one of these states:
//!
//! - *idle*: nobody has needed it yet;
//! - *connecting*: it is being made, for the first time or again, by one task; nobody else waits for it;
//! - *up*: it was made. If it is found to be lost, it is *connecting* again, by the rule of [`Remote::link`];
//! - *refused*: it could not be made, or not again. It is not tried any more in this run, and all that are idle are
//!   refused with it: a server that allows no further connection must not be asked again and again. This is said once.
//!
//! A failure that may pass, such as a server that drops connections while it has too many that have not signed in,
//! leaves the connection idle, and the next is tried after a pause. Only after several such failures in a row are the idle
//! ones refused.
//!
//! What may go wrong: the user would have to be asked (a code, the touch of a key), the server allows no more sessions, it
//! drops connections that have not signed in yet, or a connection breaks. In each case the run goes on with those that
//! are up. If none is, the caller waits for the first, as without other connections.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::Remote;
use super::passing_failures::PassingFailures;
use crate::link::{Link, RemoteError};

/// The most connections of a run. More would gain nothing, and servers limit them.
pub const MOST_CONNECTIONS: usize = 16;
/// The place of the first connection.
const FIRST: usize = 0;
/// The state of one connection.
enum ConnectionState {
    Idle,
    Connecting,
    Up(Arc<Remote>),
    Refused,
}

/// One connection, and what it does.
struct ConnectionSlot {
    state: ConnectionState,
    /// The number of jobs that use it.
    jobs: usize,
}

impl ConnectionSlot {
    fn link(&self) -> Option<Arc<Link>> {
        match &self.state {
            ConnectionState::Up(remote) => remote.link_now(),
            ConnectionState::Idle | ConnectionState::Connecting | ConnectionState::Refused => None,
        }
    }

    fn lost(&self) -> Option<Arc<Remote>> {
        match &self.state {
            ConnectionState::Up(remote) if remote.is_lost() => Some(Arc::clone(remote)),
            _ => None,
        }
    }
}

/// A connection that was chosen for a job.
enum ChosenConnection {
    /// The one that is up and has the fewest jobs.
    Use(ConnectionLease),
    /// All that are up have jobs, and the idle one at this place may be made.
    Make(usize),
    /// All that are up have jobs, and no other can be made. This one has the fewest.
    Busy(ConnectionLease),
    /// No connection is up at the moment.
    None,
}

/// The connections of a run.
pub struct Connections {
    first: Arc<Remote>,
    slots: Mutex<Vec<ConnectionSlot>>,
    failures: Mutex<PassingFailures>,
    /// Whether it was said that there are fewer connections than asked for.
    said: AtomicBool,
    /// Wakes those who wait for a connection without a job.
    changed: Notify,
    /// The tasks that make lost connections again. They end with the run.
    repairs: Mutex<JoinSet<()>>,
}

impl Connections {
    /// Makes the connections of a run: at most `most`, of which the first exists.
    pub fn new(first: Arc<Remote>, most: usize) -> Arc<Self> {
        let slot = |state| ConnectionSlot { state, jobs: 0 };
        let beside = most.clamp(1, MOST_CONNECTIONS) - 1;
        let mut slots = vec![slot(ConnectionState::Up(Arc::clone(&first)))];
        slots.extend((0..beside).map(|_| slot(ConnectionState::Idle)));
        Arc::new(Self {
            first,
            slots: Mutex::new(slots),
            failures: Mutex::default(),
            said: AtomicBool::new(false),
            changed: Notify::new(),
            repairs: Mutex::default(),
        })
    }

    /// A connection for a job: the one with the fewest jobs, or a new one if all have some. `None`: none is up, and the
    /// caller waits for the first.
    pub async fn take(self: &Arc<Self>) -> Option<ConnectionLease> {
        loop {
            match self.choose() {
                ChosenConnection::Use(lease) | ChosenConnection::Busy(lease) => return Some(lease),
                ChosenConnection::Make(place) => self.make(place).await,
                ChosenConnection::None => return None,
            }
        }
    }

    /// The first connection for a job, after the caller has waited for it.
    pub fn first(self: &Arc<Self>, link: Arc<Link>) -> ConnectionLease {
        let mut slots = self.slots.lock();
        if let Some(slot) = slots.get_mut(FIRST) {
            slot.jobs += 1;
            slot.state = ConnectionState::Up(Arc::clone(&self.first));
        }
        self.lease(FIRST, link)
    }

    /// A connection beside the first that is up, for work that is no job of its own.
    pub fn beside_first(&self) -> Option<Arc<Link>> {
        self.slots.lock().iter().skip(1).find_map(ConnectionSlot::link)
    }

    /// A connection that has no other job. It waits for one, unless there can be none any more: then this is `None`.
    pub async fn take_spare(self: &Arc<Self>) -> Option<ConnectionLease> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.choose() {
                ChosenConnection::Use(lease) => return Some(lease),
                ChosenConnection::Make(place) => self.make(place).await,
                ChosenConnection::Busy(lease) => {
                    lease.give_back();
                    if self.is_alone() {
                        return None;
                    }
                    let again_at = self.failures.lock().again_at;
                    tokio::select! {
                        () = changed => {}
                        () = pause_until(again_at) => {}
                    }
                }
                ChosenConnection::None => return None,
            }
        }
    }

    /// Whether there is no connection beside the first, and can be none.
    fn is_alone(&self) -> bool {
        let refused = |slot: &ConnectionSlot| matches!(slot.state, ConnectionState::Refused);
        self.slots.lock().iter().skip(1).all(refused)
    }

    fn choose(self: &Arc<Self>) -> ChosenConnection {
        let mut slots = self.slots.lock();
        let up: Vec<(usize, Arc<Link>)> = slots
            .iter()
            .enumerate()
            .filter_map(|(place, slot)| Some((place, slot.link()?)))
            .collect();
        if !up.is_empty() {
            self.repair(&mut slots);
        }
        let jobs = |place: usize| slots.get(place).map_or(usize::MAX, |slot| slot.jobs);
        let Some((place, link)) = up.into_iter().min_by_key(|(place, _)| jobs(*place)) else {
            return ChosenConnection::None;
        };
        let is_free = jobs(place) == 0;
        let idle = slots
            .iter()
            .position(|slot| matches!(slot.state, ConnectionState::Idle))
            .filter(|_| self.failures.lock().may_try(Instant::now()));
        if let (false, Some(idle)) = (is_free, idle)
            && let Some(slot) = slots.get_mut(idle)
        {
            slot.state = ConnectionState::Connecting;
            return ChosenConnection::Make(idle);
        }
        if let Some(slot) = slots.get_mut(place) {
            slot.jobs += 1;
        }
        match is_free {
            true => ChosenConnection::Use(self.lease(place, link)),
            false => ChosenConnection::Busy(self.lease(place, link)),
        }
    }

    fn lease(self: &Arc<Self>, place: usize, link: Arc<Link>) -> ConnectionLease {
        ConnectionLease {
            link,
            place,
            connections: Arc::clone(self),
            wakes: true,
        }
    }

    /// Makes an idle connection, which is marked as connecting.
    async fn make(&self, place: usize) {
        /// Makes the connection idle again if nobody waits for it any more.
        struct Unfinished<'a> {
            connections: &'a Connections,
            place: usize,
        }
        impl Drop for Unfinished<'_> {
            fn drop(&mut self) {
                self.connections.forget(self.place);
            }
        }
        let _unfinished = Unfinished {
            connections: self,
            place,
        };
        if let Some(why) = self.first.why_alone() {
            self.refuse(place);
            return self.say(why);
        }
        match self.first.connect_beside().await {
            Ok(remote) => {
                *self.failures.lock() = PassingFailures::default();
                self.set(place, ConnectionState::Up(Arc::new(remote)));
            }
            Err(failed) => {
                // If it may pass, the connection is idle again.
                if !failed.may_pass() || !self.failures.lock().failed(Instant::now()) {
                    self.refuse(place);
                }
                self.say(&failed.to_string());
            }
        }
    }

    fn set(&self, place: usize, state: ConnectionState) {
        if let Some(slot) = self.slots.lock().get_mut(place) {
            slot.state = state;
        }
        self.changed.notify_waiters();
    }

    /// Makes a connection idle that is still marked as connecting.
    fn forget(&self, place: usize) {
        if let Some(slot) = self.slots.lock().get_mut(place)
            && matches!(slot.state, ConnectionState::Connecting)
        {
            slot.state = ConnectionState::Idle;
        }
        self.changed.notify_waiters();
    }

    /// Refuses a connection, and all that nobody has needed yet.
    fn refuse(&self, place: usize) {
        for (number, slot) in self.slots.lock().iter_mut().enumerate() {
            if number == place || matches!(slot.state, ConnectionState::Idle) {
                slot.state = ConnectionState::Refused;
            }
        }
        self.changed.notify_waiters();
    }

    /// Says once that there are fewer connections than asked for.
    fn say(&self, why: &str) {
        if self.said.swap(true, Ordering::Relaxed) {
            return;
        }
        let slots = self.slots.lock();
        let others = slots
            .iter()
            .skip(1)
            .any(|slot| !matches!(slot.state, ConnectionState::Refused));
        drop(slots);
        let what = match others {
            true => "fewer connections than --parallel asks for",
            false => "one connection instead of those that --parallel asks for",
        };
        self.first.show(&format!("note: {what}: {why}"));
    }

    /// Begins to make lost connections again, while others are up.
    fn repair(self: &Arc<Self>, slots: &mut [ConnectionSlot]) {
        for (place, slot) in slots.iter_mut().enumerate() {
            let Some(remote) = slot.lost() else {
                continue;
            };
            slot.state = ConnectionState::Connecting;
            let connections = Arc::downgrade(self);
            self.repairs.lock().spawn(make_again(connections, place, remote));
        }
        // Only tasks that run are kept.
        let mut repairs = self.repairs.lock();
        while repairs.try_join_next().is_some() {}
    }

    fn repaired(&self, place: usize, remote: Arc<Remote>, made: Result<(), RemoteError>) {
        match made {
            Ok(()) => self.set(place, ConnectionState::Up(remote)),
            Err(why) => {
                self.set(place, ConnectionState::Refused);
                self.say(&why.to_string());
            }
        }
    }
}

/// Waits until this time, if it is not over yet, else for ever.
async fn pause_until(time: Option<Instant>) {
    match time.filter(|time| *time > Instant::now()) {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

/// Makes a lost connection again.
async fn make_again(connections: Weak<Connections>, place: usize, remote: Arc<Remote>) {
    let made = remote.link().await.map(drop);
    if let Some(connections) = connections.upgrade() {
        connections.repaired(place, remote, made);
    }
}

/// A connection, for one job. Dropping this gives it back.
pub struct ConnectionLease {
    /// The connection that the job uses.
    pub link: Arc<Link>,
    place: usize,
    connections: Arc<Connections>,
    /// Whether those who wait for a connection without a job are woken.
    wakes: bool,
}

impl ConnectionLease {
    /// Gives the connection back unused: nobody waits for that.
    fn give_back(mut self) {
        self.wakes = false;
    }
}

impl Drop for ConnectionLease {
    fn drop(&mut self) {
        if let Some(slot) = self.connections.slots.lock().get_mut(self.place) {
            slot.jobs = slot.jobs.saturating_sub(1);
        }
        if self.wakes {
            self.connections.changed.notify_waiters();
        }
    }
}
