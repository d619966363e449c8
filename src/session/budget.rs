//! The budget of each user: how many file descriptors and how much memory (see [`super::memory`]) all sessions of one
//! user may hold together, and how fast they may transfer ([`super::rate`]). Limits for each channel and each
//! connection multiply; these limits do not.
//!
//! One user never gets more than half, so that something is left for others. A session also takes descriptors for its
//! connection and its home. The descriptors for new connections and for the server itself are counted in
//! [`crate::io::descriptors`].

use std::sync::Arc;

use crate::io::descriptors::{DescriptorShares, PER_SESSION};

use super::memory::{BoundedCounter, ServerMemory, UserMemory};
use super::rate::UserRates;
use super::usable_memory::usable_memory;

/// The memory budget of a small machine, in bytes, unless that is more than half of what it has.
const LEAST_MEMORY: u64 = 1 << 30;
/// All users together may hold one part in this many of the memory that the server may use.
const MEMORY_PART: u64 = 4;

/// The limits on the file descriptors and the memory that all users together may hold.
#[derive(Debug)]
pub struct ServerBudget {
    files: BoundedCounter,
    memory: Arc<ServerMemory>,
}

impl Default for ServerBudget {
    /// Creates the budget from the limits of this process and the memory that it may use.
    fn default() -> Self {
        let memory = share_of(usable_memory());
        Self::new(DescriptorShares::of_process().users, memory)
    }
}

impl ServerBudget {
    /// Creates a budget of this many open files and this many bytes of memory.
    pub fn new(files: usize, memory: usize) -> Self {
        Self {
            files: BoundedCounter::new(files),
            memory: ServerMemory::new(memory),
        }
    }
}

/// Returns how much of this memory all users together may hold.
fn share_of(memory: u64) -> usize {
    let share = (memory / MEMORY_PART).max(LEAST_MEMORY.min(memory / 2));
    usize::try_from(share).unwrap_or(usize::MAX)
}

/// The part of the server's budget that the sessions of one user hold.
#[derive(Debug)]
pub struct UserBudget {
    server: Arc<ServerBudget>,
    files: BoundedCounter,
    /// The memory that the user's sessions hold.
    pub memory: Arc<UserMemory>,
    /// The rates of the user's transfers.
    pub rates: Arc<UserRates>,
}

/// Why no more files can be opened. The texts are shown to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exhausted {
    /// The sessions of this user have as many files open as one user may have: this many.
    #[error("too many open files in all sessions of this user (the limit is {0})")]
    ByUser(usize),
    /// The sessions of all users together have as many files open as the server allows.
    #[error("too many open files on this server")]
    ByAll,
}

/// The right to one open file or directory, or to the descriptors of one session. Dropping it gives the right back.
#[derive(Debug)]
pub struct Descriptor {
    user: Arc<UserBudget>,
    count: usize,
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.user.files.release(self.count);
        self.user.server.files.release(self.count);
    }
}

impl UserBudget {
    /// Creates the budget of a user who has no session yet.
    pub fn of(server: &Arc<ServerBudget>) -> Arc<Self> {
        Arc::new(Self {
            files: BoundedCounter::new(server.files.limit / 2),
            memory: UserMemory::of(&server.memory),
            rates: Arc::default(),
            server: Arc::clone(server),
        })
    }

    /// Takes the right to one more open file or directory.
    ///
    /// # Errors
    /// Returns an error if the user, or all users together, have too many open.
    pub fn descriptor(self: &Arc<Self>) -> Result<Descriptor, Exhausted> {
        self.descriptors(1)
    }

    /// Takes the descriptors that one more session needs.
    ///
    /// # Errors
    /// Returns an error if the user, or all users together, have too many open files.
    pub fn session(self: &Arc<Self>) -> Result<Descriptor, Exhausted> {
        self.descriptors(PER_SESSION)
    }

    fn descriptors(self: &Arc<Self>, count: usize) -> Result<Descriptor, Exhausted> {
        if !self.files.try_reserve(count) {
            return Err(Exhausted::ByUser(self.files.limit));
        }
        if !self.server.files.try_reserve(count) {
            self.files.release(count);
            return Err(Exhausted::ByAll);
        }
        let user = Arc::clone(self);
        Ok(Descriptor { user, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn users_leave_half_of_a_small_machine_and_most_of_a_large_one() {
        const MIB: u64 = 1 << 20;
        for (memory, share) in [
            (256, 128),
            (1024, 512),
            (2048, 1024),
            (3000, 1024),
            (65_536, 16_384),
        ] {
            assert_eq!(share_of(memory * MIB) as u64, share * MIB, "{memory}");
        }
    }

    #[test]
    fn one_user_gets_at_most_half_and_everything_is_released() {
        let server = Arc::new(ServerBudget::new(10, 1000));
        let (one, other, third) = (
            UserBudget::of(&server),
            UserBudget::of(&server),
            UserBudget::of(&server),
        );
        let mut held: Vec<_> = (0..5).map(|_| one.descriptor().unwrap()).collect();
        assert_eq!(one.descriptor().unwrap_err(), Exhausted::ByUser(5));
        held.extend((0..5).map(|_| other.descriptor().unwrap()));
        assert_eq!(third.descriptor().unwrap_err(), Exhausted::ByAll);
        held.clear();
        let session = third.session().unwrap();
        assert_eq!(server.files.used.load(Ordering::Relaxed), PER_SESSION);
        drop(session);
        assert!(third.descriptor().is_ok());
        assert_eq!(server.files.used.load(Ordering::Relaxed), 0);
    }
}
