//! What the sessions of one user hold together of what the whole server has: file descriptors, and memory (see
//! [`super::memory`]). Limits for each channel and each connection multiply; these do not.
//!
//! One user never gets more than half, so that others find something. A session takes descriptors too, for its
//! connection and its home; what is kept for new connections and for the server itself is in [`crate::io::descriptors`].

use std::sync::Arc;

use crate::io::descriptors::{PER_SESSION, Shares};

use super::memory::{Counter, ServerMemory, UserMemory};

/// Memory for requests that wait, where it is not known how much there is.
const LEAST_MEMORY: usize = 1 << 30;
/// All users together may hold one in so many bytes of the machine's memory.
const MEMORY_PART: u64 = 4;

/// What there is for all users.
#[derive(Debug)]
pub struct Pool {
    files: Counter,
    memory: Arc<ServerMemory>,
}

impl Default for Pool {
    /// As this process and this machine have it.
    fn default() -> Self {
        let info = rustix::system::sysinfo();
        let memory = u128::from(info.totalram) * u128::from(info.mem_unit) / u128::from(MEMORY_PART);
        let memory = usize::try_from(memory).unwrap_or(LEAST_MEMORY);
        Self::new(Shares::of_process().users, memory.max(LEAST_MEMORY))
    }
}

impl Pool {
    /// A pool of so many open files and so many bytes.
    pub fn new(files: usize, memory: usize) -> Self {
        Self {
            files: Counter::new(files),
            memory: ServerMemory::new(memory),
        }
    }
}

/// What one user holds of it.
#[derive(Debug)]
pub struct Share {
    pool: Arc<Pool>,
    files: Counter,
    /// The user's memory.
    pub memory: Arc<UserMemory>,
}

/// Why no more files can be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UsedUp {
    /// This user has as many as one user may have.
    #[error("too many open files in all sessions of this user (the limit is {0})")]
    ByUser(usize),
    /// All users together have as many as there may be.
    #[error("too many open files on this server")]
    ByAll,
}

/// One open file or directory, or what a session needs; given back when dropped.
#[derive(Debug)]
pub struct Descriptor {
    share: Arc<Share>,
    count: usize,
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.share.files.give_back(self.count);
        self.share.pool.files.give_back(self.count);
    }
}

impl Share {
    /// The share of a user who has no session yet.
    pub fn of(pool: &Arc<Pool>) -> Arc<Self> {
        Arc::new(Self {
            files: Counter::new(pool.files.limit / 2),
            memory: UserMemory::of(&pool.memory),
            pool: Arc::clone(pool),
        })
    }

    /// One more file is to be opened.
    ///
    /// # Errors
    /// When there are too many.
    pub fn descriptor(self: &Arc<Self>) -> Result<Descriptor, UsedUp> {
        self.descriptors(1)
    }

    /// One more session is to begin.
    ///
    /// # Errors
    /// When there are too many open files.
    pub fn session(self: &Arc<Self>) -> Result<Descriptor, UsedUp> {
        self.descriptors(PER_SESSION)
    }

    fn descriptors(self: &Arc<Self>, count: usize) -> Result<Descriptor, UsedUp> {
        if !self.files.take(count) {
            return Err(UsedUp::ByUser(self.files.limit));
        }
        if !self.pool.files.take(count) {
            self.files.give_back(count);
            return Err(UsedUp::ByAll);
        }
        let share = Arc::clone(self);
        Ok(Descriptor { share, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn nobody_gets_more_than_half_and_all_comes_back() {
        let pool = Arc::new(Pool::new(10, 1000));
        let (one, other, third) = (Share::of(&pool), Share::of(&pool), Share::of(&pool));
        let mut held: Vec<_> = (0..5).map(|_| one.descriptor().unwrap()).collect();
        assert_eq!(one.descriptor().unwrap_err(), UsedUp::ByUser(5));
        held.extend((0..5).map(|_| other.descriptor().unwrap()));
        assert_eq!(third.descriptor().unwrap_err(), UsedUp::ByAll);
        held.clear();
        let session = third.session().unwrap();
        assert_eq!(pool.files.used.load(Ordering::Relaxed), PER_SESSION);
        drop(session);
        assert!(third.descriptor().is_ok());
        assert_eq!(pool.files.used.load(Ordering::Relaxed), 0);
    }
}
