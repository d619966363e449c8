//! What a store of host keys alone says about browsers and tokens: nothing.

use std::net::IpAddr;

use jiff::Timestamp;

use super::{Recorded, no_users};
use crate::domain::user::UserName;
use crate::store::web::{BrowserSessionRecord, NewToken, SecretHash, TokenRecord, WebStore};
use base::error::Result;

#[async_trait::async_trait]
impl WebStore for Recorded {
    async fn add_browser_session(&self, _: &BrowserSessionRecord) -> Result<()> {
        no_users()
    }
    async fn browser_session(&self, _: &SecretHash) -> Result<Option<BrowserSessionRecord>> {
        no_users()
    }
    async fn browser_sessions_of(&self, _: &UserName) -> Result<Vec<BrowserSessionRecord>> {
        no_users()
    }
    async fn touch_browser_session(&self, _: &SecretHash, _: Timestamp, _: IpAddr) -> Result<()> {
        no_users()
    }
    async fn remove_browser_session(&self, _: &SecretHash) -> Result<bool> {
        no_users()
    }
    async fn remove_other_browser_sessions(&self, _: &UserName, _: Option<&SecretHash>) -> Result<u64> {
        no_users()
    }
    async fn add_token(&self, _: &NewToken) -> Result<i64> {
        no_users()
    }
    async fn token_by_hash(&self, _: &SecretHash) -> Result<Option<TokenRecord>> {
        no_users()
    }
    async fn tokens(&self, _: Option<&UserName>) -> Result<Vec<TokenRecord>> {
        no_users()
    }
    async fn remove_token(&self, _: &UserName, _: i64) -> Result<bool> {
        no_users()
    }
    async fn token_used(&self, _: i64, _: Timestamp) -> Result<()> {
        no_users()
    }
    async fn forget_expired(&self, _: Timestamp) -> Result<u64> {
        no_users()
    }
}
