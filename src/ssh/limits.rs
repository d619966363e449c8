//! The section `[limits]` of the configuration: how much peers may have at once.

use std::net::IpAddr;

use serde::{Deserialize, Deserializer, de};

use crate::accounts::settings::size_or_unlimited;
use crate::domain::network::Network;
use crate::domain::rate::check_rate;
use crate::io::descriptors::DescriptorShares;
use crate::session::UserLimits;
use crate::session::rate::Rates;

/// The settings of `[limits]`: what a peer can make grow.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The most connections at once, whether they have signed in or not.
    pub connections: usize,
    /// The most connections that have not signed in yet, in total.
    pub unauthenticated: usize,
    /// The most connections that have not signed in yet, from one address (IPv6: from one /64).
    pub unauthenticated_per_address: usize,
    /// The most sessions of one user at once, unless the user's record has another limit.
    pub sessions_per_user: usize,
    /// The most channels of one connection at once.
    pub channels: usize,
    /// The most open files and directories of one channel.
    pub handles: usize,
    /// The seconds after which a connection is closed in which the client sends nothing and no work for it is under
    /// way; 0: never.
    pub idle_timeout_secs: u64,
    /// The networks whose connections are refused.
    pub deny: Vec<Network>,
    /// The bytes per second that all sessions of one user together upload; `None` means unlimited.
    #[serde(deserialize_with = "rate")]
    pub rate_up: Option<u64>,
    /// The same for downloads.
    #[serde(deserialize_with = "rate")]
    pub rate_down: Option<u64>,
}

/// Reads a rate as a size, or as "unlimited".
fn rate<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let rate = size_or_unlimited(from)?;
    rate.map(check_rate).transpose().map_err(de::Error::custom)
}

impl Limits {
    /// Returns the rates of each user.
    pub fn rates(&self) -> Rates {
        Rates {
            up: self.rate_up,
            down: self.rate_down,
        }
    }

    /// Returns what each user may have.
    pub fn of_one_user(&self) -> UserLimits {
        UserLimits {
            sessions: self.sessions_per_user,
            rates: self.rates(),
        }
    }

    /// Returns whether connections from this address are refused.
    pub fn denies(&self, address: IpAddr) -> bool {
        self.deny.iter().any(|network| network.contains(address))
    }

    /// Returns these limits, or lower ones if the process cannot have as many files open as they allow, and then also a
    /// sentence that says so.
    pub fn fitted(&self, shares: &DescriptorShares) -> (Self, Option<String>) {
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
            deny: Vec::new(),
            rate_up: None,
            rate_down: None,
        }
    }
}
