//! The quotas of SFTPGo's folders. There each user and group has one for a folder; here a folder has one, for everybody.

use std::collections::{BTreeMap, BTreeSet};

use super::dump::{Dump, SftpgoMount};
use crate::domain::quota::Quota;

/// The quotas that the users and groups of a dump have for its folders.
#[derive(Debug, Default)]
pub(super) struct FolderQuotas<'d>(BTreeMap<&'d str, FolderQuota>);

#[derive(Debug, Default)]
struct FolderQuota {
    /// The limits in bytes; 0 for none.
    bytes: BTreeSet<i64>,
    files: BTreeSet<i64>,
    /// Whether the folder counts towards the quota of a user.
    is_of_user: bool,
}

impl<'d> FolderQuotas<'d> {
    pub(super) fn of(dump: &'d Dump) -> Self {
        let mut quotas = Self::default();
        let of_users = dump.users.iter().flatten().map(|user| &user.virtual_folders);
        let of_groups = dump.groups.iter().flatten().map(|group| &group.virtual_folders);
        for mount in of_users.chain(of_groups).flatten().flatten() {
            quotas.add(mount);
        }
        quotas
    }

    fn add(&mut self, mount: &'d SftpgoMount) {
        let quota = self.0.entry(mount.name.as_str()).or_default();
        match mount.quota_size < 0 && mount.quota_files < 0 {
            true => quota.is_of_user = true,
            false => {
                quota.bytes.insert(mount.quota_size.max(0));
                quota.files.insert(mount.quota_files.max(0));
            }
        }
    }

    /// Returns the quota of a folder, and what of it is not carried over.
    pub(super) fn of_folder(&self, name: &str) -> (Quota, Vec<&'static str>) {
        let mut left_out = Vec::new();
        let Some(quota) = self.0.get(name) else {
            return (Quota::default(), left_out);
        };
        if quota.is_of_user {
            left_out.push("it counted towards the quota of its users, and has an account of its own here");
        }
        if quota.bytes.len() > 1 || quota.files.len() > 1 {
            left_out
                .push("its users had different quotas for it, and here the largest one is for all of them");
        }
        // 0 is the largest: it stands for no limit.
        let largest = |limits: &BTreeSet<i64>| match limits.contains(&0) {
            true => None,
            false => limits.last().and_then(|limit| u64::try_from(*limit).ok()),
        };
        let of_all = Quota {
            bytes: largest(&quota.bytes),
            files: largest(&quota.files),
        };
        (of_all, left_out)
    }
}
