//! Words of commands that stand for names in the home, expanded as a shell does it.
//!
//! A pattern that matches nothing stands for itself, so names with brackets need no quotes; names that begin with a
//! dot are matched only by a dot.
//!
//! What may go wrong: a short line that stands for very much, or that looks at very much in vain. So all that comes of
//! it is charged to the user, with what it costs in memory; each look at a name is counted, for the whole line; and
//! what has looked at more than [`QUICK_LOOKS`] takes turns with others.

use std::sync::Arc;

use super::home_session::HomeSession;
use crate::session::memory::TOO_MUCH_HELD;
use crate::storage::Links;
use base::glob::{Marked, Pattern, is_pattern, literal};
use base::words::Word;

/// What may come of a line, its cost in memory included: some 20,000 names of usual length.
const MAX_EXPANDED: usize = 2 << 20;
/// What a name costs besides its bytes.
const NAME_COST: usize = size_of::<Vec<u8>>() + 32;
/// Names that one line may look at: a tree of 100,000 files, twice. It takes a second or two.
const MAX_LOOKS: usize = 200_000;
/// After looking at so many names, a line is slow work, and waits for its turn at the CPU.
const QUICK_LOOKS: usize = 2_000;
/// Opening a directory counts as so many looks at names.
const DIRECTORY: usize = 10;

/// The sentence for a line that stands for too much, as a shell says it.
const TOO_MUCH: &str = "argument list too long";
/// The sentence for a line that would look at too many names.
const TOO_MANY_LOOKS: &str = "these patterns look at too many names; name fewer directories by patterns";

/// What is left of what one line may use.
struct Allowance {
    room: usize,
    looks: usize,
}

impl Allowance {
    fn charge(&mut self, home: &HomeSession, name: &[u8]) -> Result<(), &'static str> {
        let cost = name.len() + NAME_COST;
        self.room = self.room.checked_sub(cost).ok_or(TOO_MUCH)?;
        home.charge_memory(cost).then_some(()).ok_or(TOO_MUCH_HELD)
    }

    fn give_back(&mut self, home: &HomeSession, names: &[Vec<u8>]) {
        let cost: usize = names.iter().map(|name| name.len() + NAME_COST).sum();
        self.room += cost;
        home.release_memory(cost);
    }

    fn look(&mut self, names: usize) -> Result<(), &'static str> {
        self.looks = self.looks.checked_sub(names).ok_or(TOO_MANY_LOOKS)?;
        Ok(())
    }

    fn is_quick(&self) -> bool {
        self.looks > MAX_LOOKS - QUICK_LOOKS
    }
}

/// Expands `~` and patterns in each word.
///
/// # Errors
/// With a sentence, when too much comes of it, or too much is to be looked at.
pub(super) async fn expand(home: &HomeSession, words: &[Word]) -> Result<Vec<Vec<u8>>, &'static str> {
    let mut expanded: Vec<Vec<u8>> = Vec::new();
    let mut allowance = Allowance {
        room: MAX_EXPANDED,
        looks: MAX_LOOKS,
    };
    for word in words {
        let pattern = without_tilde(word, home.user());
        let mut names = match is_pattern(&pattern) {
            true => matching(home, &pattern, &mut allowance).await?,
            false => Vec::new(),
        };
        if names.is_empty() {
            let name = literal(&pattern);
            allowance.charge(home, &name)?;
            names.push(name);
        }
        expanded.append(&mut names);
    }
    Ok(expanded)
}

/// The word as a pattern, in which `~` and `~NAME` at the beginning stand for the home.
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
    let name = literal(name.get(1..).unwrap_or_default());
    if !name.is_empty() && name != user.as_bytes() {
        return pattern;
    }
    match below.is_empty() {
        true => vec![(b'/', true)],
        false => below.to_vec(),
    }
}

/// The names that a pattern stands for, in order; they are charged.
async fn matching(
    home: &HomeSession,
    pattern: &[Marked],
    allowance: &mut Allowance,
) -> Result<Vec<Vec<u8>>, &'static str> {
    let absolute = pattern.first().is_some_and(|&(byte, _)| byte == b'/');
    let mut found: Vec<Vec<u8>> = vec![if absolute { b"/".to_vec() } else { Vec::new() }];
    let components = pattern.split(|&(byte, _)| byte == b'/');
    // The first one is not charged.
    let mut charged = false;
    for component in components.filter(|component| !component.is_empty()) {
        let mut next = Vec::new();
        let wanted = is_pattern(component).then(|| Arc::new(Pattern::compile(component)));
        for base in &found {
            match &wanted {
                // Looked for at the end.
                None => {
                    let joined = join(base, &literal(component));
                    allowance.charge(home, &joined)?;
                    next.push(joined);
                }
                Some(wanted) => below(home, base, wanted, &mut next, allowance).await?,
            }
        }
        if charged {
            allowance.give_back(home, &found);
        }
        charged = true;
        found = next;
    }
    let slash = pattern.last().is_some_and(|&(byte, _)| byte == b'/');
    let mut existing = Vec::new();
    for mut name in found {
        if slash {
            name.push(b'/');
        }
        allowance.look(1)?;
        match exists(home, &name).await {
            true => existing.push(name),
            false => allowance.give_back(home, &[name]),
        }
    }
    existing.sort();
    Ok(existing)
}

/// Adds the names in a directory that match.
async fn below(
    home: &HomeSession,
    base: &[u8],
    wanted: &Arc<Pattern>,
    next: &mut Vec<Vec<u8>>,
    allowance: &mut Allowance,
) -> Result<(), &'static str> {
    allowance.look(DIRECTORY)?;
    let mut stream = home.list(base).await;
    while let Some(rest) = stream {
        let matches = home.matches(rest, wanted, !allowance.is_quick()).await;
        allowance.look(matches.looked_at)?;
        for name in matches.names {
            let joined = join(base, &name);
            allowance.charge(home, &joined)?;
            next.push(joined);
        }
        stream = matches.rest;
    }
    Ok(())
}

async fn exists(home: &HomeSession, name: &[u8]) -> bool {
    let Ok(path) = home.path(name) else { return false };
    let looked = home.call(move |storage, _wait| storage.stat(&path, Links::NoFollow));
    looked.await.is_ok()
}

fn join(base: &[u8], name: &[u8]) -> Vec<u8> {
    match base {
        b"" | b"/" => [base, name].concat(),
        _ => [base, b"/", name].concat(),
    }
}
