//! The settings that a user has, or inherits from a group.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::factor::Factor;
use super::folder::{CreationChoice, FolderName};
use super::permission::PermissionRules;
use super::quota::{Limit, SessionLimit};
use super::rate::RateRules;

/// The settings of a user or a group. What is unset is inherited: by a user from the group, by a group from the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberSettings {
    /// The limit on the sum of file sizes in a home, in bytes.
    pub quota_bytes: Option<Limit<u64>>,
    /// The limit on the number of files, directories and symbolic links in a home.
    pub quota_files: Option<Limit<u64>>,
    /// The most sessions that a user may have at once.
    pub max_sessions: Option<SessionLimit>,
    /// The rates of a user's transfers, in all sessions together.
    pub rates: RateRules,
    /// The permissions in the home. They are inherited for each directory alone.
    pub permissions: Option<PermissionRules>,
    /// The addresses from which a user may connect. An empty list allows every address.
    pub allowed_from: Option<Vec<IpNet>>,
    /// The factors that are all required to sign in. If the set is empty, any one factor is enough.
    pub require: Option<BTreeSet<Factor>>,
    /// The folders, with the permissions in each. They are inherited for each folder alone.
    pub folders: BTreeMap<FolderName, PermissionRules>,
    /// The modes and the group of what is created in a home.
    pub creation: CreationChoice,
}
