//! One event for one hook, as the queue has it in memory and on the disk.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::domain::event::FileIdentity;
use crate::domain::user::UserName;
use base::visible;

/// An event for a hook that is not in the queue yet.
#[derive(Debug, Clone)]
pub struct EntryDraft {
    /// What identifies the hook: [`crate::hooks::settings::HookSettings::id`].
    pub hook: String,
    /// The name of the hook for people.
    pub label: String,
    /// The name of the event.
    pub event: &'static str,
    /// The event as a JSON object, as the audit log has it.
    pub line: String,
    /// What the event has in common with those that it must not overtake: its session, file and paths.
    pub keys: Vec<String>,
    /// The user of the event, if there is one.
    pub user: Option<String>,
    /// The file that the event is about, if the hook gets it.
    pub file: Option<EntryFile>,
}

/// One event for one hook.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QueueEntry {
    /// The number of the entry.
    pub id: u64,
    /// What identifies the hook.
    pub hook: String,
    /// The name of the hook for people.
    pub label: String,
    /// The name of the event.
    pub event: String,
    /// The event as a JSON object.
    pub line: Box<RawValue>,
    /// What the event has in common with those that it must not overtake.
    pub keys: Vec<String>,
    /// The user of the event, if there is one.
    pub user: Option<String>,
    /// The file that the event is about, if the hook gets it.
    pub file: Option<EntryFile>,
}

/// The file that an event is about.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EntryFile {
    /// The user's home, or the folder that the file lies in.
    pub home: HexBytes,
    /// The path in the home or folder.
    pub path: HexBytes,
    /// The device of the file.
    pub device: u64,
    /// The inode of the file.
    pub inode: u64,
    /// The folder that the file lies in; `None` for one in the home.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<EntryFolder>,
}

/// The folder that a file lies in, as its user sees it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EntryFolder {
    /// The name of the folder.
    pub name: String,
    /// The user's home.
    pub home: HexBytes,
}

impl EntryFile {
    fn folder_size(&self) -> usize {
        let folder = self.folder.as_ref();
        folder.map_or(0, |folder| folder.name.len() + 2 * folder.home.0.len() + 32)
    }

    /// Returns what all entries have in common that are about this file.
    pub fn order_key(&self) -> String {
        format!("file {} {}", self.device, self.inode)
    }

    /// Returns whether both are about the same file under the same name.
    fn is_same(&self, other: &Self) -> bool {
        self.identity() == other.identity() && self.path == other.path && self.home == other.home
    }

    /// Returns the identity of the file.
    pub fn identity(&self) -> FileIdentity {
        FileIdentity {
            device: self.device,
            inode: self.inode,
        }
    }
}

/// Bytes that JSON has as hexadecimal digits, since they need not be text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HexBytes(pub Vec<u8>);

impl From<HexBytes> for String {
    fn from(bytes: HexBytes) -> Self {
        visible::hex(&bytes.0)
    }
}

impl TryFrom<String> for HexBytes {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digit = |byte: u8| {
            char::from(byte)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        let mut bytes = Vec::with_capacity(text.len() / 2);
        for pair in text.as_bytes().chunks(2) {
            match (
                pair.first().copied().and_then(digit),
                pair.get(1).copied().and_then(digit),
            ) {
                (Some(high), Some(low)) => bytes.push(high << 4 | low),
                _ => return Err("not hexadecimal digits"),
            }
        }
        Ok(Self(bytes))
    }
}

impl QueueEntry {
    /// Creates the entry of a draft.
    ///
    /// # Errors
    /// Fails if the event is not JSON.
    pub fn new(id: u64, draft: EntryDraft) -> serde_json::Result<Self> {
        Ok(Self {
            id,
            hook: draft.hook,
            label: draft.label,
            event: draft.event.to_owned(),
            line: RawValue::from_string(draft.line)?,
            keys: draft.keys,
            user: draft.user,
            file: draft.file,
        })
    }

    /// Returns the user of the event, if there is one.
    pub fn user(&self) -> Option<UserName> {
        self.user.as_deref().and_then(|user| UserName::stored(user).ok())
    }

    /// Returns whether both are about the same file under the same name, and for the same hook.
    pub fn is_about_file_of(&self, other: &Self) -> bool {
        let is_same = match (&self.file, &other.file) {
            (Some(file), Some(other)) => file.is_same(other),
            (None, _) | (_, None) => false,
        };
        is_same && self.hook == other.hook
    }

    /// Returns the approximate number of bytes that the entry takes, in memory and on the disk.
    pub fn size(&self) -> usize {
        let texts = self.hook.len() + self.label.len() + self.line.get().len();
        let keys = self.keys.iter().map(|key| key.len() + 32).sum::<usize>();
        let file = self.file.as_ref().map_or(0, |file| {
            2 * (file.home.0.len() + file.path.0.len()) + file.folder_size()
        });
        texts + keys + file + 256
    }

    /// Returns what the hook is told: the event, with the number of the entry, the attempt, and the file if it is passed.
    pub fn body(&self, attempt: u32, size: Option<u64>) -> String {
        let file = match (&self.file, size) {
            (Some(file), Some(size)) => format!(
                r#"{{"device":{},"inode":{},"size":{size}}}"#,
                file.device, file.inode
            ),
            _ => "null".to_owned(),
        };
        let event = self.line.get().trim_start().strip_prefix('{').unwrap_or("}");
        format!(
            r#"{{"delivery":{},"attempt":{attempt},"file":{file},{event}"#,
            self.id
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_hook_is_told_is_the_event_and_which_delivery_it_is() {
        let draft = EntryDraft {
            hook: "h".to_owned(),
            label: "h".to_owned(),
            event: "uploaded",
            line: r#"{"time":"t","event":"uploaded"}"#.to_owned(),
            keys: vec!["k".to_owned()],
            user: None,
            file: Some(EntryFile {
                home: HexBytes(b"/h\xff".to_vec()),
                path: HexBytes(b"/f".to_vec()),
                device: 1,
                inode: 2,
                folder: None,
            }),
        };
        let entry = QueueEntry::new(7, draft).unwrap();
        let body: serde_json::Value = serde_json::from_str(&entry.body(2, Some(3))).unwrap();
        let expected = serde_json::json!({
            "delivery": 7, "attempt": 2, "file": {"device": 1, "inode": 2, "size": 3}, "time": "t", "event": "uploaded",
        });
        assert_eq!(body, expected);
        let without: serde_json::Value = serde_json::from_str(&entry.body(1, None)).unwrap();
        assert_eq!(without["file"], serde_json::Value::Null);
        let text = serde_json::to_string(&entry).unwrap();
        let back: QueueEntry = serde_json::from_str(&text).unwrap();
        assert_eq!(back.file.unwrap().home.0, b"/h\xff");
        assert_eq!(back.line.get(), entry.line.get());
    }
}
