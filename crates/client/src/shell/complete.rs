//! Completes words at the cursor. It is pure; a [`Lister`] lists directories.
//!
//! Inserted text is quoted so that [`words`](base::words) parses it as the same name. Names that cannot be typed
//! (control characters, invisible characters, bytes that are not UTF-8) are not offered: a pattern matches them.

use std::collections::BTreeMap;

use super::grammar::{self, ShellCommand};
use crate::commands::candidates::Candidates;
use crate::names::is_single_name;
use base::glob::{PatternByte, is_pattern};
use base::visible::printable;
use base::words::{PartialLine, quote, unfinished};

/// The most candidates that are offered: more than anybody reads, fewer than the line editor can count (65,535).
const MOST: usize = 5_000;

/// The machine on which a directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The server of the session.
    Remote,
    /// The machine that runs the shell.
    Local,
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name as it is there.
    pub name: Vec<u8>,
    /// Whether it is a directory, or a link to one.
    pub directory: bool,
}

/// A source of the entries of directories.
pub trait Lister {
    /// Lists a directory. It is given as it was typed: with a slash at its end, or empty; `~/` stands for the home. A
    /// directory that cannot be listed in time is empty.
    fn list(&self, side: Side, directory: &[u8]) -> Vec<Entry>;
}

/// One completion of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The text for the list of choices.
    pub shown: String,
    /// The text for the line.
    pub text: String,
}

/// All completions of a word, and where it begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choices {
    /// Where the word begins, in bytes of the line.
    pub start: usize,
    /// The completions, in the order of their names.
    pub all: Vec<Choice>,
}

/// The kind of entries that are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EntryFilter {
    All,
    Directories,
}

/// Completes a line up to the cursor. `at_end` means that the cursor is at the end of the line.
pub fn complete(line: &str, at_end: bool, lister: &dyn Lister) -> Choices {
    let grammar = grammar::grammar();
    let typed = unfinished(line.as_bytes());
    let start = typed.last.start;
    let all = match typed.words.split_first() {
        None => verbs(&grammar, &typed),
        Some((name, before)) => match grammar::find(&grammar, name.bytes()) {
            None => Vec::new(),
            Some(verb) => {
                let before: Vec<&[u8]> = before.iter().map(|word| word.bytes()).collect();
                let position = Position {
                    grammar: &grammar,
                    verb,
                    before: &before,
                    typed: &typed,
                };
                position.argument(lister)
            }
        },
    };
    Choices {
        start,
        all: finish(all, at_end, typed.open),
    }
}

/// A completion, and whether it completes the word.
struct Suggestion {
    choice: Choice,
    complete: bool,
}

fn word(text: &str) -> Suggestion {
    Suggestion {
        choice: Choice {
            shown: text.to_owned(),
            text: text.to_owned(),
        },
        complete: true,
    }
}

/// Adds the end of the word if there is only one completion, so that the next word begins.
fn finish(found: Vec<Suggestion>, at_end: bool, open: Option<u8>) -> Vec<Choice> {
    let alone = found.len() == 1;
    let end = |found: Suggestion| {
        let mut choice = found.choice;
        if alone && at_end && found.complete {
            choice.text.extend(open.map(char::from));
            choice.text.push(' ');
        }
        choice
    };
    found.into_iter().take(MOST).map(end).collect()
}

fn verbs(grammar: &clap::Command, typed: &PartialLine) -> Vec<Suggestion> {
    let names = grammar.get_subcommands().flat_map(grammar::names);
    let fits = names.filter(|name| typed.open.is_none() && name.as_bytes().starts_with(typed.last.bytes()));
    let mut fits: Vec<&str> = fits.collect();
    fits.sort_unstable();
    fits.into_iter().map(word).collect()
}

/// The position of the cursor: behind a verb and some words.
struct Position<'a> {
    grammar: &'a clap::Command,
    verb: &'a clap::Command,
    before: &'a [&'a [u8]],
    typed: &'a PartialLine,
}

impl Position<'_> {
    /// The completions behind the name of a verb.
    fn argument(&self, lister: &dyn Lister) -> Vec<Suggestion> {
        let (before, typed) = (self.before, self.typed);
        let prefix = typed.last.bytes();
        let options_end = before.contains(&&b"--"[..]);
        if let (Some(values), false) = (
            before.last().and_then(|last| values(self.verb, last)),
            options_end,
        ) {
            return starting(values, prefix);
        }
        if prefix.starts_with(b"-") && typed.open.is_none() && !options_end {
            return starting(options(self.verb), prefix);
        }
        let mut taken = false;
        let names = before.iter().filter(|word| {
            let is_value = std::mem::replace(&mut taken, values(self.verb, word).is_some());
            !is_value && !word.starts_with(b"-")
        });
        let mut found = BTreeMap::new();
        let candidates = ShellCommand::candidates(self.verb.get_name(), names.count());
        for candidates in candidates.unwrap_or_default() {
            let (side, wanted) = match candidates {
                Candidates::Verbs => return verbs(self.grammar, typed),
                Candidates::Remote => (Side::Remote, EntryFilter::All),
                Candidates::RemoteDirectories => (Side::Remote, EntryFilter::Directories),
                Candidates::Local => (Side::Local, EntryFilter::All),
                Candidates::LocalDirectories => (Side::Local, EntryFilter::Directories),
            };
            for name in names_on(side, wanted, typed, lister) {
                found.entry(name.choice.text.clone()).or_insert(name);
            }
        }
        found.into_values().collect()
    }
}

fn starting(words: Vec<String>, prefix: &[u8]) -> Vec<Suggestion> {
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

/// The values that may stand behind an option. `None`: it is not an option, or takes no value.
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

fn names_on(side: Side, wanted: EntryFilter, typed: &PartialLine, lister: &dyn Lister) -> Vec<Suggestion> {
    let word = typed.last.bytes();
    let length = word.iter().rposition(|&b| b == b'/').map_or(0, |at| at + 1);
    let (directory, prefix) = word.split_at(length);
    let marked: Vec<PatternByte> = typed.last.marked().take(length).collect();
    if is_pattern(&marked) {
        return Vec::new();
    }
    // `~/` stays as it is: quoted, it would be a name.
    let home = !typed.last.begins_quoted() && directory.starts_with(b"~/");
    let entries = match directory {
        [b'~', ..] if !home => lister.list(side, &[b"./", directory].concat()),
        _ => lister.list(side, directory),
    };
    let fits = entries.into_iter().filter(|entry| {
        is_single_name(&entry.name)
            && entry.name.starts_with(prefix)
            && (prefix.starts_with(b".") || !entry.name.starts_with(b"."))
            && (wanted == EntryFilter::All || entry.directory)
    });
    fits.filter_map(|entry| {
        let end = if entry.directory { "/" } else { "" };
        let name = [directory, &entry.name[..], end.as_bytes()].concat();
        let shown = printable(&entry.name);
        // A name that has to be escaped for the terminal cannot be typed.
        if shown.as_bytes() != entry.name {
            return None;
        }
        let text = match (home, name.strip_prefix(b"~/")) {
            (true, Some(below)) => [b"~/", &quote(below, typed.open)[..]].concat(),
            // Without a prefix, the name would be an option.
            _ if name.starts_with(b"-") => quote(&[b"./", &name[..]].concat(), typed.open),
            _ => quote(&name, typed.open),
        };
        Some(Suggestion {
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
