//! Events as lines of the audit log: the stable names of events and fields.

use std::time::Duration;

use jiff::{Timestamp, Unit};
use serde_json::Value;

use crate::domain::event::{Actor, Event, SessionId};
use crate::domain::path::VirtualPath;
use crate::domain::user::UserName;
use base::visible;

/// A peer's own words are cut after so many characters; an honest user name has at most 64.
const LONGEST_CLAIM: usize = 256;

/// One event as a JSON object, without a newline. `time` is UTC.
///
/// Paths and link targets are strings in which `\\` is a backslash and `\xE9` a byte that is no UTF-8.
///
/// `count` is the number of occurrences that the line stands for; it is left out where that is 1.
pub(super) fn line(time: Timestamp, event: &Event, count: u64) -> String {
    let (name, mut fields) = fields(event);
    if count > 1 {
        fields.push(("count", count.into()));
    }
    write(time, name, fields)
}

/// Says that `count` events are missing here.
pub(super) fn lost(time: Timestamp, count: u64) -> String {
    write(time, "lost", vec![("count", count.into())])
}

/// In the order in which they are written.
type Fields = Vec<(&'static str, Value)>;

fn write(time: Timestamp, name: &str, fields: Fields) -> String {
    let time = time.round(Unit::Millisecond).unwrap_or(time);
    let start = [("time", format!("{time:.3}").into()), ("event", name.into())];
    let members = start.into_iter().chain(fields);
    // serde_json's own map would sort them.
    let members = members.map(|(name, value)| format!("\"{name}\":{value}"));
    let members: Vec<String> = members.collect();
    visible::in_json(&format!("{{{}}}", members.join(",")))
}

fn fields(event: &Event) -> (&'static str, Fields) {
    match event {
        Event::SignedIn {
            session,
            user,
            peer,
            method,
            client,
        } => {
            let mut fields = by(*session, user);
            fields.push(("peer", peer.to_string().into()));
            fields.push(("method", method.as_str().into()));
            fields.push(("client", claim(client).into()));
            ("signed_in", fields)
        }
        Event::Denied {
            peer,
            user,
            method,
            reason,
        } => {
            let fields = vec![
                ("user", claim(user).into()),
                ("peer", peer.to_string().into()),
                ("method", (*method).into()),
                ("reason", reason.as_str().into()),
            ];
            ("denied", fields)
        }
        Event::Refused {
            peer,
            reason,
            count: _,
        } => {
            let fields = vec![
                ("peer", peer.to_string().into()),
                ("reason", reason.as_str().into()),
            ];
            ("refused", fields)
        }
        Event::SessionEnded {
            session,
            user,
            reason,
            duration,
        } => {
            let mut fields = by(*session, user);
            fields.push(("reason", reason.as_str().into()));
            fields.push(("seconds", seconds(*duration)));
            ("session_ended", fields)
        }
        Event::Opened { who, path, write } => (
            "opened",
            did(who, [("path", text(path)), ("write", (*write).into())]),
        ),
        Event::Closed {
            who,
            path,
            bytes_read,
            bytes_written,
            duration,
        } => {
            let fields = [
                ("path", text(path)),
                ("bytes_read", (*bytes_read).into()),
                ("bytes_written", (*bytes_written).into()),
                ("seconds", seconds(*duration)),
            ];
            ("closed", did(who, fields))
        }
        Event::Hashed { who, algorithm, path } => (
            "hashed",
            did(who, [("algorithm", (*algorithm).into()), ("path", text(path))]),
        ),
        Event::Command {
            who,
            command,
            exit_status,
        } => {
            let fields = [
                ("command", claim(&visible::bytes(command)).into()),
                ("exit_status", (*exit_status).into()),
            ];
            ("command", did(who, fields))
        }
        Event::Removed { who, path } => ("removed", did(who, [("path", text(path))])),
        Event::DirectoryRemoved { who, path } => ("directory_removed", did(who, [("path", text(path))])),
        Event::Renamed { who, from, to } => ("renamed", did(who, [("from", text(from)), ("to", text(to))])),
        Event::DirectoryMade { who, path } => ("directory_made", did(who, [("path", text(path))])),
        Event::Linked { who, target, link } => (
            "linked",
            did(
                who,
                [("target", visible::bytes(target).into()), ("link", text(link))],
            ),
        ),
        Event::OverQuota { who, path, sentence } => (
            "over_quota",
            did(who, [("path", text(path)), ("reason", sentence.as_str().into())]),
        ),
        Event::Forbidden { who, operation, path } => (
            "forbidden",
            did(who, [("operation", (*operation).into()), ("path", text(path))]),
        ),
    }
}

/// Whose event it is.
fn by(session: SessionId, user: &UserName) -> Fields {
    vec![("session", session.0.into()), ("user", user.as_str().into())]
}

fn did<const N: usize>(who: &Actor, what: [(&'static str, Value); N]) -> Fields {
    let mut fields = by(who.session, &who.user);
    fields.extend(what);
    fields
}

fn text(path: &VirtualPath) -> Value {
    visible::bytes(&path.absolute()).into()
}

fn claim(text: &str) -> String {
    match text.char_indices().nth(LONGEST_CLAIM) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Milliseconds are fine enough to read.
fn seconds(duration: Duration) -> Value {
    ((duration.as_secs_f64() * 1000.0).round() / 1000.0).into()
}

#[cfg(test)]
mod tests {
    use super::*;

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
