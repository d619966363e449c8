//! Questions to the audit log in words, and its events as a person reads them, in a terminal or on a page.

use std::fmt::Write as _;
use std::net::IpAddr;

use ipnet::IpNet;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::ops::audit::{AuditEntry, AuditFindings, AuditQuery, AuditSearch, FormerName};
use crate::telemetry::EVENT_NAMES;
use base::error::{Error, Result};
use base::size::counted;
use base::visible::{self, for_terminal};

/// A question to the audit log, as it stands in an address. What is left out or empty does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AuditWords {
    /// The user who did it, or to whom an operator did it.
    pub user: String,
    /// A pattern of paths; renames are followed.
    pub path: String,
    /// The names of events, separated by commas.
    pub event: String,
    /// The time from which on.
    pub since: String,
    /// The time until which.
    pub until: String,
    /// The address or network that it came from.
    pub address: String,
}

impl AuditWords {
    /// Returns the question.
    ///
    /// # Errors
    /// Returns an error that says which value cannot be used.
    pub fn query(&self) -> Result<AuditQuery> {
        let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let events: Vec<String> = self.event.split(',').filter_map(some).collect();
        if let Some(unknown) = events.iter().find(|name| !EVENT_NAMES.contains(&name.as_str())) {
            return Err(
                Error::new(format!("there is no event \"{}\"", unknown.escape_debug()))
                    .hint(format!("one of {}", EVENT_NAMES.join(", "))),
            );
        }
        Ok(AuditQuery {
            user: some(&self.user),
            path: some(&self.path).map(|pattern| pattern.parse()).transpose()?,
            events,
            since: some(&self.since).map(|text| moment(&text)).transpose()?,
            until: some(&self.until).map(|text| moment(&text)).transpose()?,
            address: some(&self.address).map(|text| network(&text)).transpose()?,
        })
    }
}

/// An event in five columns. Characters that could deceive a reader are escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// The time.
    pub time: String,
    /// The user; empty if there is none.
    pub user: String,
    /// The address that it came from; empty if it came from none.
    pub address: String,
    /// The name of the event, with the number of occurrences if there are several.
    pub event: String,
    /// What the event is about.
    pub subject: String,
}

impl AuditRow {
    /// Formats an event.
    pub fn of(entry: &AuditEntry<'_>) -> Self {
        let mut event = for_terminal(&entry.event);
        if let Some(count) = entry.count.filter(|count| *count > 1) {
            let _ = write!(event, " x{count}");
        }
        Self {
            time: for_terminal(&entry.time),
            user: entry.user.as_deref().map(for_terminal).unwrap_or_default(),
            address: entry
                .address()
                .map(|address| address.to_string())
                .unwrap_or_default(),
            event,
            subject: subject(entry),
        }
    }
}

/// Formats the name that a file had before, as a sentence.
pub fn former_name(name: &FormerName) -> String {
    let shown = |path: &[u8]| for_terminal(&visible::bytes(path));
    let until = for_terminal(&name.until);
    format!("{} was {} until {until}", shown(&name.became), shown(&name.path))
}

/// Returns what could not be read of the log, as sentences.
pub fn warnings(search: &AuditSearch, findings: &AuditFindings) -> Vec<String> {
    let skipped = search.skipped().iter().map(|path| {
        format!("{path:?} was not read: only .gz is unpacked (hint: unpack it beside the others)")
    });
    let unreadable = search.unreadable().iter().chain(&findings.damaged);
    let mut sentences: Vec<String> = skipped.chain(unreadable.map(ToString::to_string)).collect();
    if findings.is_cut_short {
        sentences.push(
            "a file was renamed so often that not all of its names were followed: lines may be missing (hint: ask for its \
             other names, too)"
                .to_owned(),
        );
    }
    if let Some(place) = &findings.first_broken {
        let lines = match findings.broken {
            1 => "1 line is not whole and was left out:".to_owned(),
            count => format!("{count} lines are not whole and were left out, the first is"),
        };
        sentences.push(format!("{lines} {:?} line {}", place.file, place.number));
    }
    sentences
}

