//! Finds homes and folders that exclude each other: those inside each other, and homes whose users have different quotas.

use std::path::{Path, PathBuf};

use crate::domain::folder::Folder;
use crate::domain::user::{Quota, UserName};
use base::error::Error;

/// Who has a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectoryHolder {
    /// The user with this name.
    User(String),
    /// The folder with this name.
    Folder(String),
}

impl DirectoryHolder {
    /// Returns the word for what the directory is.
    fn kind(&self) -> &'static str {
        match self {
            DirectoryHolder::User(_) => "home",
            DirectoryHolder::Folder(_) => "folder",
        }
    }

    /// Returns a clause for the directory.
    fn described(&self) -> String {
        match self {
            DirectoryHolder::User(name) => format!("the home of the user \"{name}\""),
            DirectoryHolder::Folder(name) => format!("the folder \"{name}\""),
        }
    }
}

/// A home or a folder, and who has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldDirectory {
    path: PathBuf,
    /// Who has it.
    pub holder: DirectoryHolder,
}

impl HeldDirectory {
    /// Creates the directory of a user or a folder. `path` is absolute.
    pub(super) fn new(path: &Path, holder: DirectoryHolder) -> Self {
        Self {
            path: path.to_owned(),
            holder,
        }
    }
}

/// Why two directories exclude each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConflictCause {
    /// One is the other, or lies inside it: each quota would count the other's files, and users could reach files that
    /// are not theirs.
    Overlap,
    /// It is one home of two users with different quotas, and a home has one account.
    Quota,
}

/// Two directories that exclude each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceConflict {
    /// The one that cannot be used.
    pub one: HeldDirectory,
    /// The one that is in its way.
    pub other: HeldDirectory,
    /// The reason.
    pub why: ConflictCause,
}

impl PlaceConflict {
    /// Returns the same conflict as one about the other directory.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self {
            one: self.other,
            other: self.one,
            why: self.why,
        }
    }

    /// Returns what cannot be done.
    pub fn what(&self) -> String {
        format!("cannot use the {} {:?}", self.one.holder.kind(), self.one.path)
    }

    /// Returns why it cannot be done.
    pub fn cause(&self) -> String {
        let (ours, theirs) = (&self.one.path, &self.other.path);
        let other = self.other.holder.described();
        match (self.why, &self.other.holder) {
            (ConflictCause::Quota, DirectoryHolder::User(name) | DirectoryHolder::Folder(name)) => {
                format!("the user \"{name}\" has the same home with another quota")
            }
            (ConflictCause::Overlap, _) if ours == theirs => format!("it is {other}"),
            (ConflictCause::Overlap, _) if ours.starts_with(theirs) => {
                format!("it lies inside {other}, {theirs:?}")
            }
            (ConflictCause::Overlap, _) => format!("{other}, {theirs:?}, lies inside it"),
        }
    }

    /// Returns what the operator can do.
    pub fn hint(&self) -> &'static str {
        match (self.why, &self.one.holder, &self.other.holder) {
            (ConflictCause::Quota, ..) => "users of one home share its quota: give both the same",
            (_, DirectoryHolder::User(_), DirectoryHolder::User(_)) => "homes must be separate, or the same",
            (_, DirectoryHolder::User(_), DirectoryHolder::Folder(_)) => {
                "a home must be separate from all folders: choose another home; --folder gives a user a folder"
            }
            (_, DirectoryHolder::Folder(_), _) => {
                "a folder must be separate from all homes and other folders: choose another directory for it"
            }
        }
    }

    /// Returns the error about the directory that cannot be used.
    pub(super) fn error(&self) -> Error {
        Error::new(self.what()).because(self.cause()).hint(self.hint())
    }
}

/// The home of a user, and the quota that is in force there.
#[derive(Debug, Clone, Copy)]
pub struct HomeOwner<'a> {
    /// The name of the user.
    pub user: &'a UserName,
    /// The absolute path of the home.
    pub home: &'a Path,
    /// The quota of the home.
    pub quota: Quota,
}

/// A directory; of a home, with the quota of its user.
type ClaimedDirectory = (HeldDirectory, Option<Quota>);

