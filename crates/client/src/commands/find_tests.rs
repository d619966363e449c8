//! The tests of `find`: their notation, and what passes them.

use std::cmp::Ordering;
use std::str::FromStr;

use clap::ValueEnum;
use sftp_wire::{Attributes, FileType};

use base::size::Size;

/// A type of entry that `-type` can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EntryType {
    /// Only regular files are found.
    #[value(name = "f")]
    File,
    /// Only directories are found, and no files.
    #[value(name = "d")]
    Directory,
    /// Only symbolic links are found, which are not followed.
    #[value(name = "l")]
    Link,
}

impl EntryType {
    /// Whether a file is of this type.
    pub fn is_type_of(self, attrs: &Attributes) -> bool {
        attrs.file_type()
            == Some(match self {
                Self::File => FileType::Regular,
                Self::Directory => FileType::Directory,
                Self::Link => FileType::Symlink,
            })
    }
}

/// A size that files must have, be above (`+`) or be below (`-`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeTest {
    wanted: Ordering,
    bytes: u64,
}

impl SizeTest {
    /// Whether a file of this size passes.
    pub fn pass(self, size: u64) -> bool {
        size.cmp(&self.bytes) == self.wanted
    }
}

impl FromStr for SizeTest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (wanted, number) = signed(text);
        // `c` is what find(1) calls bytes.
        let number = number.strip_suffix('c').unwrap_or(number);
        let Size(bytes) = number
            .parse()
            .map_err(|error: base::error::Error| error.to_string())?;
        Ok(Self { wanted, bytes })
    }
}

/// How long ago a file must have been changed: at least (`+`), less than (`-`), or in the unit that many units ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgeTest {
    wanted: Ordering,
    /// The number of seconds, from the unit that was given.
    seconds: i64,
    unit: i64,
}

impl AgeTest {
    /// Whether a file that was changed this many seconds ago passes.
    pub fn pass(self, age: i64) -> bool {
        match self.wanted {
            Ordering::Less => age < self.seconds,
            // As find(1) has it, `+1` begins where the second day begins.
            Ordering::Greater => age >= self.seconds.saturating_add(self.unit),
            Ordering::Equal => age >= self.seconds && age < self.seconds.saturating_add(self.unit),
        }
    }
}

impl FromStr for AgeTest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (wanted, number) = signed(text);
        let (digits, unit) = match number.chars().last() {
            Some('m') => (number.strip_suffix('m'), 60),
            Some('h') => (number.strip_suffix('h'), 3600),
            Some('d') => (number.strip_suffix('d'), 86_400),
            _ => (Some(number), 86_400),
        };
        let count = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let count: Option<i64> = count.and_then(|digits| digits.parse().ok());
        let seconds = count.and_then(|count| count.checked_mul(unit));
        let seconds = seconds.ok_or_else(|| "a number of days, as in -7, +30 or -12h".to_owned())?;
        Ok(Self {
            wanted,
            seconds,
            unit,
        })
    }
}

/// Splits off the sign: `+` for more, `-` for less, and none for exactly.
fn signed(text: &str) -> (Ordering, &str) {
    match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(number), _) => (Ordering::Greater, number),
        (_, Some(number)) => (Ordering::Less, number),
        _ => (Ordering::Equal, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_ages_are_compared() {
        for (test, passes, fails) in [
            ("+10", 11, 10),
            ("-10", 9, 10),
            ("10", 10, 11),
            ("10c", 10, 9),
            ("+1K", 1025, 1024),
        ] {
            let test: SizeTest = test.parse().unwrap();
            assert!(test.pass(passes) && !test.pass(fails), "{test:?}");
        }
        let day = 86_400;
        for (test, passes, fails) in [
            ("-1", day - 1, day),
            ("+1", 2 * day, 2 * day - 1),
            ("1", day, 2 * day),
            ("0", 0, day),
            ("-12h", day / 2 - 1, day / 2),
            ("-30m", 1799, 1800),
            ("-1", -5, day),
        ] {
            let test: AgeTest = test.parse().unwrap();
            assert!(test.pass(passes) && !test.pass(fails), "{test:?}");
        }
        for wrong in ["", "+", "-x", "1w", "--1", "9999999999999999999", "h"] {
            assert!(wrong.parse::<AgeTest>().is_err(), "{wrong}");
        }
        assert!("+x".parse::<SizeTest>().is_err());
    }
}
