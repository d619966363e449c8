//! What happened, said once. The audit log is the first subscriber; hooks and metrics come later.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::path::VirtualPath;
use crate::user::UserName;

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
    /// Connections of one source were turned away or cut before anybody signed in: so many, the last from this peer.
    Refused {
        peer: SocketAddr,
        reason: String,
        times: u64,
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
