//! What users may do: the kinds of operations, and sets of them for a whole tree or by directory.

pub mod change;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use super::path::VirtualPath;
use base::error::Error;

/// Makes the enum of all permissions from one list, in the order in which they are listed. The names are stable: the
/// command line and the store use them.
macro_rules! permissions {
    ($($(#[$doc:meta])* $permission:ident = $name:literal,)*) => {
        /// One kind of operation that a user may be allowed to do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Permission {
            $($(#[$doc])* $permission,)*
        }

        impl Permission {
            /// All permissions, in the order in which they are listed.
            pub const ALL: [Permission; [$($name),*].len()] = [$(Permission::$permission),*];

            /// Returns the stable name that the command line and the store use.
            pub fn name(self) -> &'static str {
                match self {
                    $(Permission::$permission => $name,)*
                }
            }
        }
    };
}

permissions! {
    /// The user may list directories and read the attributes of their entries.
    List = "list",
    /// The user may read files.
    Read = "read",
    /// The user may create new files.
    Create = "create",
    /// The user may write to existing files, truncate them and replace them by a rename.
    Overwrite = "overwrite",
    /// The user may remove files and directories.
    Delete = "delete",
    /// The user may rename and move files and directories.
    Rename = "rename",
    /// The user may create directories.
    Mkdir = "mkdir",
    /// The user may change modes and times.
    Attributes = "attributes",
    /// The user may create symbolic and hard links.
    Link = "link",
}

impl Permission {
    /// Returns the names of all permissions, for hints and help.
    pub fn all_names() -> String {
        Permission::ALL.map(Permission::name).join(", ")
    }
}

impl FromStr for Permission {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Permission::ALL
            .into_iter()
            .find(|p| p.name() == text)
            .ok_or_else(|| {
                Error::new(format!("\"{}\" is not a permission", text.escape_debug()))
                    .hint(Permission::all_names())
            })
    }
}

/// The set of permissions that a user has in the home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions(BTreeSet<Permission>);

impl Permissions {
    /// Returns all permissions, which is the default.
    pub fn all() -> Self {
        Self(Permission::ALL.into())
    }

    /// Returns the permissions of `--read-only`: list and read.
    pub fn read_only() -> Self {
        Self([Permission::List, Permission::Read].into())
    }

    /// Whether the permission is granted.
    pub fn allows(&self, permission: Permission) -> bool {
        self.0.contains(&permission)
    }

    /// Returns the granted permissions, in the order of [`Permission::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = Permission> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().collect())
    }
}

impl Permissions {
    /// Returns no permission at all.
    pub fn none() -> Self {
        Self(BTreeSet::new())
    }

    /// Whether no permission is granted. Names in such a directory do not exist for the user.
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }
}

/// Parses names of permissions that are separated by commas, or one of the words `all`, `read-only` and `none`.
impl FromStr for Permissions {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "all" => Ok(Permissions::all()),
            "read-only" => Ok(Permissions::read_only()),
            "none" => Ok(Permissions::none()),
            _ => text.split(',').map(|name| name.trim().parse()).collect(),
        }
    }
}

/// Formats the names of the permissions, separated by commas; no permission is `none`.
impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() {
            return f.write_str("none");
        }
        let names: Vec<&str> = self.iter().map(Permission::name).collect();
        f.write_str(&names.join(","))
    }
}

/// The longest path of a rule, in bytes.
const LONGEST_RULE: usize = 1024;

/// The directory that a rule begins at: an absolute path without empty components, `.` and `..`. `/` is the root of the
/// tree that the rules are about: a home, or a folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RulePath(String);

