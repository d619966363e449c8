//! Completion: what could stand where the cursor is. Pure; directories are listed by a [`Lister`].
//!
//! What is inserted is read back by [`words`](base::words) as the name it stands for. Names that can't be typed (control
//! characters, bytes that are no UTF-8, characters that hide) are not offered: a pattern reaches them.

use std::collections::BTreeMap;

use super::verbs::{Kind, VERBS, Verb};
use crate::names::is_single_name;
use crate::printable::printable;
use base::glob::{Marked, is_pattern};
use base::words::{Unfinished, quote, unfinished};

/// Candidates that are offered: more than anybody reads, fewer than the line editor can count (65,535).
const MOST: usize = 5_000;

/// Where a directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// On the server.
    Remote,
    /// On this machine.
    Local,
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// As it is there.
    pub name: Vec<u8>,
    /// Is it a directory, or a link to one?
    pub directory: bool,
}

/// Lists directories.
pub trait Lister {
    /// What is in a directory; it is as it was typed, with a slash at its end, or empty. `~/` stands for the home.
    /// What can't be listed in time is empty.
    fn list(&self, side: Side, directory: &[u8]) -> Vec<Entry>;
}

/// What could stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// For the list.
    pub shown: String,
    /// For the line.
    pub text: String,
}

/// All that could stand there, and from where on it would: in bytes of the line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choices {
    /// Where the word begins.
    pub start: usize,
    /// In order.
    pub all: Vec<Choice>,
}

/// Which names make sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    All,
    Directories,
}

/// Completes a line up to the cursor. `at_end`: nothing stands behind it.
pub fn complete(line: &str, at_end: bool, lister: &dyn Lister) -> Choices {
    let typed = unfinished(line.as_bytes());
    let start = typed.last.start;
    let all = match typed.words.split_first() {
        None => commands(&typed),
        Some((name, before)) => match Verb::by_name(name.bytes()) {
            None => Vec::new(),
            Some(verb) => {
                let before: Vec<&[u8]> = before.iter().map(|word| word.bytes()).collect();
                argument(verb, &before, &typed, lister)
            }
        },
    };
    Choices {
        start,
        all: finish(all, at_end, typed.open),
    }
}

/// What is found: what to show, what to insert, and whether the word is complete with it.
struct Found {
    choice: Choice,
    complete: bool,
}

fn word(text: &str) -> Found {
    Found {
        choice: Choice {
            shown: text.to_owned(),
            text: text.to_owned(),
        },
        complete: true,
    }
}

/// Behind the only one that there is, the next word begins.
fn finish(found: Vec<Found>, at_end: bool, open: Option<u8>) -> Vec<Choice> {
    let alone = found.len() == 1;
    let end = |found: Found| {
        let mut choice = found.choice;
        if alone && at_end && found.complete {
            choice.text.extend(open.map(char::from));
            choice.text.push(' ');
        }
        choice
    };
    found.into_iter().take(MOST).map(end).collect()
}

fn commands(typed: &Unfinished) -> Vec<Found> {
    let names = VERBS.iter().flat_map(|verb| verb.names).copied();
    let fits = names.filter(|name| typed.open.is_none() && name.as_bytes().starts_with(typed.last.bytes()));
    let mut fits: Vec<&str> = fits.collect();
    fits.sort_unstable();
    fits.into_iter().map(word).collect()
}

/// A word behind the command's name.
fn argument(verb: &Verb, before: &[&[u8]], typed: &Unfinished, lister: &dyn Lister) -> Vec<Found> {
    let prefix = typed.last.bytes();
    let grammar = verb.grammar();
    let options_end = before.contains(&&b"--"[..]);
    if let (Some(values), false) = (before.last().and_then(|last| values(&grammar, last)), options_end) {
        return starting(values, prefix);
    }
    if prefix.starts_with(b"-") && typed.open.is_none() && !options_end {
        return starting(options(&grammar), prefix);
    }
    if verb.kind == Kind::Help {
        return commands(typed);
    }
    let mut taken = false;
    let names = before.iter().filter(|word| {
        let is_value = std::mem::replace(&mut taken, values(&grammar, word).is_some());
        !is_value && !word.starts_with(b"-")
    });
    let mut found = BTreeMap::new();
    for (side, wanted) in places(verb.kind, names.count()) {
        for name in names_on(*side, *wanted, typed, lister) {
            found.entry(name.choice.text.clone()).or_insert(name);
        }
    }
    found.into_values().collect()
}

