//! The events that are combined into one line of the audit log when they are repeated.

use crate::domain::event::{COMMAND_NOT_FOUND, Event, SessionId};

/// The kinds of refusals that are combined: those of one session with one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Repeated {
    Forbidden(SessionId, &'static str),
    OverQuota(SessionId),
    NoSpace(SessionId),
    NoSuchCommand(SessionId),
}

impl Repeated {
    /// Returns the kind of the refusal, or `None` for an event that gets a line of its own.
    pub(super) fn of(event: &Event) -> Option<Self> {
        match event {
            Event::Forbidden { who, operation, .. } => Some(Self::Forbidden(who.session, operation)),
            Event::OverQuota { who, .. } => Some(Self::OverQuota(who.session)),
            Event::NoSpace { who, .. } => Some(Self::NoSpace(who.session)),
            Event::Command {
                who,
                exit_status: Some(COMMAND_NOT_FOUND),
                ..
            } => Some(Self::NoSuchCommand(who.session)),
            Event::Started { .. }
            | Event::Stopped { .. }
            | Event::NearQuota { .. }
            | Event::Admin(_)
            | Event::Held(_)
            | Event::Published(_)
            | Event::HookDropped { .. }
            | Event::SignedIn { .. }
            | Event::Denied { .. }
            | Event::Refused { .. }
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
            | Event::Linked { .. } => None,
        }
    }
}
