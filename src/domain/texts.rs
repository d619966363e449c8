//! How people write values of settings: networks, and times at which something ends. The command line and the file of
//! users have the same rules.

use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use base::error::{Error, Result};

/// Parses an address, or a network, whose host bits are ignored: `192.0.2.7`, `10.0.0.0/8`.
///
/// # Errors
/// Returns an error if it is neither.
pub fn network(text: &str) -> Result<IpNet> {
    match text.parse::<IpAddr>() {
        Ok(address) => Ok(IpNet::from(address)),
        Err(_) => text.parse::<IpNet>().map(|network| network.trunc()).map_err(|_| {
            Error::new(format!(
                "\"{}\" is neither an address nor a network",
                text.escape_debug()
            ))
            .hint("for example 10.0.0.0/8,2001:db8::/32,192.0.2.7, or any")
        }),
    }
}

/// Parses a time: `2030-01-01T12:00:00Z`, or a date, which means 0:00 UTC; `never` is `None`.
///
/// # Errors
/// Returns an error if it is something else.
pub fn expiry(text: &str) -> Result<Option<Timestamp>> {
    if text == "never" {
        return Ok(None);
    }
    let bad = || {
        Error::new(format!("\"{}\" is not a date", text.escape_debug()))
            .hint("2030-01-01, 2030-01-01T12:00:00Z, or never")
    };
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(Some(instant));
    }
    let date = Date::strptime("%Y-%m-%d", text).map_err(|_| bad())?;
    let midnight = date.to_zoned(TimeZone::UTC).map_err(|_| bad())?;
    Ok(Some(midnight.timestamp()))
}
