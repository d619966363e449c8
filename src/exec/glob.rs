//! Expands the patterns in a command's words to names in the home, as a shell does.
//!
//! A pattern that matches nothing stands for itself, so names with brackets need no quotes; only a dot matches the dot
//! at the beginning of a name.
//!
//! A short line may expand to very many names, or examine very many without a match. So all results are charged to the
//! user's memory; the names that are examined are counted for the whole line; and a line that has examined more than
//! [`QUICK_EXAMINED`] takes turns with others at the CPU.

use std::sync::Arc;

use super::home_session::HomeSession;
use crate::session::memory::TOO_MUCH_HELD;
use crate::storage::Links;
use crate::storage::router::call_io::CallPath;
use base::glob::{Pattern, PatternByte, is_pattern, literal};
use base::words::Word;

/// The most memory of a line's expansion in bytes: about 20,000 names of usual length.
const MAX_EXPANDED: usize = 2 << 20;
/// The memory of a name besides its bytes.
const NAME_COST: usize = size_of::<Vec<u8>>() + 32;
/// The most names that one line may examine: a tree of 100,000 files, twice. That takes a second or two.
const MAX_EXAMINED: usize = 200_000;
/// A line that has examined more names than this is slow work, and waits for a CPU slot.
const QUICK_EXAMINED: usize = 2_000;
/// Opening a directory counts as examining this many names.
const DIRECTORY: usize = 10;

/// The message for a line that expands to too much, as a shell prints it.
const TOO_MUCH: &str = "argument list too long";
/// The message for a line that would examine too many names.
const TOO_MANY_EXAMINED: &str =
    "these patterns match against too many names; use patterns for fewer directories";

/// What one line may still use.
struct Allowance {
    room: usize,
    names_left: usize,
}

impl Allowance {
    fn charge(&mut self, home: &HomeSession, name: &[u8]) -> Result<(), &'static str> {
        let cost = name.len() + NAME_COST;
        self.room = self.room.checked_sub(cost).ok_or(TOO_MUCH)?;
        home.charge_memory(cost).then_some(()).ok_or(TOO_MUCH_HELD)
    }

    fn release(&mut self, home: &HomeSession, names: &[Vec<u8>]) {
        let cost: usize = names.iter().map(|name| name.len() + NAME_COST).sum();
        self.room += cost;
        home.release_memory(cost);
    }

    fn examine(&mut self, names: usize) -> Result<(), &'static str> {
        self.names_left = self.names_left.checked_sub(names).ok_or(TOO_MANY_EXAMINED)?;
        Ok(())
    }

    fn is_quick(&self) -> bool {
        self.names_left > MAX_EXAMINED - QUICK_EXAMINED
    }
}

/// Expands `~` and patterns in each word.
///
/// # Errors
/// Returns a message for the user if the expansion is too large, or if too many names would be examined.
pub(super) async fn expand(home: &HomeSession, words: &[Word]) -> Result<Vec<Vec<u8>>, &'static str> {
    let mut expanded: Vec<Vec<u8>> = Vec::new();
    let mut allowance = Allowance {
        room: MAX_EXPANDED,
        names_left: MAX_EXAMINED,
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

/// Returns the word as a pattern, in which `~` and `~NAME` at the beginning are replaced by the home.
pub(super) fn without_tilde(word: &Word, user: &str) -> Vec<PatternByte> {
    let pattern: Vec<PatternByte> = word.marked().collect();
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

/// Returns the names that match a pattern, in order, and charges them.
async fn matching(
    home: &HomeSession,
    pattern: &[PatternByte],
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
                // Check whether it exists at the end.
                None => {
                    let joined = join(base, &literal(component));
                    allowance.charge(home, &joined)?;
                    next.push(joined);
                }
                Some(wanted) => below(home, base, wanted, &mut next, allowance).await?,
            }
        }
        if charged {
            allowance.release(home, &found);
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
        allowance.examine(1)?;
        match exists(home, &name).await {
            true => existing.push(name),
            false => allowance.release(home, &[name]),
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
    allowance.examine(DIRECTORY)?;
    let mut stream = home.list(base).await;
    while let Some(rest) = stream {
        let matches = home.matches(rest, wanted, !allowance.is_quick()).await;
        allowance.examine(matches.examined)?;
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
    let wanted = path.clone();
    let stat = home.call(CallPath::Name(&path), move |storage, _wait| {
        storage.stat(&wanted, Links::NoFollow)
    });
    stat.await.is_ok()
}

fn join(base: &[u8], name: &[u8]) -> Vec<u8> {
    match base {
        b"" | b"/" => [base, name].concat(),
        _ => [base, b"/", name].concat(),
    }
}
