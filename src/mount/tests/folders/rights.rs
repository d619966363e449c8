//! The model: what a user may do where, worked out from the words of the records alone.

use std::collections::{BTreeMap, BTreeSet};

use super::disk::Trees;
use crate::domain::permission::Permission;

/// The permissions in one storage by directory, `/` among them.
#[derive(Debug, Clone)]
pub(super) struct Rights(BTreeMap<String, BTreeSet<Permission>>);

impl Rights {
    /// Completes what a user's record says by what the group's record says, directory by directory.
    pub(super) fn merged(layers: &[&RightsByPath], for_root: BTreeSet<Permission>) -> Self {
        let mut all = RightsByPath::from([("/".to_owned(), for_root)]);
        for layer in layers {
            all.extend(layer.iter().map(|(at, set)| (at.clone(), set.clone())));
        }
        Self(all)
    }

    /// Whether the permissions differ by directory.
    pub(super) fn have_zones(&self) -> bool {
        self.0.len() > 1
    }

    /// Returns the directory and the permissions that decide about a name.
    pub(super) fn rule(&self, name: &str) -> (&str, &BTreeSet<Permission>) {
        let mut at = name;
        loop {
            if let Some((rule, set)) = self.0.get_key_value(at) {
                return (rule.as_str(), set);
            }
            at = match at.rsplit_once('/') {
                Some((above, _)) if !above.is_empty() => above,
                _ => "/",
            };
        }
    }

    pub(super) fn may(&self, name: &str, permission: Permission) -> bool {
        self.rule(name).1.contains(&permission)
    }

    /// Whether a rule begins at this name or below it, so that it has to stay.
    pub(super) fn is_fixed(&self, name: &str) -> bool {
        self.have_zones() && self.0.keys().any(|rule| is_at_or_below(rule, name))
    }

    /// Whether a name does not exist for the user.
    pub(super) fn is_hidden(&self, name: &str) -> bool {
        let leads = || {
            let mut rules = self.0.iter().filter(|(_, set)| !set.is_empty());
            name == "/" || rules.any(|(rule, _)| is_at_or_below(rule, name))
        };
        self.have_zones() && self.rule(name).1.is_empty() && !leads()
    }

    /// Whether the user may do something somewhere.
    pub(super) fn are_any(&self) -> bool {
        self.0.values().any(|set| !set.is_empty())
    }
}

/// The permissions that one record has, by directory.
pub(super) type RightsByPath = BTreeMap<String, BTreeSet<Permission>>;

/// Whether `name` is `directory`, or lies below it.
pub(super) fn is_at_or_below(name: &str, directory: &str) -> bool {
    let rest = name.strip_prefix(directory);
    directory == "/" || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// One user of the model.
#[derive(Debug)]
pub(super) struct UserModel {
    /// The number of the storage that is the home.
    pub(super) home: usize,
    pub(super) home_rights: Rights,
    /// The folders that the user sees, by name: the number of the storage, and the permissions in it.
    pub(super) folders: BTreeMap<String, (usize, Rights)>,
}

/// What the model knows of a path before a call.
#[derive(Debug, Clone)]
pub(super) struct Spot {
    pub(super) storage: usize,
    /// The path in the storage. It has no meaning if the path goes [through a link](Self::through_link).
    pub(super) name: String,
    /// Whether this is `/NAME` of a folder.
    pub(super) is_folder_itself: bool,
    /// Whether a symbolic link lies on the way.
    pub(super) through_link: bool,
    /// Whether a `..` stands behind a symbolic link.
    pub(super) up_behind_link: bool,
    /// Whether the name is a symbolic link.
    pub(super) is_link: bool,
}

impl Spot {
    pub(super) fn meets_link(&self) -> bool {
        self.through_link || self.is_link
    }
}

impl UserModel {
    /// Returns where a path leads. A path that meets a link does not leave the link's storage any more.
    pub(super) fn spot(&self, trees: &Trees, path: &str) -> Spot {
        let mut names: Vec<&str> = Vec::new();
        for component in path.split('/') {
            match component {
                "" | "." => {}
                ".." if self.has_link(trees, &names) => {
                    let (storage, name) = self.split(&names);
                    return Spot {
                        storage,
                        name,
                        is_folder_itself: false,
                        through_link: true,
                        up_behind_link: true,
                        is_link: false,
                    };
                }
                ".." => {
                    names.pop();
                }
                name => names.push(name),
            }
        }
        let (storage, name) = self.split(&names);
        let above = names.len().saturating_sub(1);
        Spot {
            storage,
            is_folder_itself: names.len() == 1 && self.folders.contains_key(names[0]),
            through_link: self.has_link(trees, &names[..above]),
            up_behind_link: false,
            is_link: trees.get(storage, &name).is_some_and(|found| found.kind == 'l'),
            name,
        }
    }

    /// Returns the path as the user sees it.
    pub(super) fn shown(&self, spot: &Spot) -> String {
        let mut folders = self.folders.iter();
        match folders.find(|(_, (storage, _))| *storage == spot.storage) {
            Some((folder, _)) => format!("/{folder}{}", spot.name.trim_end_matches('/')),
            None => spot.name.clone(),
        }
    }

    /// Returns the storage of these names, and the path in it.
    fn split(&self, names: &[&str]) -> (usize, String) {
        match names.first().and_then(|name| self.folders.get(*name)) {
            Some((storage, _)) => (*storage, format!("/{}", names[1..].join("/"))),
            None => (self.home, format!("/{}", names.join("/"))),
        }
    }

    fn has_link(&self, trees: &Trees, names: &[&str]) -> bool {
        (1..=names.len()).any(|length| {
            let (storage, name) = self.split(&names[..length]);
            trees.get(storage, &name).is_some_and(|found| found.kind == 'l')
        })
    }

    /// Returns the permissions in a storage. In one that the user does not see, there are none.
    pub(super) fn rights(&self, storage: usize) -> Option<&Rights> {
        let mut folders = self.folders.values();
        match storage == self.home {
            true => Some(&self.home_rights),
            false => folders.find(|(of, _)| *of == storage).map(|(_, rights)| rights),
        }
    }
}
