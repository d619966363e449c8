//! Which session threads there are, and which of them a connection gets.
//!
//! A user may have [`ThreadTable::limit`] threads: [`FOR_EACH_CORE`] for each core, and at least [`AT_LEAST`]. A user
//! who is the only one with threads may have [`TIMES_IF_ONLY_USER`] times that, but no more than half of all. Where
//! there are not enough for all users, each may have an equal part. Beyond that, the user's own sessions share their
//! threads. This is the fairness between users, because the kernel is fair between threads.

use std::collections::BTreeMap;

use crate::domain::user::UserName;

/// The number of threads that a user may have in any case, if so many are possible at all.
const AT_LEAST: usize = 8;
/// A user may have this many threads for each core while others have some, too.
const FOR_EACH_CORE: usize = 4;
/// A user who is the only one may have this many times as many. With more, the next user's first requests would wait
/// behind all of them until they are fewer.
const TIMES_IF_ONLY_USER: usize = 8;

/// The session threads that exist, by their number. `T` is a thread.
pub(super) struct ThreadTable<T> {
    threads: BTreeMap<usize, Entry<T>>,
    /// The number of sessions on threads, by user. A user without any is not listed.
    sessions: BTreeMap<UserName, usize>,
    capacity: usize,
    /// The limit for a user who is not the only one.
    each: usize,
}

struct Entry<T> {
    /// `None` while the thread is being started.
    thread: Option<T>,
    /// The users whose sessions the thread serves, with the number of each one's.
    users: BTreeMap<UserName, usize>,
}

/// The thread for a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Choice<T> {
    /// A thread that has been started before.
    Thread(T),
    /// A new thread, which is to have this number. The number has to be reserved before the table is unlocked.
    New(usize),
}

/// What one more session on a thread means for the users who have threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crowding {
    /// There are two users now. The first one may have had many threads, and must give most of them up at once.
    NoLongerAlone,
    /// The others may have about as many threads as before.
    AsBefore,
}

/// Why a session should change its thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Improvement {
    /// The user has more threads than they may have now, and this is one too many.
    FewerThreads,
    /// The session shares its thread, although the user may have one more.
    OwnThread,
}

impl<T> Entry<T> {
    fn sessions(&self) -> usize {
        self.users.values().sum()
    }

    /// Whether the thread serves sessions of this user, and nobody else's.
    fn is_only_of(&self, user: &UserName) -> bool {
        self.users.len() == 1 && self.users.contains_key(user)
    }
}

impl<T: Clone> ThreadTable<T> {
    /// A table without threads, for at most `capacity` of them.
    pub(super) fn new(capacity: usize, cores: usize) -> Self {
        let each = cores.saturating_mul(FOR_EACH_CORE).max(AT_LEAST).min(capacity);
        Self {
            threads: BTreeMap::new(),
            sessions: BTreeMap::new(),
            capacity,
            each,
        }
    }

    /// The number of threads that a user may have now.
    fn limit(&self, user: &UserName) -> usize {
        let others = self.sessions.len() - usize::from(self.sessions.contains_key(user));
        match others {
            0 => self.each.max(
                TIMES_IF_ONLY_USER
                    .saturating_mul(self.each)
                    .min(self.capacity / 2),
            ),
            // Where there are few threads, each user has a part of them.
            others => (self.capacity / (others + 1)).clamp(1, self.each.max(1)),
        }
    }

    /// Returns whether one user is the only one with threads, and has more than a user may have beside others.
    pub(super) fn is_of_one_user(&self) -> bool {
        self.sessions.len() == 1 && self.threads.len() > self.each
    }

    fn count(&self, user: &UserName) -> usize {
        self.threads
            .values()
            .filter(|entry| entry.is_only_of(user))
            .count()
    }

    /// Chooses a thread for one more connection of a user: an unused one, a new one, or one that others use. Threads
    /// for which `is_stuck` holds hang in a file system, and are left alone.
    pub(super) fn choose(&self, user: &UserName, is_stuck: impl Fn(usize) -> bool) -> Option<Choice<T>> {
        if self.count(user) < self.limit(user) {
            let mut unused = self.threads.values().filter(|entry| entry.users.is_empty());
            if let Some(thread) = unused.find_map(|entry| entry.thread.clone()) {
                return Some(Choice::Thread(thread));
            }
            if let Some(number) = (0..self.capacity).find(|number| !self.threads.contains_key(number)) {
                return Some(Choice::New(number));
            }
        }
        self.share(user, is_stuck).map(Choice::Thread)
    }

