//! Compares a declaration with the store: what is to be added, changed and removed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::changes::{Action, PlannedChange, RecordKind, SettingDifference, differences};
use super::declaration::{
    Declaration, Declared, DeclaredPassword, DeclaredUser, Mistake, Reference, digest_of,
};
use super::fields;
use super::place_mistakes::PlaceMistakes;
use crate::domain::event::AdminAct;
use crate::domain::folder::{CreationChoice, Folder, FolderName};
use crate::domain::group::{Group, GroupName};
use crate::domain::user::{Inherited, PasswordHash, User, UserName, UserSource};
use crate::ops::admin;
use crate::ops::homes::{HomeRules, Resident, owned_by_another};
use crate::ops::installation::Installation;
use crate::ops::passwords::NewPassword;
use crate::store::{RecordWrite, Records};
use base::error::Result;
use base::paths::Resolver;

/// What is to be done.
#[derive(Debug, Default)]
pub struct Plan {
    /// The changes: groups, folders and users, each in the order of their names.
    pub changes: Vec<PlannedChange>,
    /// The same for the store. It may have notes even if nothing changes.
    pub writes: Vec<RecordWrite>,
    /// The homes and folders of the file, which must exist.
    pub directories: Vec<PlannedDirectory>,
}

/// A home or a folder of the file.
#[derive(Debug, Clone)]
pub struct PlannedDirectory {
    /// What lies there.
    pub resident: Resident,
    /// The path of the directory.
    pub path: PathBuf,
    /// The modes and the group with which it is made.
    pub creation: CreationChoice,
    /// Whether the record did not have it before.
    pub is_new: bool,
}

/// What a plan is made for.
#[derive(Debug, Clone, Copy)]
pub struct PlanOptions<'a> {
    /// Whether what the file does not have is removed.
    pub prune: bool,
    /// The paths and defaults of the installation.
    pub installation: &'a Installation,
    /// The directory in which homes are made, without links.
    pub homes: &'a Path,
    /// Whether passwords are hashed; otherwise the plan is only shown.
    pub hash: bool,
}

/// Returns what is to be done so that the store has what is declared.
///
/// # Errors
/// Returns an error with all mistakes of the file, among them the homes and folders that exclude each other; or if a
/// password cannot be hashed.
pub fn plan(declaration: &Declaration, records: &Records, options: PlanOptions<'_>) -> Result<Plan> {
    let mut planner = Planner::new(declaration, records, options);
    let mut mistakes = declaration.mistakes.clone();
    mistakes.extend(planner.unknown_references());
    // Hashing takes long, and a file with mistakes is not applied.
    planner.options.hash &= mistakes.is_empty();
    planner.groups();
    planner.folders();
    mistakes.extend(planner.users()?);
    if !mistakes.is_empty() || !planner.plan.changes.is_empty() {
        mistakes.extend(planner.place_mistakes(mistakes.is_empty()));
    }
    if !mistakes.is_empty() {
        mistakes.sort_by_key(|mistake| mistake.span.as_ref().map(|span| span.start));
        return Err((declaration.refuse)(mistakes));
    }
    Ok(planner.plan)
}

struct Planner<'a> {
    declaration: &'a Declaration,
    records: &'a Records,
    options: PlanOptions<'a>,
    /// The groups, folders and users as they will be.
    groups: BTreeMap<GroupName, Group>,
    folders: BTreeMap<FolderName, Folder>,
    users: BTreeMap<UserName, User>,
    plan: Plan,
}

impl<'a> Planner<'a> {
    fn new(declaration: &'a Declaration, records: &'a Records, options: PlanOptions<'a>) -> Self {
        let stays = |user: &&User| !options.prune || user.source == UserSource::External;
        let users: BTreeMap<UserName, User> = records
            .users
            .iter()
            .filter(stays)
            .map(|user| (user.name.clone(), user.clone()))
            .collect();
        // Users who come from elsewhere keep what they have.
        let kept_groups: BTreeSet<&GroupName> =
            users.values().filter_map(|user| user.group.as_ref()).collect();
        let groups: BTreeMap<GroupName, Group> = records
            .groups
            .iter()
            .filter(|group| !options.prune || kept_groups.contains(&group.name))
            .map(|group| (group.name.clone(), group.clone()))
            .collect();
        let of_groups = groups.values().flat_map(|group| group.settings.folders.keys());
        let of_users = users.values().flat_map(|user| user.settings.folders.keys());
        let kept_folders: BTreeSet<&FolderName> = of_groups.chain(of_users).collect();
        let folders = records
            .folders
            .iter()
            .filter(|folder| !options.prune || kept_folders.contains(&folder.name))
            .map(|folder| (folder.name.clone(), folder.clone()))
            .collect();
        Self {
            declaration,
            records,
            options,
            groups,
            folders,
            users,
            plan: Plan::default(),
        }
    }

