//! The table of browsers that have signed in.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::rows::columns::column;
use super::web::{BrowserSessionRecord, SecretHash};
use crate::domain::user::{Factor, UserName};

/// The most browsers of one user. The one that was used first makes room.
const MOST_OF_ONE_USER: i64 = 100;

/// Reads a browser; `None` if the row is invalid.
fn read(row: &SqliteRow) -> Option<BrowserSessionRecord> {
    let bytes = |name| column::<Vec<u8>>(row, name).ok()?.try_into().ok();
    let text = |name| column::<String>(row, name).ok();
    let time = |name| Timestamp::from_second(column(row, name).ok()?).ok();
    let factors = text("factors")?;
    let names = factors.split(',').filter(|name| !name.is_empty());
    let factors: Result<BTreeSet<Factor>, _> = names.map(str::parse).collect();
    Some(BrowserSessionRecord {
        id_hash: bytes("id_hash")?,
        user: UserName::stored(&text("user_name")?).ok()?,
        incarnation: column(row, "incarnation").ok()?,
        factors: factors.ok()?,
        fingerprint: bytes("fingerprint")?,
        created_at: time("created_at")?,
        last_used_at: time("last_used_at")?,
        expires_at: time("expires_at")?,
        address: text("address")?.parse().ok()?,
        client: text("client")?,
    })
}

/// Adds a browser if the user's record is the one that has signed in, and removes the oldest ones beyond the limit.
pub(super) async fn add(
    connection: &mut SqliteConnection,
    record: &BrowserSessionRecord,
) -> sqlx::Result<()> {
    let factors: Vec<&str> = record.factors.iter().map(|factor| factor.name()).collect();
    let sql = "INSERT INTO browser_sessions (id_hash, user_name, incarnation, factors, fingerprint, created_at, \
               last_used_at, expires_at, address, client) \
               SELECT $1, name, $3, $4, $5, $6, $7, $8, $9, $10 FROM users WHERE name = $2 AND incarnation = $3";
    sqlx::query(sql)
        .bind(&record.id_hash[..])
        .bind(record.user.as_str())
        .bind(record.incarnation)
        .bind(factors.join(","))
        .bind(&record.fingerprint[..])
        .bind(record.created_at.as_second())
        .bind(record.last_used_at.as_second())
        .bind(record.expires_at.as_second())
        .bind(record.address.to_string())
        .bind(&record.client)
        .execute(&mut *connection)
        .await?;
    let sql = "DELETE FROM browser_sessions WHERE user_name = $1 AND id_hash NOT IN \
               (SELECT id_hash FROM browser_sessions WHERE user_name = $1 ORDER BY last_used_at DESC, rowid DESC LIMIT $2)";
    sqlx::query(sql)
        .bind(record.user.as_str())
        .bind(MOST_OF_ONE_USER)
        .execute(connection)
        .await
        .map(drop)
}

/// Reads the browser with this hash.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    id_hash: &SecretHash,
) -> sqlx::Result<Option<BrowserSessionRecord>> {
    let row = sqlx::query("SELECT * FROM browser_sessions WHERE id_hash = $1")
        .bind(&id_hash[..])
        .fetch_optional(connection)
        .await?;
    Ok(row.as_ref().and_then(read))
}

/// Reads the browsers of a user, the last used first.
pub(super) async fn of_user(
    connection: &mut SqliteConnection,
    user: &UserName,
) -> sqlx::Result<Vec<BrowserSessionRecord>> {
    let sql = "SELECT * FROM browser_sessions WHERE user_name = $1 ORDER BY last_used_at DESC, rowid DESC";
    let rows = sqlx::query(sql).bind(user.as_str()).fetch_all(connection).await?;
    Ok(rows.iter().filter_map(read).collect())
}

/// Stores when and from where a browser was used last.
pub(super) async fn touch(
    connection: &mut SqliteConnection,
    id_hash: &SecretHash,
    at: Timestamp,
    address: IpAddr,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE browser_sessions SET last_used_at = max(last_used_at, $2), address = $3 WHERE id_hash = $1",
    )
    .bind(&id_hash[..])
    .bind(at.as_second())
    .bind(address.to_string())
    .execute(connection)
    .await
    .map(drop)
}

/// Removes a browser, and returns whether it was there.
pub(super) async fn remove(connection: &mut SqliteConnection, id_hash: &SecretHash) -> sqlx::Result<bool> {
    let done = sqlx::query("DELETE FROM browser_sessions WHERE id_hash = $1")
        .bind(&id_hash[..])
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Removes the browsers of a user except one, and returns how many.
pub(super) async fn remove_others(
    connection: &mut SqliteConnection,
    user: &UserName,
    except: Option<&SecretHash>,
) -> sqlx::Result<u64> {
    let sql = "DELETE FROM browser_sessions WHERE user_name = $1 AND ($2 IS NULL OR id_hash <> $2)";
    let done = sqlx::query(sql)
        .bind(user.as_str())
        .bind(except.map(|hash| &hash[..]))
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}

/// Removes the browsers that must sign in again, and returns how many.
pub(super) async fn forget(connection: &mut SqliteConnection, now: Timestamp) -> sqlx::Result<u64> {
    let done = sqlx::query("DELETE FROM browser_sessions WHERE expires_at <= $1")
        .bind(now.as_second())
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}
