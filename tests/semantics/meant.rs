//! Where our answers differ from OpenSSH's on purpose.
//!
//! Each entry says which rows, what our lines are where they differ, and why. A row that no longer differs, or that
//! differs otherwise, fails the test.

/// A difference that is meant.
#[derive(Debug)]
pub struct Difference {
    /// Names of rows; a `*` stands for anything.
    pub rows: &'static [&'static str],
    /// Our lines where they differ.
    pub ours: Ours,
    /// Does every OpenSSH on every file system differ?
    pub certain: bool,
    /// Why.
    pub because: &'static str,
}

/// Our lines where they differ.
#[derive(Debug)]
pub enum Ours {
    /// These.
    Lines(&'static [&'static str]),
    /// OpenSSH's, but files keep `r` and directories `r-x` for their owner, and nothing is set-uid, set-gid or sticky.
    SafeModes,
    /// OpenSSH's, and behind them what we announce besides: these extensions, in this order.
    Announces(&'static [&'static str]),
}

use crate::semantics::meant_table::MEANT;
use Ours::{Announces, Lines, SafeModes};

impl Difference {
    /// Is it about this row?
    pub fn covers(&self, row: &str) -> bool {
        self.rows.iter().any(|pattern| matches(pattern, row))
    }

    /// What is wrong with the lines that differ, if anything.
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

/// A pattern in which `*` stands for anything.
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

/// What each extension's data is, tests of its own say.
fn announces(ours: &str, theirs: &str, names: &[&str]) -> bool {
    let Some(more) = ours.strip_prefix(theirs) else {
        return false;
    };
    let given = more
        .split_whitespace()
        .map(|word| word.split('=').next().unwrap_or_default());
    given.eq(names.iter().copied())
}

/// `DATE` for `Nov 22 23:38`: the table is older than the run.
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

/// The difference that is stated for this row: the first that covers it.
pub fn find(row: &str) -> Option<&'static Difference> {
    MEANT.iter().find(|difference| difference.covers(row))
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Difference> {
    MEANT.iter()
}
