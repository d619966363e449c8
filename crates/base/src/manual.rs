//! Generates manual pages and completions from a program's grammar, so that they are always up to date.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::error::{Error, Result};

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
pub fn pages<Grammar: CommandFactory>(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir)
        .and_then(|()| clap_mangen::generate_to(Grammar::command(), dir))
        .map_err(|error| {
            Error::new(format!("cannot write manual pages to \"{}\"", dir.display())).because(error)
        })
}
