//! The JSON that SFTPGo dumps: users, groups and folders.
//!
//! What a primary group has there takes its place here in the same order, with these exceptions, for which users get
//! settings of their own: paths with `%username%`, and lists that SFTPGo joins (`filters.rs`).

mod dump;
mod filters;
mod permissions;
mod quotas;
mod reader;

use std::collections::{BTreeMap, BTreeSet};

pub use self::dump::EXPECTED;
use self::dump::{
    Dump, SftpgoFilters, SftpgoFolder, SftpgoGroup, SftpgoMembership, SftpgoSettings, SftpgoUser,
};
use self::filters::{SshAccess, other_provider, ssh_access};
use self::permissions::{filled, has_placeholder, rules_of_folder, rules_of_home};
use self::quotas::FolderQuotas;
use self::reader::{DumpSubject, SettingsReader, mount_path};
use super::{DAY, Imported, Importer};
use crate::domain::folder::{Folder, FolderName};
use crate::domain::group::{Group, GroupName};
use crate::domain::permission::{PermissionRules, Permissions, RulePath};
use crate::domain::quota::Limit;
use crate::domain::settings::MemberSettings;
use crate::ops::installation::Installation;
use crate::ops::users_file::declaration::{Declared, DeclaredUser, Reference};
use crate::ops::users_file::gaps::FormatGap;
use base::error::Result;

/// The number of SFTPGo for the group that a user's settings come from.
const PRIMARY: i64 = 1;

/// The number of SFTPGo for a group that adds to the lists of a user.
const SECONDARY: i64 = 2;

/// Reads a dump.
///
/// # Errors
/// Returns an error if it is not JSON of this form.
pub fn import(text: &str, installation: &Installation) -> Result<Imported> {
    let dump = Dump::parse(text)?;
    let mut import = SftpgoImport {
        reader: SettingsReader {
            importer: Importer::new(installation, vec![FormatGap::Principals, FormatGap::Creation]),
            folders: BTreeSet::new(),
        },
        groups: BTreeMap::new(),
    };
    import.what_is_not_for_users(&dump);
    let quotas = FolderQuotas::of(&dump);
    for folder in dump.folders.iter().flatten() {
        import.folder(folder, &quotas);
    }
    for group in dump.groups.iter().flatten() {
        import.group(group);
    }
    for user in dump.users.iter().flatten() {
        import.user(user);
    }
    let is_empty = dump.users.as_ref().is_none_or(Vec::is_empty);
    Ok(Imported {
        says_no_users: is_empty,
        ..import.reader.importer.finish()
    })
}

struct SftpgoImport<'a, 'd> {
    reader: SettingsReader<'a>,
    /// All groups of the dump.
    groups: BTreeMap<&'d str, ReadGroup<'d>>,
}

/// A group of the dump.
#[derive(Clone)]
struct ReadGroup<'d> {
    from: &'d SftpgoGroup,
    /// The name here, if the group is carried over.
    name: Option<GroupName>,
    /// The permissions by directory, without the paths that differ from user to user.
    rules: PermissionRules,
    /// What is carried over.
    settings: MemberSettings,
}

