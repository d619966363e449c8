//! A store that remembers host keys and nothing else.

use parking_lot::Mutex;
use std::collections::HashMap;

use crate::domain::folder::{Folder, FolderName};
use crate::domain::group::{Group, GroupName};
use crate::domain::user::{PasswordHash, User, UserName};
use crate::store::{
    BatchStore, Changed, FactorStore, FolderChange, GroupChange, GroupStore, RecordWrite, Records, Store, web,
};
use base::error::{Error, Result};

/// Remembers host keys and nothing else.
#[derive(Default)]
pub(super) struct Recorded(Mutex<Vec<(String, String)>>);

fn no_users<T>() -> Result<T> {
    Err(Error::new("no users here"))
}

#[async_trait::async_trait]
impl GroupStore for Recorded {
    async fn group(&self, _: &GroupName) -> Result<Option<Group>> {
        no_users()
    }
    async fn groups(&self) -> Result<Vec<Group>> {
        no_users()
    }
    async fn add_group(&self, _: &Group) -> Result<()> {
        no_users()
    }
    async fn change_group(&self, _: &GroupName, _: GroupChange) -> Result<Changed<Group>> {
        no_users()
    }
    async fn remove_group(&self, _: &GroupName) -> Result<()> {
        no_users()
    }
    async fn folder(&self, _: &FolderName) -> Result<Option<Folder>> {
        no_users()
    }
    async fn folders(&self) -> Result<Vec<Folder>> {
        no_users()
    }
    async fn add_folder(&self, _: &Folder) -> Result<()> {
        no_users()
    }
    async fn change_folder(&self, _: &FolderName, _: FolderChange) -> Result<Changed<Folder>> {
        no_users()
    }
    async fn remove_folder(&self, _: &FolderName) -> Result<std::path::PathBuf> {
        no_users()
    }
}

#[async_trait::async_trait]
impl FactorStore for Recorded {
    async fn replace_hash(&self, _: &User, _: &PasswordHash) -> Result<bool> {
        no_users()
    }
    async fn take_totp_step(&self, _: &UserName, _: i64) -> Result<bool> {
        no_users()
    }
    async fn set_recovery_codes(&self, _: &UserName, _: &[String]) -> Result<()> {
        no_users()
    }
    async fn take_recovery_code(&self, _: &UserName, _: &str) -> Result<bool> {
        no_users()
    }
    async fn recovery_codes_left(&self, _: &UserName) -> Result<u64> {
        no_users()
    }
    async fn last_sign_ins(&self, _: Option<&UserName>) -> Result<HashMap<UserName, jiff::Timestamp>> {
        no_users()
    }
    async fn sign_ins_of(&self, _: &UserName) -> Result<Vec<crate::store::SignIn>> {
        no_users()
    }
    async fn record_last_sign_ins(&self, _: &[crate::store::LastSignIn]) -> Result<()> {
        no_users()
    }
}

#[async_trait::async_trait]
impl crate::store::PasswordStore for Recorded {
    async fn unusual_hashes(&self, _: &str, _: i64) -> Result<Vec<crate::domain::user::PasswordHash>> {
        no_users()
    }
}

#[async_trait::async_trait]
impl crate::store::WebStore for Recorded {
    async fn add_browser_session(&self, _: &web::BrowserSessionRecord) -> Result<()> {
        no_users()
    }
    async fn browser_session(&self, _: &[u8; 32]) -> Result<Option<web::BrowserSessionRecord>> {
        no_users()
    }
    async fn browser_sessions_of(&self, _: &UserName) -> Result<Vec<web::BrowserSessionRecord>> {
        no_users()
    }
    async fn touch_browser_session(
        &self,
        _: &[u8; 32],
        _: jiff::Timestamp,
        _: std::net::IpAddr,
    ) -> Result<()> {
        no_users()
    }
    async fn remove_browser_session(&self, _: &[u8; 32]) -> Result<bool> {
        no_users()
    }
    async fn remove_browser_sessions_of(&self, _: &UserName, _: Option<&[u8; 32]>) -> Result<u64> {
        no_users()
    }
    async fn remove_expired(&self, _: jiff::Timestamp) -> Result<()> {
        no_users()
    }
    async fn add_token(&self, _: &web::TokenRecord) -> Result<i64> {
        no_users()
    }
    async fn token_by_hash(&self, _: &[u8; 32]) -> Result<Option<web::TokenRecord>> {
        no_users()
    }
    async fn tokens(&self, _: Option<&UserName>) -> Result<Vec<web::TokenRecord>> {
        no_users()
    }
    async fn remove_token(&self, _: &UserName, _: i64) -> Result<bool> {
        no_users()
    }
    async fn token_used(&self, _: i64, _: jiff::Timestamp) -> Result<()> {
        no_users()
    }
    async fn add_share(&self, _: &web::ShareRecord) -> Result<i64> {
        no_users()
    }
    async fn share_by_hash(&self, _: &[u8; 32]) -> Result<Option<web::ShareRecord>> {
        no_users()
    }
    async fn shares(&self, _: Option<&UserName>) -> Result<Vec<web::ShareRecord>> {
        no_users()
    }
    async fn remove_share(&self, _: &UserName, _: i64) -> Result<bool> {
        no_users()
    }
    async fn take_share_use(&self, _: i64) -> Result<bool> {
        no_users()
    }
    async fn take_share_bytes(&self, _: i64, _: u64) -> Result<bool> {
        no_users()
    }
    async fn add_upload(&self, _: &web::UploadRecord) -> Result<()> {
        no_users()
    }
    async fn upload(&self, _: &[u8; 16]) -> Result<Option<web::UploadRecord>> {
        no_users()
    }
    async fn uploads_of(&self, _: &UserName) -> Result<Vec<web::UploadRecord>> {
        no_users()
    }
    async fn remove_upload(&self, _: &[u8; 16]) -> Result<bool> {
        no_users()
    }
    async fn expired_uploads(&self, _: jiff::Timestamp, _: u32) -> Result<Vec<web::UploadRecord>> {
        no_users()
    }
}