    /// Returns the names that neither the file nor what stays in the store has, and those that a new user cannot have.
    fn unknown_references(&self) -> Vec<Mistake> {
        let declaration = self.declaration;
        let groups: BTreeSet<&GroupName> = declaration
            .groups
            .iter()
            .map(|group| &group.record.name)
            .collect();
        let folders: BTreeSet<&FolderName> = declaration
            .folders
            .iter()
            .map(|folder| &folder.record.name)
            .collect();
        let of_groups = declaration.groups.iter().flat_map(|group| &group.references);
        let of_users = declaration.users.iter().flat_map(|user| &user.references);
        let is_known = |reference: &Reference| match reference {
            Reference::Group(name) => groups.contains(name) || self.groups.contains_key(name),
            Reference::Folder(name) => folders.contains(name) || self.folders.contains_key(name),
            Reference::User(name) => self.records.users.iter().any(|user| user.name == *name),
        };
        of_groups
            .chain(of_users)
            .filter(|(reference, _)| !is_known(reference))
            .map(|(reference, span)| reference.unknown(span.clone()))
            .collect()
    }

    fn groups(&mut self) {
        let stored: BTreeMap<&GroupName, &Group> = self
            .records
            .groups
            .iter()
            .map(|group| (&group.name, group))
            .collect();
        for Declared { record, .. } in &self.declaration.groups {
            let group = self
                .declaration
                .gaps
                .group(record, stored.get(&record.name).copied());
            self.groups.insert(record.name.clone(), group);
        }
        let names: BTreeSet<&GroupName> = stored.keys().copied().chain(self.groups.keys()).collect();
        for name in names {
            let (before, after) = (stored.get(name).copied(), self.groups.get(name));
            let write = match (before, after) {
                (None, Some(after)) => RecordWrite::AddGroup(after.clone()),
                (Some(before), Some(after)) if before != after => RecordWrite::ChangeGroup(after.clone()),
                (Some(_), None) => RecordWrite::RemoveGroup(name.clone()),
                _ => continue,
            };
            let (kind, action) = (RecordKind::Group, Action::of(before, after));
            let settings = differences(before.map(fields::of_group), after.map(fields::of_group));
            let act = admin::group_changed(&kind.command(action), before, after);
            self.plan.add(kind, action, settings, write, act);
        }
    }

    fn folders(&mut self) {
        let stored: BTreeMap<&FolderName, &Folder> = self
            .records
            .folders
            .iter()
            .map(|folder| (&folder.name, folder))
            .collect();
        for Declared { record, .. } in &self.declaration.folders {
            let before = stored.get(&record.name).copied();
            let folder = self.declaration.gaps.folder(record, before);
            self.plan.directories.push(PlannedDirectory {
                resident: Resident::Folder,
                path: folder.path.clone(),
                creation: folder.creation.clone(),
                is_new: before.is_none_or(|before| before.path != folder.path),
            });
            self.folders.insert(folder.name.clone(), folder);
        }
        let names: BTreeSet<&FolderName> = stored.keys().copied().chain(self.folders.keys()).collect();
        for name in names {
            let (before, after) = (stored.get(name).copied(), self.folders.get(name));
            let write = match (before, after) {
                (None, Some(after)) => RecordWrite::AddFolder(after.clone()),
                (Some(before), Some(after)) if before != after => RecordWrite::ChangeFolder(after.clone()),
                (Some(_), None) => RecordWrite::RemoveFolder(name.clone()),
                _ => continue,
            };
            let (kind, action) = (RecordKind::Folder, Action::of(before, after));
            let settings = differences(before.map(fields::of_folder), after.map(fields::of_folder));
            let act = admin::folder_changed(&kind.command(action), before, after);
            self.plan.add(kind, action, settings, write, act);
        }
    }

    /// Plans the users, and returns the mistakes about their homes.
    fn users(&mut self) -> Result<Vec<Mistake>> {
        let records = self.records;
        let stored: BTreeMap<&UserName, &User> =
            records.users.iter().map(|user| (&user.name, user)).collect();
        let (mut digests, mut mistakes) = (Vec::new(), Vec::new());
        let (rules, mut resolver) = (HomeRules::new(self.options.installation), Resolver::default());
        let owners = self.owners_of_homes();
        for Declared {
            record: declared,
            span,
            ..
        } in &self.declaration.users
        {
            let before = stored.get(&declared.name).copied();
            let record = declared.record(before, self.options.homes);
            let mut user = self.declaration.gaps.user(record, &declared.unsaid, before);
            if before.is_none() && declared.home.is_none() {
                user.home = resolver.resolve(&user.home);
                let unowned = owners
                    .get(&user.home)
                    .map_or(Ok(()), |owner| Err(owned_by_another(&user.home, owner.as_str())));
                mistakes.extend(rules.check(&user.home).and(unowned).err().map(|error| Mistake {
                    span: span.clone(),
                    what: error.to_string(),
                    hint: None,
                }));
            }
            digests.extend(self.password(declared, before, &mut user)?);
            self.plan.directories.push(PlannedDirectory {
                resident: Resident::Home,
                path: user.home.clone(),
                creation: self.with_inherited(&user).creation(),
                is_new: before.is_none_or(|before| before.home != user.home),
            });
            self.users.insert(user.name.clone(), user);
        }
        let names: BTreeSet<&UserName> = stored.keys().copied().chain(self.users.keys()).collect();
        for name in names {
            let (before, after) = (stored.get(name).copied(), self.users.get(name));
            let write = match (before, after) {
                (None, Some(after)) => RecordWrite::AddUser(Box::new(after.clone())),
                (Some(before), Some(after)) if before != after => {
                    RecordWrite::ChangeUser(Box::new(after.clone()))
                }
                (Some(_), None) => RecordWrite::RemoveUser(name.clone()),
                _ => continue,
            };
            let of = |user: &User| fields::of_user(user, self.options.homes);
            let settings = differences(before.map(of), after.map(of));
            let (kind, action) = (RecordKind::User, Action::of(before, after));
            let inherited = |user: &User| self.with_inherited(user);
            let act = admin::user_changed(&kind.command(action), before, after.map(inherited).as_ref());
            self.plan.add(kind, action, settings, write, act);
        }
        self.plan.writes.extend(digests);
        Ok(mistakes)
    }

