//! Asks the audit log: who did what, when and from where. Rotated and compressed files are read as well, oldest first.
//!
//! A query costs little for each line that it is not about: lines are parsed only if their bytes contain what the query
//! looks for, and by several threads (`pieces.rs`).

mod files;
mod line;
mod names;
mod open_names;
mod pattern;
mod pieces;
mod renames;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use jiff::Timestamp;
use memchr::memmem::Finder;

pub use self::files::LinePlace;
pub use self::line::AuditEntry;
pub use self::names::FormerName;
pub use self::pattern::PathPattern;

use self::files::{LogFile, LogFiles};
use self::names::FormerNames;
use self::pieces::LogPiece;
use self::renames::{LoggedRename, MOST_RENAMES};
use base::error::{Error, Result};

/// What is asked of the audit log. What is `None` or empty does not matter.
#[derive(Default)]
pub struct AuditQuery {
    /// The user who did it, or to whom an operator did it.
    pub user: Option<String>,
    /// The file that it was done to, by the name that it had then or has got since.
    pub path: Option<PathPattern>,
    /// The names of the events.
    pub events: Vec<String>,
    /// The time from which on.
    pub since: Option<Timestamp>,
    /// The time until which.
    pub until: Option<Timestamp>,
    /// The addresses that it came from.
    pub address: Option<IpNet>,
}

impl AuditQuery {
    /// Refuses a time that ends before it begins: nothing would be found, whatever has happened.
    fn must_have_time(&self) -> Result<()> {
        match (self.since, self.until) {
            (Some(since), Some(until)) if since > until => Err(Error::new(format!(
                "nothing is between {since:.0} and {until:.0}"
            ))
            .because("the first is the later one")
            .hint("--since is the earlier time, and --until the later one")),
            _ => Ok(()),
        }
    }
}

/// A query that is ready to run: the files are found, and renames are followed.
pub struct AuditSearch {
    filter: LineFilter,
    files: Vec<LogFile>,
    former: FormerNames,
    skipped: Vec<PathBuf>,
    unreadable: Vec<Error>,
}

/// What was noticed while the log was read.
#[derive(Debug, Default)]
pub struct AuditFindings {
    /// The number of lines that the query is about.
    pub found: u64,
    /// The number of lines that are not whole, and were left out.
    pub broken: u64,
    /// The first of them.
    pub first_broken: Option<LinePlace>,
    /// Why files could not be read, or not to their end.
    pub damaged: Vec<Error>,
    /// Whether a file was renamed more often than it was followed, so that lines may be missing.
    pub is_cut_short: bool,
}

impl AuditFindings {
    /// Adds what a piece of a file has, behind this many lines of it.
    fn add(&mut self, piece: &ExaminedPiece, file: &Path, lines: u64) {
        self.found += piece.found;
        self.broken += piece.broken;
        if let (None, Some(number)) = (&self.first_broken, piece.first_broken) {
            self.first_broken = Some(LinePlace {
                file: file.to_owned(),
                number: lines + number,
            });
        }
    }
}

impl AuditSearch {
    /// Finds the files of the log whose current file this is, and follows renames if the query is about a path.
    ///
    /// # Errors
    /// Returns an error if there is no log, if none of its files can be opened, or if the query is about no time at all.
    pub fn prepare(query: AuditQuery, current: &Path) -> Result<Self> {
        query.must_have_time()?;
        let LogFiles {
            files,
            skipped,
            unreadable,
        } = files::find(current)?;
        let former = match &query.path {
            Some(pattern) => FormerNames::of(pattern, renames(&files)),
            None => FormerNames::default(),
        };
        Ok(Self {
            filter: LineFilter::new(query, &former),
            files,
            former,
            skipped,
            unreadable,
        })
    }

    /// Returns the names that the files in question had before, the newest first.
    pub fn former_names(&self) -> &[FormerName] {
        self.former.list()
    }

