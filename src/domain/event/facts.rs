//! What events say about files, attributes, quotas and the operator's changes.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::folder::FolderName;
use crate::domain::path::VirtualPath;
use crate::domain::user::UserName;

/// How a file was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileOpening {
    /// Whether the file was opened for writing.
    pub write: bool,
    /// Whether the file did not exist before.
    pub created: bool,
    /// Whether the file existed, and was cut to zero bytes.
    pub truncated: bool,
}

/// What was done with a file between its opening and its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileUse {
    /// Whether the file was opened for writing.
    pub is_for_writing: bool,
    /// The number of bytes that were read.
    pub bytes_read: u64,
    /// The number of bytes that were written.
    pub bytes_written: u64,
    /// How long the file was open.
    pub duration: Duration,
    /// How the use of the file ended.
    pub end: FileEnd,
    /// The size of the file in bytes when it was closed; `None` if it is not known.
    pub size: Option<u64>,
}

/// The identity of a file: its device and its inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileIdentity {
    /// The number of the device (`st_dev`).
    pub device: u64,
    /// The number of the inode on the device (`st_ino`).
    pub inode: u64,
}

/// An upload that stays where it is, because the command of a hook said so, or because it could not be published.
#[derive(Debug, Clone)]
pub struct HeldFile {
    /// The user who has sent the file.
    pub user: UserName,
    /// The absolute path of the user's home on the server.
    pub home: Arc<Path>,
    /// The path of the file, as the user sees it.
    pub path: VirtualPath,
    /// The folder that the file lies in, if it is one.
    pub folder: Option<FolderName>,
    /// The program of the hook.
    pub hook: String,
    /// The first line that the command has printed, or why the file cannot be published.
    pub reason: String,
}

/// An upload that was checked and moved.
#[derive(Debug, Clone)]
pub struct PublishedFile {
    /// The user who has sent the file.
    pub user: UserName,
    /// The absolute path of the user's home on the server.
    pub home: Arc<Path>,
    /// The path that the file was sent to, as the user sees it.
    pub from: VirtualPath,
    /// The folder that the file was sent to, if it is one.
    pub folder: Option<FolderName>,
    /// The path that it has now. The user need not see it.
    pub to: VirtualPath,
    /// The folder that the file lies in now, if it is one.
    pub to_folder: Option<FolderName>,
    /// The size of the file in bytes.
    pub size: u64,
    /// The program of the hook that has checked it.
    pub hook: String,
}

/// How the use of an open file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileEnd {
    /// The client has closed it.
    Client,
    /// The connection or the channel ended before the client had closed it.
    Lost,
    /// The server has ended the session: an operator, a limit, or because its user has lost something.
    Kicked,
    /// The server was stopped.
    Stopping,
    /// The client has closed it, but something that it had written was refused, or did not reach the disk.
    Error,
}

impl FileEnd {
    /// Returns the stable name of this end.
    pub fn name(self) -> &'static str {
        match self {
            FileEnd::Client => "client",
            FileEnd::Lost => "lost",
            FileEnd::Kicked => "kicked",
            FileEnd::Stopping => "stopping",
            FileEnd::Error => "error",
        }
    }
}

/// The names of the algorithms that a key exchange has chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChosenAlgorithms {
    /// The key exchange method.
    pub kex: String,
    /// The signature algorithm of the host key.
    pub host_key: String,
    /// The cipher, which is the same in both directions.
    pub cipher: String,
    /// The MAC of what the client sends; `None` if the cipher includes authentication.
    pub mac: Option<String>,
}

impl ChosenAlgorithms {
    /// Returns the number of bytes of its own, and of its names.
    pub fn heap_bytes(&self) -> usize {
        let names = [&self.kex, &self.host_key, &self.cipher]
            .into_iter()
            .chain(&self.mac);
        size_of::<Self>() + names.map(String::len).sum::<usize>()
    }
}

/// What an event says about the certificate that a user has signed in by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CertificateIdentity {
    /// The id, which the authority has chosen; a long one is cut.
    pub key_id: String,
    /// The serial number; 0 if the authority has given none.
    pub serial: u64,
    /// The fingerprint of the authority's key: `SHA256:…`.
    pub authority: String,
}

