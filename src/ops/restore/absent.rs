//! Finds the directories that a restored server needs, and that do not exist on this machine or lie where the server opens
//! none.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use crate::domain::folder::Folder;
use crate::domain::user::User;
use crate::ops::homes::{Resident, is_made_at_sign_in, place_of};
use crate::ops::installation::Installation;
use base::paths::Resolver;

/// Why the server cannot open a home or a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// It does not exist, and the server does not make it.
    Missing,
    /// It lies neither in `[storage] homes` nor in one of the roots of the restored configuration.
    Outside,
}

impl Absence {
    /// Returns the name: `missing` or `outside`.
    pub fn name(self) -> &'static str {
        match self {
            Absence::Missing => "missing",
            Absence::Outside => "outside",
        }
    }
}

/// A home or a folder that the restored server cannot open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbsentPlace {
    /// The absolute path.
    pub path: PathBuf,
    /// Whether it is a home or a folder.
    pub kind: Resident,
    /// The users of the home, or the name of the folder.
    pub names: Vec<String>,
    /// Why the server cannot open it.
    pub absence: Absence,
}

/// Returns the directories that the server cannot open, as `check` reports them, in the order of their paths.
pub(super) fn find(installation: &Installation, users: &[User], folders: &[Folder]) -> Vec<AbsentPlace> {
    let mut places: BTreeMap<PathBuf, AbsentPlace> = BTreeMap::new();
    let mut resolver = Resolver::default();
    let homes = users
        .iter()
        .filter(|user| !is_made_at_sign_in(installation, user, &resolver.resolve(&user.home)))
        .map(|user| (&user.home, Resident::Home, user.name.to_string()))
        .collect::<Vec<_>>()
        .into_iter();
    let folders = folders
        .iter()
        .map(|folder| (&folder.path, Resident::Folder, folder.name.to_string()));
    for (path, kind, name) in homes.chain(folders) {
        let place = places.entry(path.clone()).or_insert_with(|| AbsentPlace {
            path: path.clone(),
            kind,
            names: Vec::new(),
            absence: match place_of(installation, path) {
                Some(_) => Absence::Missing,
                None => Absence::Outside,
            },
        });
        place.names.push(name);
    }
    let mut is_absent = |place: &AbsentPlace| match place.absence {
        Absence::Outside => true,
        Absence::Missing => {
            let metadata = resolver.resolve(&place.path).metadata();
            matches!(metadata, Err(e) if e.kind() == io::ErrorKind::NotFound)
        }
    };
    places.into_values().filter(|place| is_absent(place)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::folder::CreationChoice;
    use crate::domain::user::Quota;

    #[test]
    fn what_the_server_does_not_make_is_missing_and_what_lies_elsewhere_is_outside() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        let mut installation = Installation::default();
        installation.storage.homes = base.join("homes");
        installation.storage.roots = vec![base.join("root")];
        std::fs::create_dir_all(base.join("root/here")).unwrap();
        let user = |name: &str, home: &str| {
            let mut user = User::blank(name.parse().unwrap());
            user.home = base.join(home);
            user
        };
        let folder = |name: &str, path: &str| Folder {
            name: name.parse().unwrap(),
            path: base.join(path),
            comment: String::new(),
            quota: Quota::default(),
            creation: CreationChoice::default(),
        };
        let users = [
            user("a", "homes/a"),
            user("b", "root/gone"),
            user("c", "root/here"),
            user("d", "root/gone"),
            user("e", "elsewhere/e"),
            user("f", "elsewhere/here"),
        ];
        std::fs::create_dir_all(base.join("elsewhere/here")).unwrap();
        let folders = [folder("team", "homes/team"), folder("here", "root/here/f")];
        std::fs::create_dir(base.join("root/here/f")).unwrap();
        let found = find(&installation, &users, &folders);
        let row = |path: &str, kind, names: &[&str], absence| AbsentPlace {
            path: base.join(path),
            kind,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            absence,
        };
        assert_eq!(
            found,
            [
                row("elsewhere/e", Resident::Home, &["e"], Absence::Outside),
                row("elsewhere/here", Resident::Home, &["f"], Absence::Outside),
                row("homes/team", Resident::Folder, &["team"], Absence::Missing),
                row("root/gone", Resident::Home, &["b", "d"], Absence::Missing),
            ]
        );
    }
}
