//! How much peers may have at once: the section `[limits]` of the configuration.

use serde::Deserialize;

use crate::io::descriptors::Shares;

/// `[limits]`: what a peer can make grow.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections at once, signed in or not.
    pub connections: usize,
    /// Connections that have not signed in yet, in all.
    pub unauthenticated: usize,
    /// Connections that have not signed in yet, from one address (IPv6: from one /64).
    pub unauthenticated_per_address: usize,
    /// Sessions at once of one user, unless the user's record says otherwise.
    pub sessions_per_user: usize,
    /// Channels open at once on one connection.
    pub channels: usize,
    /// Open files and directories of one channel.
    pub handles: usize,
    /// Seconds without a byte from the client, or work for it, after which the connection is closed; 0: never.
    pub idle_timeout_secs: u64,
}

impl Limits {
    /// These limits, or less where the process cannot have as many files open as they allow; and then a sentence that
    /// says so.
    pub fn fitted(&self, shares: &Shares) -> (Self, Option<String>) {
        let mut fitted = self.clone();
        let mut cut = Vec::new();
        let limits = [
            ("connections", &mut fitted.connections, shares.connections()),
            (
                "unauthenticated",
                &mut fitted.unauthenticated,
                shares.unauthenticated,
            ),
            (
                "sessions_per_user",
                &mut fitted.sessions_per_user,
                shares.sessions_of_one_user(),
            ),
            ("handles", &mut fitted.handles, shares.one_user()),
        ];
        for (name, limit, most) in limits {
            if *limit > most {
                cut.push(format!("{name} is {most} instead of {limit}"));
                *limit = most;
            }
        }
        let sentence = (!cut.is_empty()).then(|| {
            format!(
                "only {} files may be open at once: of [limits], {} (hint: LimitNOFILE= in the unit, or ulimit -Hn)",
                shares.all,
                cut.join(", ")
            )
        });
        (fitted, sentence)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            // sshd's MaxStartups refuses all at 100; a burst of honest clients is larger than that here.
            unauthenticated: 1024,
            unauthenticated_per_address: 400,
            // With their channels they cost the server no more than 512 MiB (`session::memory`).
            sessions_per_user: 100,
            // sshd's MaxSessions is 10; asyncssh and rclone open more.
            channels: 32,
            // OpenSSH's server takes what RLIMIT_NOFILE leaves, usually 1,019.
            handles: 1024,
            idle_timeout_secs: 0,
        }
    }
}
