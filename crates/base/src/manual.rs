//! Generates manual pages and completions from a program's grammar, so that they are always up to date.

use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::error::{Error, Result};

/// What the manual pages of a program say beside its grammar.
#[derive(Debug, Clone, Copy)]
pub struct ManualSections {
    /// The exit codes, with what each means.
    pub exit_status: &'static [(&'static str, &'static str)],
    /// The environment variables that the program reads.
    pub environment: &'static [(&'static str, &'static str)],
    /// The files that the program reads and writes.
    pub files: &'static [(&'static str, &'static str)],
}

/// Returns the script that completes a program's arguments in a shell.
pub fn completions<Grammar: CommandFactory>(shell: Shell) -> String {
    let mut grammar = Grammar::command();
    let name = grammar.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut grammar, name, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Writes a page for the program and for each of its commands into a directory, which is created if it is missing.
///
/// # Errors
/// Returns an error if they cannot be written.
pub fn pages<Grammar: CommandFactory>(dir: &Path, sections: &ManualSections) -> Result<()> {
    let mut grammar = Grammar::command().disable_help_subcommand(true);
    grammar.build();
    std::fs::create_dir_all(dir)
        .and_then(|()| write_pages(&grammar, dir, sections))
        .map_err(|error| {
            Error::new(format!("cannot write manual pages to \"{}\"", dir.display())).because(error)
        })
}

fn write_pages(grammar: &Command, dir: &Path, sections: &ManualSections) -> io::Result<()> {
    for verb in grammar.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        write_pages(verb, dir, sections)?;
    }
    let page = Man::new(grammar.clone());
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    text.extend(section("SYNOPSIS", |roff| verbatim(roff, &usage(grammar))).into_bytes());
    page.render_description_section(&mut text)?;
    let help = HelpEnd::of(grammar);
    text.extend(section("NOTES", |roff| paragraphs(roff, &help.notes)).into_bytes());
    if grammar.get_arguments().any(|argument| !argument.is_hide_set()) {
        page.render_options_section(&mut text)?;
    }
    if grammar.get_subcommands().any(|verb| !verb.is_hide_set()) {
        page.render_subcommands_section(&mut text)?;
    }
    for (name, entries) in [
        ("EXIT STATUS", sections.exit_status),
        ("ENVIRONMENT", sections.environment),
        ("FILES", sections.files),
    ] {
        text.extend(section(name, |roff| list(roff, entries)).into_bytes());
    }
    text.extend(section("EXAMPLES", |roff| verbatim(roff, &help.examples)).into_bytes());
    std::fs::write(dir.join(page.get_filename()), text)
}

/// The lines that say in a command's help how it is used.
fn usage(grammar: &Command) -> Vec<String> {
    let usage = grammar.clone().render_usage().to_string();
    let lines = usage.strip_prefix("Usage:").unwrap_or(&usage).lines();
    lines.map(|line| line.trim().to_owned()).collect()
}

/// What stands below the options in a command's help: sentences, and indented examples. Exit codes have a section of
/// their own.
#[derive(Default)]
struct HelpEnd {
    notes: Vec<String>,
    examples: Vec<String>,
}

impl HelpEnd {
    fn of(grammar: &Command) -> Self {
        let help = grammar.get_after_long_help().or_else(|| grammar.get_after_help());
        let help = help.map(ToString::to_string).unwrap_or_default();
        let mut end = Self::default();
        for paragraph in help.split("\n\n") {
            let examples = paragraph.lines().filter_map(|line| line.strip_prefix("  "));
            let before = end.examples.len();
            end.examples.extend(examples.map(str::to_owned));
            // A paragraph of examples has a heading, which the section replaces.
            if end.examples.len() == before && !paragraph.is_empty() && !paragraph.starts_with("Exit codes") {
                end.notes.push(paragraph.replace('\n', " "));
            }
        }
        end
    }
}

/// A section of a page, or nothing if `fill` leaves it empty.
fn section(name: &str, fill: impl FnOnce(&mut Roff)) -> String {
    let mut roff = Roff::new();
    fill(&mut roff);
    let body = roff.to_roff();
    if body.is_empty() {
        return body;
    }
    let mut heading = Roff::new();
    heading.control("SH", [name]);
    heading.to_roff() + &body
}

fn paragraphs(roff: &mut Roff, paragraphs: &[String]) {
    for paragraph in paragraphs {
        roff.control("PP", []);
        roff.text([roman(paragraph)]);
    }
}

fn list(roff: &mut Roff, entries: &[(&str, &str)]) {
    for (name, meaning) in entries {
        roff.control("TP", []);
        roff.text([bold(*name)]);
        roff.text([roman(*meaning)]);
    }
}

/// Lines that stay as they are.
fn verbatim(roff: &mut Roff, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    roff.control("nf", []);
    for line in lines {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    #[command(
        name = "tool",
        about = "Does a thing",
        override_usage = "tool [OPTIONS] FROM [TO]\n       tool --all",
        after_help = "A note\nin two lines.\n\nExamples:\n  tool one\n  tool .two\n\nExit codes: 0 done."
    )]
    struct Tool {}

    #[test]
    fn a_page_has_all_its_sections() {
        let dir = tempfile::tempdir().unwrap();
        let sections = ManualSections {
            exit_status: &[("0", "It is done."), ("1", "It failed.")],
            environment: &[],
            files: &[("~/.tool", "The settings.")],
        };
        pages::<Tool>(dir.path(), &sections).unwrap();
        let page = std::fs::read_to_string(dir.path().join("tool.1")).unwrap();
        // Each part of the page defines the apostrophe anew.
        let page = page.replace(".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n", "");
        let end = page.split_once(".SH SYNOPSIS\n").unwrap().1;
        assert!(
            end.starts_with(".nf\ntool [OPTIONS] FROM [TO]\ntool \\-\\-all\n.fi\n.SH DESCRIPTION"),
            "{page}"
        );
        let end = page.split_once(".SH NOTES\n").unwrap().1;
        assert!(
            end.starts_with(".PP\nA note in two lines.\n.SH OPTIONS"),
            "{page}"
        );
        let end = page.split_once(".SH \"EXIT STATUS\"\n").unwrap().1;
        assert_eq!(
            end,
            ".TP\n\\fB0\\fR\nIt is done.\n.TP\n\\fB1\\fR\nIt failed.\n\
             .SH FILES\n.TP\n\\fB~/.tool\\fR\nThe settings.\n\
             .SH EXAMPLES\n.nf\ntool one\ntool .two\n.fi\n"
        );
    }
}
