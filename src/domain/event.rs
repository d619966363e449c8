//! What happened, as one enum: the events that audit, hooks and metrics are told of.
//!
//! This module does not emit events and keeps none: see [`crate::session::events`] and [`crate::telemetry`].

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::domain::path::VirtualPath;
use crate::domain::user::UserName;

/// The exit status of a command that there is not, as shells have it: nothing was run.
pub const COMMAND_NOT_FOUND: u32 = 127;

/// Text of a peer's is kept up to so many bytes: what the audit log writes of it is shorter.
const LONGEST_TEXT: usize = 2048;
/// A link's target, as Linux's PATH_MAX has it.
const LONGEST_TARGET: usize = 4096;

/// Something that an operator may want to know about later.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the variants say what their fields are")]
pub enum Event {
    /// A user signed in. `method` is named as in RFC 4252; both are joined by `+` where two were required.
    SignedIn {
        who: Actor,
        peer: SocketAddr,
        method: String,
        client: String,
    },
    /// A sign-in was refused. `user` is what the peer claimed; `reason` is for the log only.
    Denied {
        peer: SocketAddr,
        user: String,
        method: &'static str,
        reason: String,
    },
    /// `count` connections of one source were turned away or cut before anybody signed in, the last one from `peer`.
    Refused {
        peer: SocketAddr,
        reason: String,
        count: u64,
    },
    /// A signed-in session ended.
    SessionEnded {
        who: Actor,
        reason: String,
        duration: Duration,
    },
    /// A file was opened.
    Opened {
        who: Actor,
        path: VirtualPath,
        write: bool,
    },
    /// A file was closed, by the client or because its session ended.
    Closed {
        who: Actor,
        path: VirtualPath,
        bytes_read: u64,
        bytes_written: u64,
        duration: Duration,
    },
    /// A file's bytes were hashed for a client.
    Hashed {
        who: Actor,
        algorithm: &'static str,
        path: VirtualPath,
    },
    /// A command was run (RFC 4254, section 6.5); without an exit status, if the client left before it ended.
    Command {
        who: Actor,
        command: Vec<u8>,
        exit_status: Option<u32>,
    },
    /// A file or symbolic link was removed.
    Removed { who: Actor, path: VirtualPath },
    /// A directory was removed.
    DirectoryRemoved { who: Actor, path: VirtualPath },
    /// A file or directory was renamed.
    Renamed {
        who: Actor,
        from: VirtualPath,
        to: VirtualPath,
    },
    /// A directory was made.
    DirectoryMade { who: Actor, path: VirtualPath },
    /// A link was made; `target` as the client sent it.
    Linked {
        who: Actor,
        target: Vec<u8>,
        link: VirtualPath,
    },
    /// Growth was refused because the home is full.
    OverQuota {
        who: Actor,
        path: VirtualPath,
        sentence: String,
    },
    /// A request was refused because the user lacks a permission.
    Forbidden {
        who: Actor,
        operation: &'static str,
        path: VirtualPath,
    },
}

impl Event {
    /// The session that it happened in; `None` for peers that have not signed in.
    pub fn actor(&self) -> Option<&Actor> {
        match self {
            Event::Denied { .. } | Event::Refused { .. } => None,
            Event::SignedIn { who, .. }
            | Event::SessionEnded { who, .. }
            | Event::Opened { who, .. }
            | Event::Closed { who, .. }
            | Event::Hashed { who, .. }
            | Event::Command { who, .. }
            | Event::Removed { who, .. }
            | Event::DirectoryRemoved { who, .. }
            | Event::Renamed { who, .. }
            | Event::DirectoryMade { who, .. }
            | Event::Linked { who, .. }
            | Event::OverQuota { who, .. }
            | Event::Forbidden { who, .. } => Some(who),
        }
    }

    /// The user whose event it is; `None` for peers that have not signed in.
    pub fn user(&self) -> Option<&UserName> {
        self.actor().map(|actor| &actor.user)
    }

    /// The number of occurrences that the event stands for.
    pub fn count(&self) -> u64 {
        match self {
            Event::Refused { count, .. } => *count,
            Event::SignedIn { .. }
            | Event::Denied { .. }
            | Event::SessionEnded { .. }
            | Event::Opened { .. }
            | Event::Closed { .. }
            | Event::Hashed { .. }
            | Event::Command { .. }
            | Event::Removed { .. }
            | Event::DirectoryRemoved { .. }
            | Event::Renamed { .. }
            | Event::DirectoryMade { .. }
            | Event::Linked { .. }
            | Event::OverQuota { .. }
            | Event::Forbidden { .. } => 1,
        }
    }

    /// Whether it tells how something ended. A log without these events would leave its reader in doubt.
    pub fn is_closing(&self) -> bool {
        matches!(self, Event::Closed { .. } | Event::SessionEnded { .. })
    }

    /// The event as it may wait in a queue: with no more of a peer's text than will be written.
    pub fn for_later(&self) -> Event {
        let mut event = self.clone();
        match &mut event {
            Event::SignedIn { method, client, .. } => {
                cut(method);
                cut(client);
            }
            Event::Denied { user, reason, .. } => {
                cut(user);
                cut(reason);
            }
            Event::Refused { reason, .. } | Event::SessionEnded { reason, .. } => cut(reason),
            Event::OverQuota { sentence, .. } => cut(sentence),
            Event::Command { command, .. } => cut_bytes(command, LONGEST_TEXT),
            Event::Linked { target, .. } => cut_bytes(target, LONGEST_TARGET),
            // Paths are shorter than PATH_MAX by themselves.
            Event::Opened { .. }
            | Event::Closed { .. }
            | Event::Hashed { .. }
            | Event::Removed { .. }
            | Event::DirectoryRemoved { .. }
            | Event::Renamed { .. }
            | Event::DirectoryMade { .. }
            | Event::Forbidden { .. } => {}
        }
        event
    }

    /// The number of bytes of memory that the event holds besides its own size, about.
    pub fn heap_bytes(&self) -> usize {
        let user = self.user().map_or(0, |user| user.as_str().len());
        user + match self {
            Event::SignedIn { method, client, .. } => method.len() + client.len(),
            Event::Denied { user, reason, .. } => user.len() + reason.len(),
            Event::Refused { reason, .. } | Event::SessionEnded { reason, .. } => reason.len(),
            Event::OverQuota { path, sentence, .. } => path.len() + sentence.len(),
            Event::Command { command, .. } => command.len(),
            Event::Linked { target, link, .. } => target.len() + link.len(),
            Event::Renamed { from, to, .. } => from.len() + to.len(),
            Event::Opened { path, .. }
            | Event::Closed { path, .. }
            | Event::Hashed { path, .. }
            | Event::Removed { path, .. }
            | Event::DirectoryRemoved { path, .. }
            | Event::DirectoryMade { path, .. }
            | Event::Forbidden { path, .. } => path.len(),
        }
    }
}

fn cut(text: &mut String) {
    text.truncate(text.floor_char_boundary(LONGEST_TEXT));
    text.shrink_to_fit();
}

fn cut_bytes(bytes: &mut Vec<u8>, longest: usize) {
    bytes.truncate(longest);
    bytes.shrink_to_fit();
}

/// The session of a user in which something happened.
#[derive(Debug, Clone)]
pub struct Actor {
    /// The session.
    pub session: SessionId,
    /// The name of the session's user.
    pub user: UserName,
}

/// Identifies a signed-in connection for as long as the server runs; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
