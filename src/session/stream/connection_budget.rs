//! The budget of one connection: how much memory the server holds for all its channels together.
//!
//! | what | whose |
//! |---|---|
//! | each channel's minimum ([`MINIMUM`]): requests that wait, and a packet whose end has not come | nobody's |
//! | what a channel may send beyond that ([`super::receive_window`]), and replies that a shut window has cut | the connection's, at most [`CONNECTION`]; charged to the user's credit |
//! | replies between a channel's task and the SSH layer | the connection's, at most [`IN_FLIGHT`] |
//! | replies that one callback makes, sealed and not sent yet | [`CALLBACK`] for each connection; four times as much while the user's credit has room |
//! | one packet that is larger than what its channel may send | one for each connection, so that every packet gets through in the end |
//!
//! Nothing is refused for lack of credit, and no client is disconnected: a channel's window is opened less far, so that
//! its client waits.

use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use crate::session::budget::UserBudget;
use crate::session::memory::{MemoryAccount, UserMemory};
use crate::session::rate::{RateLimit, UserRates};

/// What a channel may always send ahead, in bytes: two of the largest packets that clients send if they do not know
/// that larger ones are allowed.
pub const MINIMUM_WINDOW: u32 = 64 * 1024;
/// [`MINIMUM_WINDOW`] as a `usize`, in bytes.
pub const MINIMUM: usize = MINIMUM_WINDOW as usize;
/// The bytes beyond the minima: one channel with the largest window, or eight with the usual one.
const CONNECTION: usize = 16 << 20;
/// The bytes of replies under way: two of the largest replies, or sixteen of the usual ones, which keeps the socket
/// busy while more are produced.
const IN_FLIGHT: usize = 512 * 1024;
/// The bytes of replies that one callback may always produce.
const CALLBACK: usize = 256 * 1024;
/// The bytes of replies that one callback may produce with credit. A single SSH packet can hold thousands of READs,
/// whose replies would all be in memory at once.
const LARGE_CALLBACK: usize = 1 << 20;

/// The error for a client that repeatedly sends more than its channel's window allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client sends more than the window of its channel allows")]
pub struct WindowExceeded;

/// The memory that all channels of one connection hold.
#[derive(Debug)]
pub struct ConnectionBudget {
    used: AtomicUsize,
    memory: Arc<UserMemory>,
    rates: Arc<UserRates>,
    in_flight: Arc<Semaphore>,
    large_packet: Arc<Semaphore>,
    callback: Mutex<Option<CallbackCharge>>,
}

impl ConnectionBudget {
    /// Creates the budget of a connection of this user.
    pub fn of(user: &UserBudget) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicUsize::new(0),
            memory: Arc::clone(&user.memory),
            rates: Arc::clone(&user.rates),
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT)),
            large_packet: Arc::new(Semaphore::new(1)),
            callback: Mutex::default(),
        })
    }

    /// Returns the memory of the connection's user.
    pub fn memory(&self) -> &Arc<UserMemory> {
        &self.memory
    }

    /// Returns the limit on the rate at which the connection's user uploads.
    pub fn upload_rate(&self) -> &RateLimit {
        &self.rates.up
    }

    /// Returns the semaphore with a permit for each byte of replies that may be between a task and the SSH layer.
    pub fn in_flight(&self) -> Arc<Semaphore> {
        Arc::clone(&self.in_flight)
    }

    /// Returns the semaphore with one permit, for one packet that does not fit into its channel's window.
    pub fn large_packet(&self) -> Arc<Semaphore> {
        Arc::clone(&self.large_packet)
    }

    /// Returns how much of `wanted` one channel should take, so that something is left for others of the connection,
    /// and of the user.
    fn fair(&self, wanted: usize) -> usize {
        let free = CONNECTION.saturating_sub(self.used.load(Ordering::Relaxed));
        self.memory.fair_credit(wanted.min(free / 2))
    }

    fn try_reserve(&self, bytes: usize) -> bool {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= CONNECTION
            && self.memory.try_reserve(MemoryAccount::Credit, bytes);
        if !fits {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }

    fn release(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
        self.memory.release(MemoryAccount::Credit, bytes);
    }

    /// Returns whether a callback that has produced this many bytes of replies may produce more.
    pub fn may_make_more(self: &Arc<Self>, made: usize) -> bool {
        made < CALLBACK || made < LARGE_CALLBACK && self.has_large_callbacks()
    }

    /// Returns whether the connection has credit for large callbacks. The credit is taken when a callback is large for
    /// the first time, and then kept.
    fn has_large_callbacks(&self) -> bool {
        let mut callback = self.callback.lock();
        if callback.is_some() {
            return true;
        }
        let more = LARGE_CALLBACK - CALLBACK;
        let fits =
            self.memory.fair_credit(more) == more && self.memory.try_reserve(MemoryAccount::Credit, more);
        if fits {
            *callback = Some(CallbackCharge::of_user(&self.memory, more));
        }
        fits
    }
}

/// Credit that is charged to the user alone. Dropping it returns it.
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
        self.memory.release(MemoryAccount::Credit, self.bytes);
    }
}

/// A part of a connection's budget. Dropping it returns it.
#[derive(Debug)]
pub struct Reservation {
    budget: Arc<ConnectionBudget>,
    bytes: usize,
}

impl Reservation {
    /// Creates a reservation of 0 bytes.
    pub fn nothing(budget: &Arc<ConnectionBudget>) -> Self {
        Self {
            budget: Arc::clone(budget),
            bytes: 0,
        }
    }

    /// Returns the size of the reservation, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the budget that the reservation is a part of.
    pub fn budget(&self) -> &Arc<ConnectionBudget> {
        &self.budget
    }

    /// Reserves this many more bytes; returns `false`, and reserves none, if there is no room for them.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let fits = self.budget.try_reserve(bytes);
        if fits {
            self.bytes += bytes;
        }
        fits
    }

    /// Reserves as much of `wanted` as leaves others their share; returns how much.
    pub fn grow_within_share(&mut self, wanted: usize) -> usize {
        let fair = self.budget.fair(wanted);
        if fair > 0 && self.grow(fair) { fair } else { 0 }
    }

    /// Returns this many bytes of the reservation to the budget.
    pub fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.budget.release(bytes);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}

#[cfg(test)]
impl ConnectionBudget {
    /// Creates a budget that is large enough for every test.
    pub fn unlimited() -> Arc<Self> {
        Self::with(1 << 30)
    }

    /// Creates the budget of a connection to a server with this much memory, in bytes.
    pub fn with(memory: usize) -> Arc<Self> {
        let server = crate::session::budget::ServerBudget::new(1000, memory);
        Self::of(&UserBudget::of(&Arc::new(server)))
    }
}
