//! Questions to the audit log from the web: each answer has a limit on its lines and on its time, and goes on at a cursor.
//!
//! Reading blocks, and takes several threads: the callers run it on a blocking thread, one at a time.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::ops::audit::{AuditEntry, AuditQuery, AuditSearch};
use crate::shapes::audit::{AuditWords, former_name, warnings};
use base::error::{Error, Result};
use base::visible::in_json;

/// The most events of one answer.
pub const MOST_EVENTS: usize = 1000;
/// The longest time that is spent on one answer.
const LONGEST: Duration = Duration::from_secs(8);
/// The most former names that an answer has.
const MOST_NAMES: usize = 20;
/// The days that are looked at for the newest events, before all of the log is.
const WINDOWS: [i64; 3] = [1, 7, 30];
/// The most addresses whose failed sign-ins are counted.
const MOST_ADDRESSES: usize = 10_000;
/// The most names that are kept for each of them.
const MOST_USERS: usize = 5;
/// Where the time of a line stands: behind `{"time":"`.
const TIME: std::ops::Range<usize> = 9..33;

/// A place in the log: behind so many of the events of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditCursor {
    time: String,
    events: usize,
}

impl fmt::Display for AuditCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}~{}", self.time, self.events)
    }
}

impl FromStr for AuditCursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || Error::new("this is not a cursor of the audit log").hint("take that of the last answer");
        let (time, events) = text.split_once('~').ok_or_else(bad)?;
        let events = events.parse().map_err(|_| bad())?;
        let is_time = time.len() == TIME.len() && time.parse::<Timestamp>().is_ok();
        match is_time && events <= MOST_EVENTS * 100 {
            true => Ok(Self {
                time: time.to_owned(),
                events,
            }),
            false => Err(bad()),
        }
    }
}

/// In which order events are wanted, and from where on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditOrder {
    /// Oldest first, from the cursor on.
    After(Option<AuditCursor>),
    /// Newest first, from the cursor back.
    Before(Option<AuditCursor>),
}

/// Some events of the log.
#[derive(Debug, Default)]
pub struct AuditAnswer {
    /// The lines as they were logged, in the order that was asked for.
    pub lines: Vec<String>,
    /// Where the next answer begins; `None` if nothing was found.
    pub next: Option<AuditCursor>,
    /// Whether there are more.
    pub has_more: bool,
    /// The names that files had before, as sentences.
    pub former_names: Vec<String>,
    /// What could not be read, as sentences.
    pub notes: Vec<String>,
}

/// Asks the log whose current file this is.
///
/// # Errors
/// Returns an error if the question is about nothing, or if the log cannot be read.
pub fn ask(words: &AuditWords, order: AuditOrder, limit: usize, file: &Path) -> Result<AuditAnswer> {
    let limit = limit.clamp(1, MOST_EVENTS);
    let deadline = Instant::now() + LONGEST;
    match order {
        AuditOrder::After(cursor) => after(words, cursor, limit, &LogFileUntil { file, deadline }),
        AuditOrder::Before(cursor) => before(words, cursor, limit, &LogFileUntil { file, deadline }),
    }
}

/// A log, and when its reading must end.
struct LogFileUntil<'a> {
    file: &'a Path,
    deadline: Instant,
}

/// What was noticed in reading.
#[derive(Default)]
struct LogReading {
    former_names: Vec<String>,
    notes: Vec<String>,
    /// Whether the time was over before the end.
    is_late: bool,
}

impl LogFileUntil<'_> {
    /// Gives each line that the query is about to `take`, until it returns false or the time is over.
    fn read(&self, query: AuditQuery, mut take: impl FnMut(&str) -> bool) -> Result<LogReading> {
        let search = AuditSearch::prepare(query, self.file)?;
        let render = |raw: &[u8], _: &AuditEntry<'_>, out: &mut Vec<u8>| {
            out.extend_from_slice(in_json(&String::from_utf8_lossy(raw)).as_bytes());
            out.push(b'\n');
        };
        let (mut has_enough, mut is_late) = (false, false);
        let searched = search.run(render, |text| {
            let text = String::from_utf8_lossy(text);
            has_enough = !text.lines().all(&mut take);
            is_late = Instant::now() > self.deadline;
            match has_enough || is_late {
                true => Err(Error::new("the answer is complete")),
                false => Ok(()),
            }
        });
        let mut notes = match searched {
            Ok(findings) => warnings(&search, &findings),
            Err(_) if has_enough || is_late => Vec::new(),
            Err(error) => return Err(error),
        };
        is_late &= !has_enough;
        if is_late {
            notes.push("the log is too long to be read at once: choose a shorter time".to_owned());
        }
        let names = search.former_names().iter().take(MOST_NAMES);
        Ok(LogReading {
            former_names: names.map(former_name).collect(),
            notes,
            is_late,
        })
    }
}

/// Returns the time of a line, as it was logged.
fn time_of(line: &str) -> &str {
    line.get(TIME).unwrap_or_default()
}

/// Returns the cursor behind the last of these lines, which follow this one.
fn cursor_behind(lines: &[String], earlier: Option<&AuditCursor>) -> Option<AuditCursor> {
    let Some(last) = lines.last() else {
        return earlier.cloned();
    };
    let time = time_of(last);
    let same = lines
        .iter()
        .rev()
        .take_while(|line| time_of(line) == time)
        .count();
    let before = earlier.filter(|cursor| cursor.time == time && same == lines.len());
    Some(AuditCursor {
        time: time.to_owned(),
        events: same + before.map_or(0, |cursor| cursor.events),
    })
}

