//! What the sessions of one user hold together of what the whole server has: file descriptors, and memory (see
//! [`super::memory`]). Limits for each channel and each connection multiply; these do not.
//!
//! One user never gets more than half, so that others find something. A session takes descriptors too, for its
//! connection and its home; what is kept for new connections and for the server itself is in [`crate::io::descriptors`].

use std::sync::Arc;

use crate::io::descriptors::{PER_SESSION, Shares};

use super::memory::{BoundedCounter, ServerMemory, UserMemory};

/// Memory for requests that wait, where it is not known how much there is.
const LEAST_MEMORY: usize = 1 << 30;
/// All users together may hold one in so many bytes of the machine's memory.
const MEMORY_PART: u64 = 4;

/// What all users together may hold of file descriptors and memory.
#[derive(Debug)]
pub struct ServerBudget {
    files: BoundedCounter,
    memory: Arc<ServerMemory>,
}

impl Default for ServerBudget {
    /// The budget that this process and this machine allow.
    fn default() -> Self {
        let info = rustix::system::sysinfo();
        let memory = u128::from(info.totalram) * u128::from(info.mem_unit) / u128::from(MEMORY_PART);
        let memory = usize::try_from(memory).unwrap_or(LEAST_MEMORY);
        Self::new(Shares::of_process().users, memory.max(LEAST_MEMORY))
    }
}

impl ServerBudget {
    /// A budget of so many open files and so many bytes of memory.
    pub fn new(files: usize, memory: usize) -> Self {
        Self {
            files: BoundedCounter::new(files),
            memory: ServerMemory::new(memory),
        }
    }
}

/// What the sessions of one user hold of the server's budget.
#[derive(Debug)]
pub struct UserBudget {
    server: Arc<ServerBudget>,
    files: BoundedCounter,
    /// The memory that the user's sessions hold.
    pub memory: Arc<UserMemory>,
}

/// Why no more files can be opened. The sentences are for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exhausted {
    /// The sessions of this user have as many files open as one user may have.
    #[error("too many open files in all sessions of this user (the limit is {0})")]
    ByUser(usize),
    /// The sessions of all users have as many files open as there may be.
    #[error("too many open files on this server")]
    ByAll,
}

/// The right to one open file or directory, or to what a session needs. Dropping it gives the right back.
#[derive(Debug)]
pub struct Descriptor {
    user: Arc<UserBudget>,
    count: usize,
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.user.files.give_back(self.count);
        self.user.server.files.give_back(self.count);
    }
}

impl UserBudget {
    /// The budget of a user who has no session yet.
    pub fn of(server: &Arc<ServerBudget>) -> Arc<Self> {
        Arc::new(Self {
            files: BoundedCounter::new(server.files.limit / 2),
            memory: UserMemory::of(&server.memory),
            server: Arc::clone(server),
        })
    }

    /// Takes the right to one more open file or directory.
    ///
    /// # Errors
    /// When there are too many.
    pub fn descriptor(self: &Arc<Self>) -> Result<Descriptor, Exhausted> {
        self.descriptors(1)
    }

    /// Takes what one more session needs.
    ///
    /// # Errors
    /// When there are too many open files.
    pub fn session(self: &Arc<Self>) -> Result<Descriptor, Exhausted> {
        self.descriptors(PER_SESSION)
    }

    fn descriptors(self: &Arc<Self>, count: usize) -> Result<Descriptor, Exhausted> {
        if !self.files.take(count) {
            return Err(Exhausted::ByUser(self.files.limit));
        }
        if !self.server.files.take(count) {
            self.files.give_back(count);
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
    fn nobody_gets_more_than_half_and_all_comes_back() {
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
