//! Turns the text of a configuration into settings, or into everything that is wrong with it.

use serde::Deserialize as _;
use toml::de::DeTable;

use super::report::Problem;
use super::settings::Config;
use super::{checks, explain};

/// The most problems that are reported: an operator who has made more mistakes corrects these first.
pub(super) const MOST_PROBLEMS: usize = 50;

/// Parses the text; returns the settings, or all problems in the order of the file.
pub(super) fn parse(text: &str) -> std::result::Result<Config, Vec<Problem>> {
    let (table, syntax) = read(text);
    let (config, mistakes) = settings(table);
    let mut problems = together(text, syntax, mistakes);
    problems.truncate(MOST_PROBLEMS);
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(problems),
    }
}

/// Parses TOML; returns what could be read, and what is wrong with the syntax.
pub(super) fn read(text: &str) -> (toml::Spanned<DeTable<'_>>, Vec<Problem>) {
    let (table, syntax) = DeTable::parse_recoverable(text);
    let syntax = syntax
        .iter()
        .map(|e| Problem::new(e.span(), e.message().replace('\n', ", "), None));
    let mut problems: Vec<Problem> = syntax.collect();
    // A second problem in the same line follows from the first.
    problems.dedup_by_key(|problem| problem.line(text));
    (table, problems)
}

/// Returns the problems of the syntax together with the mistakes that do not follow from them, in the order of the file.
pub(super) fn together(text: &str, syntax: Vec<Problem>, mistakes: Vec<Problem>) -> Vec<Problem> {
    let mut problems = syntax;
    let broken: Vec<Option<usize>> = problems.iter().map(|problem| problem.line(text)).collect();
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
    problems
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
