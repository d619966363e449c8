//! Formats events as lines of the audit log, and owns the stable names of events (`names.rs`) and fields (`details.rs`).
//! [`super::audit`] decides where the lines are written.

use std::fmt::Write as _;

use jiff::{Timestamp, Unit};

use crate::domain::event::{Event, Protocol};
use base::visible;

use details::{EventFields, details, later_details};
use names::LOST;
pub use names::{EVENT_NAMES, NAMES, name};

/// The version of the lines' format. It changes only if a field goes away or changes its meaning. Lines without it are
/// of version 1.
const VERSION: u32 = 2;

/// The length that most lines stay below, in bytes.
const USUAL_LENGTH: usize = 512;

/// Makes `(name, value)` pairs of a list of fields.
macro_rules! fields {
    ($($name:ident: $value:expr),* $(,)?) => { vec![$((stringify!($name), $value.into())),*] };
}

// Behind the macro, which it uses.
mod details;
mod names;

/// One line of the audit log.
pub struct AuditLine<'a> {
    /// The random name of this run of the server.
    pub run: &'a str,
    /// The time of the event. If the line stands for several, it is the time of the last one.
    pub time: Timestamp,
    /// The number of occurrences that the line stands for.
    pub count: u64,
}

impl AuditLine<'_> {
    /// Returns the event as a JSON object, without a newline. `time` is in UTC.
    ///
    /// Paths and link targets are strings in which `\\` is a backslash and `\xE9` a byte that is not UTF-8.
    ///
    /// `count` is left out if it is 1. The fields of version 1 come first, in their order.
    pub fn event(&self, event: &Event) -> String {
        let mut fields: EventFields = match event.actor() {
            Some(who) => fields!(session: who.session.0, user: who.user.as_str()),
            None => Vec::new(),
        };
        fields.extend(details(event));
        if self.count > 1 {
            fields.push(("count", self.count.into()));
        }
        fields.extend(later_details(event));
        fields.extend(self.origin(event));
        write(self.time, name(event), fields)
    }

    /// Returns a line which says that `count` events are missing at this place.
    pub(super) fn lost(&self) -> String {
        let fields = fields!(count: self.count, v: VERSION, run: self.run);
        write(self.time, LOST, fields)
    }

    /// Returns the fields that say in which run of the server an event happened, and where it came from.
    fn origin(&self, event: &Event) -> EventFields {
        let mut fields = fields!(v: VERSION, run: self.run);
        if let Some(peer) = event.peer() {
            if !has_peer(event) {
                fields.push(("peer", peer.to_string().into()));
            }
            // An IPv4 client of a socket that listens on IPv6 has an address of both.
            let ip = peer.ip().to_canonical().to_string();
            fields.extend(fields!(ip: ip, port: peer.port()));
        }
        let home = match event {
            Event::NearQuota { home, .. } => Some(home),
            Event::Held(file) => Some(&file.home),
            Event::Published(file) => Some(&file.home),
            event => event.actor().map(|who| &who.home),
        };
        if let Some(home) = home {
            let home = visible::bytes(home.as_os_str().as_encoded_bytes());
            fields.extend(fields!(home: home));
        }
        // Without the field, it is SSH.
        if let Some(Protocol::Web) = event.actor().map(|who| who.protocol) {
            fields.extend(fields!(protocol: Protocol::Web.name()));
        }
        if let Some(share) = event.actor().and_then(|who| who.share) {
            fields.extend(fields!(share: share));
        }
        fields
    }
}

/// Whether an event has had the field `peer` since version 1, at another place.
fn has_peer(event: &Event) -> bool {
    matches!(
        event,
        Event::SignedIn { .. } | Event::Denied { .. } | Event::Refused { .. }
    )
}

/// Writes the line into one buffer, because a busy server writes three of them for each uploaded file.
fn write(time: Timestamp, name: &str, fields: EventFields) -> String {
    let time = time.round(Unit::Millisecond).unwrap_or(time);
    // Here and below: writing into a string does not fail.
    let mut line = String::with_capacity(USUAL_LENGTH);
    let _ = write!(line, "{{\"time\":\"{time:.3}\",\"event\":\"{name}\"");
    // The map type of serde_json would sort the fields.
    for (name, value) in fields {
        let _ = write!(line, ",\"{name}\":{value}");
    }
    line.push('}');
    visible::in_json(&line)
}

#[cfg(test)]
mod tests;
