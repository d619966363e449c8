//! Formats events as lines of the audit log, and owns the stable names of events and fields. [`super::audit`] decides
//! where the lines are written.

use std::time::Duration;

use jiff::{Timestamp, Unit};
use serde_json::Value;

use crate::domain::event::{
    AdminRecord, ChangedAttributes, ChosenAlgorithms, Event, Setting, SettingValue, SizeChange, UploadDigest,
};
use crate::domain::path::VirtualPath;
use base::visible;

/// The most characters that are kept of a name that a peer sent. A valid user name has at most 128.
const MAX_PEER_NAME: usize = 256;

/// The version of the lines' format. It changes only if a field goes away or changes its meaning. Lines without it are
/// of version 1.
const VERSION: u32 = 2;

/// The fields of an event, in the order in which they are written.
type EventFields = Vec<(&'static str, Value)>;

/// Makes `(name, value)` pairs of a list of fields.
macro_rules! fields {
    ($($name:ident: $value:expr),* $(,)?) => { vec![$((stringify!($name), $value.into())),*] };
}

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
        write(self.time, "lost", fields)
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

fn write(time: Timestamp, name: &str, fields: EventFields) -> String {
    let time = time.round(Unit::Millisecond).unwrap_or(time);
    let start = [("time", format!("{time:.3}").into()), ("event", name.into())];
    let members = start.into_iter().chain(fields);
    // The map type of serde_json would sort the fields.
    let members = members.map(|(name, value)| format!("\"{name}\":{value}"));
    let members: Vec<String> = members.collect();
    visible::in_json(&format!("{{{}}}", members.join(",")))
}

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

/// Returns the fields that follow the session's fields, in the order in which they are written. Events of version 1 have
/// those of version 1 here.
fn details(event: &Event) -> EventFields {
    match event {
        Event::Started { .. }
        | Event::Stopped { .. }
        | Event::NearQuota { .. }
        | Event::Admin(_)
        | Event::Held(_)
        | Event::Published(_)
        | Event::HookDropped { .. } => of_server(event),
        Event::SignedIn {
            who, method, client, ..
        } => {
            fields!(peer: who.peer.to_string(), method: method.as_str(), client: claim(client))
        }
        Event::Denied {
            peer,
            user,
            method,
            reason,
            code: _,
        } => {
            fields!(user: claim(user), peer: peer.to_string(), method: *method, reason: reason.as_str())
        }
        // The caller writes the count, because one line may stand for several events.
        Event::Refused {
            peer,
            reason,
            code: _,
            count: _,
        } => {
            fields!(peer: peer.to_string(), reason: reason.as_str())
        }
        Event::SessionEnded { reason, duration, .. } => {
            fields!(reason: reason.as_str(), seconds: seconds(*duration))
        }
        Event::Opened { path, how, .. } => fields!(path: text(path), write: how.write),
        Event::Closed { path, file, .. } => fields!(
            path: text(path),
            bytes_read: file.bytes_read,
            bytes_written: file.bytes_written,
            seconds: seconds(file.duration),
        ),
        Event::Uploaded {
            path,
            size,
            from,
            digest,
            who: _,
            file: _,
        } => {
            let mut fields = fields!(path: text(path), size: *size);
            fields.extend(from.as_ref().map(|from| ("from", text(from))));
            fields.extend(digest.map(digest_fields).into_iter().flatten());
            fields
        }
        Event::Attributes { path, changed, .. } => attributes(path, *changed),
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
        Event::OverQuota { path, sentence, .. } | Event::NoSpace { path, sentence, .. } => {
            fields!(path: text(path), reason: sentence.as_str())
        }
        Event::Forbidden { operation, path, .. } => fields!(operation: *operation, path: text(path)),
    }
}

/// Returns the fields of the events of the server itself, and of its operators.
fn of_server(event: &Event) -> EventFields {
    match event {
        Event::Started { version, listening } => {
            let listening: Vec<String> = listening.iter().map(ToString::to_string).collect();
            fields!(version: *version, listening: listening)
        }
        Event::Stopped { duration } => fields!(seconds: seconds(*duration)),
        Event::NearQuota { user, crossing, .. } => {
            let user = user.as_ref().map(|user| ("user", user.as_str().into()));
            let mut fields: EventFields = user.into_iter().collect();
            fields.extend(fields!(
                quota: crossing.kind.name(),
                percent: crossing.percent,
                direction: if crossing.rising { "up" } else { "down" },
                used: crossing.used,
                limit: crossing.limit,
            ));
            fields
        }
        Event::Admin(record) => {
            let AdminRecord { by, act } = &**record;
            fields!(
                uid: by.uid,
                sudo_user: by.sudo_user.clone(),
                what: act.what.as_str(),
                name: act.name.as_str(),
                before: settings(&act.before),
                after: settings(&act.after),
            )
        }
        Event::Held(file) => fields!(
            user: file.user.as_str(),
            path: text(&file.path),
            hook: file.hook.as_str(),
            reason: file.reason.as_str(),
        ),
        Event::Published(file) => fields!(
            user: file.user.as_str(),
            from: text(&file.from),
            to: text(&file.to),
            size: file.size,
            hook: file.hook.as_str(),
        ),
        // The caller writes the count.
        Event::HookDropped {
            hook,
            name,
            reason,
            count: _,
        } => fields!(hook: hook.as_str(), dropped: name.as_str(), reason: *reason),
        // The caller has only these.
        _ => Vec::new(),
    }
}

/// Returns the fields for the digest of an upload.
fn digest_fields(digest: UploadDigest) -> EventFields {
    match digest {
        UploadDigest::Sha256(digest) => fields!(sha256: visible::hex(&digest)),
        UploadDigest::Missing(why) => fields!(sha256: Value::Null, no_sha256: why),
    }
}

/// Returns the fields that events of version 1 have since version 2.
fn later_details(event: &Event) -> EventFields {
    match event {
        Event::Denied { code, .. } | Event::Refused { code, .. } => fields!(code: *code),
        Event::Opened { how, .. } => fields!(created: how.created, truncated: how.truncated),
        Event::Closed { file, .. } => fields!(end: file.end.name(), size: file.size),
        Event::Renamed { replaced, .. } => fields!(replaced: *replaced),
        Event::SignedIn { algorithms, .. } => {
            let ChosenAlgorithms {
                kex,
                host_key,
                cipher,
                mac,
            } = &**algorithms;
            fields!(kex: kex.as_str(), host_key: host_key.as_str(), cipher: cipher.as_str(), mac: mac.clone())
        }
        Event::Started { .. }
        | Event::Stopped { .. }
        | Event::NearQuota { .. }
        | Event::Admin(_)
        | Event::Held(_)
        | Event::Published(_)
        | Event::HookDropped { .. }
        | Event::SessionEnded { .. }
        | Event::Uploaded { .. }
        | Event::Attributes { .. }
        | Event::Hashed { .. }
        | Event::Command { .. }
        | Event::Removed { .. }
        | Event::DirectoryRemoved { .. }
        | Event::DirectoryMade { .. }
        | Event::Linked { .. }
        | Event::OverQuota { .. }
        | Event::NoSpace { .. }
        | Event::Forbidden { .. } => Vec::new(),
    }
}

/// Returns settings as a JSON object.
fn settings(settings: &[Setting]) -> Value {
    let value = |value: &SettingValue| match value {
        SettingValue::Nothing => Value::Null,
        SettingValue::Flag(flag) => (*flag).into(),
        SettingValue::Number(number) => (*number).into(),
        SettingValue::Text(text) => text.as_str().into(),
        SettingValue::List(texts) => texts.as_slice().into(),
    };
    let settings = settings
        .iter()
        .map(|setting| (setting.name.clone(), value(&setting.value)));
    Value::Object(settings.collect())
}

fn attributes(path: &VirtualPath, changed: ChangedAttributes) -> EventFields {
    let ChangedAttributes {
        size,
        permissions,
        times,
        owner,
    } = changed;
    let names = [
        ("size", size.is_some()),
        ("permissions", permissions.is_some()),
        ("times", times),
        ("owner", owner),
    ];
    let names = names.into_iter().filter(|(_, set)| *set).map(|(name, _)| name);
    let mut fields = fields!(path: text(path), changed: names.collect::<Vec<_>>());
    if let Some(SizeChange { old, new }) = size {
        fields.extend(fields!(old_size: old, size: new));
    }
    if let Some(mode) = permissions {
        fields.extend(fields!(mode: format!("{mode:04o}")));
    }
    fields
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
mod tests;
