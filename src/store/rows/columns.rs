//! Reading single columns of any table.

use std::str::FromStr;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::domain::quota::Limit;
use base::error::{Error, Result};

/// The number that stands for an unlimited quota, where NULL means that none is set.
pub(in crate::store) const UNLIMITED: i64 = -1;

/// Returns the number for a limit.
pub(in crate::store) fn limit_number(Limit(limit): Limit<u64>) -> Result<i64> {
    match limit {
        None => Ok(UNLIMITED),
        Some(limit) => {
            i64::try_from(limit).map_err(|_| Error::new("a quota is at most 8 EiB").hint("unlimited"))
        }
    }
}

/// Returns the limit for a number.
pub(in crate::store) fn read_limit(number: i64, name: &'static str) -> Result<Limit<u64>> {
    match number {
        UNLIMITED => Ok(Limit(None)),
        number => u64::try_from(number)
            .map(|limit| Limit(Some(limit)))
            .map_err(|_| bad(name)),
    }
}

/// Reads a text that may be NULL, and parses it.
pub(in crate::store) fn parsed<T: FromStr>(row: &SqliteRow, name: &'static str) -> Result<Option<T>>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: Option<String> = column(row, name)?;
    text.map(|text| text.parse().map_err(|error: T::Err| bad(name).because(error)))
        .transpose()
}

pub(in crate::store) fn column<'r, T>(row: &'r SqliteRow, name: &'static str) -> Result<T>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(name).map_err(|error| bad(name).because(error))
}

pub(in crate::store) fn bad(name: &'static str) -> Error {
    Error::new(format!("the column {name} has an invalid value"))
}
