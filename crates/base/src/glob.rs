//! Patterns of file names, as a shell has them (Shell Command Language, 2.13): `*`, `?` and `[…]`, over bytes.
//!
//! Names that begin with a dot are matched only by a dot. Patterns longer than names match nothing, and one comparison is
//! at most their lengths multiplied. Where the names come from is the business of those who expand.

/// No name is longer, so no pattern of one needs to be.
const LONGEST_NAME: usize = 255;

/// A byte of a pattern, and whether it was quoted.
pub type Marked = (u8, bool);

/// Does it stand for more than itself?
pub fn is_pattern(word: &[Marked]) -> bool {
    word.iter()
        .any(|&(byte, quoted)| !quoted && matches!(byte, b'*' | b'?' | b'['))
}

/// What it says, if it stands for itself.
pub fn literal(word: &[Marked]) -> Vec<u8> {
    word.iter().map(|&(byte, _)| byte).collect()
}

/// A pattern of one name.
pub struct Pattern {
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

impl Pattern {
    /// Reads one component of a path.
    pub fn compile(pattern: &[Marked]) -> Self {
        let mut steps = Vec::new();
        let mut rest = pattern;
        // What is longer than a name stands for none.
        while let (Some((&(byte, quoted), after)), true) = (rest.split_first(), steps.len() <= LONGEST_NAME) {
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
    pub fn matches(&self, name: &[u8]) -> bool {
        if self.steps.len() > LONGEST_NAME || name.starts_with(b".") && !self.hidden {
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
        let component = Pattern::compile(&marked);
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
        let hard = |text: &[u8]| -> Pattern {
            let marked: Vec<Marked> = text.iter().map(|&b| (b, false)).collect();
            Pattern::compile(&marked)
        };
        let name = [&b"a".repeat(254)[..], b"b"].concat();
        assert!(!hard(&b"*a".repeat(127)).matches(&name));
        assert!(!hard(&b"*[".repeat(60_000)).matches(&name));
        assert!(!hard(&b"[".repeat(120_000)).matches(&b"[".repeat(255)));
        assert!(hard(&b"*".repeat(120_000)).matches(&name));
    }
}