    /// Returns the files of the log that are compressed in a way that is not read.
    pub fn skipped(&self) -> &[PathBuf] {
        &self.skipped
    }

    /// Returns why files with the name of a part of the log were not read.
    pub fn unreadable(&self) -> &[Error] {
        &self.unreadable
    }

    /// Has `render` write every line that the query is about, as it was logged and parsed, and passes what it has
    /// written to `write`, oldest first. Several threads render at once.
    ///
    /// # Errors
    /// Returns the error of `write`.
    pub fn run(
        &self,
        render: impl Fn(&[u8], &AuditEntry<'_>, &mut Vec<u8>) + Sync,
        mut write: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<AuditFindings> {
        let mut findings = AuditFindings::default();
        for (index, file) in self.files.iter().enumerate() {
            let next = self.files.get(index + 1);
            if self.filter.is_outside(file, next) {
                continue;
            }
            let opened = match files::open(&file.path) {
                Ok(opened) => opened,
                Err(error) => {
                    findings.damaged.push(error);
                    continue;
                }
            };
            let mut lines = 0;
            let examine = |piece: LogPiece| self.examine(&piece, &render);
            let read = pieces::examine(opened, examine, |piece: ExaminedPiece| {
                // The server may be writing the last line of the current file.
                if !piece.is_unfinished || next.is_some() {
                    findings.add(&piece, &file.path, lines);
                }
                lines += piece.lines;
                write(&piece.rendered)
            })?;
            if let Err(error) = read {
                findings.damaged.push(pieces::damaged(&file.path, lines, error));
            }
        }
        findings.is_cut_short = self.former.is_cut_short();
        Ok(findings)
    }

    fn examine(
        &self,
        piece: &LogPiece,
        render: &(impl Fn(&[u8], &AuditEntry<'_>, &mut Vec<u8>) + Sync),
    ) -> ExaminedPiece {
        let mut examined = ExaminedPiece {
            is_unfinished: *piece == LogPiece::Unfinished,
            ..ExaminedPiece::default()
        };
        if matches!(piece, LogPiece::Overlong | LogPiece::Unfinished) {
            examined.lines = 1;
            examined.note_broken();
        }
        for line in piece.lines() {
            examined.lines += 1;
            match self.filter.examine(line, &self.former) {
                Examined::Other => {}
                Examined::Broken => examined.note_broken(),
                Examined::Found(entry) => {
                    examined.found += 1;
                    render(line, &entry, &mut examined.rendered);
                }
            }
        }
        examined
    }
}

/// What a piece of a file has for a query.
#[derive(Debug, Default)]
struct ExaminedPiece {
    /// What was rendered of the lines that the query is about.
    rendered: Vec<u8>,
    found: u64,
    lines: u64,
    broken: u64,
    /// The number of the first broken line in the piece, from 1.
    first_broken: Option<u64>,
    is_unfinished: bool,
}

impl ExaminedPiece {
    /// Counts the last line as broken.
    fn note_broken(&mut self) {
        self.broken += 1;
        self.first_broken.get_or_insert(self.lines);
    }
}

/// Returns the renames in these files, the newest last.
fn renames(files: &[LogFile]) -> Vec<LoggedRename> {
    let mut renames = VecDeque::new();
    for file in files {
        // What is broken or damaged is reported when the lines are read.
        let Ok(opened) = files::open(&file.path) else {
            continue;
        };
        let _ = pieces::examine(
            opened,
            |piece| renames_of(&piece),
            |found| {
                renames.extend(found);
                let most = renames.len().saturating_sub(MOST_RENAMES);
                renames.drain(..most);
                Ok(())
            },
        );
    }
    renames.into()
}

fn renames_of(piece: &LogPiece) -> Vec<LoggedRename> {
    let is_rename = |line: &&[u8]| matches!(line::event(line), Some(b"renamed" | b"published"));
    let rename = |line| LoggedRename::of(&serde_json::from_slice(line).ok()?);
    piece.lines().filter(is_rename).filter_map(rename).collect()
}

/// What a line is to a query.
enum Examined<'a> {
    Found(Box<AuditEntry<'a>>),
    Other,
    Broken,
}

/// Decides which lines a query is about.
struct LineFilter {
    query: AuditQuery,
    since: Option<String>,
    until: Option<String>,
    /// The bytes of which a line must contain all.
    required: Vec<Finder<'static>>,
    /// The bytes of which a line must contain one; empty if that is not known.
    any: Vec<Finder<'static>>,
}

impl LineFilter {
    fn new(query: AuditQuery, former: &FormerNames) -> Self {
        let finder = |needle: &[u8]| Finder::new(needle).into_owned();
        let mut required = Vec::new();
        if let Some(user) = &query.user
            && let Ok(quoted) = serde_json::to_string(user)
        {
            required.push(finder(quoted.as_bytes()));
        }
        if let Some(network) = query.address
            && network.prefix_len() == network.max_prefix_len()
        {
            required.push(finder(network.addr().to_string().as_bytes()));
        }
        let logged = |time: Option<Timestamp>| time.map(|time| format!("{time:.3}"));
        Self {
            since: logged(query.since),
            until: logged(query.until),
            query,
            required,
            any: former.needles().iter().map(|needle| finder(needle)).collect(),
        }
    }

    /// Returns whether no line of a file can be in the time in question.
    fn is_outside(&self, file: &LogFile, next: Option<&LogFile>) -> bool {
        let is_early = match (&self.since, next) {
            (Some(since), Some(next)) => &next.begins[..] < since.as_bytes(),
            _ => false,
        };
        let is_late = self
            .until
            .as_ref()
            .is_some_and(|until| &file.begins[..] > until.as_bytes());
        is_early || is_late
    }

    fn examine<'a>(&self, line: &'a [u8], former: &FormerNames) -> Examined<'a> {
        let (Some(time), Some(event)) = (line::time(line), line::event(line)) else {
            return match line.is_empty() {
                // The server begins a new line behind one that it could not complete.
                true => Examined::Other,
                false => Examined::Broken,
            };
        };
        let is_early = self.since.as_ref().is_some_and(|since| time < since.as_bytes());
        let is_late = self.until.as_ref().is_some_and(|until| time > until.as_bytes());
        let events = &self.query.events;
        let is_wanted = events.is_empty() || events.iter().any(|wanted| wanted.as_bytes() == event);
        if is_early || is_late || !is_wanted {
            return Examined::Other;
        }
        let contains = |finder: &Finder<'_>| finder.find(line).is_some();
        if !self.required.iter().all(contains) || !(self.any.is_empty() || self.any.iter().any(contains)) {
            return Examined::Other;
        }
        match serde_json::from_slice::<AuditEntry<'_>>(line) {
            Ok(entry) if self.is_about(&entry, former) => Examined::Found(Box::new(entry)),
            Ok(_) => Examined::Other,
            Err(_) => Examined::Broken,
        }
    }

    fn is_about(&self, entry: &AuditEntry<'_>, former: &FormerNames) -> bool {
        let query = &self.query;
        if let Some(user) = &query.user {
            let is_target = entry.event == "admin" && entry.name.as_deref() == Some(user);
            if entry.user.as_deref() != Some(user) && !is_target {
                return false;
            }
        }
        if let Some(network) = query.address
            && !entry.address().is_some_and(|address| is_within(network, address))
        {
            return false;
        }
        let Some(pattern) = &query.path else {
            return true;
        };
        entry.paths().any(|path| {
            let path = line::bytes_of(path);
            pattern.matches(&path) || former.contains(pattern, entry.home(), &path, &entry.time)
        })
    }
}

fn is_within(network: IpNet, address: IpAddr) -> bool {
    network.contains(&address)
}

#[cfg(test)]
mod tests;