fn after(
    words: &AuditWords,
    cursor: Option<AuditCursor>,
    limit: usize,
    log: &LogFileUntil<'_>,
) -> Result<AuditAnswer> {
    let mut query = words.query()?;
    if let Some(cursor) = &cursor {
        let from: Option<Timestamp> = cursor.time.parse().ok();
        query.since = query.since.max(from);
    }
    let mut to_skip = cursor.as_ref().map_or(0, |cursor| cursor.events);
    let mut lines = Vec::new();
    let mut has_more = false;
    let reading = log.read(query, |line| {
        if to_skip > 0 && cursor.as_ref().is_some_and(|cursor| cursor.time == time_of(line)) {
            to_skip -= 1;
            return true;
        }
        has_more = lines.len() == limit;
        if !has_more {
            lines.push(line.to_owned());
        }
        !has_more
    })?;
    Ok(AuditAnswer {
        next: cursor_behind(&lines, cursor.as_ref()),
        lines,
        has_more: has_more || reading.is_late,
        former_names: reading.former_names,
        notes: reading.notes,
    })
}

fn before(
    words: &AuditWords,
    cursor: Option<AuditCursor>,
    limit: usize,
    log: &LogFileUntil<'_>,
) -> Result<AuditAnswer> {
    let cursor_time: Option<Timestamp> = cursor.as_ref().and_then(|cursor| cursor.time.parse().ok());
    let shown = cursor.as_ref().map_or(0, |cursor| cursor.events);
    let wanted = limit + shown + 1;
    let mut answer = AuditAnswer::default();
    // Renames are followed through all of the log, so nothing is saved by reading less of it.
    let days = WINDOWS.iter().filter(|_| words.path.trim().is_empty());
    for days in days.map(Some).chain([None]) {
        let mut query = words.query()?;
        query.until = match (query.until, cursor_time) {
            (Some(until), Some(time)) => Some(until.min(time)),
            (until, time) => until.or(time),
        };
        let end = query.until.unwrap_or_else(Timestamp::now);
        let begin = days.and_then(|days| end.checked_sub(SignedDuration::from_hours(24 * days)).ok());
        let is_whole = begin.is_none() || query.since >= begin;
        query.since = query.since.max(begin);
        let mut newest: VecDeque<String> = VecDeque::new();
        let reading = log.read(query, |line| {
            newest.push_back(line.to_owned());
            if newest.len() > wanted {
                newest.pop_front();
            }
            true
        })?;
        if reading.is_late && !answer.lines.is_empty() {
            answer.has_more = true;
            answer.notes.extend(reading.notes);
            return Ok(answer);
        }
        let mut lines: Vec<String> = newest.into_iter().rev().collect();
        let is_shown = |line: &String| cursor.as_ref().is_some_and(|cursor| cursor.time == time_of(line));
        let skipped = lines.iter().take(shown).take_while(|line| is_shown(line)).count();
        lines.drain(..skipped);
        let has_more = lines.len() > limit;
        lines.truncate(limit);
        answer = AuditAnswer {
            next: cursor_behind(&lines, cursor.as_ref()),
            lines,
            has_more,
            former_names: reading.former_names,
            notes: reading.notes,
        };
        if has_more || is_whole || reading.is_late {
            return Ok(answer);
        }
    }
    Ok(answer)
}

/// The sign-ins that failed from one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAddress {
    /// The address.
    pub address: IpAddr,
    /// How often.
    pub attempts: u64,
    /// Some of the names that were tried.
    pub users: Vec<String>,
    /// The time of the last one.
    pub last: String,
}

/// Returns the addresses whose sign-ins have failed in the 24 hours before `now`, those with the most first.
///
/// # Errors
/// Returns an error if the log cannot be read.
pub fn failed_sign_ins(file: &Path, now: Timestamp) -> Result<Vec<FailedAddress>> {
    let since = now
        .saturating_sub(SignedDuration::from_hours(24))
        .unwrap_or(Timestamp::MIN);
    let query = AuditQuery {
        events: vec!["denied".to_owned()],
        since: Some(since),
        ..AuditQuery::default()
    };
    let log = LogFileUntil {
        file,
        deadline: Instant::now() + LONGEST,
    };
    let mut addresses: HashMap<IpAddr, FailedAddress> = HashMap::new();
    log.read(query, |line| {
        count_failure(line, &mut addresses);
        true
    })?;
    let mut addresses: Vec<FailedAddress> = addresses.into_values().collect();
    addresses.sort_by(|a, b| {
        let by_number = b.attempts.cmp(&a.attempts);
        by_number.then_with(|| b.last.cmp(&a.last))
    });
    Ok(addresses)
}

fn count_failure(line: &str, addresses: &mut HashMap<IpAddr, FailedAddress>) {
    let Ok(entry) = serde_json::from_str::<AuditEntry<'_>>(line) else {
        return;
    };
    let Some(address) = entry.address() else { return };
    if addresses.len() >= MOST_ADDRESSES && !addresses.contains_key(&address) {
        return;
    }
    let failed = addresses.entry(address).or_insert_with(|| FailedAddress {
        address,
        attempts: 0,
        users: Vec::new(),
        last: String::new(),
    });
    failed.attempts = failed.attempts.saturating_add(entry.count.unwrap_or(1));
    failed.last = entry.time.to_string();
    let user = entry.user.as_deref().unwrap_or_default();
    if !user.is_empty() && failed.users.len() < MOST_USERS && !failed.users.iter().any(|known| known == user)
    {
        failed.users.push(user.to_owned());
    }
}

#[cfg(test)]
mod tests;