impl RulePath {
    /// Returns the path of the tree's root.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// Whether this is the tree's root.
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }

    /// Returns the path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the names of the directories from the root to this one; none for the root.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0
            .split('/')
            .filter(|name| !name.is_empty())
            .map(str::as_bytes)
    }

    /// Whether `path`, which has no `.` and `..`, is this directory or lies beneath it.
    fn contains(&self, path: &VirtualPath) -> bool {
        let mut components = path.names();
        self.names().all(|name| components.next() == Some(name))
    }

    /// Whether this directory lies beneath `path`, which has no `.` and `..`, or is `path` itself.
    pub fn is_within(&self, path: &VirtualPath) -> bool {
        let mut names = self.names();
        path.names().all(|name| names.next() == Some(name))
    }
}

impl FromStr for RulePath {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refused = |why: &str| {
            let shown: String = text.chars().take(64).collect();
            Error::new(format!("\"{}\" is not the path of a rule", shown.escape_debug()))
                .because(why.to_owned())
                .hint("an absolute path of a directory as the user sees it: /in")
        };
        if !text.starts_with('/') {
            return Err(refused("it does not begin with \"/\""));
        }
        if text.len() > LONGEST_RULE {
            return Err(refused("it is longer than 1024 bytes"));
        }
        if text.chars().any(char::is_control) {
            return Err(refused("it contains a control character"));
        }
        let names: Vec<&str> = text.split('/').filter(|name| !name.is_empty()).collect();
        if names.iter().any(|name| matches!(*name, "." | "..")) {
            return Err(refused("it contains \".\" or \"..\""));
        }
        Ok(Self(format!("/{}", names.join("/"))))
    }
}

impl fmt::Display for RulePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a user may do in a tree, by directory: the rule with the longest path that contains a name decides.
///
/// A record may have rules for some directories only, and inherit the others: see [`PermissionRules::over`]. Rules that
/// are in force always have one for the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionRules(BTreeMap<RulePath, Permissions>);

impl PermissionRules {
    /// Returns the same permissions for the whole tree.
    pub fn uniform(permissions: Permissions) -> Self {
        Self([(RulePath::root(), permissions)].into())
    }

    /// Returns all permissions for the whole tree, which is the default.
    pub fn all() -> Self {
        Self::uniform(Permissions::all())
    }

    /// Returns these rules, together with those of `base` for the other directories.
    #[must_use]
    pub fn over(&self, base: &Self) -> Self {
        let mut rules = base.0.clone();
        rules.extend(self.0.iter().map(|(path, set)| (path.clone(), set.clone())));
        Self(rules)
    }

    /// Returns the permissions of the whole tree if they are the same everywhere.
    pub fn as_uniform(&self) -> Option<&Permissions> {
        match (self.0.len(), self.0.get(&RulePath::root())) {
            (1, Some(permissions)) => Some(permissions),
            _ => None,
        }
    }

    /// Returns the path and the permissions of the rule that decides about `path`, which has no `.` and `..`. Where no
    /// rule does, as for rules that are not yet in force, nothing is allowed.
    pub fn rule(&self, path: &VirtualPath) -> (&RulePath, &Permissions) {
        static NOTHING: (RulePath, Permissions) = (RulePath(String::new()), Permissions(BTreeSet::new()));
        let deciding = self.0.iter().filter(|(rule, _)| rule.contains(path));
        let (nowhere, nothing) = (&NOTHING.0, &NOTHING.1);
        deciding
            .max_by_key(|(rule, _)| rule.0.len())
            .unwrap_or((nowhere, nothing))
    }

    /// Returns the permissions for `path`, which has no `.` and `..`.
    pub fn at(&self, path: &VirtualPath) -> &Permissions {
        self.rule(path).1
    }

    /// Whether a rule begins at `path`, which has no `.` and `..`, or beneath it. Such a directory stays where it is.
    pub fn begin_within(&self, path: &VirtualPath) -> bool {
        self.0.keys().any(|rule| rule.is_within(path))
    }

