//! How many files the process may have open (sockets and directories among them), and who gets how many.
//!
//! A server that runs out of descriptors cannot accept anybody, neither clients nor its operator. So what all limits
//! allow together never passes what there is: a part is kept for the server's own files ([`Shares::own`]), one for
//! connections that have not signed in, and the rest is the users', of whom none gets more than half. Settings that
//! allow more are fitted at the start and at a reload, and log and `check` say so.
//!
//! What may go wrong all the same: the whole system has no file left (ENFILE), or threads inside system calls need more
//! for a moment than is kept. Those who accept have a [`Spare`] for that.

use std::fs::File;
use std::io;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The store (four connections, three files each), logs, listening sockets, 32 control connections, and what
/// threads inside system calls have open for a moment.
const OWN: usize = 192;
/// A session's connection, and its home.
pub const PER_SESSION: usize = 2;

/// Who gets how many descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// All that there are.
    pub all: usize,
    /// Kept for the server itself.
    pub own: usize,
    /// For connections that have not signed in, one each.
    pub unauthenticated: usize,
    /// For all users: their sessions, [`PER_SESSION`] each, and the files that they have open.
    pub users: usize,
}

impl Shares {
    /// Shares of so many descriptors.
    pub fn of(all: usize) -> Self {
        let own = OWN.min(all / 4);
        let unauthenticated = (all - own) / 8;
        Self {
            all,
            own,
            unauthenticated,
            users: all - own - unauthenticated,
        }
    }

    /// As many as this process may have now.
    pub fn of_process() -> Self {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        // More than this many would only make sums overflow.
        Self::of(usize::try_from(limit).unwrap_or(usize::MAX).min(1 << 31))
    }

    /// The most for one user, sessions and files together.
    pub fn one_user(&self) -> usize {
        self.users / 2
    }

    /// The most sessions at once of one user: with these alone four users leave nothing to a fifth.
    pub fn sessions_of_one_user(&self) -> usize {
        (self.users / 4 / PER_SESSION).max(1)
    }

    /// The most connections at once: while all users' sessions take half of what is theirs.
    pub fn connections(&self) -> usize {
        self.unauthenticated + self.users / 2 / PER_SESSION
    }
}

/// Raises the limit on open files as far as this process may.
///
/// # Errors
/// When the kernel refuses.
pub fn raise_limit() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    Ok(setrlimit(Resource::Nofile, raised)?)
}

/// Is it the lack of descriptors, here or in the whole system?
pub fn are_used_up(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE))
}

/// A descriptor that is kept for the moment when there is no other.
#[derive(Debug)]
pub struct Spare(Option<File>);

impl Spare {
    /// Keeps one.
    pub fn new() -> Self {
        let mut spare = Self(None);
        spare.keep();
        spare
    }

    /// Makes room for one descriptor; `false` if there was none to give up.
    pub fn give_up(&mut self) -> bool {
        self.0.take().is_some()
    }

    /// Keeps one again, as soon as there is one.
    pub fn keep(&mut self) {
        if self.0.is_none() {
            self.0 = File::open("/dev/null").ok();
        }
    }
}

impl Default for Spare {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_of_any_number_fit_into_it() {
        for all in [0, 1, 7, 64, 256, 1000, 1024, 4096, 65_536, 1 << 31] {
            let shares = Shares::of(all);
            assert_eq!(shares.own + shares.unauthenticated + shares.users, all);
            // All connections there may be, while users hold no more files than sessions leave.
            let connected =
                shares.unauthenticated + (shares.connections() - shares.unauthenticated) * PER_SESSION;
            assert!(connected + shares.own <= all, "{all}: {shares:?}");
            assert!(shares.one_user() <= shares.users / 2);
        }
        assert_eq!(Shares::of(1024).own, OWN);
        // The default limits of a usual machine are not cut.
        let usual = Shares::of(524_288);
        assert!(usual.connections() > 100_000 && usual.unauthenticated > 60_000);
    }

    #[test]
    fn a_spare_makes_room_once_and_again() {
        let mut spare = Spare::new();
        assert!(spare.give_up());
        assert!(!spare.give_up());
        spare.keep();
        assert!(spare.give_up());
    }

    #[test]
    fn running_out_is_told_from_other_errors() {
        assert!(are_used_up(&Errno::MFILE.into()));
        assert!(are_used_up(&Errno::NFILE.into()));
        assert!(!are_used_up(&Errno::NOMEM.into()));
        assert!(!are_used_up(&io::Error::other("too many open files")));
    }
}
