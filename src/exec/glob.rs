//! Patterns of file names, as a shell expands them (Shell Command Language, 2.13): `*`, `?` and `[…]`, over bytes.
//!
//! A pattern that matches nothing stands for itself, so names with brackets need no quotes; names that begin with a
//! dot are matched only by a dot.

use super::desk::Desk;
use super::words::Word;
use crate::vfs::Links;

/// As much as Linux lets a command have in arguments, by default.
const MAX_EXPANDED: usize = 2 << 20;

/// A byte of a pattern, and whether it was quoted.
type Marked = (u8, bool);

/// Expands `~` and patterns in each word.
///
/// # Errors
/// With a sentence, when too much comes of it.
pub async fn expand(desk: &Desk, words: &[Word]) -> Result<Vec<Vec<u8>>, &'static str> {
    let mut expanded: Vec<Vec<u8>> = Vec::new();
    let mut room = MAX_EXPANDED;
    for word in words {
        let pattern = without_tilde(word.marked().collect(), desk.user());
        let mut names = match is_pattern(&pattern) {
            true => matching(desk, &pattern, room).await?,
            false => Vec::new(),
        };
        if names.is_empty() {
            names.push(pattern.iter().map(|&(byte, _)| byte).collect());
        }
        for name in names {
            room = room.checked_sub(name.len() + 1).ok_or(TOO_MUCH)?;
            expanded.push(name);
        }
    }
    Ok(expanded)
}

const TOO_MUCH: &str = "argument list too long";

/// `~` and `~NAME` at the beginning are the home.
fn without_tilde(pattern: Vec<Marked>, user: &str) -> Vec<Marked> {
    if pattern.first() != Some(&(b'~', false)) {
        return pattern;
    }
    let end = pattern
        .iter()
        .position(|&(b, _)| b == b'/')
        .unwrap_or(pattern.len());
    let name: Vec<u8> = pattern.iter().take(end).skip(1).map(|&(b, _)| b).collect();
    if !name.is_empty() && name != user.as_bytes() {
        return pattern;
    }
    let below = pattern.get(end..).unwrap_or_default();
    match below.is_empty() {
        true => vec![(b'/', true)],
        false => below.to_vec(),
    }
}

fn is_pattern(pattern: &[Marked]) -> bool {
    pattern
        .iter()
        .any(|&(byte, quoted)| !quoted && matches!(byte, b'*' | b'?' | b'['))
}

/// The names that a pattern stands for, in order.
async fn matching(desk: &Desk, pattern: &[Marked], room: usize) -> Result<Vec<Vec<u8>>, &'static str> {
    let mut found: Vec<Vec<u8>> = vec![match pattern.first() {
        Some((b'/', _)) => b"/".to_vec(),
        _ => Vec::new(),
    }];
    let components: Vec<&[Marked]> = pattern
        .split(|&(byte, _)| byte == b'/')
        .filter(|component| !component.is_empty())
        .collect();
    for component in &components {
        let mut next = Vec::new();
        let mut left = room;
        for base in found {
            let names = match is_pattern(component) {
                true => desk.names(&base, |name| matches(component, name)).await,
                false => vec![component.iter().map(|&(byte, _)| byte).collect()],
            };
            for name in names {
                left = left.checked_sub(base.len() + name.len() + 2).ok_or(TOO_MUCH)?;
                next.push(join(&base, &name));
            }
        }
        found = next;
    }
    let slash = pattern.last().is_some_and(|&(byte, _)| byte == b'/');
    let mut existing = Vec::new();
    for mut name in found {
        if slash {
            name.push(b'/');
        }
        if exists(desk, &name).await {
            existing.push(name);
        }
    }
    existing.sort();
    Ok(existing)
}

async fn exists(desk: &Desk, name: &[u8]) -> bool {
    let Ok(path) = desk.path(name) else { return false };
    let looked = desk.call(move |storage, _wait| storage.stat(&path, Links::NoFollow));
    looked.await.is_ok()
}

fn join(base: &[u8], name: &[u8]) -> Vec<u8> {
    match base {
        b"" | b"/" => [base, name].concat(),
        _ => [base, b"/", name].concat(),
    }
}

