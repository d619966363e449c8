//! What a share opens to its visitors: one file or directory of its owner, and what may be done there. It is a rule about
//! paths and permissions; who may be a visitor is decided in [`crate::auth`].

use super::folder::Folder;
use super::path::VirtualPath;
use super::permission::{Permission, PermissionRules, Permissions, RulePath};
use base::error::Error;

/// What a share is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharePurpose {
    /// Whether the path is that of a directory, and not of a file.
    pub is_directory: bool,
    /// Whether visitors may fetch what is there.
    pub download: bool,
    /// Whether visitors may send files.
    pub upload: bool,
}

/// What a share opens at most. Its owner's own permissions limit it further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareScope {
    /// The absolute path as the owner sees it, without dots and without a slash at its end.
    path: VirtualPath,
    /// What visitors may do there at most.
    most: Permissions,
}

/// What is left of a user's permissions within a share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedTrees {
    /// The permissions in the home, by directory.
    pub home: PermissionRules,
    /// The folder that the share lies in, if it lies in one, with the permissions there.
    pub folders: Vec<(Folder, PermissionRules)>,
}

impl ShareScope {
    /// Returns what a share of this path opens. A visitor never renames, replaces, removes or changes anything.
    ///
    /// # Errors
    /// Returns an error for a path that no rule about permissions can have, and for a share that allows nothing.
    pub fn new(path: &VirtualPath, purpose: SharePurpose) -> Result<Self, Error> {
        let SharePurpose {
            is_directory,
            download,
            upload,
        } = purpose;
        let path = path.without_dots().without_slash();
        rule_path(&path).ok_or_else(|| {
            Error::new("this path cannot be shared")
                .because("its names are not UTF-8, have control characters, or are longer than 1024 bytes")
                .hint("rename it, or share the directory that it lies in")
        })?;
        if upload && !is_directory {
            return Err(Error::new("a file is shared for downloads only")
                .hint("share a directory, so that visitors can send files"));
        }
        if !download && !upload {
            return Err(Error::new("a share allows downloads, uploads or both"));
        }
        // Whoever knows a file's name may read it; the names themselves are for shared directories only.
        let granted = [
            (Permission::List, download && is_directory),
            (Permission::Read, download),
            (Permission::Create, upload),
        ];
        let most = granted
            .into_iter()
            .filter_map(|(permission, is_granted)| is_granted.then_some(permission))
            .collect();
        Ok(Self { path, most })
    }

    /// Returns the absolute path as the owner sees it.
    pub fn path(&self) -> &VirtualPath {
        &self.path
    }

    /// Returns what visitors may do at the path itself.
    pub fn granted(&self, home: &PermissionRules, folders: &[(Folder, PermissionRules)]) -> Permissions {
        let trees = self.restrict(home, folders);
        match (trees.folders.first(), self.path.split_first()) {
            (Some((_, rules)), Some((_, below))) => rules.at(&below).clone(),
            _ => trees.home.at(&self.path).clone(),
        }
    }

    /// Returns what is left of the owner's permissions: those of the share at its path and below, and none elsewhere.
    pub fn restrict(&self, home: &PermissionRules, folders: &[(Folder, PermissionRules)]) -> SharedTrees {
        let nothing = || PermissionRules::uniform(Permissions::none());
        let in_folder = self.path.split_first().and_then(|(name, below)| {
            let mut folders = folders.iter();
            let (folder, rules) = folders.find(|(folder, _)| folder.name.as_str().as_bytes() == name)?;
            Some((folder.clone(), restricted(rules, &below, &self.most)))
        });
        match in_folder {
            Some((folder, rules)) => SharedTrees {
                home: nothing(),
                folders: vec![(folder, rules.unwrap_or_else(nothing))],
            },
            None => SharedTrees {
                home: restricted(home, &self.path, &self.most).unwrap_or_else(nothing),
                folders: Vec::new(),
            },
        }
    }
}

/// Returns the path of a rule that begins at `path`; `None` if there can be none.
fn rule_path(path: &VirtualPath) -> Option<RulePath> {
    String::from_utf8(path.absolute()).ok()?.parse().ok()
}

