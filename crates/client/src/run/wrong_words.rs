//! What is said about a command line that clap does not take: its own words, and advice for people who know another
//! program.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::commands::{Command, habits};

/// A command line that is wrong.
pub(super) struct WrongWords {
    /// What is wrong, in one sentence.
    sentence: String,
    /// What would be right, for some people.
    advice: Option<&'static str>,
    /// How the command is used, as clap prints it.
    usage: String,
}

impl WrongWords {
    /// Reads clap's error about these words, the name of the program first.
    pub(super) fn new(error: &clap::Error, words: &[OsString]) -> Self {
        let text = error.to_string();
        let mut paragraphs = text.split("\n\n");
        let first = paragraphs.next().unwrap_or_default();
        let first: Vec<&str> = first.split_whitespace().collect();
        let first = first.join(" ");
        let mut wrong = Self {
            sentence: first.strip_prefix("error: ").unwrap_or(&first).to_owned(),
            advice: None,
            usage: paragraphs
                .filter(|paragraph| !paragraph.trim_start().starts_with("tip: "))
                .collect::<Vec<&str>>()
                .join("\n\n"),
        };
        let Some(at) = position(error, words) else {
            return wrong;
        };
        let (before, word) = (words.get(..at).unwrap_or_default(), words.get(at));
        let word = word.and_then(|word| word.to_str()).unwrap_or_default();
        let verb = before
            .iter()
            .filter_map(|word| word.to_str())
            .find(|word| is_verb(word));
        if word.starts_with('-') {
            wrong.advice = invalid(error).and_then(|option| habits::instead_of_option(verb, option));
        } else if verb.is_none()
            && let Some(first) = before.last().and_then(|word| word.to_str())
        {
            // The first word was taken for a host.
            wrong.advice = habits::instead_of_command(first);
            match wrong.advice {
                Some(_) => wrong.sentence = format!("there is no command \"{first}\""),
                None => wrong.advice = as_for_scp(first, word),
            }
        }
        wrong
    }

    /// The text for people, if there is more to say than clap does.
    pub(super) fn text(&self) -> Option<String> {
        let advice = self.advice?;
        Some(format!(
            "error: {}\n\n  tip: {advice}\n\n{}",
            self.sentence, self.usage
        ))
    }

    /// One sentence, for scripts.
    pub(super) fn sentence(&self) -> String {
        match self.advice {
            Some(advice) => format!("{} (hint: {advice})", self.sentence),
            None => self.sentence.clone(),
        }
    }
}

/// What does the same as `scp FIRST SECOND`, which is named by its words alone.
fn as_for_scp(first: &str, second: &str) -> Option<&'static str> {
    let has_path = |word: &str| word.split_once(':').is_some_and(|(_, path)| !path.is_empty());
    match (has_path(first), second.contains(':')) {
        (true, _) => Some("get fetches files: homeport get HOST:PATH… [DIRECTORY]"),
        (false, true) => Some("put sends files: homeport put FILE… HOST:[PATH]"),
        (false, false) => None,
    }
}

fn is_verb(word: &str) -> bool {
    Command::candidates(word, 0).is_some()
}

/// The option or the word that clap does not know.
fn invalid(error: &clap::Error) -> Option<&str> {
    let kind = match error.kind() {
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        _ => return None,
    };
    match error.get(kind)? {
        ContextValue::String(word) => Some(word),
        _ => None,
    }
}

/// Where the word stands that clap does not know. A short option may stand behind others in one word.
fn position(error: &clap::Error, words: &[OsString]) -> Option<usize> {
    let invalid = invalid(error)?;
    let short = invalid
        .strip_prefix('-')
        .filter(|letter| letter.chars().count() == 1);
    words.iter().position(|word| {
        let Some(word) = word.to_str() else { return false };
        let is_long = invalid.starts_with("--") && word.split('=').next() == Some(invalid);
        let is_short = short.is_some_and(|letter| {
            word.strip_prefix('-')
                .is_some_and(|letters| !letters.starts_with('-') && letters.contains(letter))
        });
        word == invalid || is_long || is_short
    })
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;
    use crate::cli::Cli;

    fn wrong(line: &str) -> WrongWords {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let error = Cli::try_parse_from(&words).unwrap_err();
        WrongWords::new(&error, &words)
    }

    #[test]
    fn people_who_know_another_program_are_advised() {
        for (line, sentence) in [
            (
                "homeport scp a.txt srv:",
                "there is no command \"scp\" (hint: put sends files to a server, and get fetches them)",
            ),
            (
                "homeport mirror dir srv:",
                "there is no command \"mirror\" (hint: sync makes a directory like another, and put and get \
                 with -r copy one)",
            ),
            (
                "homeport sync -zav dir srv:",
                "unexpected argument '-z' found (hint: nothing is compressed; leave it out)",
            ),
            (
                "homeport -p 22 srv",
                "unexpected argument '-p' found (hint: -P sets the port)",
            ),
            (
                "homeport get --bwlimit=1M srv:a",
                "unexpected argument '--bwlimit' found (hint: --limit-rate SIZE limits the bytes per second)",
            ),
            (
                "homeport put --nonsense a srv:",
                "unexpected argument '--nonsense' found",
            ),
            ("homeport srv lss", "unrecognized subcommand 'lss'"),
            (
                "homeport srv:film.mkv .",
                "unexpected argument '.' found (hint: get fetches files: homeport get HOST:PATH… [DIRECTORY])",
            ),
            (
                "homeport film.mkv srv:",
                "unexpected argument 'srv:' found (hint: put sends files: homeport put FILE… HOST:[PATH])",
            ),
            (
                "homeport tail -5 srv:log",
                "unexpected argument '-5' found (hint: -n NUMBER says how many lines)",
            ),
        ] {
            let wrong = wrong(line);
            assert_eq!(wrong.sentence(), sentence, "{line}");
            assert_eq!(wrong.text().is_some(), sentence.contains("(hint: "), "{line}");
        }
    }

    /// The usage that is shown is that of the command whose words are wrong, whatever is wrong.
    #[test]
    fn each_command_shows_its_own_usage() {
        let mut shown = 0;
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            let options = command
                .get_arguments()
                .filter_map(|option| option.get_long())
                .chain(["nonsense", "port=x"]);
            for option in options {
                let line = format!("homeport {name} --{option}");
                let Err(error) = Cli::try_parse_from(line.split(' ')) else {
                    continue;
                };
                let text = error.to_string();
                if let Some((_, usage)) = text.split_once("Usage: ") {
                    assert!(usage.starts_with(&format!("homeport {name}")), "{line}: {text}");
                    shown += 1;
                }
            }
        }
        assert!(shown > 20, "{shown}");
    }

    #[test]
    fn advice_takes_the_place_of_other_tips() {
        let text = wrong("homeport sync -a dir srv:").text().unwrap();
        let mut paragraphs = text.split("\n\n");
        assert_eq!(paragraphs.next(), Some("error: unexpected argument '-a' found"));
        assert!(
            paragraphs
                .next()
                .is_some_and(|tip| tip.starts_with("  tip: times are always kept"))
        );
        assert!(
            paragraphs
                .next()
                .is_some_and(|usage| usage.starts_with("Usage: homeport sync"))
        );
    }
}
