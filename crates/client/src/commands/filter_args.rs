//! The options that say which names of a tree take part. Their order counts, so they are read here and not by clap's
//! derive.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};

use crate::sync::Filter;
use crate::sync::filter::{FilterPattern, FilterRule, NameList, parse_rules};
use base::error::Error;

/// The largest file of rules or names, in bytes.
const MAX_FILE: u64 = 64 << 20;

/// Which names of a tree take part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FilterArgs(pub Filter);

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
        let file = Arg::new("files-from")
            .long("files-from")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("Take only the names that are listed in this file, one on a line. Others are neither sent nor deleted");
        command
            .arg(words(
                "exclude",
                "PATTERN",
                "Leave out names that match, on both sides. The first pattern that matches decides, as in rsync",
            ))
            .arg(words("include", "PATTERN", "Take names that match, although a later pattern excludes them"))
            .arg(words(
                "exclude-from",
                "FILE",
                "Read patterns from a file: `- PATTERN`, `+ PATTERN` or a pattern alone on a line",
            ))
            .arg(file)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for FilterArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut rules: Vec<(usize, Vec<FilterRule>)> = Vec::new();
        for (name, include) in [("exclude", false), ("include", true)] {
            for (at, pattern) in given(matches, name) {
                let compiled = FilterPattern::compile(pattern.as_bytes())
                    .map_err(|why| wrong(format!("--{name} {pattern:?}: {why}")))?;
                let pattern = compiled;
                rules.push((at, vec![FilterRule { include, pattern }]));
            }
        }
        for (at, file) in given(matches, "exclude-from") {
            let text = read(Path::new(file))?;
            let parsed = parse_rules(&text).map_err(|why| wrong(format!("{file:?}, {why}")))?;
            rules.push((at, parsed));
        }
        rules.sort_by_key(|(at, _)| *at);
        let only = match matches.get_one::<PathBuf>("files-from") {
            None => None,
            Some(file) => {
                let names = NameList::parse(&read(file)?);
                Some(names.map_err(|why| wrong(format!("{file:?}, {why}")))?)
            }
        };
        Ok(Self(Filter {
            rules: rules.into_iter().flat_map(|(_, rules)| rules).collect(),
            only,
            ..Filter::default()
        }))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The values of an option, each with its place on the command line.
fn given<'a>(matches: &'a ArgMatches, name: &str) -> impl Iterator<Item = (usize, &'a OsString)> {
    let places = matches.indices_of(name).into_iter().flatten();
    let values = matches.get_many::<OsString>(name).into_iter().flatten();
    places.zip(values)
}

fn wrong(why: String) -> clap::Error {
    clap::Error::raw(ErrorKind::ValueValidation, format!("{why}\n"))
}

fn read(file: &Path) -> Result<Vec<u8>, clap::Error> {
    let cannot = |error| {
        wrong(
            Error::new(format!("cannot read {file:?}"))
                .because(error)
                .to_string(),
        )
    };
    let size = std::fs::metadata(file).map_err(cannot)?.len();
    if size > MAX_FILE {
        return Err(wrong(format!("{file:?} is larger than any list of names")));
    }
    std::fs::read(file).map_err(cannot)
}
