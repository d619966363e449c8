//! The JSON that SFTPGo dumps: users, groups and folders.

mod dump;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use self::dump::{
    Dump, SftpgoFilesystem, SftpgoFilters, SftpgoFolder, SftpgoGroup, SftpgoMembership, SftpgoMount,
    SftpgoSettings, SftpgoUser,
};
use super::{Imported, Importer};
use crate::domain::folder::{Folder, FolderName};
use crate::domain::group::{Group, GroupName};
use crate::domain::path::VirtualPath;
use crate::domain::permission::{Permission, PermissionRules, Permissions, RulePath};
use crate::domain::quota::{Limit, Quota, SessionLimit};
use crate::domain::rate::{LEAST_RATE, RateRule};
use crate::domain::settings::MemberSettings;
use crate::domain::texts;
use crate::domain::user::Factor;
use crate::ops::installation::Installation;
use crate::ops::users_file::declaration::{Declared, DeclaredUser, Reference};
use base::error::{Error, Result};

/// The number of SFTPGo for files on a local disk.
const LOCAL_FILES: i64 = 0;

/// The number of SFTPGo for the group that a user's settings come from.
const PRIMARY: i64 = 1;

/// Reads a dump.
///
/// # Errors
/// Returns an error if it is not JSON of this form.
pub fn import(text: &str, installation: &Installation) -> Result<Imported> {
    let dump: Dump = serde_json::from_str(text).map_err(|error| {
        // The text of the error could contain what is in the file.
        Error::new(format!(
            "this is not a dump of SFTPGo: line {}, column {}",
            error.line(),
            error.column()
        ))
        .hint("SFTPGo writes one under Maintenance, or by GET /api/v2/dumpdata?output-data=1")
    })?;
    let mut import = SftpgoImport {
        importer: Importer::new(installation),
        folders: BTreeSet::new(),
        groups: BTreeSet::new(),
    };
    for folder in &dump.folders {
        import.folder(folder);
    }
    for group in &dump.groups {
        import.group(group);
    }
    for user in dump.users {
        import.user(user);
    }
    Ok(import.importer.finish())
}

struct SftpgoImport<'a> {
    importer: Importer<'a>,
    folders: BTreeSet<FolderName>,
    groups: BTreeSet<GroupName>,
}

