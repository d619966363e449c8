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
    /// OpenSSH's, but files keep `r` and directories `rwx` for their owner, and nothing is set-uid, set-gid or sticky.
    SafeModes,
}

use Ours::{Lines, SafeModes};

const MEANT: &[Difference] = &[
    Difference {
        rows: &[
            "set* mode*: *", "fset* mode*: *", "setstat all*: *", "fsetstat all*: *", "setstat a bad size and a mode: *",
            "fsetstat a bad size and a mode: *", "*setstat extended pairs: *", "*setstat an odd flag: *",
            "mkdir with *", "open WC missing with mode *", "sshfs: *", "list modes",
        ],
        ours: SafeModes,
        certain: false,
        because: "what its owner can't read can't be measured for the quota, and users are virtual",
    },
    Difference {
        rows: &["*NUL in the name", "*a name with NUL"],
        ours: Lines(&["#1 status 5 a path cannot contain a NUL byte"]),
        certain: true,
        because: "OpenSSH ends the session, and a mistake in one name need not end all transfers",
    },
    Difference {
        rows: &["*: cut by *", "* cut by 1", "* cut by 4", "* of nothing at all", "* of a string*", "* of half a length"],
        ours: Lines(&[
            "#1 status 5 Bad message",
            "#2 attrs flags=f size=12 owner=self mode=100644 mtime=untouched",
        ]),
        certain: true,
        because: "OpenSSH ends the session; the packet's length is known, so the next one can be found",
    },
    Difference {
        rows: &["*, cut short", "users-groups-by-id with half an id", "users-groups-by-id without groups"],
        ours: Lines(&["#1 status 5 Bad message"]),
        certain: true,
        because: "OpenSSH ends the session; the packet's length is known, so the next one can be found",
    },
];

impl Difference {
    /// Is it about this row?
    pub fn covers(&self, row: &str) -> bool {
        self.rows.iter().any(|pattern| matches(pattern, row))
    }

    /// What is wrong with the lines that differ, if anything.
    pub fn check(&self, ours: &[String], theirs: &[String]) -> Option<String> {
        if ours.is_empty() {
            return self.certain.then(|| format!("does not differ, though it should: {}", self.because));
        }
        let expected: Vec<String> = match self.ours {
            Lines(lines) => lines.iter().map(|&line| line.to_owned()).collect(),
            SafeModes => theirs.iter().map(|line| with_safe_modes(line)).collect(),
        };
        (ours != expected).then(|| "differs otherwise than stated".to_owned())
    }
}

/// A pattern in which `*` stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, rest)) => name
            .strip_prefix(head)
            .is_some_and(|tail| tail.char_indices().map(|(at, _)| at).chain([tail.len()]).any(|at| matches(rest, &tail[at..]))),
    }
}

fn with_safe_modes(line: &str) -> String {
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    for word in &mut words {
        let mode = word.strip_prefix("mode=").and_then(|digits| u32::from_str_radix(digits, 8).ok());
        let kept = match mode.map(|mode| mode & 0o170_000) {
            Some(0o100_000) => 0o400,
            Some(0o40_000) => 0o700,
            _ => continue,
        };
        let safe = mode.unwrap_or_default() & !0o7000 | kept;
        *word = format!("mode={safe:o}");
    }
    words.join(" ")
}

/// The difference that is stated for this row: the first that covers it.
pub fn find(row: &str) -> Option<&'static Difference> {
    MEANT.iter().find(|difference| difference.covers(row))
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Difference> {
    MEANT.iter()
}
