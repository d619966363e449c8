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
        let in_folder = plain.split_first().and_then(|(name, below)| {
            let mut folders = self.folders.iter();
            let folder = folders.find(|folder| folder.name.as_str().as_bytes() == name)?;
            Some((&folder.path, below))
        });
        in_folder.unwrap_or((&self.home, plain))
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
        check("/in/a/b", "/data/in", "/a/b");
        check("/in", "/data/in", "/");
        check("/in/../inside/x", "/homes/alice", "/inside/x");
        check("/x/../in/./y", "/data/in", "/y");
    }
}
