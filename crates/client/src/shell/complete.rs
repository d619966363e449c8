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
    /// Whether it is a directory, or a link to one. `None`: nobody has looked where the link leads.
    pub directory: Option<bool>,
}

/// A source of the entries of directories.
pub trait Lister {
    /// Lists the entries of a directory whose names begin with `prefix`: all of them, or none. The directory is given
    /// as it was typed: with a slash at its end, or empty; `~/` stands for the home. A directory that cannot be listed
    /// as a whole and in time is empty, because a part of a list would complete to wrong names.
    fn list(&self, side: Side, directory: &[u8], prefix: &[u8]) -> Vec<Entry>;
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
                    all_alike: grammar::each_word_is_a_file(name.bytes()),
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

/// Adds the end of the word if there is only one completion, so that the next word begins. Of too many completions only
/// their common beginning is left.
fn finish(found: Vec<Suggestion>, at_end: bool, open: Option<u8>) -> Vec<Choice> {
    if found.len() > MOST {
        return common_beginning(&found).into_iter().collect();
    }
    let alone = found.len() == 1;
    let end = |found: Suggestion| {
        let mut choice = found.choice;
        if alone && at_end && found.complete {
            choice.text.extend(open.map(char::from));
            choice.text.push(' ');
        }
        choice
    };
    found.into_iter().map(end).collect()
}

/// The longest text with which all completions begin.
fn common_beginning(found: &[Suggestion]) -> Option<Choice> {
    let mut texts = found.iter().map(|suggestion| suggestion.choice.text.as_str());
    let mut common = texts.next()?;
    for text in texts {
        let same = common
            .chars()
            .zip(text.chars())
            .take_while(|(one, other)| one == other);
        let length: usize = same.map(|(one, _)| one.len_utf8()).sum();
        common = common.get(..length).unwrap_or_default();
    }
    // A backslash at the end would quote what is typed next.
    let backslashes = common.bytes().rev().take_while(|byte| *byte == b'\\').count();
    let common = common.get(..common.len() - backslashes % 2).unwrap_or_default();
    Some(Choice {
        shown: common.to_owned(),
        text: common.to_owned(),
    })
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
    /// Whether all words are of the kind of the first.
    all_alike: bool,
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
        let earlier = if self.all_alike { 0 } else { names.count() };
        let candidates = ShellCommand::candidates(self.verb.get_name(), earlier);
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
        [b'~', ..] if !home => lister.list(side, &[b"./", directory].concat(), prefix),
        _ => lister.list(side, directory, prefix),
    };
    let fits = entries.into_iter().filter(|entry| {
        is_single_name(&entry.name)
            && entry.name.starts_with(prefix)
            && (prefix.starts_with(b".") || !entry.name.starts_with(b"."))
            && (wanted == EntryFilter::All || entry.directory != Some(false))
    });
    fits.filter_map(|entry| {
        let end = if entry.directory == Some(true) { "/" } else { "" };
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
            complete: entry.directory == Some(false),
        })
    })
    .collect()
}

#[cfg(test)]
mod tests;
