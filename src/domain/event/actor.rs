//! Who has caused an event, and where that user's files lie.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use crate::domain::folder::{Folder, FolderName};
use crate::domain::path::VirtualPath;
use crate::domain::user::UserName;

/// The session and the user that an event belongs to.
#[derive(Debug, Clone)]
pub struct Actor {
    /// The id of the session.
    pub session: SessionId,
    /// The name of the session's user.
    pub user: UserName,
    /// The address and port that the client comes from.
    pub peer: SocketAddr,
    /// The absolute path of the user's home on the server.
    pub home: Arc<Path>,
    /// The folders that the user sees.
    pub folders: Arc<[FolderPlace]>,
    /// The protocol that the client speaks.
    pub protocol: Protocol,
    /// The number of the share, if a visitor acts on behalf of the user.
    pub share: Option<i64>,
}

/// A protocol by which users reach their files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// SSH, with SFTP, scp and commands in it.
    Ssh,
    /// HTTP: the web page and its API.
    Web,
}

impl Protocol {
    /// All protocols.
    pub const ALL: [Self; 2] = [Protocol::Ssh, Protocol::Web];

    /// Returns the name in the audit log.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Ssh => "ssh",
            Protocol::Web => "web",
        }
    }

    /// Returns the protocol with this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == name)
    }
}

/// Where a folder of a user lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderPlace {
    /// The name of the folder.
    pub name: FolderName,
    /// The absolute path of the folder on the server.
    pub path: Arc<Path>,
}

impl FolderPlace {
    /// Returns where a folder lies.
    pub fn of(folder: &Folder) -> Self {
        Self {
            name: folder.name.clone(),
            path: folder.path.as_path().into(),
        }
    }
}

impl Actor {
    /// Returns where a path of the user really lies: in the home or in a folder, by its absolute path on the server, and
    /// the path in there. Links are not looked at.
    pub fn place_of(&self, path: &VirtualPath) -> (&Arc<Path>, VirtualPath) {
        let plain = path.without_dots();
        match self.split(&plain) {
            Some((folder, below)) => (&folder.path, below),
            None => (&self.home, plain),
        }
    }

    /// Returns the name of the folder that a path of the user lies in; `None` for a path in the home. Links are not looked
    /// at.
    pub fn folder_of(&self, path: &VirtualPath) -> Option<&FolderName> {
        self.split(&path.without_dots()).map(|(folder, _)| &folder.name)
    }

    /// Returns the folder of a path without dots, and the path in there; `None` for a path in the home.
    fn split(&self, plain: &VirtualPath) -> Option<(&FolderPlace, VirtualPath)> {
        let (name, below) = plain.split_first()?;
        let mut folders = self.folders.iter();
        let folder = folders.find(|folder| folder.name.as_str().as_bytes() == name)?;
        Some((folder, below))
    }
}

/// The id of a signed-in connection. It is unique while the server runs and is never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_lies_in_the_home_or_in_a_folder() {
        let who = Actor {
            session: SessionId(1),
            user: "alice".parse().unwrap(),
            peer: "192.0.2.1:22".parse().unwrap(),
            home: Path::new("/homes/alice").into(),
            folders: [FolderPlace {
                name: "in".parse().unwrap(),
                path: Path::new("/data/in").into(),
            }]
            .into(),
            protocol: Protocol::Ssh,
            share: None,
        };
        let check = |path: &str, place: &str, inside: &str| {
            let path = VirtualPath::parse(path.as_bytes()).unwrap();
            let (found, path) = who.place_of(&path);
            assert_eq!(
                (&**found, path.absolute()),
                (Path::new(place), inside.into()),
                "{path}"
            );
        };
        let folder = |path: &[u8]| who.folder_of(&VirtualPath::parse(path).unwrap()).cloned();
        assert_eq!(folder(b"/in/a"), Some("in".parse().unwrap()));
        assert_eq!(folder(b"/in/../a"), None);
        check("/in/a/b", "/data/in", "/a/b");
        check("/in", "/data/in", "/");
        check("/in/../inside/x", "/homes/alice", "/inside/x");
        check("/x/../in/./y", "/data/in", "/y");
    }
}
