//! Signing in: who may, with what, from where, and how often they may try.
//!
//! Knows users through [`crate::store::Store`], and nothing of files or SSH packets.

pub mod keys;
pub mod password;
pub mod throttle;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use russh::keys::PublicKey;

use crate::secret::Secret;
use crate::user::{Factor, Permissions, UserName};

/// A user who has proven who they are. Only this module makes one, and without one there is no storage.
#[derive(Debug, Clone)]
pub struct Login {
    user: UserName,
    home: PathBuf,
    permissions: Permissions,
    max_sessions: Option<u32>,
    factors: BTreeSet<Factor>,
}

impl Login {
    /// Who.
    pub fn user(&self) -> &UserName {
        &self.user
    }
    /// Absolute path of the home on disk.
    pub fn home(&self) -> &Path {
        &self.home
    }
    /// What they may do.
    pub fn permissions(&self) -> &Permissions {
        &self.permissions
    }
    /// Sessions at once, if the user's record says so.
    pub fn max_sessions(&self) -> Option<u32> {
        self.max_sessions
    }
    /// The factors that were passed, for the log.
    pub fn factors(&self) -> &BTreeSet<Factor> {
        &self.factors
    }
}

/// One attempt to sign in.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// The name as the peer sent it, checked by nobody yet.
    pub user: &'a str,
    /// Where the connection comes from.
    pub peer: IpAddr,
    /// What the peer shows.
    pub credential: Credential<'a>,
    /// Factors that this connection has passed for this very user name before.
    pub passed: BTreeSet<Factor>,
}

/// What a peer shows to prove who they are.
#[derive(Debug)]
pub enum Credential<'a> {
    /// A password, by the method `password` or `keyboard-interactive`.
    Password(&'a Secret),
    /// A key whose signature the SSH layer has verified.
    VerifiedKey(&'a PublicKey),
}
