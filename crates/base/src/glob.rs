//! Wildcards: the matcher for names and hosts, and the notation that marks which bytes of a word are wildcards.
//!
//! There are two dialects. File names are matched as by a shell (Shell Command Language, 2.13): `*`, `?` and `[…]`,
//! over bytes; only a dot matches the dot at the beginning of a name, and a pattern longer than any name matches
//! nothing. Hosts are matched as described in ssh_config(5) under PATTERNS: only `*` and `?`, and lists with `!`. The
//! time of a match is at most proportional to the product of both lengths.
//!
//! [`existing`] lists directories of this machine; code that expands patterns on a server lists them itself.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

/// The longest file name, in bytes (Linux's NAME_MAX): a pattern for one needs to be no longer.
const LONGEST_NAME: usize = 255;

/// A byte of a pattern, and whether it was quoted: a quoted byte stands for itself.
pub type PatternByte = (u8, bool);

/// Returns whether the word contains a wildcard.
pub fn is_pattern(word: &[PatternByte]) -> bool {
    word.iter()
        .any(|&(byte, quoted)| !quoted && matches!(byte, b'*' | b'?' | b'['))
}

/// Returns the bytes of a word without wildcards.
pub fn literal(word: &[PatternByte]) -> Vec<u8> {
    word.iter().map(|&(byte, _)| byte).collect()
}

/// Parses a word in which a backslash quotes the next byte; returns its bytes, each with whether it is quoted.
pub fn parse(word: &[u8]) -> Vec<PatternByte> {
    let mut marked = Vec::with_capacity(word.len());
    let mut bytes = word.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            // At the end it quotes nothing, and stands for itself.
            b'\\' => marked.push((bytes.next().unwrap_or(b'\\'), true)),
            byte => marked.push((byte, false)),
        }
    }
    marked
}

/// Returns the word that [`parse`] parses to these bytes. A `~` at its beginning is also quoted, since it stands for
/// the home.
pub fn escaped(marked: impl Iterator<Item = PatternByte>) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, (byte, quoted)) in marked.enumerate() {
        let special = matches!(byte, b'*' | b'?' | b'[') || byte == b'~' && at == 0;
        if byte == b'\\' || quoted && special {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out
}

/// Returns the word that matches only this name.
pub fn escape(name: &[u8]) -> Vec<u8> {
    escaped(name.iter().map(|&byte| (byte, true)))
}

/// Returns the name that a word stands for if its wildcards are taken literally.
pub fn unescape(word: &[u8]) -> Vec<u8> {
    literal(&parse(word))
}

/// A compiled pattern for one name.
pub struct Pattern {
    steps: Vec<Step>,
    /// Whether it may match a name that begins with a dot.
    hidden: bool,
    /// The longest name that it may match, in bytes.
    longest: usize,
}

/// One element of a pattern.
enum Step {
    /// `*` matches any sequence of bytes.
    Any,
    /// `?` matches any one byte of a name.
    AnyByte,
    /// A byte that matches only itself.
    Byte(u8),
    /// `[…]` matches one of these bytes.
    OneOf(Box<[bool; 256]>),
}

impl Step {
    fn takes(&self, byte: u8) -> bool {
        match self {
            Self::Any | Self::AnyByte => true,
            Self::Byte(wanted) => *wanted == byte,
            Self::OneOf(set) => set.get(usize::from(byte)) == Some(&true),
        }
    }
}

impl Pattern {
    /// Compiles a pattern for one component of a path, with the rules of a shell.
    pub fn compile(pattern: &[PatternByte]) -> Self {
        let mut steps = Vec::new();
        let mut rest = pattern;
        // A pattern that is longer than any name matches nothing.
        while let (Some((&(byte, quoted), after)), true) = (rest.split_first(), steps.len() <= LONGEST_NAME) {
            rest = after;
            match (byte, quoted) {
                (b'*', false) => push_any(&mut steps),
                (b'?', false) => steps.push(Step::AnyByte),
                (b'[', false) => match class(after) {
                    Some((set, length)) => {
                        steps.push(Step::OneOf(set));
                        rest = after.get(length..).unwrap_or_default();
                    }
                    // The bracket is never closed, so it stands for itself.
                    None => steps.push(Step::Byte(b'[')),
                },
                (plain, _) => steps.push(Step::Byte(plain)),
            }
        }
        Self {
            steps,
            hidden: pattern.first().is_some_and(|&(byte, _)| byte == b'.'),
            longest: LONGEST_NAME,
        }
    }

    /// Compiles a pattern for a name as find(1) matches it: with the rules of a shell, but a dot at the beginning of
    /// the name is like any other byte.
    pub fn of_any_name(pattern: &[PatternByte]) -> Self {
        Self {
            hidden: true,
            ..Self::compile(pattern)
        }
    }

    /// Compiles a pattern for a host, with ssh's rules: only `*` and `?` are wildcards, and a dot is like any other
    /// byte.
    pub fn of_host(pattern: &str) -> Self {
        let mut steps = Vec::new();
        for byte in pattern.bytes() {
            match byte {
                b'*' => push_any(&mut steps),
                b'?' => steps.push(Step::AnyByte),
                plain => steps.push(Step::Byte(plain)),
            }
        }
        Self {
            steps,
            hidden: true,
            longest: usize::MAX,
        }
    }

    /// Returns whether the pattern matches this name.
    pub fn matches(&self, name: &[u8]) -> bool {
        if self.steps.len() > self.longest || name.starts_with(b".") && !self.hidden {
            return false;
        }
        let (mut step, mut at) = (0, 0);
        // The position of the last star, and the end of what it matches.
        let mut star: Option<(usize, usize)> = None;
        loop {
            let fits = match (self.steps.get(step), name.get(at)) {
                (None, None) => return true,
                (Some(Step::Any), _) => {
                    star = Some((step, at));
                    step += 1;
                    continue;
                }
                (Some(wanted), Some(&byte)) => wanted.takes(byte),
                (Some(_), None) | (None, Some(_)) => false,
            };
            match (fits, star) {
                (true, _) => {
                    step += 1;
                    at += 1;
                }
                (false, Some((before, taken))) if taken < name.len() => {
                    star = Some((before, taken + 1));
                    step = before + 1;
                    at = taken + 1;
                }
                (false, _) => return false,
            }
        }
    }
}

/// Returns whether one of the patterns of hosts matches, and none of those that begin with `!`.
pub fn matches_host_list<'a>(patterns: impl IntoIterator<Item = &'a str>, host: &str) -> bool {
    let mut found = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(negated) if Pattern::of_host(negated).matches(host.as_bytes()) => return false,
            Some(_) => {}
            None => found |= Pattern::of_host(pattern).matches(host.as_bytes()),
        }
    }
    found
}

