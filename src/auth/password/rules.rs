//! The rules for new passwords, and for the age of passwords: `[auth.password]`.
//!
//! The rules apply wherever a password itself is set: by `user add`, by `user passwd`, and by users when they sign in.
//! `user import` takes a password that breaks them with a warning, because its user has it already. A hash that an operator
//! imports says nothing about its password, so they do not apply there.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, de};

use super::common;
use super::parsed::MAX_PASSWORD;
use crate::domain::user::{User, UserName};
use base::error::{Error, Result};
use base::secret::Secret;

/// The largest minimum length, in characters.
const MOST_LENGTH: usize = 128;
/// The longest age, in days: a hundred years.
const MOST_DAYS: u64 = 36_500;

/// The rules for passwords: the section `[auth.password]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PasswordRules {
    /// The least number of characters of a new password.
    #[serde(deserialize_with = "length")]
    pub min_length: usize,
    /// The time after which a user must choose a new password; `None` means that passwords do not expire.
    #[serde(deserialize_with = "age")]
    pub max_age: Option<Duration>,
}

impl Default for PasswordRules {
    fn default() -> Self {
        Self {
            // What NIST SP 800-63B asks for at least. Guesses from outside are slowed down by the throttle.
            min_length: 8,
            max_age: None,
        }
    }
}

/// A rule for new passwords that a password breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenRule {
    /// What is wrong with the password, as a clause that does not contain it.
    pub why: String,
    /// What makes a better one.
    pub hint: &'static str,
}

impl PasswordRules {
    /// Checks a password that is to be set for a user.
    ///
    /// # Errors
    /// Returns an error that says which rule it breaks. The error does not contain the password.
    pub fn check_new(&self, name: &UserName, password: &Secret) -> Result<()> {
        match self.broken_by(name, password) {
            Some(BrokenRule { why, hint }) => {
                Err(Error::new("cannot use this password").because(why).hint(hint))
            }
            None => Ok(()),
        }
    }

    /// Returns the first rule that a password of this user breaks.
    pub fn broken_by(&self, name: &UserName, password: &Secret) -> Option<BrokenRule> {
        let broken = |why: String, hint| Some(BrokenRule { why, hint });
        let bytes = password.bytes();
        if bytes.is_empty() {
            return broken("it is empty".to_owned(), "at least one character; better twelve");
        }
        if bytes.len() > MAX_PASSWORD {
            let why = format!("it is longer than {MAX_PASSWORD} bytes");
            return broken(why, "take a shorter one");
        }
        let text = zeroize::Zeroizing::new(String::from_utf8_lossy(bytes).into_owned());
        let least = self.min_length;
        if text.chars().count() < least {
            let why = format!("it has fewer than {least} characters");
            return broken(why, "a longer one is harder to guess: several words, for example");
        }
        let why = common::weakness(name, &text)?;
        broken(
            why.to_owned(),
            "several words that have nothing to do with each other",
        )
    }

    /// Whether the user's password is older than the rules allow. A password that was set before its time was recorded
    /// has no known age, and does not expire.
    pub fn is_expired(&self, user: &User, now: Timestamp) -> bool {
        let (Some(most), Some(set_at)) = (self.max_age, user.password_set_at) else {
            return false;
        };
        let most = SignedDuration::try_from(most).unwrap_or(SignedDuration::MAX);
        user.password_hash.is_some() && now.duration_since(set_at) >= most
    }

    /// Whether passwords expire at all.
    pub fn expire(&self) -> bool {
        self.max_age.is_some()
    }
}

fn length<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<usize, D::Error> {
    let length = usize::deserialize(from)?;
    match length <= MOST_LENGTH {
        true => Ok(length),
        false => Err(de::Error::custom(format!("it must be at most {MOST_LENGTH}"))),
    }
}

fn age<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    read_age(&text).ok_or_else(|| {
        de::Error::custom(
            "it must be \"never\", or a number with s, m, h, d or w: \"90d\", at most a hundred years",
        )
    })
}

