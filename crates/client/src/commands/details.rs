//! The details of a file as `ls -l` and `stat` show them: type, permissions, owner, size and local time, in one format
//! wherever they come from.

use sftp_wire::{Attributes, FileType};

use crate::link::OwnerNames;
use base::mode::{kind_letter, mode_letters};
use base::size::Size;
use base::visible::printable;

/// The format of times: the local time, to the minute.
const MINUTES: &str = "%Y-%m-%d %H:%M";
/// The format of times with seconds and the offset of the time zone.
const SECONDS: &str = "%Y-%m-%d %H:%M:%S %z";

/// The ten letters of the type and the permissions, or question marks if the server does not send them.
pub(super) fn permissions(attrs: &Attributes) -> String {
    let letters = attrs
        .permissions
        .map(|mode| mode_letters(kind_letter(mode), mode));
    letters.map_or_else(
        || "??????????".to_owned(),
        |letters| String::from_utf8_lossy(&letters).into_owned(),
    )
}

/// The name of the type, for people and in JSON.
pub(super) fn type_name(attrs: &Attributes) -> &'static str {
    match attrs.file_type() {
        Some(FileType::Directory) => "directory",
        Some(FileType::Symlink) => "link",
        Some(FileType::Regular) => "file",
        Some(
            FileType::Fifo
            | FileType::Socket
            | FileType::BlockDevice
            | FileType::CharacterDevice
            | FileType::Unknown,
        ) => "other",
        None => "unknown",
    }
}

/// The permissions in octal digits, as in JSON.
pub(super) fn octal(attrs: &Attributes) -> Option<String> {
    attrs.permissions.map(|mode| format!("{:04o}", mode & 0o7777))
}

/// The name of the user, or else the number.
pub(super) fn user(attrs: &Attributes, names: &OwnerNames) -> String {
    attrs.owner.map_or_else(
        || "?".to_owned(),
        |owner| named(owner.uid, names.users.get(&owner.uid)),
    )
}

/// The name of the group, or else the number.
pub(super) fn group(attrs: &Attributes, names: &OwnerNames) -> String {
    attrs.owner.map_or_else(
        || "?".to_owned(),
        |owner| named(owner.gid, names.groups.get(&owner.gid)),
    )
}

fn named(id: u32, name: Option<&Vec<u8>>) -> String {
    name.map_or_else(|| id.to_string(), |name| printable(name))
}

/// The size in bytes, or with a unit, or a question mark.
pub(super) fn size(attrs: &Attributes, human: bool) -> String {
    match (attrs.size, human) {
        (None, _) => "?".to_owned(),
        (Some(size), true) => Size(size).to_string(),
        (Some(size), false) => size.to_string(),
    }
}

/// The time of the last change of a file, to the minute.
pub(super) fn modified(attrs: &Attributes) -> String {
    attrs
        .times
        .map_or_else(|| "?".to_owned(), |times| local_time(times.modified, MINUTES))
}

/// A time of a file with all that is known of it.
pub(super) fn exact_time(seconds: u32) -> String {
    local_time(seconds, SECONDS)
}

fn local_time(seconds: u32, format: &str) -> String {
    let Ok(time) = jiff::Timestamp::from_second(i64::from(seconds)) else {
        return "?".to_owned();
    };
    let zoned = time.to_zoned(jiff::tz::TimeZone::system());
    zoned.strftime(format).to_string()
}
