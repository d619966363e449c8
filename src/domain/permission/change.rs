//! Changes of permissions by directory and of folders, as operators write them.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use super::{PermissionRules, Permissions, RulePath};
use crate::domain::folder::FolderName;
use base::error::Error;

/// The most rules that a user or a group has for one tree: each access looks at all of them.
pub const MOST_RULES: usize = 64;
/// The most folders that a user or a group has.
pub const MOST_FOLDERS: usize = 256;

/// Checks that the rules of one tree are not too many.
///
/// # Errors
/// Returns an error that says how many there may be.
pub fn check_rules(rules: &PermissionRules) -> Result<(), Error> {
    match rules.iter().count() {
        0..=MOST_RULES => Ok(()),
        count => Err(
            Error::new(format!("{count} directories have permissions of their own"))
                .because(format!("there can be at most {MOST_RULES}"))
                .hint("give the same permissions to a directory above them"),
        ),
    }
}

/// Checks that the folders of a user or a group are not too many.
///
/// # Errors
/// Returns an error that says how many there may be.
pub fn check_folders(folders: &BTreeMap<FolderName, PermissionRules>) -> Result<(), Error> {
    match folders.len() {
        0..=MOST_FOLDERS => folders.values().try_for_each(check_rules),
        count => Err(Error::new(format!("{count} folders are too many"))
            .because(format!("there can be at most {MOST_FOLDERS}"))),
    }
}

/// The permissions of a whole tree, or of one directory in it: `list,read`, `/in=create,list`, or the word `inherit` in
/// place of permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleEntry {
    /// The directory; without it, the permissions replace those of the whole tree.
    pub path: Option<RulePath>,
    /// The permissions; `None` unsets them.
    pub permissions: Option<Permissions>,
}

impl RuleEntry {
    fn new(path: Option<&str>, permissions: &str) -> Result<Self, Error> {
        Ok(Self {
            path: path.map(str::parse).transpose()?,
            permissions: match permissions {
                "inherit" => None,
                names => Some(names.parse()?),
            },
        })
    }
}

impl FromStr for RuleEntry {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if !text.starts_with('/') {
            return Self::new(None, text);
        }
        // The names of permissions have no '=', but those of directories may.
        let (path, permissions) = text.rsplit_once('=').ok_or_else(|| {
            Error::new(format!("\"{}\" names no permissions", text.escape_debug())).hint("/in=create,list")
        })?;
        Self::new(Some(path), permissions)
    }
}

/// A change of the permissions in one tree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RulesChange(Vec<RuleEntry>);

impl RulesChange {
    /// Creates a change from what an operator has written. Without entries, nothing changes.
    ///
    /// # Errors
    /// Returns an error if a directory has two entries.
    pub fn new(entries: Vec<RuleEntry>) -> Result<Self, Error> {
        let mut paths = BTreeSet::new();
        match entries.iter().find(|entry| !paths.insert(entry.path.clone())) {
            None => Ok(Self(entries)),
            Some(RuleEntry { path: Some(path), .. }) => Err(Error::new(format!(
                "the permissions of \"{path}\" are given twice"
            ))),
            Some(RuleEntry { path: None, .. }) => Err(Error::new("the permissions are given twice")
                .hint("all names in one list: list,read; for a directory: /in=create,list")),
        }
    }

    /// Returns the change to the same permissions in the whole tree.
    pub fn to(permissions: Permissions) -> Self {
        Self(vec![RuleEntry {
            path: None,
            permissions: Some(permissions),
        }])
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the rules after the change; `None` if there is none left. An entry for the whole tree replaces all
    /// rules; without one, the rules of other directories stay.
    ///
    /// # Errors
    /// Returns an error if there would be too many rules.
    pub fn applied_to(&self, before: Option<&PermissionRules>) -> Result<Option<PermissionRules>, Error> {
        let mut rules: BTreeMap<RulePath, Permissions> = BTreeMap::new();
        match self.0.iter().find(|entry| entry.path.is_none()) {
            Some(entry) => rules.extend(entry.permissions.clone().map(|all| (RulePath::root(), all))),
            None => rules.extend(
                before
                    .into_iter()
                    .flat_map(PermissionRules::iter)
                    .map(|(path, permissions)| (path.clone(), permissions.clone())),
            ),
        }
        for RuleEntry { path, permissions } in &self.0 {
            match (path, permissions) {
                (None, _) => {}
                (Some(path), Some(permissions)) => {
                    rules.insert(path.clone(), permissions.clone());
                }
                (Some(path), None) => {
                    rules.remove(path);
                }
            }
        }
        let rules: PermissionRules = rules.into_iter().collect();
        check_rules(&rules)?;
        Ok((!rules.is_empty()).then_some(rules))
    }
}

/// The permissions in a folder: `NAME=list,read`, or `NAME/in=create,list` for a directory in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderEntry {
    /// The name of the folder.
    pub name: FolderName,
    /// The permissions.
    pub rule: RuleEntry,
}

impl FromStr for FolderEntry {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let incomplete = || {
            Error::new(format!("\"{}\" names no permissions", text.escape_debug()))
                .hint("NAME=list,read, or NAME/in=create,list for a directory in the folder")
        };
        let end = text.find(['/', '=']).ok_or_else(incomplete)?;
        let (name, rest) = text.split_at(end);
        let name = name.parse()?;
        let rule = match rest.strip_prefix('=') {
            Some(permissions) => RuleEntry::new(None, permissions)?,
            None => rest.parse()?,
        };
        Ok(Self { name, rule })
    }
}