/// Returns the rules at `place` and below it, with no more than `most`; elsewhere nothing is allowed.
fn restricted(rules: &PermissionRules, place: &VirtualPath, most: &Permissions) -> Option<PermissionRules> {
    let common = |set: &Permissions| -> Permissions { set.iter().filter(|one| most.allows(*one)).collect() };
    let begin = rule_path(&place.without_dots().without_slash())?;
    let below = rules.iter().filter(|(path, _)| path.is_within(place));
    let mut all: Vec<(RulePath, Permissions)> = vec![(RulePath::root(), Permissions::none())];
    // A later pair replaces an earlier one with the same path.
    all.push((begin, common(rules.at(place))));
    all.extend(below.map(|(path, set)| (path.clone(), common(set))));
    Some(all.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: SharePurpose = SharePurpose {
        is_directory: true,
        download: true,
        upload: true,
    };

    fn path(text: &str) -> VirtualPath {
        VirtualPath::parse(text.as_bytes()).unwrap()
    }

    fn rules(list: &[(&str, &str)]) -> PermissionRules {
        let rule = |(path, set): &(&str, &str)| (path.parse().unwrap(), set.parse().unwrap());
        list.iter().map(rule).collect()
    }

    fn folder(name: &str) -> Folder {
        Folder {
            name: name.parse().unwrap(),
            path: "/data/in".into(),
            comment: String::new(),
            quota: crate::domain::quota::Quota::default(),
            creation: crate::domain::folder::CreationChoice::default(),
        }
    }

    #[test]
    fn a_share_opens_its_path_and_nothing_else() {
        let check = |shared: &str, purpose: SharePurpose, owner: &[(&str, &str)], expected: &str| {
            let scope = ShareScope::new(&path(shared), purpose).unwrap();
            let trees = scope.restrict(&rules(owner), &[]);
            assert_eq!(
                trees.home.to_string(),
                expected,
                "{shared} {purpose:?} of {owner:?}"
            );
            assert!(trees.folders.is_empty());
        };
        let download = SharePurpose {
            upload: false,
            ..BOTH
        };
        let upload = SharePurpose {
            download: false,
            ..BOTH
        };
        let file = SharePurpose {
            is_directory: false,
            ..download
        };
        let all = [("/", "all")];
        check("/docs", BOTH, &all, "/=none /docs=list,read,create");
        check("/docs/", download, &all, "/=none /docs=list,read");
        check("/docs", upload, &all, "/=none /docs=create");
        check("/docs/a.txt", file, &all, "/=none /docs/a.txt=read");
        check("/", download, &all, "list,read");
        // The owner cannot share what the owner may not do.
        check("/docs", BOTH, &[("/", "list")], "/=none /docs=list");
        let by_directory = [
            ("/", "all"),
            ("/docs/in", "create"),
            ("/docs/secret", "none"),
            ("/docsx", "all"),
        ];
        check(
            "/docs",
            download,
            &by_directory,
            "/=none /docs=list,read /docs/in=none /docs/secret=none",
        );
        check("/docs/in/x", BOTH, &by_directory, "/=none /docs/in/x=create");
        check("/docs/in", BOTH, &by_directory, "/=none /docs/in=create");
    }

    #[test]
    fn a_share_in_a_folder_opens_nothing_of_the_home() {
        let folders = [
            (folder("in"), rules(&[("/", "all")])),
            (folder("out"), rules(&[("/", "all")])),
        ];
        let restrict = |shared: &str| {
            let scope = ShareScope::new(&path(shared), BOTH).unwrap();
            let trees = scope.restrict(&PermissionRules::all(), &folders);
            let of_folders: Vec<String> = trees
                .folders
                .iter()
                .map(|(folder, rules)| format!("{}: {rules}", folder.name))
                .collect();
            (trees.home.to_string(), of_folders.join("; "))
        };
        let check = |shared: &str, home: &str, folders: &str| {
            assert_eq!(
                restrict(shared),
                (home.to_owned(), folders.to_owned()),
                "{shared}"
            );
        };
        check("/in", "none", "in: list,read,create");
        check("/in/a", "none", "in: /=none /a=list,read,create");
        check("/inside", "/=none /inside=list,read,create", "");
    }

    #[test]
    fn what_cannot_be_shared_is_refused() {
        let check = |shared: &[u8], purpose: SharePurpose, expected: &str| {
            let error = ShareScope::new(&VirtualPath::parse(shared).unwrap(), purpose).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        };
        check(b"/a\xff", BOTH, "cannot be shared");
        check(b"/a\n", BOTH, "cannot be shared");
        let file = SharePurpose {
            is_directory: false,
            ..BOTH
        };
        check(b"/a", file, "for downloads only");
        let neither = SharePurpose {
            download: false,
            upload: false,
            ..BOTH
        };
        check(b"/a", neither, "downloads, uploads or both");
    }
}