/// Returns what an event is about, in one line.
fn subject(entry: &AuditEntry<'_>) -> String {
    let arrow = |from: &str, to: &str| format!("{from} -> {to}");
    let mut text = match (&entry.from, &entry.to, &entry.link, &entry.target) {
        (Some(from), Some(to), ..) => arrow(from, to),
        (.., Some(link), Some(target)) => arrow(link, target),
        _ => {
            let words = [
                &entry.what,
                &entry.name,
                &entry.operation,
                &entry.method,
                &entry.command,
                &entry.path,
            ];
            let words: Vec<&str> = words.iter().filter_map(|word| word.as_deref()).collect();
            words.join(" ")
        }
    };
    if let Some(reason) = &entry.reason {
        let separator = if text.is_empty() { "" } else { ": " };
        let _ = write!(text, "{separator}{reason}");
    }
    if let (Some(before), Some(after)) = (entry.before, entry.after) {
        let _ = write!(text, ": {} -> {}", before.get(), after.get());
    }
    let size = entry.size.map(|size| counted(size, "byte"));
    let end = entry.end.as_deref().filter(|end| *end != "client");
    let operator = match (&entry.web_user, &entry.sudo_user, entry.uid) {
        _ if !entry.is_by_operator() => None,
        (Some(name), ..) => Some(format!("by {name} on the web page")),
        (None, Some(name), _) => Some(format!("by {name} with sudo")),
        (None, None, uid) => uid.map(|uid| format!("by uid {uid}")),
    };
    let notes = end.map(str::to_owned).into_iter().chain(size).chain(operator);
    let notes: Vec<String> = notes.collect();
    if !notes.is_empty() {
        let _ = write!(text, " ({})", notes.join(", "));
    }
    for_terminal(&text)
}

/// Parses an address or a network.
///
/// # Errors
/// Returns an error if it is neither.
pub fn network(text: &str) -> Result<IpNet> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse::<IpNet>().or_else(|_| address()).map_err(|_| {
        Error::new(format!(
            "\"{}\" is neither an address nor a network",
            text.escape_debug()
        ))
        .hint("192.0.2.7, 192.0.2.0/24 or 2001:db8::/32")
    })
}

/// Parses a time, or how long ago it was: `7d`, `12h`, `2026-11-23`.
///
/// # Errors
/// Returns an error if it is neither.
pub fn moment(text: &str) -> Result<Timestamp> {
    moment_before(Timestamp::now(), text)
}

fn moment_before(now: Timestamp, text: &str) -> Result<Timestamp> {
    let bad = || {
        Error::new(format!("\"{}\" is not a time", text.escape_debug()))
            .hint("7d, 12h, 2026-11-23 or 2026-11-23T12:00:00Z")
    };
    if let Some(unit) = text.chars().last().and_then(unit_secs)
        && let Ok(count) = text.get(..text.len() - 1).unwrap_or_default().parse::<u32>()
    {
        let ago = SignedDuration::from_secs(i64::from(count) * unit);
        return now.checked_sub(ago).map_err(|_| bad());
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    let date = Date::strptime("%Y-%m-%d", text).map_err(|_| bad())?;
    let midnight = date.to_zoned(TimeZone::UTC).map_err(|_| bad())?;
    Ok(midnight.timestamp())
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
    fn a_question_is_asked_in_words() {
        let words: AuditWords =
            serde_json::from_str(r#"{"event": "removed, renamed", "user": " "}"#).unwrap();
        let query = words.query().unwrap();
        assert_eq!((query.events.len(), query.user), (2, None));
        let wrong = AuditWords {
            event: "removd".to_owned(),
            ..AuditWords::default()
        };
        let error = wrong.query().err().unwrap().to_string();
        assert!(error.starts_with("there is no event \"removd\""), "{error}");
    }

    #[test]
    fn an_address_is_a_network_of_one() {
        assert_eq!(network("192.0.2.7").unwrap().to_string(), "192.0.2.7/32");
        assert_eq!(network("2001:db8::/32").unwrap().to_string(), "2001:db8::/32");
        assert!(network("example.org").is_err());
    }
}
