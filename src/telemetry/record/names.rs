//! The stable names of events.

use crate::domain::event::Event;

/// The names of all events, in alphabetical order.
pub const NAMES: [&str; 25] = [
    "admin",
    "attributes",
    "closed",
    "command",
    "denied",
    "directory_made",
    "directory_removed",
    "forbidden",
    "hashed",
    "held",
    "hook_dropped",
    "linked",
    "near_quota",
    "no_space",
    "opened",
    "over_quota",
    "published",
    "refused",
    "removed",
    "renamed",
    "session_ended",
    "signed_in",
    "started",
    "stopped",
    "uploaded",
];

/// The names of all events, and of the line that counts missing ones.
pub const EVENT_NAMES: [&str; 26] = [
    "admin",
    "attributes",
    "closed",
    "command",
    "denied",
    "directory_made",
    "directory_removed",
    "forbidden",
    "hashed",
    "held",
    "hook_dropped",
    "linked",
    "lost",
    "near_quota",
    "no_space",
    "opened",
    "over_quota",
    "published",
    "refused",
    "removed",
    "renamed",
    "session_ended",
    "signed_in",
    "started",
    "stopped",
    "uploaded",
];

/// Returns the stable name of an event, which [`EVENT_NAMES`] has, too.
pub fn name(event: &Event) -> &'static str {
    match event {
        Event::Started { .. } => "started",
        Event::Stopped { .. } => "stopped",
        Event::SignedIn { .. } => "signed_in",
        Event::Denied { .. } => "denied",
        Event::Refused { .. } => "refused",
        Event::SessionEnded { .. } => "session_ended",
        Event::Opened { .. } => "opened",
        Event::Closed { .. } => "closed",
        Event::Uploaded { .. } => "uploaded",
        Event::Attributes { .. } => "attributes",
        Event::Hashed { .. } => "hashed",
        Event::Command { .. } => "command",
        Event::Removed { .. } => "removed",
        Event::DirectoryRemoved { .. } => "directory_removed",
        Event::Renamed { .. } => "renamed",
        Event::DirectoryMade { .. } => "directory_made",
        Event::Linked { .. } => "linked",
        Event::OverQuota { .. } => "over_quota",
        Event::NearQuota { .. } => "near_quota",
        Event::Admin(_) => "admin",
        Event::Held(_) => "held",
        Event::Published(_) => "published",
        Event::HookDropped { .. } => "hook_dropped",
        Event::NoSpace { .. } => "no_space",
        Event::Forbidden { .. } => "forbidden",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audit_log_has_one_name_more_than_there_are_events() {
        let mut all: Vec<&str> = NAMES.into_iter().chain(["lost"]).collect();
        all.sort_unstable();
        assert_eq!(all, EVENT_NAMES);
    }
}
