//! The settings for quotas: the section `[quota]` of the configuration.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

use crate::domain::user::{Limit, storable};
use base::error::Error;
use base::size::Size;

/// The settings of the section `[quota]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QuotaSettings {
    /// The quota in bytes of users for whom neither their record nor their group has one; `None` means unlimited.
    #[serde(deserialize_with = "size_or_unlimited")]
    pub default_bytes: Option<u64>,
    /// The quota in files of users for whom neither their record nor their group has one; `None` means unlimited.
    #[serde(deserialize_with = "count")]
    pub default_files: Option<u64>,
    /// The age of a measurement, in seconds, after which a sign-in measures the home again.
    pub rescan_secs: u64,
    /// The percentages of a quota at which the use of a home is an event, in ascending order.
    #[serde(deserialize_with = "percentages")]
    pub warn_at: Vec<u8>,
}

impl Default for QuotaSettings {
    fn default() -> Self {
        Self {
            default_bytes: None,
            default_files: None,
            // One week: the server then notices files that an operator has put into a home at the next sign-in.
            rescan_secs: 7 * 24 * 60 * 60,
            // Early enough to do something, and once more when uploads will soon fail.
            warn_at: vec![80, 95],
        }
    }
}

fn percentages<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    let mut list = Vec::<i64>::deserialize(from)?;
    list.sort_unstable();
    list.dedup();
    let percentage = |number: i64| match u8::try_from(number) {
        Ok(percent @ 1..=100) => Ok(percent),
        _ => Err(de::Error::custom(format!(
            "{number} is not a percentage from 1 to 100"
        ))),
    };
    list.into_iter().map(percentage).collect()
}

/// Reads a number of bytes as a number or as text such as "10GiB"; "unlimited" is `None`.
///
/// # Errors
/// Returns an error that says what a size is.
pub fn size_or_unlimited<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let limit = from.deserialize_any(NumberOrText::<Size> {
        expected: "a size: a number of bytes, \"10GiB\" or \"unlimited\"",
        kind: PhantomData,
    })?;
    Ok(limit.0.map(|Size(bytes)| bytes))
}

fn count<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let limit = from.deserialize_any(NumberOrText::<u64> {
        expected: "a whole number, 0 or more, or \"unlimited\"",
        kind: PhantomData,
    })?;
    Ok(limit.0)
}

/// Reads a limit as a number, or as text as on the command line.
struct NumberOrText<T> {
    expected: &'static str,
    kind: PhantomData<T>,
}

impl<T: From64> de::Visitor<'_> for NumberOrText<T>
where
    Limit<T>: FromStr<Err = Error>,
{
    type Value = Limit<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
        match u64::try_from(number) {
            Ok(number) => Ok(Limit(Some(T::from64(number)))),
            Err(_) => Err(E::invalid_value(de::Unexpected::Signed(number), &self)),
        }
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        let number = storable(number).map_err(E::custom)?;
        Ok(Limit(Some(T::from64(number))))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        text.parse().map_err(E::custom)
    }
}

/// The meaning of a plain number.
trait From64 {
    fn from64(number: u64) -> Self;
}

impl From64 for Size {
    fn from64(number: u64) -> Self {
        Size(number)
    }
}

impl From64 for u64 {
    fn from64(number: u64) -> Self {
        number
    }
}
