//! The fields of each event, with their stable names and in the order in which they are written.

use std::time::Duration;

use serde_json::Value;

use crate::domain::event::{
    AdminRecord, CertificateIdentity, ChangedAttributes, ChosenAlgorithms, Event, HeldFile, PublishedFile,
    QuotaCrossing, Setting, SettingValue, SizeChange, UploadDigest,
};
use crate::domain::folder::FolderName;
use crate::domain::path::VirtualPath;
use crate::domain::user::UserName;
use base::visible;

/// The most characters that are kept of a name that a peer sent. A valid user name has at most 128.
const MAX_PEER_NAME: usize = 256;

/// The fields of an event, in the order in which they are written.
pub(super) type EventFields = Vec<(&'static str, Value)>;

/// Returns the fields that follow the session's fields, in the order in which they are written. Events of version 1
/// have those of version 1 here.
pub(super) fn details(event: &Event) -> EventFields {
    match event {
        Event::Started { version, listening } => {
            let listening: Vec<String> = listening.iter().map(ToString::to_string).collect();
            fields!(version: *version, listening: listening)
        }
        Event::Stopped { duration } => fields!(seconds: seconds(*duration)),
        Event::NearQuota {
            user,
            folder,
            crossing,
            home: _,
        } => {
            let mut fields = near_quota(user.as_ref(), crossing);
            fields.extend(folder_field("folder", folder.as_ref()));
            fields
        }
        Event::Admin(record) => admin(record),
        Event::Held(file) => held(file),
        Event::Published(file) => published(file),
        // The caller writes the count, because one line may stand for several events.
        Event::HookDropped {
            hook,
            name,
            reason,
            count: _,
        } => fields!(hook: hook.as_str(), dropped: name.as_str(), reason: *reason),
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
        // The caller writes the count here, too.
        Event::Refused {
            peer,
            reason,
            code: _,
            count: _,
        } => fields!(peer: peer.to_string(), reason: reason.as_str()),
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
            fields.extend(digest.iter().copied().flat_map(digest_fields));
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

fn near_quota(user: Option<&UserName>, crossing: &QuotaCrossing) -> EventFields {
    let user = user.map(|user| ("user", user.as_str().into()));
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

fn admin(record: &AdminRecord) -> EventFields {
    let AdminRecord { by, act } = record;
    fields!(
        uid: by.uid,
        sudo_user: by.sudo_user.clone(),
        web_user: by.web_user.as_ref().map(UserName::to_string),
        what: act.what.as_str(),
        name: act.name.as_str(),
        before: settings(&act.before),
        after: settings(&act.after),
    )
}

fn held(file: &HeldFile) -> EventFields {
    fields!(
        user: file.user.as_str(),
        path: text(&file.path),
        hook: file.hook.as_str(),
        reason: file.reason.as_str(),
    )
    .into_iter()
    .chain(folder_field("folder", file.folder.as_ref()))
    .collect()
}

/// Returns the field with the name of a folder; none for a home.
fn folder_field(field: &'static str, folder: Option<&FolderName>) -> Option<(&'static str, Value)> {
    folder.map(|name| (field, name.as_str().into()))
}

fn published(file: &PublishedFile) -> EventFields {
    fields!(
        user: file.user.as_str(),
        from: text(&file.from),
        to: text(&file.to),
        size: file.size,
        hook: file.hook.as_str(),
    )
    .into_iter()
    .chain(folder_field("folder", file.folder.as_ref()))
    .chain(folder_field("to_folder", file.to_folder.as_ref()))
    .collect()
}

/// Returns the fields for the certificate that a user has signed in by.
fn certificate_fields(certificate: &CertificateIdentity) -> EventFields {
    // Programs that read numbers as floating point would change a serial number.
    let serial = certificate.serial.to_string();
    fields!(key_id: claim(&certificate.key_id), serial: serial, ca: certificate.authority.as_str())
}

/// Returns the fields for the digest of an upload.
fn digest_fields(digest: UploadDigest) -> EventFields {
    match digest {
        UploadDigest::Sha256(digest) => fields!(sha256: visible::hex(&digest)),
        UploadDigest::Missing(why) => fields!(sha256: Value::Null, no_sha256: why),
    }
}

/// Returns the fields that events of version 1 have since version 2.
pub(super) fn later_details(event: &Event) -> EventFields {
    match event {
        Event::Denied { code, .. } | Event::Refused { code, .. } => fields!(code: *code),
        Event::Opened { how, .. } => fields!(created: how.created, truncated: how.truncated),
        Event::Closed { file, .. } => fields!(end: file.end.name(), size: file.size),
        Event::Renamed { replaced, .. } => fields!(replaced: *replaced),
        Event::OverQuota { who, path, .. } | Event::NoSpace { who, path, .. } => {
            folder_field("folder", who.folder_of(path)).into_iter().collect()
        }
        Event::SignedIn {
            algorithms,
            certificate,
            recovery_codes_left,
            ..
        } => {
            let ChosenAlgorithms {
                kex,
                host_key,
                cipher,
                mac,
            } = &**algorithms;
            let mut fields = fields!(
                kex: kex.as_str(),
                host_key: host_key.as_str(),
                cipher: cipher.as_str(),
                mac: mac.clone(),
            );
            if let Some(certificate) = certificate {
                fields.extend(certificate_fields(certificate));
            }
            if let Some(left) = recovery_codes_left {
                fields.extend(fields!(recovery_codes_left: *left));
            }
            fields
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
