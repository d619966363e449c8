//! The arguments of `homeportd audit`.

use std::net::IpAddr;

use clap::Args;
use clap::builder::PossibleValuesParser;
use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::values::span;
use crate::ops::audit::PathPattern;
use crate::telemetry::EVENT_NAMES;
use base::error::{Error, Result};

/// The command-line arguments of `homeportd audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// Only what this user has done, or what an operator has done to this user
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Only what was done to these files: '*.pdf' in any directory, '/in/*.pdf' there, '/in/**' there and below
    ///
    /// What was done to a file before it, or a directory above it, was renamed to such a name is shown, too.
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    pub path: Option<String>,
    /// Only events of these names, such as removed,renamed
    #[arg(
        long = "event",
        value_name = "EVENT",
        value_delimiter = ',',
        value_parser = PossibleValuesParser::new(EVENT_NAMES)
    )]
    pub events: Vec<String>,
    /// Only from this time on: 90s, 15m, 12h, 7d or 2w ago, or 2026-11-23, or 2026-11-23T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<Timestamp>,
    /// Only until this time, in the same notation
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<Timestamp>,
    /// Only what came from this address or network, such as 192.0.2.0/24
    #[arg(long, value_name = "ADDRESS", value_parser = network)]
    pub address: Option<IpNet>,
    /// Print the lines as they were logged, one JSON object for each event
    #[arg(long)]
    pub json: bool,
}

/// Checks a pattern, and returns its text.
fn pattern(text: &str) -> Result<String> {
    text.parse::<PathPattern>().map(|_| text.to_owned())
}

fn network(text: &str) -> Result<IpNet> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse::<IpNet>().or_else(|_| address()).map_err(|_| {
        Error::new(format!(
            "\"{}\" is neither an address nor a network",
            text.escape_debug()
        ))
        .hint("192.0.2.7, 192.0.2.0/24 or 2001:db8::/32")
    })
}

fn moment(text: &str) -> Result<Timestamp> {
    moment_before(Timestamp::now(), text)
}

/// Parses a time, or how long ago it was.
fn moment_before(now: Timestamp, text: &str) -> Result<Timestamp> {
    let bad = || {
        Error::new(format!("\"{}\" is not a time", text.escape_debug()))
            .hint("7d, 12h, 2026-11-23 or 2026-11-23T12:00:00Z")
    };
    if let Some(ago) = span(text) {
        return now.checked_sub(ago).map_err(|_| bad());
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    let date = Date::strptime("%Y-%m-%d", text).map_err(|_| bad())?;
    let midnight = date.to_zoned(TimeZone::UTC).map_err(|_| bad())?;
    Ok(midnight.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let now = "2026-11-23T12:00:00Z".parse().unwrap();
        let check = |text: &str, expected: &str| {
            assert_eq!(moment_before(now, text).unwrap().to_string(), expected, "{text}");
        };
        check("90s", "2026-11-23T11:58:30Z");
        check("15m", "2026-11-23T11:45:00Z");
        check("12h", "2026-11-23T00:00:00Z");
        check("7d", "2026-11-16T12:00:00Z");
        check("2w", "2026-11-09T12:00:00Z");
        check("2026-11-01", "2026-11-01T00:00:00Z");
        check("2026-11-01T01:00:00+02:00", "2026-10-31T23:00:00Z");
        for bad in ["", "d", "7", "-7d", "7 d", "yesterday", "4294967295w", "é"] {
            assert!(moment_before(now, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_is_a_network_of_one() {
        assert_eq!(network("192.0.2.7").unwrap().to_string(), "192.0.2.7/32");
        assert_eq!(network("2001:db8::/32").unwrap().to_string(), "2001:db8::/32");
        assert!(network("example.org").is_err());
    }
}
