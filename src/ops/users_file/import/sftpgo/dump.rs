//! The parts of SFTPGo's JSON that are read. Everything in it may be missing.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Dump {
    pub(super) users: Vec<SftpgoUser>,
    pub(super) groups: Vec<SftpgoGroup>,
    pub(super) folders: Vec<SftpgoFolder>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SftpgoUser {
    pub(super) username: String,
    pub(super) status: Option<i64>,
    pub(super) description: Option<String>,
    pub(super) expiration_date: i64,
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

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SftpgoSettings {
    pub(super) home_dir: Option<String>,
    pub(super) max_sessions: i64,
    pub(super) quota_size: i64,
    pub(super) quota_files: i64,
    pub(super) permissions: Option<BTreeMap<String, Vec<String>>>,
    pub(super) upload_bandwidth: i64,
    pub(super) download_bandwidth: i64,
    pub(super) filters: Option<SftpgoFilters>,
    pub(super) filesystem: Option<SftpgoFilesystem>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SftpgoFilters {
    pub(super) allowed_ip: Option<Vec<String>>,
    pub(super) denied_ip: Option<Vec<String>>,
    pub(super) denied_login_methods: Option<Vec<String>>,
    pub(super) file_patterns: Option<Vec<serde_json::Value>>,
    pub(super) max_upload_file_size: i64,
    pub(super) totp_config: Option<SftpgoTotp>,
}

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

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SftpgoMount {
    pub(super) name: String,
    pub(super) virtual_path: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SftpgoMembership {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: i64,
}
