//! Help, and messages about invalid lines. All of it is made from the [`grammar`].

use std::fmt::Write as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::grammar::{self, ShellCommand, names};
use super::messages::{ShellMessage, quoted_name};
use crate::commands::habits;
use crate::output::columns::wrap;
use crate::output::{Stdout, wrap_usage};
use base::visible::{printable, printable_lines};
use base::words::Word;

/// The text below the list of all verbs.
const FOOTER: &str = "\n\"help COMMAND\" says more of one. Names with spaces: \"a b\" or a\\ b. \
     Patterns: *, ? and [abc]. TAB completes, Ctrl-R searches, Ctrl-C stops, Ctrl-D leaves. \
     !COMMAND runs a command of this machine.";

/// Below this width, the name of a verb and what it does stand in lines of their own.
const TWO_LINES: usize = 60;

/// Parses the words of a line.
///
/// # Errors
/// The message to show: the help that was asked for, or what is wrong.
pub(super) fn understand(words: &[Word]) -> Result<ShellCommand, ShellMessage> {
    let Some((name, rest)) = words.split_first() else {
        return Err(overview(Stdout::of_this_process().help_columns()));
    };
    let grammar = grammar::grammar();
    let verb = grammar::find(&grammar, name.bytes()).ok_or_else(|| unknown(&grammar, name.bytes()))?;
    grammar::read(&grammar, verb, name, rest).map_err(|error| sentence(verb, &error))
}

/// The help that was asked for: of one verb, or of all.
pub(super) fn of(topic: Option<&str>) -> ShellMessage {
    let Some(topic) = topic else {
        return overview(Stdout::of_this_process().help_columns());
    };
    let grammar = grammar::grammar();
    match grammar::find(&grammar, topic.as_bytes()) {
        Some(verb) => ShellMessage {
            text: long(verb),
            code: 0,
        },
        None => unknown(&grammar, topic.as_bytes()),
    }
}

/// The help for all verbs, a line each.
fn overview(columns: usize) -> ShellMessage {
    let mut text = String::new();
    for verb in grammar::grammar().get_subcommands() {
        let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
        let names = names(verb).join(", ");
        // Writing to a String does not fail.
        let _ = match columns < TWO_LINES {
            true => writeln!(
                text,
                "{}",
                wrap(&names, columns, 2) + "\n" + &wrap(&format!("    {about}"), columns, 4)
            ),
            false => writeln!(text, "{}", wrap(&format!("{names:<28}{about}"), columns, 28)),
        };
    }
    text.push_str(&wrap(FOOTER, columns, 0));
    ShellMessage { text, code: 0 }
}

/// How one verb is used.
fn long(verb: &clap::Command) -> String {
    let columns = Stdout::of_this_process().help_columns();
    let text = verb.clone().term_width(columns).render_long_help().to_string();
    let mut text = wrap_usage(&text, columns);
    if let Some(others @ [_, ..]) = names(verb).get(1..) {
        let others = format!("Also called: {}", others.join(", "));
        let _ = write!(text, "\n{}", wrap(&others, columns, 2));
    }
    text
}

/// Returns the message that there is no such verb.
fn unknown(grammar: &clap::Command, name: &[u8]) -> ShellMessage {
    let quoted = quoted_name(name);
    let known_elsewhere = std::str::from_utf8(name).ok();
    if let Some(advice) = known_elsewhere.and_then(habits::instead_of_command) {
        return ShellMessage::wrong(format!("there is no command {quoted} (hint: {advice})"));
    }
    let meant = nearest(grammar, name);
    let meant = meant.map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
    ShellMessage::wrong(format!("there is no command {quoted}{meant} (hint: help)"))
}

/// Turns clap's error into one sentence, or into the help that was asked for.
fn sentence(verb: &clap::Command, error: &clap::Error) -> ShellMessage {
    if error.kind() == ErrorKind::DisplayHelp {
        return ShellMessage {
            text: long(verb),
            code: 0,
        };
    }
    let text = error.to_string();
    // The usage follows in the next paragraph; `help` shows it.
    let first = text.split("\n\n").next().unwrap_or_default();
    let lines: Vec<&str> = first.lines().map(str::trim).collect();
    let words = lines.join(" ");
    let words = words.strip_prefix("error: ").unwrap_or(&words);
    let name = verb.get_name();
    let option = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(option)) if error.kind() == ErrorKind::UnknownArgument => Some(option),
        _ => None,
    };
    let advice = option.and_then(|option| habits::instead_of_option(Some(name), option));
    let advice = match (advice, option) {
        (Some(advice), _) => advice.to_owned(),
        (None, Some(option)) if option.starts_with('-') => {
            format!("help {name}; write ./ before a name that begins with -")
        }
        (None, _) => format!("help {name}"),
    };
    ShellMessage::wrong(format!(
        "{name}: {} (hint: {advice})",
        printable(words.as_bytes())
    ))
}

/// The most similar verb, if at most half of the letters differ. Two swapped letters count as one difference. Of verbs
/// that are as similar, one that only lacks letters at the end, or has too many there, is the nearest: `lss` is `ls`.
fn nearest(grammar: &clap::Command, typed: &[u8]) -> Option<String> {
    let typed = printable_lines(typed, 1, 20).to_ascii_lowercase();
    let names = grammar.get_subcommands().flat_map(names);
    let distances = names.map(|name| {
        let is_beginning = typed.starts_with(name) || name.starts_with(&typed);
        (strsim::osa_distance(&typed, name), !is_beginning, name)
    });
    let (distance, _, name) = distances.min()?;
    (distance <= typed.len().max(name.len()) / 2).then(|| name.to_owned())
}

#[cfg(test)]
mod tests;
