//! The values of options that set something: sizes, modes, dates, lists, and the words that stand in place of them.

use std::collections::BTreeSet;
use std::str::FromStr;

use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};

use crate::domain::group::GroupName;
use crate::domain::texts;
use crate::domain::user::{Factor, Limit, SessionLimit};
use crate::ops::users::settings::SettingChange;
use crate::storage::settings::{DirectoryMode, FileMode};
use base::error::{Error, Result};
use base::size::Size;

/// A value, or the word `inherit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrInherit<T> {
    /// The setting is unset, and inherited.
    Inherit,
    /// The setting gets this value.
    To(T),
}

impl<T: FromStr> FromStr for OrInherit<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> std::result::Result<Self, T::Err> {
        match text {
            "inherit" => Ok(OrInherit::Inherit),
            _ => text.parse().map(OrInherit::To),
        }
    }
}

/// Returns the change of a setting that an option asks for.
pub fn change<T, U>(option: Option<OrInherit<T>>, convert: impl FnOnce(T) -> U) -> SettingChange<U> {
    match option {
        None => SettingChange::Keep,
        Some(OrInherit::Inherit) => SettingChange::Unset,
        Some(OrInherit::To(value)) => SettingChange::To(convert(value)),
    }
}

/// Converts a size to bytes.
pub fn bytes(Limit(limit): Limit<Size>) -> Limit<u64> {
    Limit(limit.map(|Size(bytes)| bytes))
}

/// Returns a size in the largest unit of which it is a whole number, so that it is read as the same: `1536MiB`.
pub fn exact_size(bytes: u64) -> String {
    let units = ["", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let power = match bytes {
        0 => 0,
        _ => (bytes.trailing_zeros() / 10).min(5),
    };
    let unit = usize::try_from(power).ok().and_then(|power| units.get(power));
    format!("{}{}", bytes >> (10 * power), unit.unwrap_or(&""))
}

/// Parses the mode of files.
///
/// # Errors
/// Returns an error if this is not one, or if the owner could not read and write the files.
pub fn file_mode(text: &str) -> std::result::Result<OrInherit<u32>, String> {
    match text {
        "inherit" => Ok(OrInherit::Inherit),
        _ => FileMode::try_from(text.to_owned()).map(|FileMode(mode)| OrInherit::To(mode)),
    }
}

/// Parses the mode of directories.
///
/// # Errors
/// Returns an error if this is not one, or if the owner could not use the directories.
pub fn dir_mode(text: &str) -> std::result::Result<OrInherit<u32>, String> {
    match text {
        "inherit" => Ok(OrInherit::Inherit),
        _ => DirectoryMode::try_from(text.to_owned()).map(|DirectoryMode(mode)| OrInherit::To(mode)),
    }
}

/// The value of `--group`; `None` means none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupChoice(pub Option<GroupName>);

impl FromStr for GroupChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "none" => Ok(GroupChoice(None)),
            name => name.parse().map(|name| GroupChoice(Some(name))),
        }
    }
}

/// The value of `--require`; an empty set means that one factor is enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Factors(pub BTreeSet<Factor>);

impl FromStr for Factors {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "any" {
            return Ok(Factors(BTreeSet::new()));
        }
        let factors: BTreeSet<Factor> = list(text)?.into_iter().collect();
        Factor::check_required(&factors)?;
        Ok(Factors(factors))
    }
}

/// The value of `--allow-from`; an empty list means any address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Networks(pub Vec<IpNet>);

impl FromStr for Networks {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "any" {
            return Ok(Networks(Vec::new()));
        }
        text.split(',')
            .map(|item| texts::network(item.trim()))
            .collect::<Result<_>>()
            .map(Networks)
    }
}

fn list<T: FromStr<Err = Error>>(text: &str) -> Result<Vec<T>> {
    text.split(',').map(|item| item.trim().parse()).collect()
}

/// The value of `--max-sessions`; `None` means that it is inherited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionCap(pub Option<SessionLimit>);

impl FromStr for SessionCap {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "inherit" => Ok(SessionCap(None)),
            _ => text.parse().map(|limit| SessionCap(Some(limit))),
        }
    }
}