/// Returns the homes and folders that exclude each other, as if all were in the store. Each is the one that cannot be used in
/// one conflict at most for its place, the one with the nearest directory around it, and in one for its quota.
pub fn place_conflicts(owners: &[HomeOwner<'_>], folders: &[Folder]) -> Vec<PlaceConflict> {
    let users = owners.iter().map(|owner| {
        let holder = DirectoryHolder::User(owner.user.to_string());
        (HeldDirectory::new(owner.home, holder), Some(owner.quota))
    });
    let folders = folders.iter().map(|folder| {
        let holder = DirectoryHolder::Folder(folder.name.to_string());
        (HeldDirectory::new(&folder.path, holder), None)
    });
    let mut all: Vec<ClaimedDirectory> = users.chain(folders).collect();
    // Paths are ordered by their components: what lies inside a directory follows it at once. Of one directory, users come
    // before folders.
    all.sort_by(|one, other| one.0.path.cmp(&other.0.path));
    let mut conflicts = Vec::new();
    // The directories around the current one, the outermost first.
    let mut around: Vec<&ClaimedDirectory> = Vec::new();
    for current in &all {
        let (directory, quota) = current;
        while around
            .last()
            .is_some_and(|(outer, _)| !directory.path.starts_with(&outer.path))
        {
            around.pop();
        }
        let mut conflict = |(other, _): &ClaimedDirectory, why| {
            conflicts.push(PlaceConflict {
                one: directory.clone(),
                other: other.clone(),
                why,
            });
        };
        match around.last().copied() {
            // The first one that has a directory stands for it.
            Some(first) if first.0.path == directory.path => match (first.1, quota) {
                (Some(its), Some(ours)) => {
                    if its != *ours {
                        conflict(first, ConflictCause::Quota);
                    }
                    if let Some(outer) = around.iter().rev().nth(1) {
                        conflict(outer, ConflictCause::Overlap);
                    }
                }
                _ => conflict(first, ConflictCause::Overlap),
            },
            outer => {
                if let Some(outer) = outer {
                    conflict(outer, ConflictCause::Overlap);
                }
                around.push(current);
            }
        }
    }
    conflicts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::folder::CreationChoice;

    /// Returns what is told of these homes and folders: `NAME:PATH`, with a quota in bytes behind a home's path.
    fn told(homes: &[(&str, &str, u64)], folders: &[(&str, &str)]) -> Vec<String> {
        let names: Vec<UserName> = homes.iter().map(|(name, ..)| name.parse().unwrap()).collect();
        let owners: Vec<HomeOwner<'_>> = homes
            .iter()
            .zip(&names)
            .map(|((_, home, bytes), user)| HomeOwner {
                user,
                home: Path::new(home),
                quota: Quota {
                    bytes: Some(*bytes),
                    files: None,
                },
            })
            .collect();
        let folders: Vec<Folder> = folders
            .iter()
            .map(|(name, path)| Folder {
                name: name.parse().unwrap(),
                path: path.into(),
                comment: String::new(),
                quota: Quota::default(),
                creation: CreationChoice::default(),
            })
            .collect();
        let conflicts = place_conflicts(&owners, &folders);
        let name = |holder: &DirectoryHolder| match holder {
            DirectoryHolder::User(name) | DirectoryHolder::Folder(name) => name.clone(),
        };
        let line = |conflict: &PlaceConflict| {
            let (one, other) = (name(&conflict.one.holder), name(&conflict.other.holder));
            format!("{one} {other} {:?}", conflict.why)
        };
        conflicts.iter().map(line).collect()
    }

    #[test]
    fn all_conflicts_are_found() {
        let check = |homes: &[(&str, &str, u64)], folders: &[(&str, &str)], expected: &[&str]| {
            assert_eq!(told(homes, folders), expected, "{homes:?} {folders:?}");
        };
        check(
            &[("a", "/h/a", 1), ("ab", "/h/ab", 1), ("b", "/h/b", 2)],
            &[("f", "/h/f")],
            &[],
        );
        // One home of two users.
        check(&[("a", "/h", 1), ("b", "/h", 1)], &[], &[]);
        check(&[("a", "/h", 1), ("b", "/h", 2)], &[], &["b a Quota"]);
        // Several homes inside one are all told, although they are separate.
        check(
            &[
                ("a", "/h", 1),
                ("b", "/h/b", 1),
                ("c", "/h/c", 1),
                ("d", "/h/c/d", 1),
            ],
            &[],
            &["b a Overlap", "c a Overlap", "d c Overlap"],
        );
        check(
            &[("a", "/f/a", 1), ("b", "/h", 1)],
            &[("f", "/f"), ("g", "/h"), ("h", "/f/h"), ("i", "/f/h")],
            &["a f Overlap", "h f Overlap", "i h Overlap", "g b Overlap"],
        );
        // Each user of a shared home inside a folder is told.
        check(
            &[("a", "/f/x", 1), ("b", "/f/x", 2)],
            &[("f", "/f")],
            &["a f Overlap", "b a Quota", "b f Overlap"],
        );
    }

    #[test]
    fn a_conflict_says_what_why_and_what_to_do() {
        let user = |path: &str| HeldDirectory::new(Path::new(path), DirectoryHolder::User("tom".to_owned()));
        let folder =
            |path: &str| HeldDirectory::new(Path::new(path), DirectoryHolder::Folder("team".to_owned()));
        let check = |one: HeldDirectory, other: HeldDirectory, expected: &str| {
            let conflict = PlaceConflict {
                one,
                other,
                why: ConflictCause::Overlap,
            };
            let told = conflict.error().to_string();
            assert!(told.starts_with(expected), "{told}");
            assert!(told.contains(" (hint: "), "{told}");
        };
        check(
            folder("/h"),
            user("/h"),
            "cannot use the folder \"/h\": it is the home of the user \"tom\" (hint: a folder must be separate",
        );
        check(
            user("/f"),
            folder("/f"),
            "cannot use the home \"/f\": it is the folder \"team\" (hint: a home must be separate from all folders",
        );
        check(
            user("/f/h"),
            folder("/f"),
            "cannot use the home \"/f/h\": it lies inside the folder \"team\", \"/f\" (hint: ",
        );
        check(
            folder("/h"),
            user("/h/x"),
            "cannot use the folder \"/h\": the home of the user \"tom\", \"/h/x\", lies inside it (hint: ",
        );
    }
}
