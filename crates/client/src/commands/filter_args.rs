//! The options that say which names of a tree take part. Their order counts, so they are read here and not by clap's
//! derive.
//!
//! clap only takes the words. What they mean, and what the files have, is read afterwards by [`FilterArgs::read`]: an error
//! that is made while clap parses would show the usage of the whole program.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueHint, value_parser};

use super::server_words::UsageError;
use super::stream::is_stream;
use super::verb::StdinUse;
use crate::sync::Filter;
use crate::sync::filter::{FilterFileError, FilterPattern, FilterRule, NameList, parse_rules};
use base::error::{Error, Result};

/// The largest file of rules or names, in bytes.
const MAX_FILE: u64 = 64 << 20;
/// The names of the options, as they stand behind the dashes.
const EXCLUDE: &str = "exclude";
const INCLUDE: &str = "include";
const EXCLUDE_FROM: &str = "exclude-from";
const FILES_FROM: &str = "files-from";
/// The advice about a pattern that is wrong.
const PATTERNS: &str = "patterns are those of rsync; a backslash takes the character behind it as it is";
/// The advice about a list of names that is wrong.
const NAMES: &str = "names are relative to the two directories, one on each line";

/// Which names of a tree take part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FilterArgs {
    /// The options about patterns, in the order in which they were given.
    rules: Vec<RuleOption>,
    /// The file with the names to which the tree is limited.
    names: Option<OsString>,
    /// What the options mean, once it is read.
    filter: Option<Filter>,
}

/// An option about patterns.
#[derive(Debug, Clone, PartialEq, Eq)]
enum RuleOption {
    /// A pattern on the command line, and whether names that match it take part.
    Pattern { include: bool, text: OsString },
    /// A file of rules.
    File(OsString),
}

