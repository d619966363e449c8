//! What is kept about proofs besides users' records, in the SQLite file.

use std::collections::HashMap;

use jiff::Timestamp;

use super::SqlStore;
use super::database::{Database, retry_if_disk_was_full};
use crate::domain::user::{PasswordHash, User, UserName};
use crate::store::{FactorStore, LastSignIn, SignIn, factors, sign_ins, users};
use base::error::Result;

#[async_trait::async_trait]
impl FactorStore for SqlStore {
    async fn replace_hash(&self, user: &User, better: &PasswordHash) -> Result<bool> {
        retry_if_disk_was_full(|| replace_hash(&self.db, user, better)).await
    }

    async fn take_totp_step(&self, name: &UserName, step: i64) -> Result<bool> {
        retry_if_disk_was_full(|| take_totp_step(&self.db, name, step)).await
    }

    async fn set_recovery_codes(&self, name: &UserName, hashes: &[String]) -> Result<()> {
        retry_if_disk_was_full(|| set_recovery_codes(&self.db, name, hashes)).await
    }

    async fn take_recovery_code(&self, name: &UserName, hash: &str) -> Result<bool> {
        retry_if_disk_was_full(|| take_recovery_code(&self.db, name, hash)).await
    }

    async fn recovery_codes_left(&self, name: &UserName) -> Result<u64> {
        let mut read = self.db.pool.acquire().await.map_err(|e| self.db.failed(e))?;
        let left = factors::recovery_codes_left(&mut read, name).await;
        Ok(u64::try_from(left.map_err(|e| self.db.failed(e))?).unwrap_or(0))
    }

    async fn last_sign_ins(&self, name: Option<&UserName>) -> Result<HashMap<UserName, Timestamp>> {
        sign_ins::last(&self.db.pool, name)
            .await
            .map_err(|e| self.db.failed(e))
    }

    async fn sign_ins_of(&self, name: &UserName) -> Result<Vec<SignIn>> {
        let mut read = self.db.pool.acquire().await.map_err(|e| self.db.failed(e))?;
        let found = sign_ins::of_user(&mut read, name).await;
        found.map_err(|e| self.db.failed(e))
    }

    async fn record_last_sign_ins(&self, rows: &[LastSignIn]) -> Result<()> {
        retry_if_disk_was_full(|| record_last_sign_ins(&self.db, rows)).await
    }
}

async fn record_last_sign_ins(db: &Database, rows: &[LastSignIn]) -> Result<()> {
    let mut write = db.begin_write().await?;
    for row in rows {
        sign_ins::write_last(&mut write, row)
            .await
            .map_err(|e| db.failed(e))?;
    }
    write.commit().await.map_err(|e| db.failed(e))
}

async fn replace_hash(db: &Database, user: &User, better: &PasswordHash) -> Result<bool> {
    let mut write = db.begin_write().await?;
    let replaced = users::replace_hash(&mut write, user, better).await;
    let replaced = replaced.map_err(|e| db.failed(e))?;
    write.commit().await.map_err(|e| db.failed(e))?;
    Ok(replaced)
}

async fn take_totp_step(db: &Database, name: &UserName, step: i64) -> Result<bool> {
    let mut write = db.begin_write().await?;
    let taken = factors::take_step(&mut write, name, step)
        .await
        .map_err(|e| db.failed(e))?;
    write.commit().await.map_err(|e| db.failed(e))?;
    Ok(taken)
}

async fn set_recovery_codes(db: &Database, name: &UserName, hashes: &[String]) -> Result<()> {
    let mut write = db.begin_write().await?;
    factors::forget_steps(&mut write, name)
        .await
        .map_err(|e| db.failed(e))?;
    factors::set_recovery_codes(&mut write, name, hashes)
        .await
        .map_err(|e| db.failed(e))?;
    write.commit().await.map_err(|e| db.failed(e))
}

async fn take_recovery_code(db: &Database, name: &UserName, hash: &str) -> Result<bool> {
    let mut write = db.begin_write().await?;
    let taken = factors::take_recovery_code(&mut write, name, hash).await;
    let taken = taken.map_err(|e| db.failed(e))?;
    write.commit().await.map_err(|e| db.failed(e))?;
    Ok(taken)
}
