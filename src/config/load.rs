//! Loads the configuration file: returns the settings, or everything that is wrong with it.

use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use toml::de::DeTable;

use super::environment::Environment;
use super::report::{self, Problem};
use super::settings::Config;
use super::{checks, explain, source};
use base::error::{Error, Result};

/// The most problems that are reported: an operator who has made more mistakes corrects these first.
pub(super) const MOST_PROBLEMS: usize = 50;

/// The name of the file that is looked for in the current directory.
pub const FILE_NAME: &str = "homeportd.toml";

/// The path at which the configuration is looked for last.
const SYSTEM_WIDE: &str = "/etc/homeport/homeportd.toml";

/// Returns the configuration file: `explicit` (`-c`), or else `$HOMEPORT_CONFIG`, or else `./homeportd.toml`, or else
/// the one in `/etc/homeport`.
///
/// # Errors
/// Returns an error if none is named and none exists.
pub fn find(explicit: Option<&Path>) -> Result<PathBuf> {
    let named = explicit.map(Path::to_path_buf).or_else(|| {
        let variable = std::env::var_os("HOMEPORT_CONFIG")?;
        (!variable.is_empty()).then(|| variable.into())
    });
    if let Some(path) = named {
        return Ok(path);
    }
    let usual = [FILE_NAME, SYSTEM_WIDE].map(PathBuf::from);
    usual.into_iter().find(|path| path.exists()).ok_or_else(|| {
        Error::new(format!(
            "no configuration: neither ./{FILE_NAME} nor {SYSTEM_WIDE} is there"
        ))
        .hint("name one with -c FILE or $HOMEPORT_CONFIG, or make one: homeportd init DIR")
    })
}

/// Reads a file, strictly, and the settings in the environment, which take precedence.
///
/// # Errors
/// Returns an error if it cannot be read, or one with everything that is wrong and its position.
pub fn load(file: &Path) -> Result<Config> {
    let cannot = || Error::new(format!("cannot read configuration \"{}\"", file.display()));
    let bytes = source::read(file).map_err(|e| cannot().because(e))?;
    let text = String::from_utf8(bytes).map_err(|e| {
        let line = e.as_bytes().iter().take(e.utf8_error().valid_up_to());
        let line = line.filter(|&&b| b == b'\n').count() + 1;
        Error::new(format!("{}:{line}: this line is not UTF-8", file.display()))
    })?;
    let config = parse(&text).map_err(|problems| report::all(&problems, file, &text))?;
    let environment = Environment::read(std::env::vars_os())?;
    let mut config = environment.apply(&text, config)?;
    config.unknown_variables = environment.unknown;

    let file = std::path::absolute(file).map_err(|e| cannot().because(e))?;
    let directory = file.parent().unwrap_or(Path::new("/"));
    let directory = directory.canonicalize().map_err(|e| cannot().because(e))?;
    config.rebase(&directory);
    config.file = directory.join(file.file_name().unwrap_or_default());
    Ok(config)
}

/// Parses the text; returns the settings, or all problems in the order of the file.
pub(super) fn parse(text: &str) -> std::result::Result<Config, Vec<Problem>> {
    let (table, syntax) = DeTable::parse_recoverable(text);
    let syntax = syntax
        .iter()
        .map(|e| Problem::new(e.span(), e.message().replace('\n', ", "), None));
    let mut problems: Vec<Problem> = syntax.collect();
    // A second problem in the same line follows from the first.
    problems.dedup_by_key(|problem| problem.line(text));
    let broken: Vec<Option<usize>> = problems.iter().map(|problem| problem.line(text)).collect();
    let (config, mistakes) = settings(table);
    // After a broken header the section is unknown; values that the parser has inserted have no position.
    let is_header = |line: &Option<usize>| {
        let line = line.and_then(|line| text.lines().nth(line - 1));
        line.is_some_and(|line| line.trim_start().starts_with('['))
    };
    let headers_are_whole = !broken.iter().any(is_header);
    let elsewhere = |mistake: &Problem| {
        let stands = mistake.span.as_ref().is_some_and(|span| !span.is_empty());
        (stands || broken.is_empty()) && !broken.contains(&mistake.line(text))
    };
    problems.extend(
        mistakes
            .into_iter()
            .filter(|it| headers_are_whole && elsewhere(it)),
    );
    problems.sort_by_key(|problem| problem.span.as_ref().map(|span| span.start));
    problems.truncate(MOST_PROBLEMS);
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(problems),
    }
}

/// Returns the settings and the problems. The deserializer stops at the first mistake, so that entry is removed from
/// the table to find the next one.
fn settings(mut table: toml::Spanned<DeTable<'_>>) -> (Option<Config>, Vec<Problem>) {
    let mut problems = Vec::new();
    loop {
        let error = match Config::deserialize(toml::de::Deserializer::from(table.clone())) {
            Ok(config) => {
                problems.extend(checks::all(&config, table.get_ref()));
                return (Some(config), problems);
            }
            Err(error) => error,
        };
        problems.push(explain::explain(&error, table.get_ref()));
        let span = error.span().filter(|_| problems.len() < MOST_PROBLEMS);
        if !span.is_some_and(|span| explain::take_out(table.get_mut(), &span)) {
            return (None, problems);
        }
    }
}
