//! The sessions of the server, and the server as a whole, as JSON.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::event::Protocol;
use crate::domain::user::UserName;
use crate::io::FilesystemState;
use crate::ops::running::{FolderFilling, HomeFilling, PlaceSpace, SessionView, StatusView, WorkView};
use base::error::{Error, Result};

/// A signed-in session, as `sessions list --json` prints it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionJson {
    id: u64,
    user: String,
    /// The number of the share, if a visitor acts on behalf of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    share: Option<i64>,
    /// The client's address and port.
    peer: SocketAddr,
    /// The version string that the client sent.
    client: String,
    /// `ssh` or `web`.
    #[serde(default = "ssh")]
    protocol: String,
    /// The time of the sign-in (RFC 3339, UTC).
    since: String,
    channels: usize,
    bytes_in: Option<u64>,
    bytes_out: Option<u64>,
    /// `null` if the home is not known.
    #[serde(default)]
    used_bytes: Option<u64>,
    /// `null` is unlimited.
    #[serde(default)]
    quota_bytes: Option<u64>,
    /// Those folders of the user that are in use.
    #[serde(default)]
    folders: Vec<FolderFillingJson>,
    #[serde(default)]
    open_files: usize,
    #[serde(default)]
    files: Vec<WorkJson>,
}

/// The protocol of the sessions of a server that does not say it.
fn ssh() -> String {
    Protocol::Ssh.name().to_owned()
}

/// How full a folder is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FolderFillingJson {
    name: String,
    used_bytes: u64,
    quota_bytes: Option<u64>,
}

impl From<&FolderFilling> for FolderFillingJson {
    fn from(folder: &FolderFilling) -> Self {
        Self {
            name: folder.name.to_string(),
            used_bytes: folder.filling.used_bytes,
            quota_bytes: folder.filling.quota_bytes,
        }
    }
}

impl TryFrom<FolderFillingJson> for FolderFilling {
    type Error = Error;

    fn try_from(json: FolderFillingJson) -> Result<Self> {
        Ok(Self {
            name: json.name.parse()?,
            filling: HomeFilling {
                used_bytes: json.used_bytes,
                quota_bytes: json.quota_bytes,
            },
        })
    }
}

/// What a session does with one file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkJson {
    doing: String,
    path: String,
    bytes: u64,
    position: u64,
    size: Option<u64>,
    seconds: f64,
}

impl From<&WorkView> for WorkJson {
    fn from(view: &WorkView) -> Self {
        Self {
            doing: view.kind.clone(),
            path: view.path.clone(),
            bytes: view.bytes,
            position: view.position,
            size: view.size,
            seconds: (view.duration.as_secs_f64() * 1000.0).round() / 1000.0,
        }
    }
}

impl From<WorkJson> for WorkView {
    fn from(json: WorkJson) -> Self {
        Self {
            kind: json.doing,
            path: json.path,
            bytes: json.bytes,
            position: json.position,
            size: json.size,
            duration: Duration::try_from_secs_f64(json.seconds).unwrap_or_default(),
        }
    }
}

impl From<&SessionView> for SessionJson {
    fn from(view: &SessionView) -> Self {
        Self {
            id: view.id,
            user: view.user.to_string(),
            share: view.share,
            peer: view.peer,
            client: view.client.clone(),
            protocol: view.protocol.name().to_owned(),
            since: view.since.to_string(),
            channels: view.channels,
            bytes_in: view.bytes_in,
            bytes_out: view.bytes_out,
            used_bytes: view.home.map(|home| home.used_bytes),
            quota_bytes: view.home.and_then(|home| home.quota_bytes),
            folders: view.folders.iter().map(Into::into).collect(),
            open_files: view.open_files,
            files: view.work.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<SessionJson> for SessionView {
    type Error = Error;

    fn try_from(json: SessionJson) -> Result<Self> {
        Ok(Self {
            id: json.id,
            user: UserName::stored(&json.user)?,
            share: json.share,
            peer: json.peer,
            client: json.client,
            protocol: Protocol::of_name(&json.protocol)
                .ok_or_else(|| Error::new("the server's answer has a session of an unknown protocol"))?,
            since: time(&json.since)?,
            channels: json.channels,
            bytes_in: json.bytes_in,
            bytes_out: json.bytes_out,
            home: json.used_bytes.map(|used_bytes| HomeFilling {
                used_bytes,
                quota_bytes: json.quota_bytes,
            }),
            folders: json
                .folders
                .into_iter()
                .map(FolderFilling::try_from)
                .collect::<Result<_>>()?,
            open_files: json.open_files,
            work: json.files.into_iter().map(Into::into).collect(),
        })
    }
}

fn time(text: &str) -> Result<Timestamp> {
    text.parse()
        .map_err(|cause| Error::new("the server sent an invalid time").because(cause))
}

/// What the server does as a whole, as `top --json` prints it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusJson {
    version: String,
    /// The time of the start (RFC 3339, UTC).
    since: String,
    stopping: bool,
    sessions: usize,
    unauthenticated: usize,
    bytes_up: u64,
    bytes_down: u64,
    file_systems: Vec<FilesystemJson>,
    places: Vec<PlaceJson>,
}

/// A file system that is in use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FilesystemJson {
    device: u64,
    slow: bool,
    hangs: bool,
}

/// The space in a directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlaceJson {
    path: String,
    free_bytes: u64,
    total_bytes: u64,
}

impl From<&StatusView> for StatusJson {
    fn from(view: &StatusView) -> Self {
        let file_system = |state: &FilesystemState| FilesystemJson {
            device: state.device,
            slow: state.is_slow,
            hangs: state.hangs,
        };
        let place = |place: &PlaceSpace| PlaceJson {
            path: place.path.display().to_string(),
            free_bytes: place.free_bytes,
            total_bytes: place.total_bytes,
        };
        Self {
            version: view.version.clone(),
            since: view.since.to_string(),
            stopping: view.is_stopping,
            sessions: view.sessions,
            unauthenticated: view.unauthenticated,
            bytes_up: view.bytes_up,
            bytes_down: view.bytes_down,
            file_systems: view.file_systems.iter().map(file_system).collect(),
            places: view.places.iter().map(place).collect(),
        }
    }
}

impl TryFrom<StatusJson> for StatusView {
    type Error = Error;

    fn try_from(json: StatusJson) -> Result<Self> {
        let file_system = |json: FilesystemJson| FilesystemState {
            device: json.device,
            is_slow: json.slow,
            hangs: json.hangs,
        };
        let place = |json: PlaceJson| PlaceSpace {
            path: json.path.into(),
            free_bytes: json.free_bytes,
            total_bytes: json.total_bytes,
        };
        Ok(Self {
            since: time(&json.since)?,
            version: json.version,
            is_stopping: json.stopping,
            sessions: json.sessions,
            unauthenticated: json.unauthenticated,
            bytes_up: json.bytes_up,
            bytes_down: json.bytes_down,
            file_systems: json.file_systems.into_iter().map(file_system).collect(),
            places: json.places.into_iter().map(place).collect(),
        })
    }
}
