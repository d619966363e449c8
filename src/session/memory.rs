//! The memory accounts of each user: how much the sessions of one user hold together, and all users together.
//!
//! There are two accounts, because they behave differently when they are exhausted. *Credit* is for what a client was
//! allowed to send ahead, and for replies on their way: without credit a channel is slower, since only its minimum is
//! left, but nothing is refused. *Holdings* are what a client keeps until it releases it (open files and directories,
//! command lines and their expansions): without room for them a request is refused.
//!
//! Together with what is not charged to an account (the minimum of 64 KiB for each channel, and about 1.5 MiB of
//! buffers for each connection) one user costs the server at most 512 MiB by default: 100 connections with 32 channels
//! each.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most credit of one user, in bytes: 40 channels at their usual window. With 1,000 channels, each still gets more
/// than the minimum.
const CREDIT: usize = 80 << 20;
/// The most holdings of one user, in bytes: about 25,000 open files.
const HOLDINGS: usize = 32 << 20;

/// The text that a client gets whose user holds too much.
pub const TOO_MUCH_HELD: &str =
    "the sessions of this user hold too much memory in open files, directories and commands";

/// The two accounts that a user's memory is charged to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryAccount {
    /// Data that a client may send ahead, and replies on their way.
    Credit,
    /// What a client keeps until it releases it, such as open files.
    Holdings,
}

/// An amount that is in use, with a limit.
#[derive(Debug)]
pub(super) struct BoundedCounter {
    pub(super) used: AtomicUsize,
    pub(super) limit: usize,
}

impl BoundedCounter {
    pub(super) fn new(limit: usize) -> Self {
        let used = AtomicUsize::new(0);
        Self { used, limit }
    }

    pub(super) fn try_reserve(&self, amount: usize) -> bool {
        let before = self.used.fetch_add(amount, Ordering::Relaxed);
        let fits = before.saturating_add(amount) <= self.limit;
        if !fits {
            self.release(amount);
        }
        fits
    }

    pub(super) fn release(&self, amount: usize) {
        self.used.fetch_sub(amount, Ordering::Relaxed);
    }

    fn free(&self) -> usize {
        self.limit.saturating_sub(self.used.load(Ordering::Relaxed))
    }
}

/// The memory that all users together may hold.
#[derive(Debug)]
pub struct ServerMemory(BoundedCounter);

impl ServerMemory {
    /// Creates an account of this many bytes, none of which is in use.
    pub fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self(BoundedCounter::new(bytes)))
    }
}

/// The memory that the sessions of one user hold.
#[derive(Debug)]
pub struct UserMemory {
    server: Arc<ServerMemory>,
    credit: BoundedCounter,
    holdings: BoundedCounter,
}

impl UserMemory {
    /// Creates the account of a user who holds nothing yet. No user gets more than a quarter of the server's memory for
    /// each account.
    pub fn of(server: &Arc<ServerMemory>) -> Arc<Self> {
        let most = server.0.limit / 4;
        Arc::new(Self {
            credit: BoundedCounter::new(CREDIT.min(most)),
            holdings: BoundedCounter::new(HOLDINGS.min(most)),
            server: Arc::clone(server),
        })
    }

    fn account(&self, account: MemoryAccount) -> &BoundedCounter {
        match account {
            MemoryAccount::Credit => &self.credit,
            MemoryAccount::Holdings => &self.holdings,
        }
    }

    /// Takes this many bytes, or none; returns whether it took them.
    pub fn try_reserve(&self, account: MemoryAccount, bytes: usize) -> bool {
        if !self.account(account).try_reserve(bytes) {
            return false;
        }
        let fits = self.server.0.try_reserve(bytes);
        if !fits {
            self.account(account).release(bytes);
        }
        fits
    }

    /// Returns bytes that [`UserMemory::try_reserve`] has taken.
    pub fn release(&self, account: MemoryAccount, bytes: usize) {
        self.account(account).release(bytes);
        self.server.0.release(bytes);
    }

    /// Returns how much of `wanted` a channel should take, so that something is left for others. The first half of the
    /// credit is available without restriction; of the second half, a channel takes at most a sixteenth of what is
    /// left.
    pub fn fair_credit(&self, wanted: usize) -> usize {
        let (free, half) = (
            self.credit.free().min(self.server.0.free()),
            self.credit.limit / 2,
        );
        wanted.min(free.saturating_sub(half).max(free / 16))
    }

    /// Returns whether less than a sixteenth of the credit is left.
    pub fn is_short_of_credit(&self) -> bool {
        self.credit.free() < self.credit.limit / 16
    }
}

/// A charge to a user's holdings. Dropping it returns the bytes.
#[derive(Debug)]
pub struct MemoryCharge {
    memory: Arc<UserMemory>,
    bytes: usize,
}

impl MemoryCharge {
    /// Creates a charge of 0 bytes.
    pub fn nothing(memory: &Arc<UserMemory>) -> Self {
        Self {
            memory: Arc::clone(memory),
            bytes: 0,
        }
    }

    /// Charges this many more bytes; returns `false`, and charges none, if there is no room for them.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let fits = self.memory.try_reserve(MemoryAccount::Holdings, bytes);
        if fits {
            self.bytes += bytes;
        }
        fits
    }

    /// Returns this many bytes of the charge.
    pub fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.memory.release(MemoryAccount::Holdings, bytes);
    }
}

impl Drop for MemoryCharge {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_cannot_take_everything_and_everything_is_released() {
        let server = ServerMemory::new(400);
        let (one, other) = (UserMemory::of(&server), UserMemory::of(&server));
        assert!(one.try_reserve(MemoryAccount::Credit, 100) && !one.try_reserve(MemoryAccount::Credit, 1));
        let mut held = MemoryCharge::nothing(&one);
        assert!(
            held.grow(60) && held.grow(40) && !held.grow(1),
            "an account of its own"
        );
        assert!(other.try_reserve(MemoryAccount::Credit, 100));
        held.shrink(30);
        assert!(held.grow(30));
        drop(held);
        one.release(MemoryAccount::Credit, 100);
        other.release(MemoryAccount::Credit, 100);
        assert_eq!(server.0.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn credit_runs_out_slowly() {
        let memory = UserMemory::of(&ServerMemory::new(1 << 30));
        let usual = 2 << 20;
        let mut full = 0;
        for _ in 0..64 {
            let taken = memory.fair_credit(usual);
            assert!(taken > 128 * 1024, "{taken}");
            assert!(memory.try_reserve(MemoryAccount::Credit, taken));
            full += usize::from(taken == usual);
        }
        assert!(full > 20, "{full}");
    }
}