/// A change of the folders that a user or a group has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FoldersChange {
    granted: BTreeMap<FolderName, RulesChange>,
    removed: BTreeSet<FolderName>,
}

impl FoldersChange {
    /// Creates a change from what an operator has written.
    ///
    /// # Errors
    /// Returns an error if a directory has two entries, or if a folder is granted and removed.
    pub fn new(entries: Vec<FolderEntry>, removed: Vec<FolderName>) -> Result<Self, Error> {
        let mut by_name: BTreeMap<FolderName, Vec<RuleEntry>> = BTreeMap::new();
        for entry in entries {
            by_name.entry(entry.name).or_default().push(entry.rule);
        }
        if let Some(name) = removed.iter().find(|name| by_name.contains_key(name)) {
            return Err(Error::new(format!(
                "the folder \"{name}\" cannot be given and removed at once"
            )));
        }
        let change = |(name, entries): (FolderName, Vec<RuleEntry>)| {
            let in_folder = |error: Error| Error::new(format!("the folder \"{name}\"")).because(error);
            let change = RulesChange::new(entries).map_err(in_folder)?;
            Ok((name, change))
        };
        Ok(Self {
            granted: by_name.into_iter().map(change).collect::<Result<_, Error>>()?,
            removed: removed.into_iter().collect(),
        })
    }

    /// Returns the folders in which permissions are changed. They must exist.
    pub fn granted(&self) -> impl Iterator<Item = &FolderName> {
        self.granted.keys()
    }

    /// Applies the change. A folder for which no permission is left is removed.
    ///
    /// # Errors
    /// Returns an error if there would be too many folders or rules.
    pub fn apply(&self, folders: &mut BTreeMap<FolderName, PermissionRules>) -> Result<(), Error> {
        folders.retain(|name, _| !self.removed.contains(name));
        for (name, change) in &self.granted {
            match change.applied_to(folders.get(name))? {
                Some(rules) => folders.insert(name.clone(), rules),
                None => folders.remove(name),
            };
        }
        check_folders(folders)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(texts: &[&str]) -> Vec<RuleEntry> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn permissions_change_for_the_tree_or_for_a_directory() {
        let mut rules: Option<PermissionRules> = None;
        let mut check = |change: &[&str], expected: &str| {
            let change = RulesChange::new(entries(change)).unwrap();
            rules = change.applied_to(rules.as_ref()).unwrap();
            let shown = rules.as_ref().map(ToString::to_string).unwrap_or_default();
            assert_eq!(shown, expected, "{change:?}");
        };
        check(&["/in=create,list"], "/in=list,create");
        check(&["read-only"], "list,read");
        check(&["/in=create", "/a=b=none"], "/=list,read /a=b=none /in=create");
        check(&["/in=inherit"], "/=list,read /a=b=none");
        check(&["inherit", "/x/=read"], "/x=read");
        check(&["/x=inherit"], "");
        check(&["all", "/=none"], "none");
        check(&[], "none");
    }

    #[test]
    fn entries_must_be_clear() {
        for bad in ["", "/in", "fly", "/in=fly", "in=list", "/a/../b=list", "/in="] {
            assert!(bad.parse::<RuleEntry>().is_err(), "{bad}");
        }
        for twice in [&["list", "read"][..], &["/in=list", "/in/=read"]] {
            let error = RulesChange::new(entries(twice)).unwrap_err().to_string();
            assert!(error.contains("given twice"), "{error}");
        }
        let many: Vec<RuleEntry> = (0..=MOST_RULES)
            .map(|number| format!("/{number}=list").parse().unwrap())
            .collect();
        let change = RulesChange::new(many).unwrap();
        assert!(
            change
                .applied_to(None)
                .unwrap_err()
                .to_string()
                .contains("at most 64")
        );
    }

    #[test]
    fn folders_come_change_and_go() {
        let mut folders = BTreeMap::new();
        let change = |granted: &[&str], removed: &[&str]| {
            let granted = granted.iter().map(|text| text.parse().unwrap()).collect();
            FoldersChange::new(
                granted,
                removed.iter().map(|name| name.parse().unwrap()).collect(),
            )
        };
        change(&["team=list,read", "team/in=create", "drop=create"], &["gone"])
            .unwrap()
            .apply(&mut folders)
            .unwrap();
        let shown = |folders: &BTreeMap<FolderName, PermissionRules>| -> Vec<String> {
            let folders = folders.iter();
            folders.map(|(name, rules)| format!("{name}: {rules}")).collect()
        };
        assert_eq!(shown(&folders), ["drop: create", "team: /=list,read /in=create"]);
        change(&["team/in=inherit"], &["drop"])
            .unwrap()
            .apply(&mut folders)
            .unwrap();
        assert_eq!(shown(&folders), ["team: list,read"]);
        change(&["team=inherit"], &[])
            .unwrap()
            .apply(&mut folders)
            .unwrap();
        assert!(folders.is_empty());
        assert!(change(&["team=list"], &["team"]).is_err());
        for bad in ["team", "=list", "../x=list", "team=", "team/in", "a b=list"] {
            assert!(bad.parse::<FolderEntry>().is_err(), "{bad}");
        }
    }
}
