//! The statements about sign-ins of browsers.

use std::net::IpAddr;

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;

use super::columns::{bytes, time, user};
use crate::domain::user::{Factor, UserName};
use crate::store::rows::columns::{bad, column};
use crate::store::rows::settings::SqlQuery;
use crate::store::web::{BrowserSessionRecord, LONGEST_CLIENT, MOST_BROWSER_SESSIONS};
use base::error::Result;

/// Returns the query for the sign-in with this hash.
pub(super) fn by_hash(id_hash: &[u8; 32]) -> SqlQuery<'static> {
    let sql = "SELECT s.* FROM browser_sessions s \
               JOIN users u ON u.name = s.user_name AND u.incarnation = s.incarnation WHERE s.id_hash = $1";
    sqlx::query(sql).bind(id_hash.to_vec())
}

/// Returns the query for the sign-ins of a user.
pub(super) fn of(name: &UserName) -> SqlQuery<'static> {
    let sql = "SELECT s.* FROM browser_sessions s \
               JOIN users u ON u.name = s.user_name AND u.incarnation = s.incarnation WHERE s.user_name = $1 \
               ORDER BY s.last_used_at DESC, s.id_hash";
    sqlx::query(sql).bind(name.to_string())
}

/// Reads a row.
pub(super) fn read(row: &SqliteRow) -> Result<BrowserSessionRecord> {
    let factors: String = column(row, "factors")?;
    let factors = factors.split(',').filter(|name| !name.is_empty());
    let address: String = column(row, "address")?;
    Ok(BrowserSessionRecord {
        id_hash: bytes(row, "id_hash")?,
        user: user(row)?,
        incarnation: column(row, "incarnation")?,
        factors: factors.map(str::parse::<Factor>).collect::<Result<_>>()?,
        fingerprint: bytes(row, "fingerprint")?,
        created_at: time(row, "created_at")?,
        last_used_at: time(row, "last_used_at")?,
        expires_at: time(row, "expires_at")?,
        address: address
            .parse::<IpAddr>()
            .map_err(|error| bad("address").because(error))?,
        client: column(row, "client")?,
    })
}

/// Returns the statement that adds a sign-in.
pub(super) fn insert(record: &BrowserSessionRecord) -> SqlQuery<'static> {
    let sql = "INSERT INTO browser_sessions (id_hash, user_name, incarnation, factors, fingerprint, created_at, \
               last_used_at, expires_at, address, client) SELECT $1, name, incarnation, $4, $5, $6, $7, $8, $9, $10 \
               FROM users WHERE name = $2 AND incarnation = $3";
    let factors: Vec<&str> = record.factors.iter().map(|factor| factor.name()).collect();
    let end = record.client.floor_char_boundary(LONGEST_CLIENT);
    sqlx::query(sql)
        .bind(record.id_hash.to_vec())
        .bind(record.user.to_string())
        .bind(record.incarnation)
        .bind(factors.join(","))
        .bind(record.fingerprint.to_vec())
        .bind(record.created_at.as_second())
        .bind(record.last_used_at.as_second())
        .bind(record.expires_at.as_second())
        .bind(record.address.to_string())
        .bind(record.client.get(..end).unwrap_or_default().to_owned())
}

/// Returns the statement that removes the sign-ins beyond the most that a user may have, but not the one that was just
/// added.
pub(super) fn remove_surplus(added: &BrowserSessionRecord) -> SqlQuery<'static> {
    let sql = "DELETE FROM browser_sessions WHERE user_name = $1 AND id_hash <> $2 AND id_hash NOT IN \
               (SELECT id_hash FROM browser_sessions WHERE user_name = $1 AND id_hash <> $2 \
               ORDER BY last_used_at DESC, created_at DESC LIMIT $3)";
    sqlx::query(sql)
        .bind(added.user.to_string())
        .bind(added.id_hash.to_vec())
        .bind(i64::from(MOST_BROWSER_SESSIONS) - 1)
}

/// Returns the statement that notes a request.
pub(super) fn touch(id_hash: &[u8; 32], at: Timestamp, address: IpAddr) -> SqlQuery<'static> {
    let sql = "UPDATE browser_sessions SET last_used_at = $2, address = $3 WHERE id_hash = $1 AND last_used_at <= $2";
    sqlx::query(sql)
        .bind(id_hash.to_vec())
        .bind(at.as_second())
        .bind(address.to_string())
}

/// Returns the statement that removes one sign-in.
pub(super) fn remove(id_hash: &[u8; 32]) -> SqlQuery<'static> {
    sqlx::query("DELETE FROM browser_sessions WHERE id_hash = $1").bind(id_hash.to_vec())
}

/// Returns the statement that removes the sign-ins of a user except for one.
pub(super) fn remove_of(name: &UserName, except: Option<&[u8; 32]>) -> SqlQuery<'static> {
    let sql = "DELETE FROM browser_sessions WHERE user_name = $1 AND ($2 IS NULL OR id_hash <> $2)";
    sqlx::query(sql)
        .bind(name.to_string())
        .bind(except.map(|hash| hash.to_vec()))
}

/// Returns the statement that removes the sign-ins that have expired.
pub(super) fn remove_expired(now: Timestamp) -> SqlQuery<'static> {
    sqlx::query("DELETE FROM browser_sessions WHERE expires_at <= $1").bind(now.as_second())
}