/// Reads an age: `never`, or a number with its unit.
fn read_age(text: &str) -> Option<Option<Duration>> {
    if text == "never" {
        return Some(None);
    }
    let unit = text.chars().last()?;
    let number = text.strip_suffix(unit)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return None,
    };
    let is_number = number.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = is_number.then(|| number.parse().ok()).flatten()?;
    let total = number.checked_mul(seconds)?;
    (1..=MOST_DAYS * 86_400)
        .contains(&total)
        .then(|| Some(Duration::from_secs(total)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> PasswordRules {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn settings_are_read() {
        let check = |text: &str, expected: Option<u64>| {
            let settings: PasswordRules = toml::from_str(text).unwrap();
            assert_eq!(settings.max_age, expected.map(Duration::from_secs), "{text}");
        };
        check("", None);
        check("max_age = 'never'", None);
        check("max_age = '90d'", Some(90 * 86_400));
        check("max_age = '2w'", Some(14 * 86_400));
        check("max_age = '12h'", Some(12 * 3600));
        check("max_age = '5m'", Some(300));
        check("max_age = '1s'", Some(1));
        for bad in [
            "max_age = ''",
            "max_age = '90'",
            "max_age = 'd'",
            "max_age = '0d'",
            "max_age = '-1d'",
            "max_age = '+1d'",
            "max_age = '1y'",
            "max_age = '1 d'",
            "max_age = '99999999999999999999d'",
            "max_age = '36501d'",
            "max_age = '9\u{e9}'",
            "max_age = 90",
            "min_length = -1",
            "min_length = 129",
            "common = true",
        ] {
            assert!(toml::from_str::<PasswordRules>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn new_passwords_are_checked() {
        let check = |settings: &str, name: &str, password: &[u8], says: Option<&str>| {
            let secret = Secret::from_bytes(password.to_vec());
            let shown = String::from_utf8_lossy(password).into_owned();
            match (rules(settings).check_new(&name.parse().unwrap(), &secret), says) {
                (Ok(()), None) => {}
                (Err(error), Some(says)) => {
                    let error = error.to_string();
                    assert!(error.contains(says), "{shown}: {error}");
                    // The word itself is in the sentence about it.
                    let rest = error.replace("password", "");
                    assert!(
                        shown.len() < 4 || !rest.contains(&shown),
                        "it is not shown: {error}"
                    );
                }
                (got, _) => panic!("{settings} {name} {shown}: {got:?}"),
            }
        };
        for good in [
            "correct horse battery staple",
            "a long password",
            "another one",
            "secret of bob",
            "xK7-tB2m",
            "Schl\u{fc}ssel\u{9418}",
            "12345679x",
        ] {
            check("", "calvin", good.as_bytes(), None);
        }
        check("", "calvin", b"p\xe4ssw\xf6rt", None);
        check("", "calvin", b"", Some("empty"));
        check("", "calvin", b"xK7-tB2", Some("fewer than 8 characters"));
        // Characters count, and not bytes.
        check(
            "",
            "calvin",
            "\u{e4}\u{f6}\u{fc}\u{df}".as_bytes(),
            Some("fewer than 8"),
        );
        check("min_length = 12", "calvin", b"xK7-tB2m", Some("fewer than 12"));
        check("min_length = 0", "calvin", b"xK7", None);
        check("min_length = 0", "calvin", b"", Some("empty"));
        check("", "calvin", &[b'x'; 1025], Some("longer than 1024"));
        check("min_length = 0", "calvin", b"123456", Some("sequence"));
        for (weak, says) in [
            ("password", "common"),
            ("Password1", "common"),
            ("P@ssw0rd!", "common"),
            ("WELCOME2026", "common"),
            ("passwort123", "common"),
            ("iloveyou", "common"),
            ("calvin@example.com", "user's name"),
            ("CALVIN@EXAMPLE.COM", "user's name"),
            ("calvin2026", "user's name"),
            ("12345678", "sequence"),
            ("87654321", "sequence"),
            ("abcdefgh", "sequence"),
            ("qwertyuiop", "sequence"),
            ("1qaz2wsx", "sequence"),
            ("aaaaaaaa", "repeats"),
            ("abababab", "repeats"),
            ("123123123", "repeats"),
        ] {
            check("", "calvin@example.com", weak.as_bytes(), Some(says));
        }
    }

    #[test]
    fn passwords_expire_after_their_age() {
        let mut user = User::blank("calvin".parse().unwrap());
        let set_at: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let after = |hours: i64| set_at + SignedDuration::from_hours(hours);
        let old = rules("max_age = '1d'");
        assert!(!old.is_expired(&user, after(1000)), "there is none");
        user.password_hash = Some(crate::domain::user::PasswordHash::new("x".into()));
        assert!(!old.is_expired(&user, after(1000)), "its age is not known");
        user.password_set_at = Some(set_at);
        assert!(!old.is_expired(&user, after(23)));
        assert!(!old.is_expired(&user, after(-1)), "a clock was changed");
        assert!(old.is_expired(&user, after(24)));
        assert!(!rules("").is_expired(&user, after(1_000_000)));
    }
}