/// On which side a name is looked for: the first of the command's, or a later one.
fn places(kind: Kind, earlier: usize) -> &'static [(Side, Wanted)] {
    const REMOTE: &[(Side, Wanted)] = &[(Side::Remote, Wanted::All)];
    const REMOTE_DIRECTORIES: &[(Side, Wanted)] = &[(Side::Remote, Wanted::Directories)];
    const LOCAL: &[(Side, Wanted)] = &[(Side::Local, Wanted::All)];
    const LOCAL_DIRECTORIES: &[(Side, Wanted)] = &[(Side::Local, Wanted::Directories)];
    // Another one, or where they go.
    const GET_MORE: &[(Side, Wanted)] = &[(Side::Remote, Wanted::All), (Side::Local, Wanted::Directories)];
    const PUT_MORE: &[(Side, Wanted)] = &[(Side::Local, Wanted::All), (Side::Remote, Wanted::Directories)];
    match (kind, earlier) {
        (Kind::Get, 0) => REMOTE,
        (Kind::Get, _) => GET_MORE,
        (Kind::Put, 0) => LOCAL,
        (Kind::Put, _) => PUT_MORE,
        (Kind::Chmod, 0) => &[],
        (Kind::Ls | Kind::Rm | Kind::Remov | Kind::Mv | Kind::Chmod | Kind::Sum | Kind::Df, _) => REMOTE,
        (Kind::Cd, 0) | (Kind::Mkdir | Kind::Rmdir, _) => REMOTE_DIRECTORIES,
        (Kind::Lls, _) => LOCAL,
        (Kind::Lcd, 0) => LOCAL_DIRECTORIES,
        (Kind::Cd | Kind::Lcd, _) | (Kind::Pwd | Kind::Lpwd | Kind::History | Kind::Help | Kind::Exit, _) => {
            &[]
        }
    }
}

fn starting(words: Vec<String>, prefix: &[u8]) -> Vec<Found> {
    let mut words = words;
    words.retain(|word| word.as_bytes().starts_with(prefix));
    words.sort_unstable();
    words.iter().map(|text| word(text)).collect()
}

fn options(grammar: &clap::Command) -> Vec<String> {
    let shown = grammar.get_arguments().filter(|arg| !arg.is_hide_set());
    let both = shown.flat_map(|arg| {
        let short = arg.get_short().map(|short| format!("-{short}"));
        let long = arg.get_long().map(|long| format!("--{long}"));
        short.into_iter().chain(long)
    });
    both.collect()
}

/// What may stand behind an option; `None`: it is no option, or takes no value.
fn values(grammar: &clap::Command, option: &[u8]) -> Option<Vec<String>> {
    let name = std::str::from_utf8(option.strip_prefix(b"--")?).ok()?;
    let mut arguments = grammar.get_arguments();
    let argument = arguments.find(|arg| arg.get_long() == Some(name))?;
    if !argument.get_action().takes_values() {
        return None;
    }
    let possible = argument.get_possible_values();
    Some(possible.iter().map(|value| value.get_name().to_owned()).collect())
}

fn names_on(side: Side, wanted: Wanted, typed: &Unfinished, lister: &dyn Lister) -> Vec<Found> {
    let word = typed.last.bytes();
    let length = word.iter().rposition(|&b| b == b'/').map_or(0, |at| at + 1);
    let (directory, prefix) = word.split_at(length);
    let marked: Vec<Marked> = typed.last.marked().take(length).collect();
    if is_pattern(&marked) {
        return Vec::new();
    }
    // Stays as it is: quoted, it would be a name.
    let home = !typed.last.begins_quoted() && directory.starts_with(b"~/");
    let entries = match directory {
        [b'~', ..] if !home => lister.list(side, &[b"./", directory].concat()),
        _ => lister.list(side, directory),
    };
    let fits = entries.into_iter().filter(|entry| {
        is_single_name(&entry.name)
            && entry.name.starts_with(prefix)
            && (prefix.starts_with(b".") || !entry.name.starts_with(b"."))
            && (wanted == Wanted::All || entry.directory)
    });
    fits.filter_map(|entry| {
        let end = if entry.directory { "/" } else { "" };
        let name = [directory, &entry.name[..], end.as_bytes()].concat();
        let shown = printable(&entry.name);
        // What is shown otherwise than it is can't be typed.
        if shown.as_bytes() != entry.name {
            return None;
        }
        let text = match (home, name.strip_prefix(b"~/")) {
            (true, Some(below)) => [b"~/", &quote(below, typed.open)[..]].concat(),
            // It would be an option.
            _ if name.starts_with(b"-") => quote(&[b"./", &name[..]].concat(), typed.open),
            _ => quote(&name, typed.open),
        };
        Some(Found {
            choice: Choice {
                shown: shown + end,
                text: String::from_utf8(text).ok()?,
            },
            complete: !entry.directory,
        })
    })
    .collect()
}

#[cfg(test)]
mod tests;
