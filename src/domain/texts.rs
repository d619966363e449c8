//! How people write values of settings: networks, times at which something ends, remarks. The command line and the file
//! of users have the same rules.

use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use base::error::{Error, Result};

/// The longest remark for operators, in bytes.
const LONGEST_COMMENT: usize = 1024;

/// The longest principal, in bytes. Certificates may have longer ones, but nobody gives them.
const LONGEST_PRINCIPAL: usize = 256;

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

/// Parses the remark of a user, a group or a folder: one line of plain text.
///
/// # Errors
/// Returns an error if it is too long, or has more than one line.
pub fn comment(text: &str) -> Result<String> {
    if text.len() > LONGEST_COMMENT {
        return Err(Error::new("the comment is too long").because(format!(
            "it has {} bytes, and {LONGEST_COMMENT} are allowed",
            text.len()
        )));
    }
    match text.chars().any(char::is_control) {
        true => Err(Error::new("the comment contains a control character").hint("one line of plain text")),
        false => Ok(text.to_owned()),
    }
}

/// Parses a principal that certificates may have.
///
/// # Errors
/// Returns an error if it is empty or too long, or contains a blank or a comma.
pub fn principal(text: &str) -> Result<String> {
    let is_bad = |c: char| c.is_control() || c.is_whitespace() || c == ',';
    if text.is_empty() || text.len() > LONGEST_PRINCIPAL || text.contains(is_bad) {
        return Err(
            Error::new(format!("\"{}\" is not a principal", text.escape_debug())).hint(format!(
                "up to {LONGEST_PRINCIPAL} characters without blanks and commas, as in ssh-keygen -n; or none"
            )),
        );
    }
    Ok(text.to_owned())
}
