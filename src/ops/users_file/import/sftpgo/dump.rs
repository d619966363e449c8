//! The parts of SFTPGo's JSON that are read: version 17 of the dump, as SFTPGo 2.7 writes it. Everything may be missing, and
//! what a dump leaves out is `null`.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use base::error::{Error, Result};

/// What the file contains, for messages.
pub const EXPECTED: &str =
    "the JSON that SFTPGo dumps under Maintenance, or by GET /api/v2/dumpdata?output-data=1";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Dump {
    #[serde(deserialize_with = "null_is_empty")]
    pub(super) users: Option<Vec<SftpgoUser>>,
    #[serde(deserialize_with = "null_is_empty")]
    pub(super) groups: Option<Vec<SftpgoGroup>>,
    #[serde(deserialize_with = "null_is_empty")]
    pub(super) folders: Option<Vec<SftpgoFolder>>,
    pub(super) admins: Option<Vec<IgnoredAny>>,
    pub(super) api_keys: Option<Vec<IgnoredAny>>,
    pub(super) shares: Option<Vec<IgnoredAny>>,
    pub(super) event_rules: Option<Vec<IgnoredAny>>,
    pub(super) ip_lists: Option<Vec<IgnoredAny>>,
}

/// Reads a list for which SFTPGo writes `null` where it has nothing.
fn null_is_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Vec<T>>, D::Error> {
    let list: Option<Vec<T>> = Option::deserialize(deserializer)?;
    Ok(Some(list.unwrap_or_default()))
}

impl Dump {
    /// Reads the JSON: an object with at least one of the lists that are imported.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let refused = |why: String| {
            Error::new("this is not a dump of SFTPGo")
                .because(why)
                .hint(format!("the file must have {EXPECTED}"))
        };
        let dump: Self = serde_json::from_str(text).map_err(|error| {
            // The text of the error could contain what is in the file.
            let (line, column) = (error.line(), error.column());
            refused(format!("line {line}, column {column} is not JSON of this form"))
        })?;
        // A list would be read as the fields in their order.
        if !text.trim_start().starts_with('{') {
            return Err(refused("it is not a JSON object".to_owned()));
        }
        if dump.users.is_none() && dump.groups.is_none() && dump.folders.is_none() {
            let why = "it has none of \"users\", \"groups\" and \"folders\"";
            return Err(refused(why.to_owned()));
        }
        Ok(dump)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SftpgoUser {
    pub(super) username: String,
    pub(super) role: Option<String>,
    pub(super) status: Option<i64>,
    pub(super) description: Option<String>,
    /// In milliseconds since 1970; 0 is never.
    pub(super) expiration_date: i64,
    /// In milliseconds since 1970.
    pub(super) created_at: i64,
    pub(super) password: Option<String>,
    pub(super) public_keys: Option<Vec<String>>,
    pub(super) virtual_folders: Option<Vec<SftpgoMount>>,
    pub(super) groups: Option<Vec<SftpgoMembership>>,
    #[serde(flatten)]
    pub(super) settings: SftpgoSettings,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SftpgoGroup {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) user_settings: SftpgoSettings,
    pub(super) virtual_folders: Option<Vec<SftpgoMount>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SftpgoFolder {
    pub(super) name: String,
    pub(super) mapped_path: Option<String>,
    pub(super) description: Option<String>,
    pub(super) filesystem: Option<SftpgoFilesystem>,
}

/// What users and groups have. A number that is 0 is not limited.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SftpgoSettings {
    pub(super) home_dir: Option<String>,
    pub(super) uid: i64,
    pub(super) gid: i64,
    pub(super) max_sessions: i64,
    /// In bytes.
    pub(super) quota_size: i64,
    pub(super) quota_files: i64,
    pub(super) permissions: Option<BTreeMap<String, Vec<String>>>,
    /// In KiB per second.
    pub(super) upload_bandwidth: i64,
    pub(super) download_bandwidth: i64,
    pub(super) upload_data_transfer: i64,
    pub(super) download_data_transfer: i64,
    pub(super) total_data_transfer: i64,
    /// In days from the creation of the user. Only groups have it.
    pub(super) expires_in: i64,
    pub(super) filters: Option<SftpgoFilters>,
    pub(super) filesystem: Option<SftpgoFilesystem>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SftpgoFilters {
    pub(super) allowed_ip: Option<Vec<String>>,
    pub(super) denied_ip: Option<Vec<String>>,
    pub(super) denied_login_methods: Option<Vec<String>>,
    pub(super) denied_protocols: Option<Vec<String>>,
    pub(super) two_factor_protocols: Option<Vec<String>>,
    pub(super) file_patterns: Option<Vec<IgnoredAny>>,
    pub(super) bandwidth_limits: Option<Vec<IgnoredAny>>,
    pub(super) access_time: Option<Vec<IgnoredAny>>,
    pub(super) max_upload_file_size: i64,
    pub(super) password_expiration: i64,
    pub(super) require_password_change: bool,
    pub(super) is_anonymous: bool,
    pub(super) start_directory: Option<String>,
    pub(super) totp_config: Option<SftpgoTotp>,
}

/// The secret of one-time codes is encrypted, and is not read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SftpgoTotp {
    pub(super) enabled: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SftpgoFilesystem {
    pub(super) provider: i64,
}

/// A folder of a user or a group. Its quota is -1 for what counts towards the quota of the user.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SftpgoMount {
    pub(super) name: String,
    pub(super) virtual_path: String,
    pub(super) quota_size: i64,
    pub(super) quota_files: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SftpgoMembership {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: i64,
}
