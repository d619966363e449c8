//! Checks folders, and what users' and groups' settings say of directories.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::report::Report;
use crate::domain::folder::{CreationChoice, Folder, FolderName};
use crate::domain::permission::{PermissionRules, RulePath};
use crate::domain::user::User;
use crate::ops::homes::{HomeRules, Resident};
use crate::ops::installation::Installation;
use crate::storage::creation::CreationRules;
use crate::storage::local::letter_case::{CaseProbe, IGNORES_CASE, directory_without_case, ignores_case};
use base::advice;
use base::error::Error;
use base::paths::resolve;
use base::regular::open_directory;

/// Checks all folders, and the settings of users that name folders, directories or groups of the system.
pub fn check(installation: &Installation, users: &[User], folders: &[Folder], report: &mut Report) {
    let rules = HomeRules::new(installation);
    let in_use: BTreeSet<&FolderName> = users
        .iter()
        .flat_map(|user| &user.inherited.folders)
        .map(|folder| &folder.name)
        .collect();
    let places: Vec<PathBuf> = folders.iter().map(|folder| resolve(&folder.path)).collect();
    for (folder, place) in folders.iter().zip(&places) {
        if let Err(e) = rules.check_as(Resident::Folder, place) {
            report.error(format!("folder {}: {e}", folder.name));
        }
        directory(folder, place, in_use.contains(&folder.name), report);
    }
    overlaps(users, folders, &places, report);
    users.iter().for_each(|user| hidden(user, report));
    creation(installation, users, folders, report);
    absent_directories(users, report);
    without_case(users, ignores_case, report);
}

/// Checks that the server can use the directory of a folder.
fn directory(folder: &Folder, place: &Path, is_in_use: bool, report: &mut Report) {
    let (name, path) = (&folder.name, folder.path.display());
    let may = |rights| accessat(CWD, place, rights, AtFlags::EACCESS);
    match place.metadata() {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let missing = format!(
                "folder {name}: the directory \"{path}\" is missing (hint: make it, or mount its disk; the server makes \
                 no folders)"
            );
            match is_in_use {
                true => report.error(missing),
                false => report.warn(missing),
            }
        }
        Err(e) => {
            let error = Error::new(format!("folder {name}: cannot look at \"{path}\""));
            report.error(advice::because(error, e, place, "u+rwx"));
        }
        Ok(meta) if !meta.is_dir() => report.error(format!(
            "folder {name}: \"{path}\" is not a directory (hint: move it away)"
        )),
        Ok(_) => {
            if let Err(e) = may(Access::READ_OK | Access::EXEC_OK) {
                let error = Error::new(format!("folder {name}: cannot use \"{path}\""));
                report.error(advice::because(error, e.into(), place, "u+rwx"));
            } else if may(Access::WRITE_OK).is_err() {
                report.warn(format!(
                    "folder {name}: nothing can be made in \"{path}\" (hint: {})",
                    advice::chmod(place, "u+w")
                ));
            }
        }
    }
}

/// Checks that folders lie neither in homes and other folders, nor around them.
fn overlaps(users: &[User], folders: &[Folder], places: &[PathBuf], report: &mut Report) {
    if folders.is_empty() {
        return;
    }
    let mut taken: BTreeMap<PathBuf, String> = users
        .iter()
        .map(|user| (user.home.clone(), format!("the home of user {}", user.name)))
        .collect();
    for (folder, place) in folders.iter().zip(places) {
        let above = place.ancestors().find_map(|dir| taken.get_key_value(dir));
        let below = || {
            let mut next = taken.range(place.clone()..);
            next.next().filter(|(other, _)| other.starts_with(place))
        };
        if let Some((other, whose)) = above.or_else(below) {
            report.error(format!(
                "folder {}: \"{}\" overlaps with {whose}, \"{}\" (hint: homeportd folder set {} --path DIR)",
                folder.name,
                place.display(),
                other.display(),
                folder.name
            ));
        }
        taken.insert(place.clone(), format!("the folder {}", folder.name));
    }
}

/// Reports entries of a home that the user cannot reach, because a folder has their name.
fn hidden(user: &User, report: &mut Report) {
    for (folder, _) in user.folders() {
        let entry = user.home.join(folder.name.as_str());
        if entry.symlink_metadata().is_ok() {
            report.warn(format!(
                "user {}: the folder {} hides {:?} in the home (hint: move that away, or homeportd folder set {} \
                 --rename NEW)",
                user.name, folder.name, entry, folder.name
            ));
        }
    }
}

