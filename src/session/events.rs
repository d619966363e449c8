//! Where events are emitted, and who receives them.
//!
//! [`Events`] passes each event to its subscribers on the thread that emits it. A subscriber that is slower than the
//! sessions slows them down through [`EventBackpressure`]. This module does not know what a subscriber does with an
//! event.

mod backpressure;
mod unsaved;

use std::fmt;
use std::sync::Arc;

use crate::domain::event::Event;
use crate::domain::user::UserName;

use super::uploads::Uploads;

pub use backpressure::{EventBackpressure, MAX_WAIT};
pub use unsaved::{UnsavedEvent, UnsavedEvents};

/// Receives every event. It is called on the thread that emits the event, so it must not block.
pub trait Subscriber: Send + Sync {
    /// Receives one event. It must not block.
    fn on_event(&self, event: &Event);

    /// Receives one event of a channel whose replies wait until it is saved, if this subscriber saves it. It must not
    /// block.
    fn on_channel_event(&self, event: &Event, _unsaved: &Arc<UnsavedEvents>) {
        self.on_event(event);
    }

    /// Returns whether this subscriber saves uploads, so that a client is answered only after that.
    fn saves_uploads(&self) -> bool {
        false
    }

    /// Returns what slows down the sessions of a user who emits events faster than this subscriber takes them; `None`
    /// if nothing does.
    fn backpressure(&self, _user: &UserName) -> Option<Arc<EventBackpressure>> {
        None
    }
}

/// The place where events are emitted. Clones emit to the same subscribers.
#[derive(Clone)]
pub struct Events {
    uploads: Arc<Uploads>,
    subscribers: Arc<[Box<dyn Subscriber>]>,
}

impl Events {
    /// Creates an emitter that passes events to these subscribers, in this order.
    pub fn new(subscribers: Vec<Box<dyn Subscriber>>) -> Self {
        Self {
            uploads: Arc::new(Uploads::new(&[])),
            subscribers: subscribers.into(),
        }
    }

    /// Sets the table of the files that are being written.
    #[must_use]
    pub fn with_uploads(self, uploads: Uploads) -> Self {
        Self {
            uploads: Arc::new(uploads),
            ..self
        }
    }

    /// Returns the files that are being written, by all sessions.
    pub fn uploads(&self) -> &Uploads {
        &self.uploads
    }

    /// Returns the backpressure on a user that the first subscriber with a queue applies; there is one such subscriber.
    pub fn backpressure(&self, user: &UserName) -> Arc<EventBackpressure> {
        let cares = self
            .subscribers
            .iter()
            .find_map(|subscriber| subscriber.backpressure(user));
        cares.unwrap_or_default()
    }

    /// Passes an event of a channel to every subscriber. Those that save it are counted in `unsaved` until they have.
    pub fn emit_of_channel(&self, event: &Event, unsaved: &Arc<UnsavedEvents>) {
        for subscriber in self.subscribers.iter() {
            subscriber.on_channel_event(event, unsaved);
        }
    }

    /// Returns whether a subscriber saves uploads, so that a client is answered only after that.
    pub fn saves_uploads(&self) -> bool {
        self.subscribers
            .iter()
            .any(|subscriber| subscriber.saves_uploads())
    }

    /// Passes an event to every subscriber.
    pub fn emit(&self, event: &Event) {
        for subscriber in self.subscribers.iter() {
            subscriber.on_event(event);
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Events({} subscribers)", self.subscribers.len())
    }
}