/// Splits a pattern of a path into its components.
pub fn components(pattern: &[PatternByte]) -> impl Iterator<Item = &[PatternByte]> {
    pattern
        .split(|&(byte, _)| byte == b'/')
        .filter(|component| !component.is_empty())
}

/// Returns the directory where the expansion of a pattern begins: `/`, or nothing for a relative one.
pub fn root(pattern: &[PatternByte]) -> Vec<u8> {
    match pattern.first() {
        Some((b'/', _)) => b"/".to_vec(),
        _ => Vec::new(),
    }
}

/// Returns whether the pattern ends in a slash, so that it matches only directories.
pub fn ends_in_slash(pattern: &[PatternByte]) -> bool {
    pattern.last().is_some_and(|&(byte, _)| byte == b'/')
}

/// Returns the existing names on this machine that match a pattern, in order. It lists directories, so it may block; a
/// directory that cannot be listed matches nothing. A pattern that ends in a slash matches directories, with that
/// slash.
pub fn existing(pattern: &[PatternByte]) -> Vec<Vec<u8>> {
    let below = |base: &[u8], name: &[u8]| match base {
        b"" => name.to_vec(),
        [.., b'/'] => [base, name].concat(),
        _ => [base, b"/", name].concat(),
    };
    let mut found = vec![root(pattern)];
    for component in components(pattern) {
        if !is_pattern(component) {
            let name = literal(component);
            found.iter_mut().for_each(|base| *base = below(base, &name));
            continue;
        }
        let wanted = Pattern::compile(component);
        let mut next = Vec::new();
        for base in &found {
            let listed = std::fs::read_dir(match &base[..] {
                b"" => OsStr::new("."),
                base => OsStr::from_bytes(base),
            });
            let names = listed
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.file_name());
            let fits = names.filter(|name| wanted.matches(name.as_bytes()));
            next.extend(fits.map(|name| below(base, name.as_bytes())));
        }
        found = next;
    }
    let directories = ends_in_slash(pattern);
    found.retain(|name| {
        let name = OsStr::from_bytes(name);
        match directories {
            true => std::fs::metadata(name).is_ok_and(|meta| meta.is_dir()),
            false => std::fs::symlink_metadata(name).is_ok(),
        }
    });
    if directories {
        found.iter_mut().for_each(|name| name.push(b'/'));
    }
    found.sort();
    found
}

/// Several stars in a row are equivalent to one.
fn push_any(steps: &mut Vec<Step>) {
    if !matches!(steps.last(), Some(Step::Any)) {
        steps.push(Step::Any);
    }
}

fn fill(set: &mut [bool; 256], low: u8, high: u8) {
    for byte in low..=high {
        if let Some(place) = set.get_mut(usize::from(byte)) {
            *place = true;
        }
    }
}

/// Parses what follows a `[`: returns the bytes of the class, and its length with the `]`.
fn class(pattern: &[PatternByte]) -> Option<(Box<[bool; 256]>, usize)> {
    let negated = matches!(pattern.first(), Some((b'!' | b'^', false)));
    let start = usize::from(negated);
    let mut at = start;
    let mut set = Box::new([false; 256]);
    // A class in a pattern for a file name is not longer than this.
    while at <= LONGEST_NAME {
        let &(low, quoted) = pattern.get(at)?;
        if low == b']' && !quoted && at > start {
            if negated {
                set.iter_mut().for_each(|place| *place = !*place);
            }
            return Some((set, at + 1));
        }
        match (pattern.get(at + 1), pattern.get(at + 2)) {
            (Some((b'-', false)), Some(&(high, quoted))) if high != b']' || quoted => {
                fill(&mut set, low, high);
                at += 3;
            }
            _ => {
                fill(&mut set, low, low);
                at += 1;
            }
        }
    }
    None
}

#[cfg(test)]
mod tests;
