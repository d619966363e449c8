//! Help, and what is said of lines that make no sense.

use std::fmt::Write as _;

use clap::error::ErrorKind;

use super::named;
use super::verbs::{VERBS, Verb};
use crate::printable::{printable, printable_lines};

/// What a person is told, and the exit code with it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) text: String,
    pub(super) code: u8,
}

impl Told {
    fn wrong(text: String) -> Self {
        Self { text, code: 2 }
    }
}

/// All commands, a line each.
pub(super) fn overview() -> Told {
    let mut text = String::new();
    for verb in VERBS {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{:<28}{}", verb.names.join(", "), verb.about);
    }
    text.push_str(
        "\n\"help COMMAND\" says more of one. Names with spaces: \"a b\" or a\\ b. \
         Patterns: *, ? and [abc]. TAB completes, Ctrl-R searches, Ctrl-C stops, Ctrl-D leaves.",
    );
    Told { text, code: 0 }
}

/// How one command is used.
pub(super) fn of(name: &str) -> Told {
    match Verb::by_name(name.as_bytes()) {
        Some(verb) => Told {
            text: long(verb),
            code: 0,
        },
        None => unknown(name.as_bytes()),
    }
}

fn long(verb: &Verb) -> String {
    let mut text = verb.grammar().render_long_help().to_string();
    if let Some(others @ [_, ..]) = verb.names.get(1..) {
        let _ = write!(text, "\nAlso called: {}", others.join(", "));
    }
    text
}

/// There is no such command.
pub(super) fn unknown(name: &[u8]) -> Told {
    let meant = nearest(name).map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
    Told::wrong(format!("there is no command {}{meant} (hint: help)", named(name)))
}

/// What clap says, in a sentence; or the help that was asked for.
pub(super) fn sentence(verb: &Verb, error: &clap::Error) -> Told {
    if error.kind() == ErrorKind::DisplayHelp {
        return Told {
            text: long(verb),
            code: 0,
        };
    }
    let text = error.to_string();
    // Behind the first paragraph stands the usage, which `help` shows.
    let first = text.split("\n\n").next().unwrap_or_default();
    let lines: Vec<&str> = first.lines().map(str::trim).collect();
    let words = lines.join(" ");
    let words = words.strip_prefix("error: ").unwrap_or(&words);
    let name = verb.name();
    Told::wrong(format!(
        "{name}: {} (hint: help {name})",
        printable(words.as_bytes())
    ))
}

/// The name that was probably meant: at most half of it is wrong.
fn nearest(typed: &[u8]) -> Option<&'static str> {
    let typed = printable_lines(typed, 1, 20).to_ascii_lowercase();
    let names = VERBS.iter().flat_map(|verb| verb.names).copied();
    let (distance, name) = names.map(|name| (distance(&typed, name), name)).min()?;
    (distance <= typed.len().max(name.len()) / 2).then_some(name)
}

/// How many characters must be typed, taken away, replaced, or swapped with the next one.
fn distance(from: &str, to: &str) -> usize {
    let (from, to) = (from.as_bytes(), to.as_bytes());
    // Row by row: from so many of the first characters to so many.
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    let known = |rows: &[Vec<usize>], i: usize, j: usize| rows.get(i)?.get(j).copied();
    for (i, a) in from.iter().enumerate() {
        let mut left = i + 1;
        let mut row = vec![left];
        for (j, b) in to.iter().enumerate() {
            let replaced = known(&rows, i, j).map(|cost| cost + usize::from(a != b));
            let taken_away = known(&rows, i, j + 1).map(|cost| cost + 1);
            let is_swap = i > 0 && j > 0 && from.get(i - 1) == Some(b) && to.get(j - 1) == Some(a);
            let swapped = is_swap.then(|| known(&rows, i - 1, j - 1)).flatten();
            let ways = [replaced, taken_away, swapped.map(|cost| cost + 1), Some(left + 1)];
            left = ways.into_iter().flatten().min().unwrap_or(left);
            row.push(left);
        }
        rows.push(row);
    }
    known(&rows, from.len(), to.len()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found() {
        for (typed, name) in [
            ("uplaod", Some("upload")),
            ("downlod", Some("download")),
            ("sl", Some("ls")),
            ("exi", Some("exit")),
            ("qiut", Some("quit")),
            ("mkdri", Some("mkdir")),
            ("mkdirr", Some("mkdir")),
            ("gett", Some("get")),
            ("Histroy", Some("history")),
            ("", None),
            ("somethingelse", None),
        ] {
            assert_eq!(nearest(typed.as_bytes()), name, "{typed}");
        }
    }

    #[test]
    fn help_names_every_command() {
        let overview = overview().text;
        for verb in VERBS {
            let line = overview
                .lines()
                .find(|line| line.starts_with(&verb.names.join(", ")));
            assert!(
                line.is_some_and(|line| line.ends_with(verb.about)),
                "{}",
                verb.name()
            );
        }
        let told = of("upload");
        for part in [
            "Send files to the server",
            "Usage: put",
            "--overwrite",
            "Also called: upload",
        ] {
            assert!(told.text.contains(part), "{part}: {}", told.text);
        }
        assert_eq!(of("nothing like it").code, 2);
    }
}
