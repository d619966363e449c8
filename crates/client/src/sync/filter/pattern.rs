//! Patterns for paths, as rsync has them.
//!
//! `*` and `?` stand for any bytes but slashes, `**` for slashes, too, and `[…]` for one of some bytes; a backslash
//! takes the meaning from the next byte. A pattern that begins with a slash is matched from the top of the tree. One
//! with a slash inside, or with `**`, is matched against the end of the path, from the beginning of a name; others
//! against the last name. A slash at the end limits it to directories; `/***` means a directory and all that is in it.

/// The longest path that a pattern needs to match, in bytes (PATH_MAX of Linux).
const LONGEST: usize = 4096;

/// Why a pattern is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {what}")]
pub struct PatternError {
    /// The number of the byte in the pattern. The first is 1.
    pub column: usize,
    /// What is wrong at that place.
    pub what: &'static str,
}

/// A compiled pattern for paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterPattern {
    steps: Vec<PatternStep>,
    place: MatchPlace,
    /// Whether the pattern matches directories only.
    directories: bool,
    /// Whether all that is in a matching directory matches.
    contents: bool,
}

/// The part of a path that a pattern is matched against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MatchPlace {
    /// The pattern is about all of the path.
    Top,
    /// Any end of the path that begins at a name.
    AnyEnd,
    /// The pattern is about the last name of a path.
    Name,
}

/// One element of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum PatternStep {
    /// Any number of bytes that are not slashes.
    Any,
    /// Any number of bytes, also slashes.
    AnyDeep,
    /// One byte that is not a slash.
    AnyByte,
    /// Exactly this byte, and no other.
    Byte(u8),
    /// Any one of the bytes that are marked.
    OneOf(Box<[bool; 256]>),
}

impl PatternStep {
    fn takes(&self, byte: u8) -> bool {
        match self {
            Self::Any | Self::AnyByte => byte != b'/',
            Self::AnyDeep => true,
            Self::Byte(wanted) => *wanted == byte,
            Self::OneOf(set) => set.get(usize::from(byte)) == Some(&true),
        }
    }

    fn repeats(&self) -> bool {
        matches!(self, Self::Any | Self::AnyDeep)
    }
}

impl FilterPattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// When it is empty or too long, a bracket is not closed, a backslash is the last byte, or it contains `..`.
    pub fn compile(text: &[u8]) -> Result<Self, PatternError> {
        let error = |column: usize, what| Err(PatternError { column, what });
        if text.len() > LONGEST {
            return error(LONGEST + 1, "the pattern is longer than any path");
        }
        let mut column = 1;
        for part in text.split(|byte| *byte == b'/') {
            if part == b".." {
                return error(column, "\"..\" matches nothing");
            }
            column += part.len() + 1;
        }
        let (text, contents) = match text.strip_suffix(b"/***") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let (text, slash) = match text.strip_suffix(b"/") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let (body, anchored) = match text.strip_prefix(b"/") {
            Some(body) => (body, true),
            None => (text, false),
        };
        if body.is_empty() {
            return error(1, "the pattern is empty");
        }
        let steps = steps(body, text.len() - body.len())?;
        let deep = |step: &PatternStep| matches!(step, PatternStep::AnyDeep | PatternStep::Byte(b'/'));
        let place = match (anchored, steps.iter().any(deep)) {
            (true, _) => MatchPlace::Top,
            (false, true) => MatchPlace::AnyEnd,
            (false, false) if contents => MatchPlace::AnyEnd,
            (false, false) => MatchPlace::Name,
        };
        Ok(Self {
            steps,
            place,
            directories: slash || contents,
            contents,
        })
    }

    /// Whether the pattern matches a path below the top of a tree.
    pub fn matches(&self, path: &[u8], is_directory: bool) -> bool {
        if self.directories && !is_directory && !self.contents {
            return false;
        }
        let after_slash = |(at, byte): (usize, &u8)| (*byte == b'/').then_some(at + 1);
        let mut starts = path.iter().enumerate().filter_map(after_slash);
        let from = |start: usize| self.matches_from(path.get(start..).unwrap_or_default(), is_directory);
        match self.place {
            MatchPlace::Top => from(0),
            MatchPlace::Name => from(starts.next_back().unwrap_or(0)),
            MatchPlace::AnyEnd => from(0) || starts.any(from),
        }
    }

    /// Whether the pattern matches from the beginning of `text`. The time is at most proportional to the product of both
    /// lengths.
    fn matches_from(&self, text: &[u8], is_directory: bool) -> bool {
        // Which steps may be the next one; behind the last one the pattern has matched.
        let mut next = vec![false; self.steps.len() + 1];
        self.enter(&mut next, 0);
        for (at, byte) in text.iter().enumerate() {
            let mut after = vec![false; next.len()];
            for (number, step) in self.steps.iter().enumerate() {
                if next.get(number) == Some(&true) && step.takes(*byte) {
                    self.enter(&mut after, if step.repeats() { number } else { number + 1 });
                }
            }
            next = after;
            let whole = next.last() == Some(&true);
            if whole && self.contents && text.get(at + 1) == Some(&b'/') {
                return true;
            }
            if !next.contains(&true) {
                return false;
            }
        }
        next.last() == Some(&true) && (is_directory || !self.contents)
    }

    /// Marks a step as a possible next one, and those behind it if it may match nothing.
    fn enter(&self, next: &mut [bool], mut number: usize) {
        while let Some(mark) = next.get_mut(number) {
            *mark = true;
            match self.steps.get(number) {
                Some(step) if step.repeats() => number += 1,
                _ => break,
            }
        }
    }
}