    /// Returns the first directory and permission that these rules grant and `now` does not.
    pub fn lost_in(&self, now: &Self) -> Option<(RulePath, Permission)> {
        let paths: BTreeSet<&RulePath> = self.0.keys().chain(now.0.keys()).collect();
        paths.into_iter().find_map(|path| {
            let place = VirtualPath::parse(path.0.as_bytes()).ok()?;
            let current = now.at(&place);
            let lost = self.at(&place).iter().find(|one| !current.allows(*one))?;
            Some((path.clone(), lost))
        })
    }

    /// Returns the rules, ordered by their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&RulePath, &Permissions)> {
        self.0.iter()
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Permissions> for PermissionRules {
    fn from(permissions: Permissions) -> Self {
        Self::uniform(permissions)
    }
}

impl FromIterator<(RulePath, Permissions)> for PermissionRules {
    fn from_iter<I: IntoIterator<Item = (RulePath, Permissions)>>(rules: I) -> Self {
        Self(rules.into_iter().collect())
    }
}

/// Formats the permissions alone if they are the same everywhere, otherwise each rule as `PATH=PERMISSIONS`, separated
/// by spaces.
impl fmt::Display for PermissionRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(permissions) = self.as_uniform() {
            return write!(f, "{permissions}");
        }
        let rules: Vec<String> = self.iter().map(|(path, set)| format!("{path}={set}")).collect();
        f.write_str(&rules.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(list: &[(&str, &str)]) -> PermissionRules {
        let rule = |(path, set): &(&str, &str)| (path.parse().unwrap(), set.parse().unwrap());
        list.iter().map(rule).collect()
    }

    fn at<'a>(rules: &'a PermissionRules, path: &str) -> &'a Permissions {
        rules.at(&VirtualPath::parse(path.as_bytes()).unwrap())
    }

    #[test]
    fn the_longest_path_decides_by_whole_names() {
        let rules = rules(&[("/", "list,read"), ("/in", "create"), ("/in/done", "none")]);
        assert_eq!(at(&rules, "/").to_string(), "list,read");
        assert_eq!(at(&rules, "/inside").to_string(), "list,read");
        assert_eq!(at(&rules, "/in").to_string(), "create");
        assert_eq!(at(&rules, "/in/x/y").to_string(), "create");
        assert_eq!(at(&rules, "/in/done/x").to_string(), "none");
        let within = |path: &str| rules.begin_within(&VirtualPath::parse(path.as_bytes()).unwrap());
        assert!(within("/") && within("/in") && within("/in/done"));
        assert!(!within("/in/done/x") && !within("/i") && !within("/inside"));
    }

    #[test]
    fn rules_merge_by_path_and_say_what_is_lost() {
        let group = rules(&[("/", "list,read"), ("/in", "create,list")]);
        let user = rules(&[("/in", "none"), ("/out", "all")]);
        let both = user.over(&group);
        assert_eq!(at(&both, "/in/x").to_string(), "none");
        assert_eq!(at(&both, "/x").to_string(), "list,read");
        assert_eq!(at(&both, "/out/x"), &Permissions::all());
        assert_eq!(group.lost_in(&group), None);
        assert_eq!(
            group.lost_in(&both),
            Some(("/in".parse().unwrap(), Permission::List))
        );
        // A new rule takes away what an older, shorter one granted.
        let narrower = rules(&[("/", "list,read"), ("/in", "create,list"), ("/a/b", "list")]);
        assert_eq!(
            group.lost_in(&narrower),
            Some(("/a/b".parse().unwrap(), Permission::Read))
        );
    }

    #[test]
    fn paths_of_rules_are_plain() {
        assert_eq!("//a//b/".parse::<RulePath>().unwrap().as_str(), "/a/b");
        assert!("/".parse::<RulePath>().unwrap().is_root());
        for bad in ["", "a", "/a/../b", "/./a", "/a\n"] {
            assert!(bad.parse::<RulePath>().is_err(), "{bad:?}");
        }
        assert!(rules(&[]).at(&VirtualPath::root()).is_none());
    }
}