/// The value of `--principal`; `None` means that there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal(pub Option<String>);

impl FromStr for Principal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "none" => Ok(Principal(None)),
            name => texts::principal(name).map(|name| Principal(Some(name))),
        }
    }
}

/// The value of `--expires`; `None` means never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry(pub Option<Timestamp>);

impl FromStr for Expiry {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        texts::expiry(text).map(Expiry)
    }
}

/// Parses a span of time: `30s`, `15m`, `12h`, `7d` or `4w`. Returns `None` if it is something else.
pub fn span(text: &str) -> Option<SignedDuration> {
    let unit = text.chars().last().and_then(unit_secs)?;
    let count: u32 = text.get(..text.len() - 1)?.parse().ok()?;
    Some(SignedDuration::from_secs(i64::from(count) * unit))
}

/// Returns the length of a unit of time in seconds.
fn unit_secs(unit: char) -> Option<i64> {
    match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(60 * 60),
        'd' => Some(24 * 60 * 60),
        'w' => Some(7 * 24 * 60 * 60),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read() {
        let check = |text: &str, expected: Option<&str>| {
            let Expiry(instant) = text.parse().unwrap();
            assert_eq!(instant.map(|t| t.to_string()).as_deref(), expected, "{text}");
        };
        check("never", None);
        check("2030-01-01", Some("2030-01-01T00:00:00Z"));
        check("2030-01-01T12:00:00Z", Some("2030-01-01T12:00:00Z"));
        check("2030-01-01T12:00:00+02:00", Some("2030-01-01T10:00:00Z"));
        for bad in [
            "",
            "tomorrow",
            "2030-13-01",
            "2030-02-30",
            "01.01.2030",
            "2030-01-01 12:00",
        ] {
            assert!(bad.parse::<Expiry>().is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_are_read_as_they_are_written() {
        for (bytes, expected) in [
            (0, "0"),
            (1, "1"),
            (1024, "1KiB"),
            (1536, "1536"),
            (10 << 30, "10GiB"),
            (3 << 29, "1536MiB"),
            (1 << 62, "4096PiB"),
            (u64::MAX, "18446744073709551615"),
        ] {
            assert_eq!(exact_size(bytes), expected);
            assert_eq!(expected.parse::<Size>().unwrap(), Size(bytes));
        }
    }

    #[test]
    fn a_cap_of_no_sessions_is_refused() {
        assert_eq!("inherit".parse::<SessionCap>().unwrap(), SessionCap(None));
        let usual = "default".parse::<SessionCap>().unwrap();
        assert_eq!(usual, SessionCap(Some(SessionLimit::Usual)));
        assert_eq!("1".parse::<SessionCap>().unwrap(), SessionCap(Some(1.into())));
        let error = "0".parse::<SessionCap>().unwrap_err().to_string();
        assert!(
            error.contains("could not sign in (hint: homeportd user disable"),
            "{error}"
        );
        assert!("00".parse::<SessionCap>().is_err());
    }

    #[test]
    fn principals_are_names_without_blanks() {
        assert_eq!("none".parse::<Principal>().unwrap(), Principal(None));
        let ops = Principal(Some("ops@example.com".to_owned()));
        assert_eq!("ops@example.com".parse::<Principal>().unwrap(), ops);
        for bad in ["", "a b", "a,b", "a\n", &"x".repeat(257)] {
            assert!(bad.parse::<Principal>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn networks_are_read() {
        let check = |text: &str, expected: &[&str]| {
            let Networks(networks) = text.parse().unwrap();
            let shown: Vec<String> = networks.iter().map(ToString::to_string).collect();
            assert_eq!(shown, expected, "{text}");
        };
        check("any", &[]);
        check("10.1.2.3/8, 192.0.2.7", &["10.0.0.0/8", "192.0.2.7/32"]);
        check("2001:db8::1", &["2001:db8::1/128"]);
        for bad in ["", "10.0.0.0/33", "localhost", "10.0.0.0/8,"] {
            assert!(bad.parse::<Networks>().is_err(), "{bad}");
        }
    }
}
