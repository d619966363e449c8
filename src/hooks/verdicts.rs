//! The events about uploads that a command has decided about.

use super::attempt::PublishedPlace;
use super::entry::QueueEntry;
use super::table::Hook;
use super::upload_place::UploadPlace;
use crate::domain::event::{Event, HeldFile, PublishedFile};

/// Returns the event that an upload stays where it is. An upload of a directory has no file, and no event.
pub(super) fn held(
    entry: &QueueEntry,
    hook: &Hook,
    place: Option<UploadPlace>,
    reason: String,
) -> Option<Event> {
    let (user, place) = (entry.user()?, place?);
    Some(Event::Held(Box::new(HeldFile {
        user,
        home: place.user_home().into(),
        path: place.seen(),
        folder: place.folder().cloned(),
        hook: hook.label.clone(),
        reason,
    })))
}

/// Returns the event that an upload was moved to where it is published.
pub(super) fn published(
    entry: &QueueEntry,
    hook: &Hook,
    place: Option<UploadPlace>,
    published: PublishedPlace,
) -> Option<Event> {
    let (user, place) = (entry.user()?, place?);
    Some(Event::Published(Box::new(PublishedFile {
        user,
        home: place.user_home().into(),
        from: place.seen(),
        folder: place.folder().cloned(),
        to: published.to.seen(),
        to_folder: published.to.folder().cloned(),
        size: published.size,
        hook: hook.label.clone(),
    })))
}
