//! What happened, said once. The audit log is the first subscriber; hooks and metrics come later.

pub mod queue;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::path::VirtualPath;
use crate::domain::user::UserName;
use queue::Credit;

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
    /// A user signed in; `method` as in RFC 4252, both joined by `+` where two were required.
    SignedIn {
        session: SessionId,
        user: UserName,
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
        session: SessionId,
        user: UserName,
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
    /// Whose event it is; `None`: of somebody who has not signed in.
    pub fn user(&self) -> Option<&UserName> {
        match self {
            Event::Denied { .. } | Event::Refused { .. } => None,
            Event::SignedIn { user, .. } | Event::SessionEnded { user, .. } => Some(user),
            Event::Opened { who, .. }
            | Event::Closed { who, .. }
            | Event::Hashed { who, .. }
            | Event::Command { who, .. }
            | Event::Removed { who, .. }
            | Event::DirectoryRemoved { who, .. }
            | Event::Renamed { who, .. }
            | Event::DirectoryMade { who, .. }
            | Event::Linked { who, .. }
            | Event::OverQuota { who, .. }
            | Event::Forbidden { who, .. } => Some(&who.user),
        }
    }

    /// How many occurrences the event stands for.
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

    /// Does it say how something ended? A log without these would leave its reader in doubt.
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

    /// The bytes of memory that it holds besides its own size, about.
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

/// Which session of which user did it.
#[derive(Debug, Clone)]
pub struct Actor {
    /// The session.
    pub session: SessionId,
    /// Its user.
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

/// Receives every event, on the thread that emits it: it must not block.
pub trait Subscriber: Send + Sync {
    /// Called once for each event.
    fn notice(&self, event: &Event);

    /// Whether a user's sessions may go on emitting events; `None`: they always may.
    fn credit(&self, _user: &UserName) -> Option<Arc<Credit>> {
        None
    }
}

/// Where events are emitted. Cheap to clone.
#[derive(Clone)]
pub struct Events {
    subscribers: Arc<[Box<dyn Subscriber>]>,
}

impl Events {
    /// Events go to these, in this order.
    pub fn new(subscribers: Vec<Box<dyn Subscriber>>) -> Self {
        Self {
            subscribers: subscribers.into(),
        }
    }

    /// Whether a user's sessions may go on, as the first subscriber has it that cares.
    pub fn credit(&self, user: &UserName) -> Arc<Credit> {
        let cares = self
            .subscribers
            .iter()
            .find_map(|subscriber| subscriber.credit(user));
        cares.unwrap_or_default()
    }

    /// Tells every subscriber.
    pub fn emit(&self, event: &Event) {
        for subscriber in self.subscribers.iter() {
            subscriber.notice(event);
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Events({} subscribers)", self.subscribers.len())
    }
}
