//! Formats events as lines of the audit log, and owns the stable names of events and fields. [`super::audit`] decides
//! where the lines are written.

use std::time::Duration;

use jiff::{Timestamp, Unit};
use serde_json::Value;

use crate::domain::event::Event;
use crate::domain::path::VirtualPath;
use base::visible;

/// The most characters that are kept of a name that a peer sent. A valid user name has at most 128.
const MAX_PEER_NAME: usize = 256;

/// Returns the event as a JSON object, without a newline. `time` is in UTC.
///
/// Paths and link targets are strings in which `\\` is a backslash and `\xE9` a byte that is not UTF-8.
///
/// `count` is the number of occurrences that the line stands for. It is left out if it is 1.
pub(super) fn line(time: Timestamp, event: &Event, count: u64) -> String {
    let mut fields = match event.actor() {
        Some(who) => vec![
            ("session", who.session.0.into()),
            ("user", who.user.as_str().into()),
        ],
        None => Vec::new(),
    };
    fields.extend(details(event));
    if count > 1 {
        fields.push(("count", count.into()));
    }
    write(time, name(event), fields)
}

/// Returns a line which says that `count` events are missing at this place.
pub(super) fn lost(time: Timestamp, count: u64) -> String {
    write(time, "lost", vec![("count", count.into())])
}

/// The fields of an event, in the order in which they are written.
type EventFields = Vec<(&'static str, Value)>;

fn write(time: Timestamp, name: &str, fields: EventFields) -> String {
    let time = time.round(Unit::Millisecond).unwrap_or(time);
    let start = [("time", format!("{time:.3}").into()), ("event", name.into())];
    let members = start.into_iter().chain(fields);
    // The map type of serde_json would sort the fields.
    let members = members.map(|(name, value)| format!("\"{name}\":{value}"));
    let members: Vec<String> = members.collect();
    visible::in_json(&format!("{{{}}}", members.join(",")))
}

/// Returns the stable name of an event.
fn name(event: &Event) -> &'static str {
    match event {
        Event::SignedIn { .. } => "signed_in",
        Event::Denied { .. } => "denied",
        Event::Refused { .. } => "refused",
        Event::SessionEnded { .. } => "session_ended",
        Event::Opened { .. } => "opened",
        Event::Closed { .. } => "closed",
        Event::Hashed { .. } => "hashed",
        Event::Command { .. } => "command",
        Event::Removed { .. } => "removed",
        Event::DirectoryRemoved { .. } => "directory_removed",
        Event::Renamed { .. } => "renamed",
        Event::DirectoryMade { .. } => "directory_made",
        Event::Linked { .. } => "linked",
        Event::OverQuota { .. } => "over_quota",
        Event::Forbidden { .. } => "forbidden",
    }
}

/// Returns the fields that follow the session's fields, in the order in which they are written.
fn details(event: &Event) -> EventFields {
    macro_rules! fields {
        ($($name:ident: $value:expr),*) => { vec![$((stringify!($name), $value.into())),*] };
    }
    match event {
        Event::SignedIn {
            peer, method, client, ..
        } => {
            fields!(peer: peer.to_string(), method: method.as_str(), client: claim(client))
        }
        Event::Denied {
            peer,
            user,
            method,
            reason,
        } => {
            fields!(user: claim(user), peer: peer.to_string(), method: *method, reason: reason.as_str())
        }
        // The caller writes the count, because one line may stand for several events.
        Event::Refused {
            peer,
            reason,
            count: _,
        } => {
            fields!(peer: peer.to_string(), reason: reason.as_str())
        }
        Event::SessionEnded { reason, duration, .. } => {
            fields!(reason: reason.as_str(), seconds: seconds(*duration))
        }
        Event::Opened { path, write, .. } => fields!(path: text(path), write: *write),
        Event::Closed {
            path,
            bytes_read,
            bytes_written,
            duration,
            ..
        } => {
            let (read, written) = (*bytes_read, *bytes_written);
            fields!(path: text(path), bytes_read: read, bytes_written: written, seconds: seconds(*duration))
        }
        Event::Hashed { algorithm, path, .. } => fields!(algorithm: *algorithm, path: text(path)),
        Event::Command {
            command, exit_status, ..
        } => {
            fields!(command: claim(&visible::bytes(command)), exit_status: *exit_status)
        }
        Event::Removed { path, .. }
        | Event::DirectoryRemoved { path, .. }
        | Event::DirectoryMade { path, .. } => fields!(path: text(path)),
        Event::Renamed { from, to, .. } => fields!(from: text(from), to: text(to)),
        Event::Linked { target, link, .. } => fields!(target: visible::bytes(target), link: text(link)),
        Event::OverQuota { path, sentence, .. } => fields!(path: text(path), reason: sentence.as_str()),
        Event::Forbidden { operation, path, .. } => fields!(operation: *operation, path: text(path)),
    }
}

fn text(path: &VirtualPath) -> Value {
    visible::bytes(&path.absolute()).into()
}

fn claim(text: &str) -> String {
    match text.char_indices().nth(MAX_PEER_NAME) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Converts a duration to seconds, rounded to milliseconds.
fn seconds(duration: Duration) -> Value {
    ((duration.as_secs_f64() * 1000.0).round() / 1000.0).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Actor, SessionId};

    fn actor() -> Actor {
        Actor {
            session: SessionId(7),
            user: "calvin".parse().unwrap(),
        }
    }

    #[test]
    fn lines_are_json_with_stable_names() {
        let check = |event: Event, expected: &str| {
            let written = line("2026-01-02T03:04:05.6789Z".parse().unwrap(), &event, 1);
            assert_eq!(
                written,
                format!("{{\"time\":\"2026-01-02T03:04:05.679Z\",{expected}}}")
            );
            serde_json::from_str::<Value>(&written).unwrap();
        };
        let path = |raw: &[u8]| VirtualPath::parse(raw).unwrap();
        check(
            Event::Closed {
                who: actor(),
                path: path(b"/a b"),
                bytes_read: 0,
                bytes_written: 1 << 40,
                duration: Duration::from_micros(1_500_400),
            },
            r#""event":"closed","session":7,"user":"calvin","path":"/a b","bytes_read":0,"bytes_written":1099511627776,"seconds":1.5"#,
        );
        check(
            Event::Removed {
                who: actor(),
                path: path(b"x\xff\\\n\x1b"),
            },
            r#""event":"removed","session":7,"user":"calvin","path":"/x\\xFF\\\\\n\u001b""#,
        );
        check(
            Event::Denied {
                peer: "[::1]:9".parse().unwrap(),
                user: "a\"\u{202e},\"event\":\"signed_in".into(),
                method: "password",
                reason: "unknown user".into(),
            },
            r#""event":"denied","user":"a\"\u202e,\"event\":\"signed_in","peer":"[::1]:9","method":"password","reason":"unknown user""#,
        );
    }

    #[test]
    fn a_peer_cannot_fill_the_log_with_its_name() {
        let event = Event::Denied {
            peer: "127.0.0.1:9".parse().unwrap(),
            user: "é".repeat(100_000),
            method: "password",
            reason: "unknown user".into(),
        };
        assert!(line(Timestamp::UNIX_EPOCH, &event, 1).len() < 1000);
    }
}
