//! How users of SFTPGo may sign in, and what of their filters and file systems has no counterpart here.

use std::collections::BTreeSet;

use super::dump::{SftpgoFilesystem, SftpgoFilters, SftpgoSettings};
use crate::domain::user::Factor;

/// The number of SFTPGo for files on a local disk.
const LOCAL_FILES: i64 = 0;

/// How a user may sign in by SSH.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SshAccess {
    /// With any proof.
    Free,
    /// With all of these.
    Requires(BTreeSet<Factor>),
    /// Not at all, for this reason.
    Closed(&'static str),
}

impl SshAccess {
    pub(super) fn require(self) -> Option<BTreeSet<Factor>> {
        match self {
            Self::Requires(factors) => Some(factors),
            Self::Free | Self::Closed(_) => None,
        }
    }
}

/// Returns all words of one list of the filters of a user and of the user's groups.
pub(super) fn all<'f>(
    filters: &[&'f SftpgoFilters],
    list: impl Fn(&'f SftpgoFilters) -> Option<&'f Vec<String>>,
) -> BTreeSet<&'f str> {
    let lists = filters.iter().copied().filter_map(list);
    lists.flatten().map(String::as_str).collect()
}

/// Returns how a user may sign in with these filters together: what one of them denies is denied.
pub(super) fn ssh_access(filters: &[&SftpgoFilters]) -> SshAccess {
    if filters.iter().any(|filters| filters.is_anonymous) {
        return SshAccess::Closed("anonymous users cannot use SSH");
    }
    if all(filters, |filters| filters.denied_protocols.as_ref()).contains("SSH") {
        return SshAccess::Closed("the protocol SSH is denied");
    }
    let denied = all(filters, |filters| filters.denied_login_methods.as_ref());
    let allows = |method: &str| !denied.contains(method);
    let key = allows("publickey");
    let password = allows("password") && allows("password-over-SSH") || allows("keyboard-interactive");
    let both = allows("publickey+password") || allows("publickey+keyboard-interactive");
    match (key, password) {
        (true, true) => SshAccess::Free,
        (true, false) => SshAccess::Requires([Factor::PublicKey].into()),
        (false, true) => SshAccess::Requires([Factor::Password].into()),
        (false, false) if both => SshAccess::Requires([Factor::PublicKey, Factor::Password].into()),
        (false, false) => SshAccess::Closed("all ways to sign in by SSH are denied"),
    }
}

/// Returns what of these settings is not carried over.
pub(super) fn without_counterpart(settings: &SftpgoSettings) -> Vec<&'static str> {
    let transfers = [
        settings.upload_data_transfer,
        settings.download_data_transfer,
        settings.total_data_transfer,
    ];
    let mut all = vec![
        (
            settings.uid != 0 || settings.gid != 0,
            "uid and gid: all files belong to the system user of the server",
        ),
        (
            transfers.iter().any(|limit| *limit > 0),
            "the limits of data transfer",
        ),
    ];
    if let Some(filters) = &settings.filters {
        all.extend(filters_without_counterpart(filters));
    }
    let set = all.into_iter().filter(|(is_set, _)| *is_set);
    set.map(|(_, what)| what).collect()
}

fn filters_without_counterpart(filters: &SftpgoFilters) -> [(bool, &'static str); 9] {
    fn has<T>(list: Option<&Vec<T>>) -> bool {
        list.is_some_and(|list| !list.is_empty())
    }
    let two_factors = filters.two_factor_protocols.iter().flatten();
    let mut two_factors = two_factors.filter(|protocol| *protocol == "SSH");
    let start = filters.start_directory.as_deref().unwrap_or_default();
    [
        (
            has(filters.denied_ip.as_ref()),
            "denied_ip: [limits] deny refuses addresses for all users",
        ),
        (has(filters.file_patterns.as_ref()), "file_patterns"),
        (
            has(filters.bandwidth_limits.as_ref()),
            "bandwidth_limits by address",
        ),
        (has(filters.access_time.as_ref()), "access_time"),
        (filters.max_upload_file_size > 0, "max_upload_file_size"),
        (
            filters.password_expiration > 0 || filters.require_password_change,
            "the password's age: [auth.password] max_age is for all users",
        ),
        (!matches!(start, "" | "/"), "start_directory"),
        (
            filters.totp_config.as_ref().is_some_and(|totp| totp.enabled),
            "the one-time codes: homeportd user totp enroll NAME",
        ),
        (
            two_factors.next().is_some(),
            "two_factor_protocols: homeportd user set NAME --require password,totp",
        ),
    ]
}

/// Returns why files that are not on a local disk are not carried over.
pub(super) fn other_provider(filesystem: Option<&SftpgoFilesystem>) -> Option<String> {
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
