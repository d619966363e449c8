//! The replies that differ from OpenSSH's intentionally.
//!
//! Each entry names the rows, our lines where they differ, and the reason. A row that does not differ, or differs in
//! another way, fails the test.

/// An intended difference from OpenSSH, with its reason.
#[derive(Debug)]
pub struct Difference {
    /// Names of rows; a `*` stands for anything.
    pub rows: &'static [&'static str],
    /// Our lines where they differ.
    pub ours: Ours,
    /// Whether every version of OpenSSH differs on every file system.
    pub certain: bool,
    /// The reason for the difference.
    pub because: &'static str,
}

/// Our lines where they differ.
#[derive(Debug)]
pub enum Ours {
    /// Our lines are these, in this order.
    Lines(&'static [&'static str]),
    /// Our lines are OpenSSH's, but files keep `r` and directories `r-x` for their owner, and nothing is set-uid,
    /// set-gid or sticky.
    SafeModes,
    /// Our line is OpenSSH's, followed by these extensions in this order.
    Announces(&'static [&'static str]),
}

/// A sentence of ours where OpenSSH has a text that says nothing; the code is the same.
pub struct ClearerText {
    ours: &'static str,
    theirs: &'static str,
}

/// The sentences that stand for OpenSSH's text in any row.
const CLEARER: &[ClearerText] = &[ClearerText {
    ours: "status 4 this is a directory: it can be listed, but not read, written, replaced or removed as a file",
    theirs: "status 4 Failure",
}];

impl ClearerText {
    /// Puts OpenSSH's text in place of ours in a line; returns whether it was there.
    pub fn replace_in(&self, line: &mut String) -> bool {
        let is_there = line.ends_with(self.ours);
        if is_there {
            line.truncate(line.len() - self.ours.len());
            line.push_str(self.theirs);
        }
        is_there
    }
}

/// Returns the sentences that are clearer than OpenSSH's texts.
pub fn clearer() -> impl Iterator<Item = &'static ClearerText> {
    CLEARER.iter()
}

use crate::semantics::meant_table::MEANT;
use Ours::{Announces, Lines, SafeModes};

impl Difference {
    /// Whether the entry applies to this row.
    pub fn covers(&self, row: &str) -> bool {
        self.rows.iter().any(|pattern| matches(pattern, row))
    }

    /// Checks the lines that differ, and returns what is wrong.
    pub fn check(&self, ours: &[String], theirs: &[String]) -> Option<String> {
        if ours.is_empty() {
            return self
                .certain
                .then(|| format!("does not differ, though it should: {}", self.because));
        }
        let expected: Vec<String> = match self.ours {
            Lines(lines) => lines.iter().map(|&line| line.to_owned()).collect(),
            SafeModes => theirs
                .iter()
                .map(|line| without_recent_date(&with_safe_modes(line)))
                .collect(),
            Announces(_) => Vec::new(),
        };
        if let Announces(names) = self.ours {
            let all = ours.len() == theirs.len()
                && ours
                    .iter()
                    .zip(theirs)
                    .all(|(ours, theirs)| announces(ours, theirs, names));
            return (!all).then(|| "differs otherwise than stated".to_owned());
        }
        let ours: Vec<String> = ours.iter().map(|line| without_recent_date(line)).collect();
        (ours != expected).then(|| "differs otherwise than stated".to_owned())
    }
}

/// Whether a name matches a pattern in which `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, rest)) => name.strip_prefix(head).is_some_and(|tail| {
            tail.char_indices()
                .map(|(at, _)| at)
                .chain([tail.len()])
                .any(|at| matches(rest, &tail[at..]))
        }),
    }
}

fn with_safe_modes(line: &str) -> String {
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    for word in &mut words {
        let mode = word
            .strip_prefix("mode=")
            .and_then(|digits| u32::from_str_radix(digits, 8).ok());
        let kept = match mode.map(|mode| mode & 0o170_000) {
            Some(0o100_000) => 0o400,
            Some(0o40_000) => 0o500,
            _ => continue,
        };
        let safe = mode.unwrap_or_default() & !0o7000 | kept;
        *word = format!("mode={safe:o}");
    }
    words.join(" ")
}

/// Whether our line announces these extensions as well. Other tests check the data of each extension.
fn announces(ours: &str, theirs: &str, names: &[&str]) -> bool {
    let Some(more) = ours.strip_prefix(theirs) else {
        return false;
    };
    let given = more
        .split_whitespace()
        .map(|word| word.split('=').next().unwrap_or_default());
    given.eq(names.iter().copied())
}

/// Replaces a recent date such as `Nov 22 23:38` by `DATE`, because the table is older than the run.
fn without_recent_date(line: &str) -> String {
    let is_date = |text: &[u8]| {
        let shape = b"Aaa 00 00:00";
        text.iter().zip(shape).all(|(&b, kind)| match kind {
            b'A' => b.is_ascii_uppercase(),
            b'a' => b.is_ascii_lowercase(),
            b'0' => b.is_ascii_digit() || b == b' ',
            _ => b == *kind,
        })
    };
    match line.as_bytes().windows(12).position(is_date) {
        Some(at) => format!("{}DATE{}", &line[..at], &line[at + 12..]),
        None => line.to_owned(),
    }
}

/// Returns the first entry that applies to this row.
pub fn find(row: &str) -> Option<&'static Difference> {
    MEANT.iter().find(|difference| difference.covers(row))
}

/// Returns all intended differences, in the order of the table.
pub fn all() -> impl Iterator<Item = &'static Difference> {
    MEANT.iter()
}
