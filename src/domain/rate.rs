//! The rates of a user's transfers, as the user's record and the configuration have them.

use std::fmt;
use std::str::FromStr;

use base::error::Error;
use base::size::Size;

/// The lowest rate, in bytes per second: below it, the smallest request of many clients takes longer than they wait.
pub const LEAST_RATE: u64 = 1024;

/// Checks that a rate is not too low.
///
/// # Errors
/// Returns an error that names the lowest rate.
pub fn check_rate(bytes_per_second: u64) -> Result<u64, Error> {
    if bytes_per_second < LEAST_RATE {
        return Err(
            Error::new(format!("a rate must be at least {} per second", Size(LEAST_RATE)))
                .hint("to refuse transfers, take permissions away"),
        );
    }
    Ok(bytes_per_second)
}

/// What a user's record says about the rate of one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RateRule {
    /// The rate of the user's group applies, or the server's if there is none.
    #[default]
    Inherited,
    /// The server's rate applies, whatever the group's is.
    Usual,
    /// The user has no rate, whatever the server's is.
    Unlimited,
    /// The user has this rate, in bytes per second.
    Limited(u64),
}

impl RateRule {
    /// The word that operators write for the server's rate.
    pub const USUAL: &'static str = "default";

    /// Returns the rate in bytes per second where the server's is `usual`; `None` means that there is no limit.
    pub fn or(self, usual: Option<u64>) -> Option<u64> {
        match self {
            RateRule::Inherited | RateRule::Usual => usual,
            RateRule::Unlimited => None,
            RateRule::Limited(rate) => Some(rate),
        }
    }

    /// Returns the number of the rule that applies to a user, as JSON has it: `None` for the server's rate, and 0 for no
    /// limit.
    pub fn as_number(self) -> Option<u64> {
        match self {
            RateRule::Inherited | RateRule::Usual => None,
            RateRule::Unlimited => Some(0),
            RateRule::Limited(rate) => Some(rate),
        }
    }

    /// Returns the rule for such a number in a record.
    pub fn from_number(number: u64) -> Self {
        match number {
            0 => RateRule::Unlimited,
            rate => RateRule::Limited(rate),
        }
    }
}

impl FromStr for RateRule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            Self::USUAL => Ok(RateRule::Usual),
            "unlimited" => Ok(RateRule::Unlimited),
            _ => {
                let bad = |error: Error| error.hint("10MiB, 1GiB, 1G, unlimited or default");
                let Size(rate) = text.parse::<Size>().map_err(bad)?;
                check_rate(rate).map(RateRule::Limited)
            }
        }
    }
}

impl fmt::Display for RateRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RateRule::Inherited | RateRule::Usual => f.write_str("the server's"),
            RateRule::Unlimited => f.write_str("unlimited"),
            RateRule::Limited(rate) => write!(f, "{}/s", Size(*rate)),
        }
    }
}

/// What a user's record says about rates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RateRules {
    /// The rate of uploads.
    pub up: RateRule,
    /// The rate of downloads.
    pub down: RateRule,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_shown_and_stored() {
        let check = |text: &str, rule: RateRule, shown: &str, number: Option<u64>| {
            assert_eq!(text.parse::<RateRule>().unwrap(), rule, "{text}");
            assert_eq!(
                (rule.to_string().as_str(), rule.as_number()),
                (shown, number),
                "{text}"
            );
            if let Some(number) = number {
                assert_eq!(RateRule::from_number(number), rule, "{text}");
            }
        };
        check("default", RateRule::Usual, "the server's", None);
        check("unlimited", RateRule::Unlimited, "unlimited", Some(0));
        check("10MiB", RateRule::Limited(10 << 20), "10.0 MiB/s", Some(10 << 20));
        for bad in ["", "0", "512", "fast", "-1", "usual"] {
            assert!(bad.parse::<RateRule>().is_err(), "{bad}");
        }
        assert_eq!(RateRule::Usual.or(Some(7)), Some(7));
        assert_eq!(RateRule::Unlimited.or(Some(7)), None);
        assert_eq!(RateRule::Limited(9).or(None), Some(9));
    }
}