impl Args for FilterArgs {
    fn augment_args(command: Command) -> Command {
        let words = |name: &'static str, value: &'static str, help: &'static str| {
            Arg::new(name)
                .long(name)
                .value_name(value)
                .action(ArgAction::Append)
                .value_parser(value_parser!(OsString))
                .help(help)
        };
        let rules = words(
            EXCLUDE_FROM,
            "FILE",
            "Read patterns from a file: `- PATTERN`, `+ PATTERN` or a pattern alone on a line. `-` is standard input",
        );
        let file = Arg::new(FILES_FROM)
            .long(FILES_FROM)
            .value_name("FILE")
            .value_parser(value_parser!(OsString))
            .value_hint(ValueHint::FilePath)
            .help(
                "Take only the names that are listed in this file, one on a line. Others are neither sent nor deleted. \
                 `-` is standard input",
            );
        command
            .arg(words(
                EXCLUDE,
                "PATTERN",
                "Leave out names that match, on both sides. The first pattern that matches decides, as in rsync",
            ))
            .arg(words(INCLUDE, "PATTERN", "Take names that match, although a later pattern excludes them"))
            .arg(rules.value_hint(ValueHint::FilePath))
            .arg(file)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for FilterArgs {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        let mut rules: Vec<(usize, RuleOption)> = Vec::new();
        for (name, include) in [(EXCLUDE, false), (INCLUDE, true)] {
            let patterns = given(matches, name);
            rules.extend(patterns.map(|(at, text)| (at, RuleOption::Pattern { include, text })));
        }
        rules.extend(given(matches, EXCLUDE_FROM).map(|(at, file)| (at, RuleOption::File(file))));
        rules.sort_by_key(|(at, _)| *at);
        Ok(Self {
            rules: rules.into_iter().map(|(_, option)| option).collect(),
            names: matches.get_one::<OsString>(FILES_FROM).cloned(),
            filter: None,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The values of an option, each with its place on the command line.
fn given(matches: &ArgMatches, name: &str) -> impl Iterator<Item = (usize, OsString)> {
    let places = matches.indices_of(name).into_iter().flatten();
    let values = matches.get_many::<OsString>(name).into_iter().flatten().cloned();
    let found: Vec<(usize, OsString)> = places.zip(values).collect();
    found.into_iter()
}

impl FilterArgs {
    /// Reads what the options mean, and the files that they name. A second call changes nothing.
    ///
    /// # Errors
    /// When a pattern or a line is wrong, a file cannot be read, or standard input is not free.
    pub(super) fn read(&mut self, stdin: StdinUse) -> std::result::Result<(), UsageError> {
        if self.filter.is_some() {
            return Ok(());
        }
        let files = self.rules.iter().filter_map(|option| match option {
            RuleOption::File(file) => Some(file),
            RuleOption::Pattern { .. } => None,
        });
        if files.chain(&self.names).filter(|file| is_stream(file)).count() > 1 {
            return Err(UsageError::new(
                "several options read standard input, which can be read only once",
                "name a file instead of - for all but one",
            ));
        }
        let mut rules = Vec::new();
        for option in &self.rules {
            match option {
                RuleOption::Pattern { include, text } => {
                    let pattern = FilterPattern::compile(text.as_bytes()).map_err(|why| {
                        let name = if *include { INCLUDE } else { EXCLUDE };
                        UsageError::new(format!("--{name} {text:?}: {why}"), PATTERNS)
                    })?;
                    rules.push(FilterRule {
                        include: *include,
                        pattern,
                    });
                }
                RuleOption::File(file) => {
                    let parsed = parse_rules(&content(EXCLUDE_FROM, file, stdin)?);
                    let wrong =
                        |why: FilterFileError| UsageError::new(format!("{}, {why}", shown(file)), PATTERNS);
                    rules.extend(parsed.map_err(wrong)?);
                }
            }
        }
        let only = match &self.names {
            None => None,
            Some(file) => {
                let names = NameList::parse(&content(FILES_FROM, file, stdin)?);
                let wrong = |why: FilterFileError| UsageError::new(format!("{}, {why}", shown(file)), NAMES);
                Some(names.map_err(wrong)?)
            }
        };
        self.filter = Some(Filter {
            rules,
            only,
            ..Filter::default()
        });
        Ok(())
    }

    /// What the options mean.
    ///
    /// # Errors
    /// When it was not read before.
    pub(super) fn filter(&self) -> Result<Filter> {
        let filter = self.filter.clone();
        filter.ok_or_else(|| Error::new("the options about names were not read"))
    }
}

/// The name of a file in messages.
fn shown(file: &OsStr) -> String {
    match is_stream(file) {
        true => "standard input".to_owned(),
        false => format!("{file:?}"),
    }
}

/// The content of a file, or of standard input if it is free.
fn content(option: &str, file: &OsStr, stdin: StdinUse) -> std::result::Result<Vec<u8>, UsageError> {
    let instead = "name a file instead of -";
    let read = match (is_stream(file), stdin) {
        (false, _) => File::open(file).and_then(limited),
        (true, StdinUse::Free) => limited(io::stdin().lock()),
        (true, StdinUse::Password) => {
            let why = format!("--{option} - and --password-stdin both read standard input");
            return Err(UsageError::new(why, instead));
        }
        (true, StdinUse::Commands) => {
            let why = format!("--{option} - reads standard input, which has the commands of this shell");
            return Err(UsageError::new(why, instead));
        }
    };
    read.map_err(|why| {
        UsageError(Error::new(format!("cannot read {} for --{option}", shown(file))).because(why))
    })
}

/// All that a file has, unless that is more than any list of names.
fn limited(file: impl Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut text)?;
    match text.len() as u64 > MAX_FILE {
        true => Err(io::Error::other(format!("it has more than {MAX_FILE} bytes"))),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        filter: FilterArgs,
    }

    fn read(line: &str, stdin: StdinUse) -> std::result::Result<Filter, String> {
        let words = std::iter::once("x").chain(line.split_whitespace());
        let mut filter = Line::try_parse_from(words).unwrap().filter;
        assert!(filter.filter().is_err(), "it is not read yet");
        filter
            .read(stdin)
            .map_err(|UsageError(error)| error.to_string())?;
        Ok(filter.filter().unwrap())
    }

    #[test]
    fn rules_are_in_the_order_of_the_command_line() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("rules");
        std::fs::write(&file, "+ c\nd\n").unwrap();
        let line = format!("--include a --exclude-from {} --exclude b", file.display());
        let filter = read(&line, StdinUse::Password).unwrap();
        let included: Vec<bool> = filter.rules.iter().map(|rule| rule.include).collect();
        assert_eq!(included, [true, true, false, false]);
    }

    #[test]
    fn what_is_wrong_is_said_with_the_option_and_the_cause() {
        for (line, stdin, expected) in [
            ("--exclude a[", StdinUse::Free, "--exclude \"a[\": "),
            ("--include a[", StdinUse::Free, "--include \"a[\": "),
            (
                "--exclude-from /no/file",
                StdinUse::Free,
                "cannot read \"/no/file\" for --exclude-from: ",
            ),
            (
                "--files-from /no/file",
                StdinUse::Free,
                "cannot read \"/no/file\" for --files-from: ",
            ),
            (
                "--files-from - --exclude-from -",
                StdinUse::Free,
                "several options read standard input",
            ),
            (
                "--exclude-from - --exclude-from -",
                StdinUse::Free,
                "several options read standard input",
            ),
            (
                "--files-from -",
                StdinUse::Password,
                "--files-from - and --password-stdin both read",
            ),
            (
                "--exclude-from -",
                StdinUse::Password,
                "--exclude-from - and --password-stdin both read",
            ),
            (
                "--files-from -",
                StdinUse::Commands,
                "--files-from - reads standard input, which has the commands",
            ),
        ] {
            let error = read(line, stdin).unwrap_err();
            assert!(error.starts_with(expected), "{line}: {error}");
        }
        // A file of that name.
        let error = read("--exclude-from ./-", StdinUse::Commands).unwrap_err();
        assert!(error.starts_with("cannot read \"./-\""), "{error}");
    }

    #[test]
    fn no_file_is_read_without_a_limit() {
        assert!(limited(io::repeat(b'a')).is_err());
        assert_eq!(limited(&b"ab"[..]).unwrap(), b"ab");
    }
}