    /// Returns the users whose homes a new user does not get by the name alone: all who stay, but for those whose homes
    /// the file names.
    fn owners_of_homes(&self) -> BTreeMap<PathBuf, UserName> {
        let declared = self.declaration.users.iter().map(|user| &user.record);
        let named = declared.filter(|user| user.home.is_some());
        let named: BTreeSet<&UserName> = named.map(|user| &user.name).collect();
        let unnamed = self.users.values().filter(|user| !named.contains(&user.name));
        unnamed
            .map(|user| (user.home.clone(), user.name.clone()))
            .collect()
    }

    /// Sets the password of a user. A hash is applied when it is new in the file: what has replaced it since, a better
    /// hash of the same password or a later password, stays. Returns the note about it for the store.
    fn password(
        &self,
        declared: &DeclaredUser,
        before: Option<&User>,
        user: &mut User,
    ) -> Result<Option<RecordWrite>> {
        let stored = before.and_then(|before| before.password_hash.as_ref());
        let mut set = |hash| {
            user.password_hash = hash;
            user.password_set_at = user.password_hash.as_ref().map(|_| Timestamp::now());
        };
        match &declared.password {
            DeclaredPassword::Keep => Ok(None),
            DeclaredPassword::Nothing => {
                if stored.is_some() {
                    set(None);
                }
                Ok(None)
            }
            DeclaredPassword::Hash(hash) => {
                let digest = digest_of(hash);
                let noted = before.and_then(|before| self.records.declared_passwords.get(&before.name));
                let is_noted = noted == Some(&digest);
                if stored != Some(hash) && !is_noted {
                    set(Some(hash.clone()));
                }
                let user = declared.name.clone();
                Ok((!is_noted).then_some(RecordWrite::DeclarePassword { user, digest }))
            }
            DeclaredPassword::Plain(password) => {
                let password = NewPassword::Plain(password.clone());
                let is_same = stored.is_some_and(|stored| password.matches(stored));
                if !is_same && self.options.hash {
                    set(Some(password.into_hash()?));
                } else if !is_same {
                    // It is only shown that the password changes.
                    set(Some(PasswordHash::new(String::new())));
                }
                Ok(None)
            }
        }
    }

    /// Returns the user with what the record will refer to.
    fn with_inherited(&self, user: &User) -> User {
        let group = user
            .group
            .as_ref()
            .and_then(|name| self.groups.get(name))
            .cloned();
        let of_group = group.iter().flat_map(|group| group.settings.folders.keys());
        let names: BTreeSet<&FolderName> = user.settings.folders.keys().chain(of_group).collect();
        let folders = names
            .into_iter()
            .filter_map(|name| self.folders.get(name).cloned());
        let inherited = Inherited {
            folders: folders.collect(),
            group: group.clone(),
            default_quota: self.options.installation.default_quota,
        };
        User {
            inherited,
            ..user.clone()
        }
    }

    /// Returns the mistakes of homes and folders that exclude each other. The quotas of users of one home are compared only
    /// if `quotas_are_known`.
    fn place_mistakes(&self, quotas_are_known: bool) -> Vec<Mistake> {
        let users = self
            .users
            .values()
            .map(|user| self.with_inherited(user))
            .collect();
        let folders = self.folders.values().cloned().collect();
        let conflicts = PlaceMistakes::new(self.declaration, users, folders);
        conflicts.found(quotas_are_known)
    }
}

impl Plan {
    /// Adds a change.
    fn add(
        &mut self,
        kind: RecordKind,
        action: Action,
        settings: Vec<SettingDifference>,
        write: RecordWrite,
        act: AdminAct,
    ) {
        self.changes.push(PlannedChange {
            action,
            kind,
            name: act.name.clone(),
            settings,
            act,
        });
        self.writes.push(write);
    }
}