/// Checks that the groups of the system exist that settings name. Without its group, a home or a folder is not opened.
fn creation(installation: &Installation, users: &[User], folders: &[Folder], report: &mut Report) {
    let Ok(server) = CreationRules::of(&installation.storage) else {
        // It is reported with the configuration.
        return;
    };
    let mut seen = BTreeSet::new();
    let mut check = |whose: String, choice: &CreationChoice| {
        if let Some(group) = &choice.file_group
            && seen.insert(group.clone())
        {
            let checked = server.with(choice).and_then(CreationRules::check_membership);
            if let Err(error) = checked {
                report.error(format!("{whose}: {error}"));
            }
        }
    };
    for folder in folders {
        check(format!("folder {}", folder.name), &folder.creation);
    }
    for user in users {
        check(format!("user {}", user.name), &user.creation());
    }
}

/// A rule for a directory, and whose it is: the text begins a sentence.
type RuleOf = (String, String);

/// The users for whom something is wrong with a rule.
#[derive(Default)]
struct Concerned {
    count: usize,
    example: String,
}

impl Concerned {
    fn add(&mut self, user: &User) {
        self.count += 1;
        if self.example.is_empty() {
            self.example = user.name.to_string();
        }
    }
}

/// Displayed as `user calvin` or `7 users, such as calvin`.
impl fmt::Display for Concerned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            1 => write!(f, "user {}", self.example),
            count => write!(f, "{count} users, such as {}", self.example),
        }
    }
}

/// Reports permissions by directory where the file system ignores the case of names, since the server refuses to open such
/// a home or folder. There is one line for each group or user, and each folder.
fn without_case(users: &[User], probe: CaseProbe, report: &mut Report) {
    let mut found: BTreeMap<RuleOf, Concerned> = BTreeMap::new();
    for user in users {
        let whose = |is_own: bool| match (&user.group, is_own) {
            (Some(group), false) => format!("group {group}"),
            _ => format!("user {}", user.name),
        };
        let mut look = |whose: String, tree: &Path, rules: &PermissionRules| {
            let directory = match rules.as_uniform() {
                Some(_) => None,
                None => open_directory(tree)
                    .ok()
                    .and_then(|root| directory_without_case(root.as_fd(), rules, probe)),
            };
            if let Some(directory) = directory {
                found.entry((whose, directory)).or_default().add(user);
            }
        };
        look(
            whose(user.settings.permissions.is_some()),
            &user.home,
            &user.permissions(),
        );
        for (folder, rules) in user.folders() {
            let is_own = user.settings.folders.contains_key(&folder.name);
            look(
                format!("{}, folder {}", whose(is_own), folder.name),
                &folder.path,
                &rules,
            );
        }
    }
    for ((whose, directory), concerned) in found {
        report.error(format!(
            "{whose}: permissions differ by directory, and for {concerned} the file system ignores the case of names in \
             \"{directory}\": other letters would avoid them, so the server does not open it (hint: {IGNORES_CASE})"
        ));
    }
}

/// Reports rules for directories that do not exist: probably they are misspelt. There is one line for each rule,
/// however many users have it.
fn absent_directories(users: &[User], report: &mut Report) {
    let mut absent: BTreeMap<RuleOf, Concerned> = BTreeMap::new();
    for user in users.iter().filter(|user| user.home.is_dir()) {
        let own = |rules: Option<&PermissionRules>, path: &RulePath| {
            rules.is_some_and(|rules| rules.iter().any(|(its, _)| its == path))
        };
        let whose = |is_own: bool| match (&user.group, is_own) {
            (Some(group), false) => format!("group {group}"),
            _ => format!("user {}", user.name),
        };
        let mut look = |whose: String, tree: &Path, path: &RulePath| {
            let directory = tree.join(path.as_str().trim_start_matches('/'));
            if !directory.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
                absent.entry((whose, path.to_string())).or_default().add(user);
            }
        };
        for (path, _) in user.permissions().iter().filter(|(path, _)| !path.is_root()) {
            let is_own = own(user.settings.permissions.as_ref(), path);
            look(whose(is_own), &user.home, path);
        }
        for (folder, rules) in user.folders() {
            for (path, _) in rules.iter().filter(|(path, _)| !path.is_root()) {
                let is_own = own(user.settings.folders.get(&folder.name), path);
                let whose = format!("{}, folder {}", whose(is_own), folder.name);
                look(whose, &folder.path, path);
            }
        }
    }
    for ((whose, path), concerned) in absent {
        report.warn(format!(
            "{whose}: there are permissions for \"{path}\", and for {concerned} no such directory (hint: the permissions apply \
             once it is made; is the name right?)"
        ));
    }
}

#[cfg(test)]
mod tests;
