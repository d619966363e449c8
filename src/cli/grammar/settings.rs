//! The settings of a user on the command line.

use std::collections::BTreeSet;
use std::str::FromStr;

use clap::Args;
use ipnet::IpNet;
use jiff::Timestamp;

use crate::domain::rate::RateRule;
use crate::domain::texts;
use crate::domain::user::{Factor, Limit, Permission, PermissionRules, Permissions};
use crate::ops::users::settings::SettingChanges;
use base::error::{Error, Result};
use base::size::Size;

/// The options of `user add` and `user set`. A setting that is `None` is not changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Settings {
    /// The limit on the sum of file sizes: 512, 10MiB, 1GiB, 1G, or unlimited
    #[arg(long, value_name = "SIZE")]
    pub quota: Option<Limit<Size>>,
    /// The limit on the number of files, directories and links, or unlimited
    #[arg(long, value_name = "N")]
    pub max_files: Option<Limit<u64>>,
    /// The same as --permissions list,read
    #[arg(long, conflicts_with = "permissions")]
    pub read_only: bool,
    /// The permissions, by their names, or all
    #[arg(long, value_name = "LIST", help = format!("A list of {}; or all", Permission::all_names()))]
    pub permissions: Option<Allowed>,
    /// The time from which the user cannot sign in: 2030-01-01 (0:00 UTC), 2030-01-01T12:00:00Z, or never
    #[arg(long, value_name = "DATE")]
    pub expires: Option<Expiry>,
    /// The most sessions at once, or default for the server's limit
    #[arg(long, value_name = "N")]
    pub max_sessions: Option<SessionCap>,
    /// The bytes per second that all sessions together upload: 10MiB, unlimited, or default for the server's rate
    #[arg(long, value_name = "SIZE")]
    pub rate_up: Option<RateRule>,
    /// The bytes per second that all sessions together download: 10MiB, unlimited, or default
    #[arg(long, value_name = "SIZE")]
    pub rate_down: Option<RateRule>,
    /// The addresses or networks from which the user may connect: 10.0.0.0/8,192.0.2.7; or any
    #[arg(long, value_name = "CIDR,…")]
    pub allow_from: Option<Networks>,
    /// The factors that are all required to sign in: a list of publickey, password, totp; or any, for a key or the
    /// password
    #[arg(long, value_name = "LIST")]
    pub require: Option<Factors>,
    /// A principal besides the name that certificates may have; can be repeated; none removes those that were set
    #[arg(long = "principal", value_name = "NAME")]
    pub principals: Vec<Principal>,
}

impl From<Settings> for SettingChanges {
    fn from(settings: Settings) -> Self {
        let listed = settings.permissions.map(|Allowed(permissions)| permissions);
        let permissions = match settings.read_only {
            true => Some(Permissions::read_only()),
            false => listed,
        };
        let principals = match settings.principals.is_empty() {
            true => None,
            false => Some(settings.principals.into_iter().filter_map(|Principal(name)| name)),
        };
        let bytes = |Limit(limit): Limit<Size>| Limit(limit.map(|Size(bytes)| bytes));
        Self {
            quota_bytes: settings.quota.map(bytes).into(),
            quota_files: settings.max_files.into(),
            permissions: permissions.map(PermissionRules::uniform).into(),
            expires_at: settings.expires.map(|Expiry(at)| at).into(),
            max_sessions: settings.max_sessions.map(|SessionCap(cap)| cap).into(),
            rate_up: settings.rate_up.into(),
            rate_down: settings.rate_down.into(),
            allowed_from: settings.allow_from.map(|Networks(networks)| networks).into(),
            require: settings.require.map(|Factors(factors)| factors).into(),
            principals: principals.map(Iterator::collect::<Vec<_>>).into(),
        }
    }
}

fn number<T: FromStr>(text: &str, word: &str) -> Result<T> {
    text.parse().map_err(|_| {
        Error::new(format!("\"{}\" is not a number", text.escape_debug()))
            .hint(format!("0, 1, 2, … or {word}"))
    })
}

/// The value of `--permissions`: the permissions that the user has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed(Permissions);

impl FromStr for Allowed {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "all" {
            return Ok(Allowed(Permissions::all()));
        }
        list::<Permission>(text).map(|permissions| Allowed(permissions.into_iter().collect()))
    }
}

/// The value of `--require`; an empty set means that one factor is enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Factors(BTreeSet<Factor>);

impl FromStr for Factors {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "any" {
            return Ok(Factors(BTreeSet::new()));
        }
        let factors: BTreeSet<Factor> = list(text)?.into_iter().collect();
        if factors == BTreeSet::from([Factor::Totp]) {
            return Err(Error::new(
                "a one-time code alone is not enough to sign in: nobody is asked for one first",
            )
            .hint("publickey,totp or password,totp"));
        }
        Ok(Factors(factors))
    }
}

/// The value of `--allow-from`; an empty list means any address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

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

/// The value of `--max-sessions`; `None` means the server's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionCap(Option<u32>);

impl FromStr for SessionCap {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "default" => Ok(SessionCap(None)),
            "0" => Err(Error::new("with 0 sessions the user could not sign in")
                .hint("homeportd user disable NAME says that; a number from 1, or default")),
            _ => number(text, "default").map(|cap| SessionCap(Some(cap))),
        }
    }
}

/// The longest principal, in bytes. Certificates may have longer ones, but nobody gives them.
const LONGEST_PRINCIPAL: usize = 256;

/// The value of `--principal`; `None` means that there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal(Option<String>);

impl FromStr for Principal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "none" {
            return Ok(Principal(None));
        }
        let is_bad = |c: char| c.is_control() || c.is_whitespace() || c == ',';
        if text.is_empty() || text.len() > LONGEST_PRINCIPAL || text.contains(is_bad) {
            return Err(
                Error::new(format!("\"{}\" is not a principal", text.escape_debug())).hint(format!(
                    "up to {LONGEST_PRINCIPAL} characters without blanks and commas, as in ssh-keygen -n; or none"
                )),
            );
        }
        Ok(Principal(Some(text.to_owned())))
    }
}

/// The value of `--expires`; `None` means never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry(Option<Timestamp>);

impl FromStr for Expiry {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        texts::expiry(text).map(Expiry)
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
    fn a_cap_of_no_sessions_is_refused() {
        assert_eq!("default".parse::<SessionCap>().unwrap(), SessionCap(None));
        assert_eq!("1".parse::<SessionCap>().unwrap(), SessionCap(Some(1)));
        let error = "0".parse::<SessionCap>().unwrap_err().to_string();
        assert!(
            error.contains("could not sign in (hint: homeportd user disable"),
            "{error}"
        );
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
