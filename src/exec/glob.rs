//! Words of commands that stand for names in the home, expanded as a shell does it.
//!
//! A pattern that matches nothing stands for itself, so names with brackets need no quotes; names that begin with a
//! dot are matched only by a dot.
//!
//! What may go wrong: a short line that stands for very much. So all that comes of it is charged, with what it costs in
//! memory.

use std::ops::ControlFlow;

use super::desk::Desk;
use crate::glob::{Marked, Pattern, is_pattern, literal};
use crate::vfs::Links;
use crate::words::Word;

/// What may come of a line, its cost in memory included: some 20,000 names of usual length.
const MAX_EXPANDED: usize = 2 << 20;
/// What a name costs besides its bytes.
const NAME_COST: usize = size_of::<Vec<u8>>() + 32;

/// Too much comes of it, as a shell says it.
const TOO_MUCH: &str = "argument list too long";

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
            names.push(literal(&pattern));
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
    let name = literal(name.get(1..).unwrap_or_default());
    if !name.is_empty() && name != user.as_bytes() {
        return pattern;
    }
    match below.is_empty() {
        true => vec![(b'/', true)],
        false => below.to_vec(),
    }
}

/// The names that a pattern stands for, in order.
async fn matching(desk: &Desk, pattern: &[Marked], room: usize) -> Result<Vec<Vec<u8>>, &'static str> {
    let absolute = pattern.first().is_some_and(|&(byte, _)| byte == b'/');
    let mut found: Vec<Vec<u8>> = vec![if absolute { b"/".to_vec() } else { Vec::new() }];
    let components = pattern.split(|&(byte, _)| byte == b'/');
    for component in components.filter(|component| !component.is_empty()) {
        let mut next = Vec::new();
        let mut left = room;
        let wanted = is_pattern(component).then(|| Pattern::compile(component));
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
                    let _ = keep(&literal(component));
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