impl CertificateIdentity {
    /// Returns the number of bytes of its own, and of its texts.
    pub fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.key_id.len() + self.authority.len()
    }
}

/// The digest of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadDigest {
    /// The SHA-256 of the whole file.
    Sha256([u8; 32]),
    /// There is none, for this reason.
    Missing(&'static str),
}

/// The attributes of a file or directory that were changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChangedAttributes {
    /// The sizes, if the size was set.
    pub size: Option<SizeChange>,
    /// The permission bits that were asked for, if they were set.
    pub permissions: Option<u32>,
    /// Whether the times of the last access and modification were set.
    pub times: bool,
    /// Whether the owner was set; only the present owner can be.
    pub owner: bool,
}

/// The change of a file's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeChange {
    /// The size in bytes before; `None` if it is not known.
    pub old: Option<u64>,
    /// The size in bytes afterwards.
    pub new: u64,
}

/// The use of a home passed a percentage of its quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaCrossing {
    /// Which of the two quotas it is.
    pub kind: QuotaKind,
    /// The percentage of the quota.
    pub percent: u8,
    /// Whether the use is above it now; if not, it has fallen below it.
    pub rising: bool,
    /// The use now, in bytes or in files.
    pub used: u64,
    /// The quota now; `None` means unlimited.
    pub limit: Option<u64>,
}

/// The two quotas of a home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaKind {
    /// The sum of the sizes of files.
    Bytes,
    /// The number of files, directories and symbolic links.
    Files,
}

impl QuotaKind {
    /// Returns the stable name of this quota.
    pub fn name(self) -> &'static str {
        match self {
            QuotaKind::Bytes => "bytes",
            QuotaKind::Files => "files",
        }
    }
}

/// What an operator has changed, and who that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminRecord {
    /// Who has changed it.
    pub by: Operator,
    /// What was changed.
    pub act: AdminAct,
}

impl AdminRecord {
    /// Describes that a user has chosen a new password, coming from this address.
    pub fn own_password(by: Operator, user: &str, peer: SocketAddr) -> Self {
        let setting = |name: &str, value: SettingValue| Setting {
            name: name.to_owned(),
            value,
        };
        Self {
            by,
            act: AdminAct {
                what: "own password".to_owned(),
                name: user.to_owned(),
                before: Vec::new(),
                after: vec![
                    setting("has_password", SettingValue::Flag(true)),
                    setting("peer", SettingValue::Text(peer.to_string())),
                ],
            },
        }
    }
}

/// Who runs a command of the operator's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// The numeric user id of the process.
    pub uid: u32,
    /// The user who has called sudo, as sudo says.
    pub sudo_user: Option<String>,
    /// The user of this server who has changed it by the web page or the API.
    pub web_user: Option<UserName>,
}

/// A change by an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminAct {
    /// The command, such as `user set`.
    pub what: String,
    /// The name of what was changed, such as a user.
    pub name: String,
    /// The settings that were changed, with their values before; empty for what is new.
    pub before: Vec<Setting>,
    /// The settings that were changed, with their values now; empty for what was removed.
    pub after: Vec<Setting>,
}

/// A setting and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The name of the setting, as in the JSON of `user show`.
    pub name: String,
    /// The value of the setting.
    pub value: SettingValue,
}

/// The value of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingValue {
    /// There is none: no limit, or never.
    Nothing,
    /// Whether something is the case.
    Flag(bool),
    /// A number of bytes, files or sessions.
    Number(u64),
    /// A name, a path or a time.
    Text(String),
    /// Several texts.
    List(Vec<String>),
}

impl AdminAct {
    /// Returns the number of bytes of all texts.
    pub fn text_bytes(&self) -> usize {
        let value = |value: &SettingValue| match value {
            SettingValue::Nothing | SettingValue::Flag(_) | SettingValue::Number(_) => 0,
            SettingValue::Text(text) => text.len(),
            SettingValue::List(texts) => texts.iter().map(|text| text.len() + size_of::<String>()).sum(),
        };
        let setting = |setting: &Setting| size_of::<Setting>() + setting.name.len() + value(&setting.value);
        let settings = self.before.iter().chain(&self.after).map(setting);
        self.what.len() + self.name.len() + settings.sum::<usize>()
    }
}
