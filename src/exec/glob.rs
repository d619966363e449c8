//! Patterns of file names, as a shell expands them (Shell Command Language, 2.13): `*`, `?` and `[…]`, over bytes.
//!
//! A pattern that matches nothing stands for itself, so names with brackets need no quotes; names that begin with a
//! dot are matched only by a dot.
//!
//! What may go wrong: a short line that stands for very much. So all that comes of it is charged, with what it costs in
//! memory; patterns longer than names match nothing, and one comparison is at most their lengths multiplied.

use std::ops::ControlFlow;

use super::desk::Desk;
use super::words::Word;
use crate::vfs::Links;

/// What may come of a line, its cost in memory included: some 20,000 names of usual length.
const MAX_EXPANDED: usize = 2 << 20;
/// What a name costs besides its bytes.
const NAME_COST: usize = size_of::<Vec<u8>>() + 32;
/// No name is longer, so no pattern of one needs to be.
const MAX_COMPONENT: usize = 255;

/// Too much comes of it, as a shell says it.
const TOO_MUCH: &str = "argument list too long";

/// A byte of a pattern, and whether it was quoted.
type Marked = (u8, bool);

/// Expands `~` and patterns in each word.
///
/// # Errors
/// With a sentence, when too much comes of it.
pub(super) async fn expand(desk: &Desk, words: &[Word]) -> Result<Vec<Vec<u8>>, &'static str> {
    let mut expanded: Vec<Vec<u8>> = Vec::new();
    let mut room = MAX_EXPANDED;
    for word in words {
        let pattern = without_tilde(word, desk.user());
        let mut names = match is_pattern(&pattern) {
            true => matching(desk, &pattern, room).await?,
            false => Vec::new(),
        };
        if names.is_empty() {
            names.push(bytes(&pattern));
        }
        for name in names {
            charge(&mut room, &name)?;
            expanded.push(name);
        }
    }
    Ok(expanded)
}

fn charge(room: &mut usize, name: &[u8]) -> Result<(), &'static str> {
    *room = room.checked_sub(name.len() + NAME_COST).ok_or(TOO_MUCH)?;
    Ok(())
}

fn bytes(pattern: &[Marked]) -> Vec<u8> {
    pattern.iter().map(|&(byte, _)| byte).collect()
}

/// `~` and `~NAME` at the beginning are the home.
pub(super) fn without_tilde(word: &Word, user: &str) -> Vec<Marked> {
    let pattern: Vec<Marked> = word.marked().collect();
    if pattern.first() != Some(&(b'~', false)) {
        return pattern;
    }
    let end = pattern
        .iter()
        .position(|&(b, _)| b == b'/')
        .unwrap_or(pattern.len());
    let (name, below) = pattern.split_at(end);
    let name = bytes(name.get(1..).unwrap_or_default());
    if !name.is_empty() && name != user.as_bytes() {
        return pattern;
    }
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
    let absolute = pattern.first().is_some_and(|&(byte, _)| byte == b'/');
    let mut found: Vec<Vec<u8>> = vec![if absolute { b"/".to_vec() } else { Vec::new() }];
    let components = pattern.split(|&(byte, _)| byte == b'/');
    for component in components.filter(|component| !component.is_empty()) {
        let mut next = Vec::new();
        let mut left = room;
        let wanted = is_pattern(component).then(|| Component::compile(component));
        for base in found {
            let mut outcome = Ok(());
            let mut keep = |name: &[u8]| {
                let joined = join(&base, name);
                outcome = charge(&mut left, &joined);
                next.push(joined);
                match outcome {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                }
            };
            match &wanted {
                None => {
                    // Looked for at the end.
                    let _ = keep(&bytes(component));
                }
                Some(wanted) => {
                    let show = |name: Vec<u8>| match wanted.matches(&name) {
                        true => keep(&name),
                        false => ControlFlow::Continue(()),
                    };
                    desk.names(&base, show).await;
                }
            }
            outcome?;
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

/// A pattern of one name.
struct Component {
    steps: Vec<Step>,
    /// It may stand for a name that begins with a dot.
    hidden: bool,
}

enum Step {
    /// `*`
    Any,
    /// A byte of these: `?`, `[…]`, or one that stands for itself.
    One(Box<[bool; 256]>),
}

impl Component {
    fn compile(pattern: &[Marked]) -> Self {
        let mut steps = Vec::new();
        let mut rest = pattern;
        // What is longer than a name stands for none.
        while let (Some((&(byte, quoted), after)), true) = (rest.split_first(), steps.len() <= MAX_COMPONENT)
        {
            rest = after;
            match (byte, quoted) {
                (b'*', false) => {
                    // Several are as good as one.
                    if !matches!(steps.last(), Some(Step::Any)) {
                        steps.push(Step::Any);
                    }
                }
                (b'?', false) => steps.push(Step::One(Box::new([true; 256]))),
                (b'[', false) => match class(after) {
                    Some((set, length)) => {
                        steps.push(Step::One(set));
                        rest = after.get(length..).unwrap_or_default();
                    }
                    // Never closed: it stands for itself.
                    None => steps.push(single(b'[')),
                },
                (plain, _) => steps.push(single(plain)),
            }
        }
        Self {
            steps,
            hidden: pattern.first().is_some_and(|&(byte, _)| byte == b'.'),
        }
    }

    /// Does it stand for this name?
    fn matches(&self, name: &[u8]) -> bool {
        if self.steps.len() > MAX_COMPONENT || name.starts_with(b".") && !self.hidden {
            return false;
        }
        let (mut step, mut at) = (0, 0);
        // Where the last star stands, and how far what it stands for goes.
        let mut star: Option<(usize, usize)> = None;
        loop {
            let fits = match (self.steps.get(step), name.get(at)) {
                (None, None) => return true,
                (Some(Step::Any), _) => {
                    star = Some((step, at));
                    step += 1;
                    continue;
                }
                (Some(Step::One(set)), Some(&byte)) => set.get(usize::from(byte)) == Some(&true),
                (Some(Step::One(_)), None) | (None, Some(_)) => false,
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

fn single(byte: u8) -> Step {
    let mut set = Box::new([false; 256]);
    fill(&mut set, byte, byte);
    Step::One(set)
}

fn fill(set: &mut [bool; 256], low: u8, high: u8) {
    for byte in low..=high {
        if let Some(place) = set.get_mut(usize::from(byte)) {
            *place = true;
        }
    }
}

/// What stands behind a `[`: the bytes of the class, and its length with the `]`.
fn class(pattern: &[Marked]) -> Option<(Box<[bool; 256]>, usize)> {
    let negated = matches!(pattern.first(), Some((b'!' | b'^', false)));
    let start = usize::from(negated);
    let mut at = start;
    let mut set = Box::new([false; 256]);
    // No class that could be part of a name's pattern is longer.
    while at <= MAX_COMPONENT {
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
        let component = Component::compile(&marked);
        assert_eq!(
            component.matches(name.as_bytes()),
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
        let hard = |text: &[u8]| -> Component {
            let marked: Vec<Marked> = text.iter().map(|&b| (b, false)).collect();
            Component::compile(&marked)
        };
        let name = [&b"a".repeat(254)[..], b"b"].concat();
        assert!(!hard(&b"*a".repeat(127)).matches(&name));
        assert!(!hard(&b"*[".repeat(60_000)).matches(&name));
        assert!(!hard(&b"[".repeat(120_000)).matches(&b"[".repeat(255)));
        assert!(hard(&b"*".repeat(120_000)).matches(&name));
    }
}
