//! The columns that the tables of the web page have in common.

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;

use crate::domain::user::UserName;
use crate::store::rows::columns::{bad, column};
use base::error::{Error, Result};

/// Reads a time in seconds since 1970.
pub(super) fn time(row: &SqliteRow, name: &'static str) -> Result<Timestamp> {
    seconds(column(row, name)?, name)
}

/// Reads a time that may be NULL.
pub(super) fn time_if_any(row: &SqliteRow, name: &'static str) -> Result<Option<Timestamp>> {
    let value: Option<i64> = column(row, name)?;
    value.map(|value| seconds(value, name)).transpose()
}

fn seconds(value: i64, name: &'static str) -> Result<Timestamp> {
    Timestamp::from_second(value).map_err(|error| bad(name).because(error))
}

/// Reads bytes of a fixed number.
pub(super) fn bytes<const N: usize>(row: &SqliteRow, name: &'static str) -> Result<[u8; N]> {
    let bytes: Vec<u8> = column(row, name)?;
    bytes.try_into().map_err(|_| bad(name))
}

/// Reads a number that is not negative.
pub(super) fn number(row: &SqliteRow, name: &'static str) -> Result<u64> {
    u64::try_from(column::<i64>(row, name)?).map_err(|error| bad(name).because(error))
}

/// Reads a number that is not negative, and that may be NULL.
pub(super) fn number_if_any(row: &SqliteRow, name: &'static str) -> Result<Option<u64>> {
    let value: Option<i64> = column(row, name)?;
    value
        .map(|value| u64::try_from(value).map_err(|error| bad(name).because(error)))
        .transpose()
}

/// Reads the name of a row's user.
pub(super) fn user(row: &SqliteRow) -> Result<UserName> {
    UserName::stored(&column::<String>(row, "user_name")?)
}

/// Converts a number for the store; `what` names it.
pub(super) fn storable(number: u64, what: &str) -> Result<i64> {
    i64::try_from(number)
        .map_err(|_| Error::new(format!("{what} of {number} is too large")).hint("at most 8 EiB"))
}
