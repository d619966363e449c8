//! Where events are emitted, and who receives them.
//!
//! [`Events`] passes each event to its subscribers on the thread that emits it. A subscriber that is slower than the
//! sessions slows them down through [`EmitCredit`]. This module does not know what a subscriber does with an event.

mod credit;

use std::fmt;
use std::sync::Arc;

use crate::domain::event::Event;
use crate::domain::user::UserName;

pub use credit::{EmitCredit, MAX_WAIT};

/// Receives every event. It is called on the thread that emits the event, so it must not block.
pub trait Subscriber: Send + Sync {
    /// Receives one event. It must not block.
    fn on_event(&self, event: &Event);

    /// Returns the credit of this user, which says whether the user's sessions may emit more events; `None` if they
    /// always may.
    fn credit(&self, _user: &UserName) -> Option<Arc<EmitCredit>> {
        None
    }
}

/// The place where events are emitted. Clones emit to the same subscribers.
#[derive(Clone)]
pub struct Events {
    subscribers: Arc<[Box<dyn Subscriber>]>,
}

impl Events {
    /// Creates an emitter that passes events to these subscribers, in this order.
    pub fn new(subscribers: Vec<Box<dyn Subscriber>>) -> Self {
        Self {
            subscribers: subscribers.into(),
        }
    }

    /// Returns the credit of a user at the first subscriber that keeps one.
    pub fn credit(&self, user: &UserName) -> Arc<EmitCredit> {
        let cares = self
            .subscribers
            .iter()
            .find_map(|subscriber| subscriber.credit(user));
        cares.unwrap_or_default()
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
