//! The events that happen in sessions and at sign-ins, as one enum. The audit log receives them.
//!
//! This module neither emits nor stores events: see [`crate::session::events`] and [`crate::telemetry`].

mod actor;
mod facts;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::folder::FolderName;
use crate::domain::path::VirtualPath;
use crate::domain::user::UserName;

pub use self::actor::{Actor, FolderPlace, SessionId};
pub use self::facts::{
    AdminAct, AdminRecord, CertificateIdentity, ChangedAttributes, ChosenAlgorithms, FileEnd, FileIdentity,
    FileOpening, FileUse, HeldFile, Operator, PublishedFile, QuotaCrossing, QuotaKind, Setting, SettingValue,
    SizeChange, UploadDigest,
};

/// The exit status that shells use for a command that does not exist. Nothing was run.
pub const COMMAND_NOT_FOUND: u32 = 127;

/// The most bytes that are kept of text from a peer. The audit log writes less than that.
const LONGEST_TEXT: usize = 2048;
/// The most bytes that are kept of a link's target: Linux's PATH_MAX.
const LONGEST_TARGET: usize = 4096;

/// An event that an operator may want to read about later.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the variants say what their fields are")]
pub enum Event {
    /// The server has begun to serve; `listening` has its addresses.
    Started {
        version: &'static str,
        listening: Vec<SocketAddr>,
    },
    /// The server has ended all sessions, and stops.
    Stopped { duration: Duration },
    /// A user signed in. `method` has the name from RFC 4252; if two methods were required, both are joined by `+`.
    /// `recovery_codes_left` is how many recovery codes the user has left, if one took the place of a one-time code.
    SignedIn {
        who: Actor,
        method: String,
        client: String,
        algorithms: Box<ChosenAlgorithms>,
        certificate: Option<Box<CertificateIdentity>>,
        recovery_codes_left: Option<u64>,
    },
    /// A sign-in was refused. `user` is the name that the peer sent; `reason` is for the log only, and `code` is a
    /// fixed word for it.
    Denied {
        peer: SocketAddr,
        user: String,
        method: &'static str,
        code: &'static str,
        reason: String,
    },
    /// `count` connections from one source were refused or closed before a sign-in; the last one came from `peer`.
    Refused {
        peer: SocketAddr,
        code: &'static str,
        reason: String,
        count: u64,
    },
    /// The session of a signed-in user ended.
    SessionEnded {
        who: Actor,
        reason: String,
        duration: Duration,
    },
    /// A client opened a file.
    Opened {
        who: Actor,
        path: VirtualPath,
        how: FileOpening,
    },
    /// A file was closed, by the client or because its session ended.
    Closed {
        who: Actor,
        path: VirtualPath,
        file: FileUse,
    },
    /// An upload is complete: nobody writes the file any more, and it has changed since it was uploaded last. `from` is
    /// the name for incomplete files that it had until now. `digest` is `None` if none is asked for.
    Uploaded {
        who: Actor,
        path: VirtualPath,
        size: Option<u64>,
        file: Option<FileIdentity>,
        from: Option<VirtualPath>,
        digest: Option<UploadDigest>,
    },
    /// A client changed attributes of a file or directory.
    Attributes {
        who: Actor,
        path: VirtualPath,
        changed: ChangedAttributes,
    },
    /// The server hashed a file's bytes for a client.
    Hashed {
        who: Actor,
        algorithm: &'static str,
        path: VirtualPath,
    },
    /// A command was run (RFC 4254, section 6.5). It has no exit status if the client disconnected before it ended.
    Command {
        who: Actor,
        command: Vec<u8>,
        exit_status: Option<u32>,
    },
    /// A client removed a file or symbolic link.
    Removed { who: Actor, path: VirtualPath },
    /// A client removed a directory.
    DirectoryRemoved { who: Actor, path: VirtualPath },
    /// A client renamed a file or directory. `replaced` says whether something else had the new name before.
    Renamed {
        who: Actor,
        from: VirtualPath,
        to: VirtualPath,
        replaced: bool,
    },
    /// A client created a directory.
    DirectoryMade { who: Actor, path: VirtualPath },
    /// A client created a link; `target` is what the client sent.
    Linked {
        who: Actor,
        target: Vec<u8>,
        link: VirtualPath,
    },
    /// A write that would have grown the home or a folder was refused because that is full.
    OverQuota {
        who: Actor,
        path: VirtualPath,
        sentence: String,
    },
    /// The use of a home passed a percentage of its quota. `user` is who is signed in to it, if it is one. For a folder,
    /// `folder` is its name, and `home` its directory.
    NearQuota {
        user: Option<UserName>,
        home: Arc<Path>,
        folder: Option<FolderName>,
        crossing: QuotaCrossing,
    },
    /// An operator has changed something: users, keys, quotas, host keys or sessions.
    Admin(Box<AdminRecord>),
    /// The command of a hook has found that an upload must stay where it is.
    Held(Box<HeldFile>),
    /// The server has moved an upload to where it is published, after the command of a hook has checked it.
    Published(Box<PublishedFile>),
    /// `count` events were not told to a hook, because its queue is full or cannot be written.
    HookDropped {
        hook: String,
        name: String,
        reason: &'static str,
        count: u64,
    },
    /// A write was refused because the disk of the home is full, or its file system's own quota is used up.
    NoSpace {
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
    /// Returns the session in which the event happened, or `None` for peers that have not signed in.
    pub fn actor(&self) -> Option<&Actor> {
        match self {
            Event::Started { .. }
            | Event::Stopped { .. }
            | Event::NearQuota { .. }
            | Event::Admin(_)
            | Event::Held(_)
            | Event::Published(_)
            | Event::HookDropped { .. }
            | Event::Denied { .. }
            | Event::Refused { .. } => None,
            Event::SignedIn { who, .. }
            | Event::SessionEnded { who, .. }
            | Event::Opened { who, .. }
            | Event::Closed { who, .. }
            | Event::Uploaded { who, .. }
            | Event::Attributes { who, .. }
            | Event::Hashed { who, .. }
            | Event::Command { who, .. }
            | Event::Removed { who, .. }
            | Event::DirectoryRemoved { who, .. }
            | Event::Renamed { who, .. }
            | Event::DirectoryMade { who, .. }
            | Event::Linked { who, .. }
            | Event::OverQuota { who, .. }
            | Event::NoSpace { who, .. }
            | Event::Forbidden { who, .. } => Some(who),
        }
    }

    /// Returns the address and port that the event came from, if it came from a peer.
    pub fn peer(&self) -> Option<SocketAddr> {
        match self {
            Event::Denied { peer, .. } | Event::Refused { peer, .. } => Some(*peer),
            event => event.actor().map(|actor| actor.peer),
        }
    }

    /// Returns the user of the event, or `None` for peers that have not signed in, and for the server itself.
    pub fn user(&self) -> Option<&UserName> {
        match self {
            Event::NearQuota { user, .. } => user.as_ref(),
            Event::Held(file) => Some(&file.user),
            Event::Published(file) => Some(&file.user),
            event => event.actor().map(|actor| &actor.user),
        }
    }

    /// Returns the number of occurrences that the event stands for.
    pub fn count(&self) -> u64 {
        match self {
            Event::Refused { count, .. } | Event::HookDropped { count, .. } => *count,
            Event::Started { .. }
            | Event::Stopped { .. }
            | Event::NearQuota { .. }
            | Event::Admin(_)
            | Event::Held(_)
            | Event::Published(_)
            | Event::SignedIn { .. }
            | Event::Denied { .. }
            | Event::SessionEnded { .. }
            | Event::Opened { .. }
            | Event::Closed { .. }
            | Event::Uploaded { .. }
            | Event::Attributes { .. }
            | Event::Hashed { .. }
            | Event::Command { .. }
            | Event::Removed { .. }
            | Event::DirectoryRemoved { .. }
            | Event::Renamed { .. }
            | Event::DirectoryMade { .. }
            | Event::Linked { .. }
            | Event::OverQuota { .. }
            | Event::NoSpace { .. }
            | Event::Forbidden { .. } => 1,
        }
    }

    /// Whether the event says that something ended, or that an operator has changed something. Without these events, a
    /// log would not say whether it is still open, or why it has changed.
    pub fn is_closing(&self) -> bool {
        match self {
            Event::Closed { .. } | Event::SessionEnded { .. } | Event::Stopped { .. } | Event::Admin(_) => {
                true
            }
            Event::Started { .. }
            | Event::NearQuota { .. }
            | Event::Held(_)
            | Event::Published(_)
            | Event::HookDropped { .. }
            | Event::SignedIn { .. }
            | Event::Denied { .. }
            | Event::Refused { .. }
            | Event::Opened { .. }
            | Event::Uploaded { .. }
            | Event::Attributes { .. }
            | Event::Hashed { .. }
            | Event::Command { .. }
            | Event::Removed { .. }
            | Event::DirectoryRemoved { .. }
            | Event::Renamed { .. }
            | Event::DirectoryMade { .. }
            | Event::Linked { .. }
            | Event::OverQuota { .. }
            | Event::NoSpace { .. }
            | Event::Forbidden { .. } => false,
        }
    }

    /// Returns the event in the form that may wait in a queue: text from a peer is cut to what will be written.
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
            Event::OverQuota { sentence, .. } | Event::NoSpace { sentence, .. } => cut(sentence),
            Event::Held(file) => cut(&mut file.reason),
            Event::Command { command, .. } => cut_bytes(command, LONGEST_TEXT),
            Event::Linked { target, .. } => cut_bytes(target, LONGEST_TARGET),
            // Paths need no cut: they are shorter than PATH_MAX.
            Event::Started { .. }
            | Event::Stopped { .. }
            | Event::NearQuota { .. }
            // The control socket limits its length.
            | Event::Admin(_)
            | Event::Published(_)
            | Event::HookDropped { .. }
            | Event::Opened { .. }
            | Event::Closed { .. }
            | Event::Uploaded { .. }
            | Event::Attributes { .. }
            | Event::Hashed { .. }
            | Event::Removed { .. }
            | Event::DirectoryRemoved { .. }
            | Event::Renamed { .. }
            | Event::DirectoryMade { .. }
            | Event::Forbidden { .. } => {}
        }
        event
    }

    /// Returns the approximate number of heap bytes that the event uses besides its own size.
    pub fn heap_bytes(&self) -> usize {
        let user = self.user().map_or(0, |user| user.as_str().len());
        user + match self {
            Event::Started { listening, .. } => listening.len() * size_of::<SocketAddr>(),
            Event::Stopped { .. } => 0,
            Event::NearQuota { home, .. } => home.as_os_str().len(),
            Event::Admin(record) => size_of::<AdminRecord>() + record.act.text_bytes(),
            Event::Held(file) => {
                size_of::<HeldFile>() + file.path.len() + file.hook.len() + file.reason.len()
            }
            Event::Published(file) => size_of::<PublishedFile>() + file.from.len() + file.to.len(),
            Event::HookDropped { hook, name, .. } => hook.len() + name.len(),
            Event::SignedIn {
                method,
                client,
                algorithms,
                certificate,
                ..
            } => {
                let certificate = certificate
                    .as_ref()
                    .map_or(0, |certificate| certificate.heap_bytes());
                method.len() + client.len() + algorithms.heap_bytes() + certificate
            }
            Event::Denied { user, reason, .. } => user.len() + reason.len(),
            Event::Refused { reason, .. } | Event::SessionEnded { reason, .. } => reason.len(),
            Event::OverQuota { path, sentence, .. } | Event::NoSpace { path, sentence, .. } => {
                path.len() + sentence.len()
            }
            Event::Command { command, .. } => command.len(),
            Event::Linked { target, link, .. } => target.len() + link.len(),
            Event::Renamed { from, to, .. } => from.len() + to.len(),
            Event::Uploaded { path, from, .. } => path.len() + from.as_ref().map_or(0, VirtualPath::len),
            Event::Opened { path, .. }
            | Event::Closed { path, .. }
            | Event::Attributes { path, .. }
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
