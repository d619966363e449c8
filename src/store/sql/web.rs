//! Browsers and tokens, in the SQLite file.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

use super::SqlStore;
use super::database::{Database, retry_if_disk_was_full};
use crate::domain::user::UserName;
use crate::store::web::{BrowserSessionRecord, NewToken, SecretHash, TokenRecord, WebStore};
use crate::store::{browser_sessions, no_such_user, tokens};
use base::error::{Error, Result};

/// How long a token is listed after it has expired, so that its owner sees why a program fails.
const EXPIRED_TOKENS_LISTED: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Makes a change in a transaction of its own.
macro_rules! change {
    ($db:expr, $connection:ident => $change:expr) => {
        retry_if_disk_was_full(|| async move {
            let db: &Database = $db;
            let mut $connection = db.begin_write().await?;
            let done = $change.await.map_err(|e| db.failed(e))?;
            $connection.commit().await.map_err(|e| db.failed(e))?;
            Ok(done)
        })
        .await
    };
}

/// Reads with a connection of the pool.
macro_rules! read {
    ($db:expr, $connection:ident => $read:expr) => {{
        let mut $connection = $db.pool.acquire().await.map_err(|e| $db.failed(e))?;
        $read.await.map_err(|e| $db.failed(e))
    }};
}

#[async_trait::async_trait]
impl WebStore for SqlStore {
    async fn add_browser_session(&self, record: &BrowserSessionRecord) -> Result<()> {
        change!(&self.db, write => browser_sessions::add(&mut write, record))
    }

    async fn browser_session(&self, id_hash: &SecretHash) -> Result<Option<BrowserSessionRecord>> {
        read!(self.db, connection => browser_sessions::find(&mut connection, id_hash))
    }

    async fn browser_sessions_of(&self, user: &UserName) -> Result<Vec<BrowserSessionRecord>> {
        read!(self.db, connection => browser_sessions::of_user(&mut connection, user))
    }

    async fn touch_browser_session(
        &self,
        id_hash: &SecretHash,
        at: Timestamp,
        address: IpAddr,
    ) -> Result<()> {
        change!(&self.db, write => browser_sessions::touch(&mut write, id_hash, at, address))
    }

    async fn remove_browser_session(&self, id_hash: &SecretHash) -> Result<bool> {
        change!(&self.db, write => browser_sessions::remove(&mut write, id_hash))
    }

    async fn remove_other_browser_sessions(
        &self,
        user: &UserName,
        except: Option<&SecretHash>,
    ) -> Result<u64> {
        change!(&self.db, write => browser_sessions::remove_others(&mut write, user, except))
    }

    async fn add_token(&self, token: &NewToken) -> Result<i64> {
        retry_if_disk_was_full(|| add_token(&self.db, token)).await
    }

    async fn token_by_hash(&self, hash: &SecretHash) -> Result<Option<TokenRecord>> {
        read!(self.db, connection => tokens::find(&mut connection, hash))
    }

    async fn tokens(&self, user: Option<&UserName>) -> Result<Vec<TokenRecord>> {
        read!(self.db, connection => tokens::list(&mut connection, user))
    }

    async fn remove_token(&self, user: &UserName, id: i64) -> Result<bool> {
        change!(&self.db, write => tokens::remove(&mut write, user, id))
    }

    async fn token_used(&self, id: i64, at: Timestamp) -> Result<()> {
        change!(&self.db, write => tokens::used(&mut write, id, at))
    }

    async fn forget_expired(&self, now: Timestamp) -> Result<u64> {
        let listed = now
            .saturating_sub(EXPIRED_TOKENS_LISTED)
            .unwrap_or(Timestamp::MIN);
        let browsers = change!(&self.db, write => browser_sessions::forget(&mut write, now))?;
        let tokens = change!(&self.db, write => tokens::forget(&mut write, listed))?;
        Ok(browsers + tokens)
    }
}

async fn add_token(db: &Database, token: &NewToken) -> Result<i64> {
    let mut write = db.begin_write().await?;
    let count = tokens::count(&mut write, &token.user)
        .await
        .map_err(|e| db.failed(e))?;
    if count >= tokens::MOST_OF_ONE_USER {
        return Err(
            Error::new(format!("the user \"{}\" has {count} tokens already", token.user)).hint(format!(
                "homeportd token list {} shows them; remove those that nobody uses",
                token.user
            )),
        );
    }
    let added = tokens::add(&mut write, token).await.map_err(|e| db.failed(e))?;
    let id = added.ok_or_else(|| no_such_user(&token.user))?;
    write.commit().await.map_err(|e| db.failed(e))?;
    Ok(id)
}