impl<'d> SftpgoImport<'_, 'd> {
    fn what_is_not_for_users(&mut self, dump: &Dump) {
        let all = [
            ("admins", &dump.admins),
            ("api_keys", &dump.api_keys),
            ("shares", &dump.shares),
            ("event_rules", &dump.event_rules),
            ("ip_lists", &dump.ip_lists),
        ];
        for (what, list) in all {
            let count = list.as_ref().map_or(0, Vec::len);
            if count > 0 {
                self.reader.importer.leave_out(
                    "dump",
                    format!("{what} ({count}): only users, groups and folders are read"),
                );
            }
        }
    }

    fn folder(&mut self, folder: &SftpgoFolder, quotas: &FolderQuotas<'_>) {
        let title = format!("folder {}", folder.name);
        if let Some(other) = other_provider(folder.filesystem.as_ref()) {
            return self.reader.importer.leave_out(&title, other);
        }
        let name: FolderName = match folder.name.parse() {
            Ok(name) => name,
            Err(error) => return self.reader.importer.leave_out(&title, error),
        };
        let path = folder.mapped_path.as_deref().unwrap_or_default();
        if has_placeholder(path) {
            let what = "its directory differs from user to user, and a folder here has one";
            return self.reader.importer.leave_out(&title, what);
        }
        let Some(path) = self.reader.importer.folder_path(&title, path) else {
            return;
        };
        if !self.reader.folders.insert(name.clone()) {
            return;
        }
        let (quota, left_out) = quotas.of_folder(&folder.name);
        for what in left_out {
            self.reader.importer.leave_out(&title, what);
        }
        let record = Folder {
            name,
            path,
            comment: self
                .reader
                .importer
                .comment(&title, folder.description.as_deref().unwrap_or_default()),
            quota,
            creation: Default::default(),
        };
        let declared = Declared::without_position(record, Vec::new());
        self.reader.importer.folders.push(declared);
    }

    fn group(&mut self, group: &'d SftpgoGroup) {
        if self.groups.contains_key(group.name.as_str()) {
            return;
        }
        let title = format!("group {}", group.name);
        let subject = DumpSubject {
            title: &title,
            user: None,
        };
        let name: Option<GroupName> = match GroupName::new_name(&group.name) {
            Ok(name) => Some(name),
            Err(error) => {
                self.reader.importer.leave_out(&title, error);
                None
            }
        };
        if let Some(other) = other_provider(group.user_settings.filesystem.as_ref()) {
            self.reader.importer.leave_out(&title, other);
        }
        let from = &group.user_settings;
        let rules = self.reader.rules(subject, from, |path| !has_placeholder(path));
        let mut settings = self.reader.numbers(subject, from);
        settings.quota_bytes.get_or_insert(Limit(None));
        settings.quota_files.get_or_insert(Limit(None));
        settings.allowed_from = self.reader.networks(subject, from.filters.iter().collect());
        settings.require = ssh_access(&from.filters.iter().collect::<Vec<_>>()).require();
        let mounts = group.virtual_folders.iter().flatten();
        let mounts = mounts.filter(|mount| !has_placeholder(&mount.virtual_path));
        let mounts: Vec<_> = mounts
            .filter_map(|mount| self.reader.mount(subject, mount))
            .collect();
        let paths: Vec<RulePath> = mounts.iter().map(|(_, path)| path.clone()).collect();
        for (folder, path) in mounts {
            settings.folders.insert(folder, rules_of_folder(&rules, &path));
        }
        let of_home = rules_of_home(&rules, &paths);
        settings.permissions = (!of_home.is_empty()).then_some(of_home);
        self.reader.importer.bound(&title, &mut settings);
        if let Some(name) = &name {
            let folders = settings.folders.keys().cloned().map(Reference::Folder);
            let text = group.description.as_deref().unwrap_or_default();
            let comment = self.reader.importer.comment(&title, text);
            let record = Group {
                name: name.clone(),
                comment,
                settings: settings.clone(),
            };
            let declared = Declared::without_position(record, folders.collect());
            self.reader.importer.groups.push(declared);
        }
        let read = ReadGroup {
            from: group,
            name,
            rules,
            settings,
        };
        self.groups.insert(&group.name, read);
    }

    fn user(&mut self, from: &'d SftpgoUser) {
        let name = from.username.as_str();
        let memberships = from.groups.as_deref().unwrap_or_default();
        let primary = memberships.iter().find(|membership| membership.kind == PRIMARY);
        let primary = primary.and_then(|primary| self.groups.get(primary.name.as_str()).cloned());
        let of_group = primary.as_ref().map(|group| &group.from.user_settings);
        let filesystem = of_group.and_then(|settings| settings.filesystem.as_ref());
        let other = other_provider(filesystem).or_else(|| other_provider(from.settings.filesystem.as_ref()));
        if let Some(other) = other {
            return self.reader.importer.leave_out(name, other);
        }
        let Some(mut user) = self.reader.importer.begin(name) else {
            return;
        };
        user.comment = self
            .reader
            .importer
            .comment(name, from.description.as_deref().unwrap_or_default());
        user.enabled = from.status.map(|status| status == 1);
        if let Some(at) = expiry(from, of_group) {
            self.reader.importer.expires(&mut user, Some(at), at);
        }
        if let Some(hash) = from.password.as_deref().filter(|hash| !hash.is_empty()) {
            self.reader.importer.hash(&mut user, hash);
        }
        let keys = from.public_keys.iter().flatten();
        self.reader.importer.keys(&mut user, keys.map(String::as_str));
        self.membership(name, &mut user, memberships);
        let role = from.role.as_deref().unwrap_or_default();
        let of_group_home = of_group.and_then(|settings| settings.home_dir.as_deref());
        let home = of_group_home
            .filter(|home| !home.is_empty())
            .map(|home| filled(home, name, role));
        if let Some(home) = home.or_else(|| from.settings.home_dir.clone()) {
            self.reader.importer.home(&mut user, &home);
        }
        let subject = DumpSubject {
            title: name,
            user: Some((name, role)),
        };
        user.settings = self.reader.numbers(subject, &from.settings);
        if user.group.is_none() {
            // 0 means unlimited there; here, what is unset is the server's.
            user.settings.quota_bytes.get_or_insert(Limit(None));
            user.settings.quota_files.get_or_insert(Limit(None));
        }
        self.access(subject, from, primary.as_ref(), &mut user);
        self.places(subject, from, primary.as_ref(), &mut user);
        self.reader.importer.bound(name, &mut user.settings);
        self.reader.importer.take(user);
    }

    fn membership(&mut self, name: &str, user: &mut DeclaredUser, memberships: &[SftpgoMembership]) {
        for membership in memberships {
            let group = self.groups.get(membership.name.as_str());
            let group = group.and_then(|group| group.name.clone());
            match group {
                Some(group) if membership.kind == PRIMARY && user.group.is_none() => user.group = Some(group),
                _ => self.reader.importer.leave_out(
                    name,
                    format!("the group {}: a user has one, the primary one", membership.name),
                ),
            }
        }
    }

    /// Reads from where and how a user may sign in. SFTPGo joins the lists of the user and of the groups; what comes from the
    /// group of the user here is inherited.
    fn access(
        &mut self,
        subject: DumpSubject<'_>,
        from: &'d SftpgoUser,
        primary: Option<&ReadGroup<'d>>,
        user: &mut DeclaredUser,
    ) {
        let groups = from.groups.iter().flatten();
        let groups = groups.filter(|membership| matches!(membership.kind, PRIMARY | SECONDARY));
        let groups = groups.filter_map(|membership| self.groups.get(membership.name.as_str()));
        let of_groups = groups.filter_map(|group| group.from.user_settings.filters.as_ref());
        let filters: Vec<&SftpgoFilters> = from.settings.filters.iter().chain(of_groups).collect();
        let inherited = primary
            .filter(|_| user.group.is_some())
            .map(|group| &group.settings);
        let networks = self.reader.networks(subject, filters.clone());
        let of_group = inherited.and_then(|settings| settings.allowed_from.clone());
        user.settings.allowed_from = networks.filter(|networks| of_group.as_ref() != Some(networks));
        let access = ssh_access(&filters);
        if let SshAccess::Closed(why) = access {
            user.enabled = Some(false);
            self.reader
                .importer
                .leave_out(subject.title, format!("{why}, so the user is disabled here"));
        }
        let of_group = inherited.and_then(|settings| settings.require.clone());
        user.settings.require = access
            .require()
            .filter(|factors| of_group.as_ref() != Some(factors));
    }

    /// Reads a user's folders, and the permissions in them and in the home.
    fn places(
        &mut self,
        subject: DumpSubject<'_>,
        from: &'d SftpgoUser,
        primary: Option<&ReadGroup<'d>>,
        user: &mut DeclaredUser,
    ) {
        let inherits = user.group.is_some();
        let group_has_root = primary.is_some_and(|group| group.rules.iter().any(|(path, _)| path.is_root()));
        // The permissions that a primary group has for the root are those of all members.
        let own = self
            .reader
            .rules(subject, &from.settings, |path| path != "/" || !group_has_root);
        let of_group = primary.map_or_else(|| own.clone(), |group| own.over(&group.rules));
        let for_user = match primary {
            Some(group) => self
                .reader
                .rules(subject, &group.from.user_settings, has_placeholder),
            None => PermissionRules::from_iter([]),
        };
        let effective = of_group.over(&for_user);
        // There, what no permission is given for is not permitted; here, it is.
        let is_open = effective.iter().any(|(path, _)| path.is_root());
        let base = match is_open {
            true => PermissionRules::from_iter([]),
            false => PermissionRules::uniform(Permissions::none()),
        };
        if !is_open {
            let what = "there are no permissions in /, so there are none here either";
            self.reader.importer.leave_out(subject.title, what);
        }
        let (own, effective) = (own.over(&base), effective.over(&base));
        let mounts = from.virtual_folders.iter().flatten();
        let own_mounts: Vec<_> = mounts
            .filter_map(|mount| self.reader.mount(subject, mount))
            .collect();
        for (folder, path) in &own_mounts {
            let rules = rules_of_folder(&effective, path);
            user.settings.folders.insert(folder.clone(), rules);
        }
        let of_group = primary
            .into_iter()
            .flat_map(|group| group.from.virtual_folders.iter().flatten());
        let of_group = of_group.filter(|mount| has_placeholder(&mount.virtual_path) || !inherits);
        let of_group: Vec<_> = of_group
            .filter_map(|mount| self.reader.mount(subject, mount))
            .collect();
        let inherited = primary.filter(|_| inherits).map(|group| &group.settings.folders);
        let inherited_mounts = inherited.into_iter().flat_map(|folders| folders.keys());
        let inherited_mounts =
            inherited_mounts.filter_map(|folder| Some((folder.clone(), mount_path(folder)?)));
        let mut paths: Vec<RulePath> = own_mounts.iter().map(|(_, path)| path.clone()).collect();
        for (folder, path) in of_group.into_iter().chain(inherited_mounts) {
            let rules = rules_of_folder(&effective, &path);
            let is_inherited = inherited.and_then(|folders| folders.get(&folder)) == Some(&rules);
            if !is_inherited {
                user.settings.folders.entry(folder).or_insert(rules);
            }
            paths.push(path);
        }
        let of_home = match inherits {
            true => own.over(&for_user),
            false => effective,
        };
        let of_home = rules_of_home(&of_home, &paths);
        user.settings.permissions = (!of_home.is_empty()).then_some(of_home);
    }
}

/// Returns when a user's account ends, in milliseconds since 1970: by the user's own date, or as many days after the
/// creation as the group says. `None` means never.
fn expiry(user: &SftpgoUser, of_group: Option<&SftpgoSettings>) -> Option<i64> {
    let days = of_group.map_or(0, |settings| settings.expires_in);
    match user.expiration_date {
        0 if days > 0 => Some(days.saturating_mul(DAY).saturating_add(user.created_at)),
        0 => None,
        own => Some(own),
    }
}