/// The elements of a pattern. `before` bytes stand before `text`, for the column of an error.
fn steps(text: &[u8], before: usize) -> Result<Vec<PatternStep>, PatternError> {
    let mut steps = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let error = |what| PatternError {
            column: before + at + 1,
            what,
        };
        match (byte, text.get(at + 1)) {
            (b'*', Some(b'*')) => {
                steps.push(PatternStep::AnyDeep);
                while text.get(at) == Some(&b'*') {
                    at += 1;
                }
                continue;
            }
            (b'*', _) => steps.push(PatternStep::Any),
            (b'?', _) => steps.push(PatternStep::AnyByte),
            (b'[', _) => {
                let (set, length) = class(text.get(at + 1..).unwrap_or_default())
                    .ok_or_else(|| error("the bracket is not closed"))?;
                steps.push(PatternStep::OneOf(set));
                at += length;
            }
            (b'\\', Some(quoted)) => {
                steps.push(PatternStep::Byte(*quoted));
                at += 1;
            }
            (b'\\', None) => return Err(error("nothing follows the backslash")),
            (plain, _) => steps.push(PatternStep::Byte(*plain)),
        }
        at += 1;
    }
    Ok(steps)
}

/// The bytes between brackets, and how many bytes of the pattern they take, with the closing bracket.
fn class(text: &[u8]) -> Option<(Box<[bool; 256]>, usize)> {
    let negated = matches!(text.first(), Some(b'!' | b'^'));
    let mut at = usize::from(negated);
    let mut set = Box::new([false; 256]);
    let first = at;
    loop {
        let mut low = *text.get(at)?;
        if low == b']' && at > first {
            break;
        }
        if low == b'\\' {
            at += 1;
            low = *text.get(at)?;
        }
        let mut high = low;
        if text.get(at + 1) == Some(&b'-') && text.get(at + 2).is_some_and(|next| *next != b']') {
            at += 2;
            high = *text.get(at)?;
        }
        for byte in low..=high {
            if let Some(mark) = set.get_mut(usize::from(byte)) {
                *mark = true;
            }
        }
        at += 1;
    }
    if negated {
        set.iter_mut().for_each(|mark| *mark = !*mark);
    }
    if let Some(slash) = set.get_mut(usize::from(b'/')) {
        *slash = false;
    }
    Some((set, at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_rsync() {
        for (pattern, path, is_directory, expected) in [
            ("*.o", "a.o", false, true),
            ("*.o", "d/a.o", false, true),
            ("*.o", ".o", false, true),
            ("a?c", "abc", false, true),
            ("a?c", "a/c", false, false),
            ("/a", "a", false, true),
            ("/a", "b/a", false, false),
            ("a/b", "a/b", false, true),
            ("a/b", "x/a/b", false, true),
            ("a/b", "xa/b", false, false),
            ("a/*", "a/b/c", false, false),
            ("/a/**", "a/b/c", false, true),
            ("a/**/z", "x/a/b/c/z", false, true),
            ("**/z", "x/z", false, true),
            ("d/", "d", false, false),
            ("d/", "x/d", true, true),
            ("d/***", "d", true, true),
            ("d/***", "d/e/f", false, true),
            ("d/***", "x/d/e", false, true),
            ("d/***", "d", false, false),
            ("/d/***", "x/d/e", false, false),
            ("[a-c]x", "bx", false, true),
            ("[!a-c]x", "bx", false, false),
            ("[]]x", "]x", false, true),
            ("a[!x]b", "a/b", false, false),
            ("\\*", "*", false, true),
            ("\\*", "a", false, false),
            (
                "*a*a*a*a*b",
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac",
                false,
                false,
            ),
        ] {
            let compiled = FilterPattern::compile(pattern.as_bytes()).unwrap();
            assert_eq!(
                compiled.matches(path.as_bytes(), is_directory),
                expected,
                "{pattern} {path}"
            );
        }
    }
}
