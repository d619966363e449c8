//! What one connection may make the server hold in memory, in all its channels together.
//!
//! | what | whose |
//! |---|---|
//! | each channel's minimum ([`MINIMUM`]): requests that wait, and a packet whose end has not come | nobody's |
//! | what a channel may send beyond that ([`super::receive_window`]), and replies that a shut window has cut | the connection's, at most [`CONNECTION`]; charged to the user's credit |
//! | replies between a channel's task and the SSH layer | the connection's, at most [`IN_FLIGHT`] |
//! | replies that one callback makes, sealed and not sent yet | [`CALLBACK`] for each connection; four times as much while the user's credit has room |
//! | one packet that is larger than what its channel may send | one for each connection, so that every packet gets through in the end |
//!
//! Nothing is refused for want of credit, and nobody is disconnected: a channel's window is opened less far, so that its
//! client waits.

use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use crate::session::memory::{MemoryAccount, UserMemory};

/// What a channel may always send ahead: two of the largest packets that clients send when they know of no larger.
pub const MINIMUM_WINDOW: u32 = 64 * 1024;
/// [`MINIMUM_WINDOW`] as a `usize`.
pub const MINIMUM: usize = MINIMUM_WINDOW as usize;
/// Beyond the minima: one channel that has grown, or eight as they begin.
const CONNECTION: usize = 16 << 20;
/// Two of the largest replies, or sixteen of the usual ones: enough to keep the socket busy while more are made.
const IN_FLIGHT: usize = 512 * 1024;
/// Replies of one callback that are made in any case.
const CALLBACK: usize = 256 * 1024;
/// A single SSH packet can hold thousands of READs: their replies would all be in memory at once.
const LARGE_CALLBACK: usize = 1 << 20;

/// The error for a client that sends more than its channel's window allows, and goes on doing so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client sends more than the window of its channel allows")]
pub struct WindowExceeded;

/// What all channels of one connection hold in memory.
#[derive(Debug)]
pub struct ConnectionBudget {
    used: AtomicUsize,
    memory: Arc<UserMemory>,
    in_flight: Arc<Semaphore>,
    large_packet: Arc<Semaphore>,
    callback: Mutex<Option<CallbackCharge>>,
}

impl ConnectionBudget {
    /// The budget of a connection whose user has this memory.
    pub fn of(memory: Arc<UserMemory>) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicUsize::new(0),
            memory,
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT)),
            large_packet: Arc::new(Semaphore::new(1)),
            callback: Mutex::default(),
        })
    }

    /// The memory of the connection's user.
    pub fn memory(&self) -> &Arc<UserMemory> {
        &self.memory
    }

    /// One permit for each byte of a reply between a task and the SSH layer.
    pub fn in_flight(&self) -> Arc<Semaphore> {
        Arc::clone(&self.in_flight)
    }

    /// The right to one packet that does not fit into its channel's window.
    pub fn large_packet(&self) -> Arc<Semaphore> {
        Arc::clone(&self.large_packet)
    }

    /// How much of `wanted` one channel should take, so that others of the connection, and of the user, find some.
    fn fair(&self, wanted: usize) -> usize {
        let free = CONNECTION.saturating_sub(self.used.load(Ordering::Relaxed));
        self.memory.fair_credit(wanted.min(free / 2))
    }

    fn take(&self, bytes: usize) -> bool {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        let fits =
            before.saturating_add(bytes) <= CONNECTION && self.memory.take(MemoryAccount::Credit, bytes);
        if !fits {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
        self.memory.give_back(MemoryAccount::Credit, bytes);
    }

    /// Whether a callback that has made so many bytes of replies may make more.
    pub fn goes_on(self: &Arc<Self>, made: usize) -> bool {
        made < CALLBACK || made < LARGE_CALLBACK && self.has_large_callbacks()
    }

    /// Whether the connection has credit for large callbacks. It is asked for once a callback is large, and then
    /// kept.
    fn has_large_callbacks(&self) -> bool {
        let mut callback = self.callback.lock();
        if callback.is_some() {
            return true;
        }
        let more = LARGE_CALLBACK - CALLBACK;
        let fits = self.memory.fair_credit(more) == more && self.memory.take(MemoryAccount::Credit, more);
        if fits {
            *callback = Some(CallbackCharge::of_user(&self.memory, more));
        }
        fits
    }
}

/// Credit that is charged to the user alone. Dropping it gives it back.
#[derive(Debug)]
struct CallbackCharge {
    memory: Arc<UserMemory>,
    bytes: usize,
}

impl CallbackCharge {
    /// Wraps credit that was taken already.
    fn of_user(memory: &Arc<UserMemory>, bytes: usize) -> Self {
        Self {
            memory: Arc::clone(memory),
            bytes,
        }
    }
}

impl Drop for CallbackCharge {
    fn drop(&mut self) {
        self.memory.give_back(MemoryAccount::Credit, self.bytes);
    }
}

/// A part of a connection's budget. Dropping it gives it back.
#[derive(Debug)]
pub struct Reservation {
    budget: Arc<ConnectionBudget>,
    bytes: usize,
}

impl Reservation {
    /// A reservation of 0 bytes.
    pub fn nothing(budget: &Arc<ConnectionBudget>) -> Self {
        Self {
            budget: Arc::clone(budget),
            bytes: 0,
        }
    }

    /// The size of the reservation, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The budget that the reservation is a part of.
    pub fn budget(&self) -> &Arc<ConnectionBudget> {
        &self.budget
    }

    /// Reserves so many bytes more; returns `false`, and reserves none, if there is no room for them.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let fits = self.budget.take(bytes);
        if fits {
            self.bytes += bytes;
        }
        fits
    }

    /// Reserves as much of `wanted` as leaves others their part; returns how much.
    pub fn grow_fairly(&mut self, wanted: usize) -> usize {
        let fair = self.budget.fair(wanted);
        if fair > 0 && self.grow(fair) { fair } else { 0 }
    }

    /// Gives back so many bytes of the reservation.
    pub fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.budget.give_back(bytes);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}

#[cfg(test)]
impl ConnectionBudget {
    /// A budget with room for whatever a test does.
    pub fn roomy() -> Arc<Self> {
        Self::with(1 << 30)
    }

    /// The budget of a connection to a server with so much memory.
    pub fn with(memory: usize) -> Arc<Self> {
        Self::of(UserMemory::of(&crate::session::memory::ServerMemory::new(memory)))
    }
}