impl SftpgoImport<'_> {
    fn folder(&mut self, folder: &SftpgoFolder) {
        let title = format!("folder {}", folder.name);
        if let Some(other) = other_provider(folder.filesystem.as_ref()) {
            return self.importer.leave_out(&title, other);
        }
        let name: FolderName = match folder.name.parse() {
            Ok(name) => name,
            Err(error) => return self.importer.leave_out(&title, error),
        };
        let path = folder.mapped_path.as_deref().unwrap_or_default();
        let Some(path) = self.importer.folder_path(&title, path) else {
            return;
        };
        if !self.folders.insert(name.clone()) {
            return;
        }
        let record = Folder {
            name,
            path,
            comment: folder.description.clone().unwrap_or_default(),
            quota: Quota::default(),
            creation: Default::default(),
        };
        let references = Vec::new();
        self.importer.folders.push(Declared { record, references });
    }

    fn group(&mut self, group: &SftpgoGroup) {
        let title = format!("group {}", group.name);
        let name: GroupName = match group.name.parse() {
            Ok(name) => name,
            Err(error) => return self.importer.leave_out(&title, error),
        };
        if let Some(other) = other_provider(group.user_settings.filesystem.as_ref()) {
            self.importer.leave_out(&title, other);
        }
        let mounts = group.virtual_folders.as_deref().unwrap_or_default();
        let settings = self.settings(&title, &group.user_settings, mounts);
        if !self.groups.insert(name.clone()) {
            return;
        }
        let folders = settings.folders.keys().cloned().map(Reference::Folder);
        let references = folders.map(|reference| (reference, None)).collect();
        let comment = group.description.clone().unwrap_or_default();
        let record = Group {
            name,
            comment,
            settings,
        };
        self.importer.groups.push(Declared { record, references });
    }

    fn user(&mut self, from: SftpgoUser) {
        let name = from.username.as_str();
        if let Some(other) = other_provider(from.settings.filesystem.as_ref()) {
            return self.importer.leave_out(name, other);
        }
        let Some(mut user) = self.importer.begin(name) else {
            return;
        };
        user.comment = from.description.unwrap_or_default();
        user.enabled = from.status.map(|status| status == 1);
        if from.expiration_date > 0 {
            user.expires_at = Timestamp::from_millisecond(from.expiration_date).ok();
        }
        if let Some(hash) = from.password.as_deref().filter(|hash| !hash.is_empty()) {
            self.importer.hash(&mut user, hash);
        }
        let keys = from.public_keys.unwrap_or_default();
        self.importer.keys(&mut user, keys.iter().map(String::as_str));
        self.membership(name, &mut user, from.groups.as_deref().unwrap_or_default());
        if let Some(home) = &from.settings.home_dir {
            self.importer.home(&mut user, home);
        }
        let mounts = from.virtual_folders.as_deref().unwrap_or_default();
        user.settings = self.settings(name, &from.settings, mounts);
        if user.group.is_none() {
            // 0 means unlimited there; here, what is unset is the server's.
            user.settings.quota_bytes.get_or_insert(Limit(None));
            user.settings.quota_files.get_or_insert(Limit(None));
        }
        self.importer.take(user);
    }

    fn membership(&mut self, name: &str, user: &mut DeclaredUser, memberships: &[SftpgoMembership]) {
        for membership in memberships {
            let group = membership.name.parse::<GroupName>().ok();
            let group = group.filter(|group| self.groups.contains(group));
            match group {
                Some(group) if membership.kind == PRIMARY && user.group.is_none() => user.group = Some(group),
                _ => self.importer.leave_out(
                    name,
                    format!("the group {}: a user has one, the primary one", membership.name),
                ),
            }
        }
    }

    fn settings(&mut self, name: &str, from: &SftpgoSettings, mounts: &[SftpgoMount]) -> MemberSettings {
        let limit = |number: i64| {
            u64::try_from(number)
                .ok()
                .filter(|n| *n > 0)
                .map(|n| Limit(Some(n)))
        };
        let mut settings = MemberSettings {
            quota_bytes: limit(from.quota_size),
            quota_files: limit(from.quota_files),
            max_sessions: u32::try_from(from.max_sessions)
                .ok()
                .filter(|most| *most > 0)
                .map(SessionLimit::Limited),
            ..MemberSettings::default()
        };
        settings.rates.up = rate(from.upload_bandwidth);
        settings.rates.down = rate(from.download_bandwidth);
        let rules = from.permissions.as_ref().map(|rules| self.rules(name, rules));
        for mount in mounts {
            let folder = mount.name.parse::<FolderName>().ok();
            let folder = folder.filter(|folder| self.folders.contains(folder));
            match folder {
                Some(folder) if mount.virtual_path == format!("/{folder}") => {
                    let rules = rules.as_ref();
                    let in_folder = VirtualPath::parse(mount.virtual_path.as_bytes())
                        .ok()
                        .and_then(|path| rules.map(|rules| rules.at(&path).clone()));
                    let set = in_folder.unwrap_or_else(Permissions::all);
                    settings.folders.insert(folder, PermissionRules::uniform(set));
                }
                Some(folder) => self.importer.leave_out(
                    name,
                    format!(
                        "the folder {folder} at {}: here it would be at /{folder}",
                        mount.virtual_path
                    ),
                ),
                None => self.importer.leave_out(
                    name,
                    format!("the folder {}, which is not carried over", mount.name),
                ),
            }
        }
        settings.permissions = rules.filter(|rules| !rules.is_empty());
        if let Some(filters) = &from.filters {
            self.filters(name, filters, &mut settings);
        }
        settings
    }

    fn filters(&mut self, name: &str, filters: &SftpgoFilters, settings: &mut MemberSettings) {
        let mut networks = Vec::new();
        for text in filters.allowed_ip.iter().flatten() {
            match texts::network(text) {
                Ok(network) => networks.push(network),
                Err(error) => self.importer.leave_out(name, error),
            }
        }
        if !networks.is_empty() {
            settings.allowed_from = Some(networks);
        }
        let denied: BTreeSet<&str> = filters
            .denied_login_methods
            .iter()
            .flatten()
            .map(String::as_str)
            .collect();
        let alone = ["publickey", "password", "keyboard-interactive"];
        if alone.iter().all(|method| denied.contains(method)) {
            settings.require = Some([Factor::PublicKey, Factor::Password].into());
        } else if denied.contains("password") && denied.contains("keyboard-interactive") {
            settings.require = Some([Factor::PublicKey].into());
        } else if denied.contains("publickey") {
            settings.require = Some([Factor::Password].into());
        }
        let dropped = [
            (
                filters.denied_ip.as_ref().is_some_and(|list| !list.is_empty()),
                "denied_ip: [limits] deny refuses addresses for all users",
            ),
            (
                filters
                    .file_patterns
                    .as_ref()
                    .is_some_and(|list| !list.is_empty()),
                "file_patterns",
            ),
            (filters.max_upload_file_size > 0, "max_upload_file_size"),
            (
                filters.totp_config.as_ref().is_some_and(|totp| totp.enabled),
                "the one-time codes: homeportd user totp enroll NAME",
            ),
        ];
        for (_, what) in dropped.iter().filter(|(is_set, _)| *is_set) {
            self.importer.leave_out(name, what);
        }
    }

    fn rules(&mut self, name: &str, from: &BTreeMap<String, Vec<String>>) -> PermissionRules {
        let mut rules = Vec::new();
        for (path, words) in from {
            match path.parse::<RulePath>() {
                Ok(path) => rules.push((path, self.permissions(name, words))),
                Err(error) => self.importer.leave_out(name, error),
            }
        }
        rules.into_iter().collect()
    }

    fn permissions(&mut self, name: &str, words: &[String]) -> Permissions {
        let mut set = BTreeSet::new();
        let has = |word: &str| words.iter().any(|one| one == word);
        for word in words {
            match word.as_str() {
                "*" => set.extend(Permission::ALL),
                "list" => drop(set.insert(Permission::List)),
                "download" => drop(set.insert(Permission::Read)),
                "upload" => drop(set.insert(Permission::Create)),
                "overwrite" => drop(set.insert(Permission::Overwrite)),
                "delete" => drop(set.insert(Permission::Delete)),
                "rename" => drop(set.insert(Permission::Rename)),
                "create_dirs" => drop(set.insert(Permission::Mkdir)),
                "create_symlinks" => drop(set.insert(Permission::Link)),
                // What belongs together here is given only if all of it was.
                "delete_files" | "delete_dirs" if has("delete_files") && has("delete_dirs") => {
                    set.insert(Permission::Delete);
                }
                "rename_files" | "rename_dirs" if has("rename_files") && has("rename_dirs") => {
                    set.insert(Permission::Rename);
                }
                "chmod" | "chtimes" if has("chmod") && has("chtimes") => {
                    set.insert(Permission::Attributes);
                }
                other => self.importer.leave_out(
                    name,
                    format!("the permission {other}, which has no counterpart alone"),
                ),
            }
        }
        set.into_iter().collect()
    }
}

/// Returns why files that are not on a local disk are not carried over.
fn other_provider(filesystem: Option<&SftpgoFilesystem>) -> Option<String> {
    let what = match filesystem?.provider {
        LOCAL_FILES => return None,
        1 => "S3",
        2 => "Google Cloud Storage",
        3 => "Azure",
        4 => "an encrypted disk",
        5 => "another SFTP server",
        6 => "an HTTP server",
        _ => "a storage that is unknown here",
    };
    Some(format!(
        "the files are on {what}, and this server keeps them on a local disk"
    ))
}

/// Converts KiB per second; 0 means the server's rate.
fn rate(kib: i64) -> RateRule {
    let bytes = u64::try_from(kib).ok().and_then(|kib| kib.checked_mul(1024));
    match bytes.filter(|bytes| *bytes >= LEAST_RATE) {
        Some(rate) => RateRule::Limited(rate),
        None => RateRule::Usual,
    }
}
