//! Divides the file descriptors of the process (sockets and directories among them) between the server and its users.
//!
//! A server without free descriptors cannot accept any connection, neither from clients nor from its operator. So the
//! limits together never exceed the number of descriptors: one part is kept for the server's own files
//! ([`DescriptorShares::own`]), one for connections that have not signed in, one for proxies, and the rest is for
//! users, each of whom gets at most half of it. Settings that allow more are reduced at the start and at a reload, and
//! the log and `check` report it.
//!
//! Two failures remain possible: the whole system runs out of files (ENFILE), or threads inside system calls briefly
//! need more than the reserve. Code that accepts connections has a [`SpareDescriptor`] for these cases.

use std::fs::File;
use std::io;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The descriptors for the store (four connections, three files each), logs, listening sockets, 32 control
/// connections, those that read metrics, and the files that threads inside system calls open briefly.
const OWN: usize = 192;
/// The descriptors of one session: its connection and its home.
pub const PER_SESSION: usize = 2;
/// The descriptors of a thread that serves sessions: those of its event loop.
const PER_THREAD: usize = 4;
/// The largest number of threads that serve sessions: each takes some 110 KiB of memory.
const MOST_THREADS: usize = 512;

/// The most connections from proxies whose header has not arrived.
const MOST_PROXY_HEADERS: usize = 128;

/// How the descriptors of the process are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescriptorShares {
    /// The number of descriptors that the process may have.
    pub all: usize,
    /// The number kept for the server itself.
    pub own: usize,
    /// The number for connections that have not signed in, one each.
    pub unauthenticated: usize,
    /// The number for connections from proxies whose header has not arrived, one each.
    pub proxy_headers: usize,
    /// The number for the threads that serve sessions, four each.
    pub threads: usize,
    /// The number for all users: their sessions, [`PER_SESSION`] each, and their open files.
    pub users: usize,
}

impl DescriptorShares {
    /// Divides a total of `all` descriptors.
    pub fn of(all: usize) -> Self {
        let own = OWN.min(all / 4);
        let unauthenticated = (all - own) / 8;
        let proxy_headers = ((all - own) / 32).min(MOST_PROXY_HEADERS);
        let threads = ((all - own) / 16).min(MOST_THREADS * PER_THREAD);
        Self {
            all,
            own,
            unauthenticated,
            proxy_headers,
            threads,
            users: all - own - unauthenticated - proxy_headers - threads,
        }
    }

    /// Returns the largest number of threads that serve sessions.
    pub fn session_threads(&self) -> usize {
        self.threads / PER_THREAD
    }

    /// Divides the descriptors that this process may have now.
    pub fn of_process() -> Self {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        // A larger number would only make sums overflow.
        Self::of(usize::try_from(limit).unwrap_or(usize::MAX).min(1 << 31))
    }

    /// Returns the largest number for one user, sessions and files together.
    pub fn one_user(&self) -> usize {
        self.users / 2
    }

    /// Returns the largest number of sessions of one user. The sessions of four such users would use up the whole
    /// share.
    pub fn sessions_of_one_user(&self) -> usize {
        (self.users / 4 / PER_SESSION).max(1)
    }

    /// Returns the largest number of connections: those that have not signed in, and sessions in half of the users'
    /// share.
    pub fn connections(&self) -> usize {
        self.unauthenticated + self.users / 2 / PER_SESSION
    }
}

/// Raises the limit on open files as far as this process may.
///
/// # Errors
/// Fails when the kernel refuses.
pub fn raise_limit() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    Ok(setrlimit(Resource::Nofile, raised)?)
}

/// Returns whether the error means that descriptors are used up, in this process or in the whole system.
pub fn is_exhausted(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE))
}

/// A descriptor that is kept for the moment when no other is free.
#[derive(Debug)]
pub struct SpareDescriptor(Option<File>);

impl SpareDescriptor {
    /// Opens the spare descriptor, if one is free.
    pub fn new() -> Self {
        let mut spare = Self(None);
        spare.keep();
        spare
    }

    /// Closes the spare to free one descriptor. Returns `false` if there was none.
    pub fn release(&mut self) -> bool {
        self.0.take().is_some()
    }

    /// Opens the spare again if it was given up and a descriptor is free.
    pub fn keep(&mut self) {
        if self.0.is_none() {
            self.0 = File::open("/dev/null").ok();
        }
    }
}

impl Default for SpareDescriptor {
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
            let shares = DescriptorShares::of(all);
            assert_eq!(
                shares.own + shares.unauthenticated + shares.proxy_headers + shares.threads + shares.users,
                all
            );
            // All connections are open, while users hold no more files than the sessions leave.
            let connected =
                shares.unauthenticated + (shares.connections() - shares.unauthenticated) * PER_SESSION;
            let threads = shares.session_threads() * PER_THREAD;
            let others = threads + shares.own + shares.proxy_headers;
            assert!(connected + others <= all, "{all}: {shares:?}");
            assert!(shares.one_user() <= shares.users / 2);
        }
        assert_eq!(DescriptorShares::of(1024).own, OWN);
        // The default limits of a usual machine are not reduced.
        let usual = DescriptorShares::of(524_288);
        assert!(usual.connections() > 100_000 && usual.unauthenticated > 60_000);
    }

    /// The threads of sessions never take more descriptors than their share. Where there are very few, no session has
    /// one.
    #[test]
    fn session_threads_fit_into_any_limit() {
        for (all, threads) in [
            (0, 0),
            (64, 0),
            (256, 3),
            (1024, 13),
            (4096, 61),
            (65_536, 512),
            (1 << 31, 512),
        ] {
            let shares = DescriptorShares::of(all);
            assert_eq!(shares.session_threads(), threads, "{all} descriptors");
            assert!(threads * PER_THREAD <= shares.threads);
        }
    }

    #[test]
    fn a_spare_makes_room_once_and_again() {
        let mut spare = SpareDescriptor::new();
        assert!(spare.release());
        assert!(!spare.release());
        spare.keep();
        assert!(spare.release());
    }

    #[test]
    fn running_out_is_told_from_other_errors() {
        assert!(is_exhausted(&Errno::MFILE.into()));
        assert!(is_exhausted(&Errno::NFILE.into()));
        assert!(!is_exhausted(&Errno::NOMEM.into()));
        assert!(!is_exhausted(&io::Error::other("too many open files")));
    }
}
