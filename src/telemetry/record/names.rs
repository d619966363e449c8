//! The stable names of events, each in one place: the table below. The compiler asks for the row of a new event.

use crate::domain::event::Event;

/// Makes the lists of names and [`name`] of a table in alphabetical order, in which the line that counts missing events
/// stands at its place.
macro_rules! event_names {
    (
        { $($before:ident => $name_before:literal,)* }
        $lost:ident
        { $($after:ident => $name_after:literal,)* }
    ) => {
        /// The names of all events, in alphabetical order.
        pub const NAMES: &[&str] = &[$($name_before,)* $($name_after,)*];

        /// The names of all events, and of the line that counts missing ones, in alphabetical order.
        pub const EVENT_NAMES: &[&str] = &[$($name_before,)* $lost, $($name_after,)*];

        /// Returns the stable name of an event, which [`NAMES`] has, too.
        pub fn name(event: &Event) -> &'static str {
            match event {
                $(Event::$before { .. } => $name_before,)*
                $(Event::$after { .. } => $name_after,)*
            }
        }
    };
}

/// The name of the line that counts missing events.
pub(super) const LOST: &str = "lost";

event_names! {
    {
        Admin => "admin",
        Attributes => "attributes",
        Closed => "closed",
        Command => "command",
        Denied => "denied",
        DirectoryMade => "directory_made",
        DirectoryRemoved => "directory_removed",
        Forbidden => "forbidden",
        Hashed => "hashed",
        Held => "held",
        HookDropped => "hook_dropped",
        Linked => "linked",
    }
    LOST
    {
        NearQuota => "near_quota",
        NoSpace => "no_space",
        Opened => "opened",
        OverQuota => "over_quota",
        Published => "published",
        Refused => "refused",
        Removed => "removed",
        Renamed => "renamed",
        SessionEnded => "session_ended",
        SignedIn => "signed_in",
        Started => "started",
        Stopped => "stopped",
        Uploaded => "uploaded",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_stands_once_and_in_order() {
        assert!(
            EVENT_NAMES.is_sorted_by(|one, next| one < next),
            "{EVENT_NAMES:?}"
        );
        let events = EVENT_NAMES.iter().filter(|name| **name != LOST);
        assert!(events.eq(NAMES));
    }
}