/// Does the pattern, one component, stand for this name?
fn matches(pattern: &[Marked], name: &[u8]) -> bool {
    if name.starts_with(b".") && pattern.first().is_none_or(|&(byte, _)| byte != b'.') {
        return false;
    }
    let (mut p, mut n) = (0, 0);
    // Where the last star stands, and how far what it matches goes.
    let mut star: Option<(usize, usize)> = None;
    loop {
        let step = match (pattern.get(p), name.get(n)) {
            (None, None) => return true,
            (Some((b'*', false)), _) => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            (Some(_), Some(&byte)) => one(pattern.get(p..).unwrap_or_default(), byte),
            (Some(_), None) | (None, Some(_)) => None,
        };
        match (step, star) {
            (Some(length), _) => {
                p += length;
                n += 1;
            }
            (None, Some((at, taken))) if taken < name.len() => {
                star = Some((at, taken + 1));
                p = at + 1;
                n = taken + 1;
            }
            (None, _) => return false,
        }
    }
}

/// Does the beginning of the pattern stand for this byte? Then how much of the pattern that was.
fn one(pattern: &[Marked], byte: u8) -> Option<usize> {
    match pattern.first()? {
        (b'?', false) => Some(1),
        (b'[', false) => match class(pattern) {
            Some((class, length)) => class.holds(byte).then_some(length),
            // Never closed: it stands for itself.
            None => (byte == b'[').then_some(1),
        },
        (plain, _) => (*plain == byte).then_some(1),
    }
}

/// `[…]`
struct Class {
    negated: bool,
    ranges: Vec<(u8, u8)>,
}

impl Class {
    fn holds(&self, byte: u8) -> bool {
        self.ranges
            .iter()
            .any(|&(low, high)| (low..=high).contains(&byte))
            != self.negated
    }
}

/// The class that the pattern begins with, and its length.
fn class(pattern: &[Marked]) -> Option<(Class, usize)> {
    let negated = matches!(pattern.get(1), Some((b'!' | b'^', false)));
    let mut at = 1 + usize::from(negated);
    let mut ranges = Vec::new();
    loop {
        match (pattern.get(at)?, ranges.is_empty()) {
            ((b']', false), false) => return Some((Class { negated, ranges }, at + 1)),
            (&(low, _), _) => match (pattern.get(at + 1), pattern.get(at + 2)) {
                (Some((b'-', false)), Some(&(high, quoted))) if high != b']' || quoted => {
                    ranges.push((low, high));
                    at += 3;
                }
                _ => {
                    ranges.push((low, low));
                    at += 1;
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, name: &str, expected: bool) {
        // A backslash quotes here, too.
        let mut marked = Vec::new();
        let mut bytes = pattern.bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'\\' => marked.extend(bytes.next().map(|b| (b, true))),
                plain => marked.push((plain, false)),
            }
        }
        assert_eq!(
            matches(&marked, name.as_bytes()),
            expected,
            "{pattern} for {name}"
        );
    }

    #[test]
    fn patterns_match_as_in_a_shell() {
        check("*", "a", true);
        check("*", ".a", false);
        check(".*", ".a", true);
        check("?", ".", false);
        check("[.]a", ".a", false);
        check("a*c", "abbc", true);
        check("a*c", "abcd", false);
        check("*a*b*", "xxaxxbxx", true);
        check("*a*b", "abab", true);
        check("a?c", "abc", true);
        check("a?c", "ac", false);
        check("[a-c]x", "bx", true);
        check("[!a-c]x", "bx", false);
        check("[^a-c]x", "dx", true);
        check("[]]", "]", true);
        check("[a-]", "-", true);
        check("[", "[", true);
        check("f[1].txt", "f1.txt", true);
        check("f[1].txt", "f[1].txt", false);
        check("f\\[1].txt", "f[1].txt", true);
        check("\\*", "*", true);
        check("\\*", "a", false);
        check("", "", true);
        check("**", "abc", true);
    }

    #[test]
    fn hard_patterns_take_no_exponential_time() {
        let pattern: Vec<Marked> = b"*a".repeat(60).into_iter().map(|b| (b, false)).collect();
        assert!(!matches(&pattern, &[&b"a".repeat(59)[..], b"b"].concat()));
    }
}