#[async_trait::async_trait]
impl BatchStore for Recorded {
    async fn records(&self) -> Result<Records> {
        no_users()
    }
    async fn write_records(&self, _: i64, _: &[RecordWrite]) -> Result<bool> {
        no_users()
    }
}

#[async_trait::async_trait]
impl Store for Recorded {
    async fn user(&self, _: &UserName) -> Result<Option<User>> {
        no_users()
    }
    async fn user_with_key(&self, _: &UserName, _: &str) -> Result<Option<User>> {
        no_users()
    }
    async fn users(&self) -> Result<Vec<User>> {
        no_users()
    }
    async fn has_users(&self) -> Result<bool> {
        Ok(false)
    }
    async fn add_user(&self, _: &User) -> Result<()> {
        no_users()
    }
    async fn change_user(&self, _: &UserName, _: crate::store::RecordChange) -> Result<Changed<User>> {
        no_users()
    }
    async fn move_home(
        &self,
        _: &std::path::Path,
        _: &std::path::Path,
        _: Option<&crate::store::UsageRecord>,
    ) -> Result<Vec<Changed<User>>> {
        no_users()
    }
    async fn remove_user(&self, _: &UserName) -> Result<std::path::PathBuf> {
        no_users()
    }
    async fn usage(&self, _: &std::path::Path) -> Result<Option<crate::store::UsageRecord>> {
        no_users()
    }
    async fn usages(&self) -> Result<Vec<crate::store::UsageRecord>> {
        no_users()
    }
    async fn quota_of_home(&self, _: &std::path::Path) -> Result<Option<crate::domain::user::Quota>> {
        no_users()
    }
    async fn overlapping_user(&self, _: &std::path::Path, _: &UserName) -> Result<Option<String>> {
        no_users()
    }
    async fn record_usage(&self, _: &[crate::store::UsageRecord]) -> Result<()> {
        no_users()
    }
    async fn sign_ins(&self, _: jiff::Timestamp) -> Result<Vec<crate::store::SignIn>> {
        no_users()
    }
    async fn record_sign_ins(&self, _: &[crate::store::SignIn], _: usize, _: jiff::Timestamp) -> Result<()> {
        no_users()
    }
    async fn host_keys(&self) -> Result<Vec<(String, String)>> {
        Ok(self.0.lock().clone())
    }
    async fn record_host_key(&self, algorithm: &str, fingerprint: &str) -> Result<()> {
        let mut keys = self.0.lock();
        keys.retain(|(name, _)| name != algorithm);
        keys.push((algorithm.to_owned(), fingerprint.to_owned()));
        Ok(())
    }
    async fn forget_host_key(&self, algorithm: &str) -> Result<()> {
        self.0.lock().retain(|(name, _)| name != algorithm);
        Ok(())
    }
    async fn version(&self) -> Result<i64> {
        Ok(0)
    }
    async fn id(&self) -> Result<String> {
        no_users()
    }
    async fn knows_place(&self, _: &std::path::Path) -> Result<bool> {
        no_users()
    }
    async fn record_place(&self, _: &std::path::Path) -> Result<()> {
        no_users()
    }
    async fn changes_since(&self, _: i64) -> Result<crate::store::RevisionChanges> {
        no_users()
    }
}