    /// Chooses the thread with the fewest sessions: among those that the user may keep, or among all if the user has
    /// none. A thread that is being started serves nobody yet.
    pub(super) fn share(&self, user: &UserName, is_stuck: impl Fn(usize) -> bool) -> Option<T> {
        let serves = |number, entry: &Entry<T>| entry.thread.is_some() && !is_stuck(number);
        let well = || {
            self.threads
                .iter()
                .filter(|(number, entry)| serves(**number, entry))
        };
        let own = well()
            .filter(|(_, entry)| entry.is_only_of(user))
            .take(self.limit(user))
            .min_by_key(|(_, entry)| entry.sessions());
        let chosen = match self.count(user) {
            0 => well().min_by_key(|(_, entry)| entry.sessions()),
            _ => own,
        };
        chosen.and_then(|(_, entry)| entry.thread.clone())
    }

    /// Reserves the number of a thread that is to be started, and counts its first session, as [`ThreadTable::enter`] does.
    pub(super) fn reserve(&mut self, number: usize, user: &UserName) -> Crowding {
        let entry = Entry {
            thread: None,
            users: BTreeMap::new(),
        };
        self.threads.insert(number, entry);
        self.enter(number, user)
    }

    /// Adds the thread for which a number was reserved.
    pub(super) fn add(&mut self, number: usize, thread: T) {
        if let Some(entry) = self.threads.get_mut(&number) {
            entry.thread = Some(thread);
        }
    }

    /// Gives up a reserved number, because the thread could not be started.
    pub(super) fn cancel(&mut self, number: usize, user: &UserName) {
        self.leave(number, user);
        self.threads.remove(&number);
    }

    /// Counts one more session of a user on a thread, and returns what that means for the other users.
    pub(super) fn enter(&mut self, number: usize, user: &UserName) -> Crowding {
        let users_before = self.sessions.len();
        if let Some(entry) = self.threads.get_mut(&number) {
            increment(&mut entry.users, user);
            increment(&mut self.sessions, user);
        }
        match (users_before, self.sessions.len()) {
            (1, 2) => Crowding::NoLongerAlone,
            _ => Crowding::AsBefore,
        }
    }

    /// Counts one session less of a user on a thread.
    pub(super) fn leave(&mut self, number: usize, user: &UserName) {
        if let Some(entry) = self.threads.get_mut(&number)
            && decrement(&mut entry.users, user)
        {
            decrement(&mut self.sessions, user);
        }
    }

    /// Removes a thread if no session uses it. Returns whether it did.
    pub(super) fn retire(&mut self, number: usize) -> bool {
        let unused = self
            .threads
            .get(&number)
            .is_some_and(|entry| entry.users.is_empty());
        if unused {
            self.threads.remove(&number);
        }
        unused
    }

    /// Removes a thread that has ended without having been retired, with the sessions that it has lost. Another thread
    /// may have its number since, for which `is_it` returns `false`.
    pub(super) fn lost(&mut self, number: usize, is_it: impl Fn(&T) -> bool) {
        let entry = self.threads.get(&number);
        if !entry.is_some_and(|entry| entry.thread.as_ref().is_some_and(is_it)) {
            return;
        }
        let Some(entry) = self.threads.remove(&number) else {
            return;
        };
        for (user, count) in entry.users {
            for _ in 0..count {
                decrement(&mut self.sessions, &user);
            }
        }
    }

    /// Why a session of the user on this thread should look for another thread, if it should.
    pub(super) fn improvement(&self, number: usize, user: &UserName) -> Option<Improvement> {
        let limit = self.limit(user);
        let own = self.threads.iter().filter(|(_, entry)| entry.is_only_of(user));
        let (before, count) = own.fold((0, 0), |(before, count), (other, _)| {
            (before + usize::from(*other < number), count + 1)
        });
        let shares = self
            .threads
            .get(&number)
            .is_some_and(|entry| entry.sessions() > 1);
        let others_fit = count < limit
            && (self.threads.len() < self.capacity
                || self.threads.values().any(|entry| entry.users.is_empty()));
        if before >= limit {
            return Some(Improvement::FewerThreads);
        }
        (shares && others_fit).then_some(Improvement::OwnThread)
    }
}

fn increment(counts: &mut BTreeMap<UserName, usize>, user: &UserName) {
    *counts.entry(user.clone()).or_default() += 1;
}

/// Subtracts one from a user's count, and removes it at 0. Returns whether there was a count.
fn decrement(counts: &mut BTreeMap<UserName, usize>, user: &UserName) -> bool {
    let Some(count) = counts.get_mut(user) else {
        return false;
    };
    *count = count.saturating_sub(1);
    if *count == 0 {
        counts.remove(user);
    }
    true
}

#[cfg(test)]
mod tests;
