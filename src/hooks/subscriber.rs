//! Receives events, and puts an entry for each hook that is for them into the queue.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::entry::{EntryDraft, EntryFile, EntryFolder, HexBytes};
use super::queue::HookQueue;
use super::table::CurrentHooks;
use crate::domain::event::Event;
use crate::domain::path::VirtualPath;
use crate::session::events::{Subscriber, UnsavedEvents};
use crate::telemetry::record::{self, AuditLine};
use base::visible;

/// The subscriber of events for hooks.
pub struct HookSubscriber {
    hooks: CurrentHooks,
    queue: Arc<HookQueue>,
    /// The random name of this run of the server, as events have it.
    run: String,
}

impl HookSubscriber {
    /// Creates the subscriber of the server's run with this name.
    pub fn new(hooks: CurrentHooks, queue: Arc<HookQueue>, run: String) -> Self {
        Self { hooks, queue, run }
    }

    fn receive(&self, event: &Event, unsaved: Option<&Arc<UnsavedEvents>>) {
        let hooks = self.hooks.get();
        let name = record::name(event);
        if !hooks.has(name) {
            return;
        }
        let paths = paths_of(event);
        for hook in hooks.of_event(name, &paths) {
            let line = AuditLine {
                run: &self.run,
                time: Timestamp::now(),
                count: event.count(),
            };
            let draft = EntryDraft {
                hook: hook.id.clone(),
                label: hook.label.clone(),
                event: name,
                line: line.event(event),
                keys: self.keys(event, &paths),
                user: event.user().map(|user| user.as_str().to_owned()),
                file: file_of(event),
            };
            self.queue.push(draft, unsaved.map(UnsavedEvents::add));
        }
    }

    /// Returns what the event has in common with others that it must not overtake.
    fn keys(&self, event: &Event, paths: &[VirtualPath]) -> Vec<String> {
        let Some(who) = event.actor() else {
            return vec!["server".to_owned()];
        };
        let mut keys = vec![format!("session {} {}", self.run, who.session)];
        if let Some(file) = file_of(event) {
            keys.push(file.order_key());
        }
        keys.extend(paths.iter().map(|path| {
            let (place, path) = who.place_of(path);
            format!(
                "path {} {path}",
                visible::bytes(place.as_os_str().as_encoded_bytes())
            )
        }));
        keys
    }
}

impl Subscriber for HookSubscriber {
    fn on_event(&self, event: &Event) {
        self.receive(event, None);
    }

    fn on_channel_event(&self, event: &Event, unsaved: &Arc<UnsavedEvents>) {
        self.receive(event, Some(unsaved));
    }

    fn saves_uploads(&self) -> bool {
        self.hooks.get().has("uploaded")
    }
}

/// Returns the file that a hook gets: that of an upload.
fn file_of(event: &Event) -> Option<EntryFile> {
    let Event::Uploaded {
        who,
        path,
        file: Some(file),
        ..
    } = event
    else {
        return None;
    };
    let bytes = |path: &Path| HexBytes(path.as_os_str().as_encoded_bytes().to_vec());
    let folder = who.folder_of(path).map(|name| EntryFolder {
        name: name.to_string(),
        home: bytes(&who.home),
    });
    let (place, path) = who.place_of(path);
    Some(EntryFile {
        home: bytes(place),
        folder,
        path: HexBytes(path.absolute()),
        device: file.device,
        inode: file.inode,
    })
}

/// Returns the paths that an event is about, without dots.
fn paths_of(event: &Event) -> Vec<VirtualPath> {
    let paths = match event {
        Event::Opened { path, .. }
        | Event::Closed { path, .. }
        | Event::Uploaded { path, .. }
        | Event::Attributes { path, .. }
        | Event::Hashed { path, .. }
        | Event::Removed { path, .. }
        | Event::DirectoryRemoved { path, .. }
        | Event::DirectoryMade { path, .. }
        | Event::OverQuota { path, .. }
        | Event::NoSpace { path, .. }
        | Event::Forbidden { path, .. }
        | Event::Linked { link: path, .. } => vec![path],
        Event::Renamed { from, to, .. } => vec![from, to],
        Event::Held(file) => vec![&file.path],
        Event::Published(file) => vec![&file.from, &file.to],
        Event::Started { .. }
        | Event::Stopped { .. }
        | Event::SignedIn { .. }
        | Event::Denied { .. }
        | Event::Refused { .. }
        | Event::SessionEnded { .. }
        | Event::Command { .. }
        | Event::NearQuota { .. }
        | Event::Admin(_)
        | Event::HookDropped { .. } => Vec::new(),
    };
    paths.into_iter().map(VirtualPath::without_dots).collect()
}
