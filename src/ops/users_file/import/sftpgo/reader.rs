//! Reads the settings that users and groups of SFTPGo have in common.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::dump::{SftpgoFilters, SftpgoMount, SftpgoSettings};
use super::filters::{self, without_counterpart};
use super::permissions::{self, filled, is_pattern};
use crate::domain::folder::FolderName;
use crate::domain::permission::{PermissionRules, RulePath};
use crate::domain::quota::{Limit, SessionLimit};
use crate::domain::rate::{LEAST_RATE, RateRule};
use crate::domain::settings::MemberSettings;
use crate::domain::texts;
use crate::ops::users_file::import::Importer;

/// A user or a group of the dump, for messages, and what placeholders stand for.
#[derive(Clone, Copy)]
pub(super) struct DumpSubject<'t> {
    pub(super) title: &'t str,
    /// The names of the user and of the user's role.
    pub(super) user: Option<(&'t str, &'t str)>,
}

/// Reads settings, and names what is not carried over.
pub(super) struct SettingsReader<'a> {
    pub(super) importer: Importer<'a>,
    /// The folders that are carried over.
    pub(super) folders: BTreeSet<FolderName>,
}

impl SettingsReader<'_> {
    /// Reads the settings that are numbers, and names what has no counterpart.
    pub(super) fn numbers(&mut self, subject: DumpSubject<'_>, from: &SftpgoSettings) -> MemberSettings {
        let limit = |number: i64| {
            u64::try_from(number)
                .ok()
                .filter(|n| *n > 0)
                .map(|n| Limit(Some(n)))
        };
        for what in without_counterpart(from) {
            self.importer.leave_out(subject.title, what);
        }
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
        settings
    }

    pub(super) fn networks(
        &mut self,
        subject: DumpSubject<'_>,
        filters: Vec<&SftpgoFilters>,
    ) -> Option<Vec<IpNet>> {
        let mut networks = Vec::new();
        for text in filters::all(&filters, |filters| filters.allowed_ip.as_ref()) {
            match texts::network(text) {
                Ok(network) => networks.push(network),
                Err(error) => self.importer.leave_out(subject.title, error),
            }
        }
        (!networks.is_empty()).then_some(networks)
    }

    /// Returns the folder of a mount, and its path, if both are carried over.
    pub(super) fn mount(
        &mut self,
        subject: DumpSubject<'_>,
        mount: &SftpgoMount,
    ) -> Option<(FolderName, RulePath)> {
        let at = match subject.user {
            Some((name, role)) => filled(&mount.virtual_path, name, role),
            None => mount.virtual_path.clone(),
        };
        let folder = mount.name.parse::<FolderName>().ok();
        let Some(folder) = folder.filter(|folder| self.folders.contains(folder)) else {
            let what = format!("the folder {}, which is not carried over", mount.name);
            self.importer.leave_out(subject.title, what);
            return None;
        };
        let path = mount_path(&folder).filter(|path| path.as_str() == at);
        if path.is_none() {
            let what = format!("the folder {folder} at {at}: here it would be at /{folder}");
            self.importer.leave_out(subject.title, what);
        }
        Some((folder, path?))
    }

    /// Reads the permissions of those paths that are chosen.
    pub(super) fn rules(
        &mut self,
        subject: DumpSubject<'_>,
        from: &SftpgoSettings,
        is_chosen: impl Fn(&str) -> bool,
    ) -> PermissionRules {
        let mut rules = Vec::new();
        let chosen = from
            .permissions
            .iter()
            .flatten()
            .filter(|(path, _)| is_chosen(path));
        for (path, words) in chosen {
            let path = match subject.user {
                Some((name, role)) => filled(path, name, role),
                None => path.clone(),
            };
            if is_pattern(&path) {
                let what = format!("the permissions in {path}, which is a pattern: name each directory");
                self.importer.leave_out(subject.title, what);
                continue;
            }
            let (set, left_out) = permissions::permissions(words);
            for word in left_out {
                let what = format!("the permission {word}, which has no counterpart alone");
                self.importer.leave_out(subject.title, what);
            }
            match path.parse::<RulePath>() {
                Ok(path) => rules.push((path, set)),
                Err(error) => self.importer.leave_out(subject.title, error),
            }
        }
        rules.into_iter().collect()
    }
}

/// Returns where a folder is seen here.
pub(super) fn mount_path(folder: &FolderName) -> Option<RulePath> {
    format!("/{folder}").parse().ok()
}

/// Converts KiB per second; with 0 there is no rate of the user's own.
fn rate(kib: i64) -> RateRule {
    let bytes = u64::try_from(kib).ok().and_then(|kib| kib.checked_mul(1024));
    match bytes.filter(|bytes| *bytes >= LEAST_RATE) {
        Some(rate) => RateRule::Limited(rate),
        None => RateRule::Inherited,
    }
}
