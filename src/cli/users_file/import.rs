//! Reads the files of `homeportd user import`, and refuses those in which no user is found.

use std::path::Path;

use clap::CommandFactory as _;
use clap::error::ErrorKind;

use crate::cli::grammar::{Cli, ImportArgs, ImportFormat};
use crate::cli::output;
use crate::ops::installation::Installation;
use crate::ops::users_file::import::passwd::{self, SystemFiles};
use crate::ops::users_file::import::{Imported, atmoz, sftpgo};
use base::error::{Error, Result};
use base::regular;

/// The largest file of another server that is read, in bytes.
const MAX_IMPORT: u64 = 64 << 20;

/// The most lines that say what was left out if nothing else was found: enough to see what kind of file it is.
const MOST_REASONS: usize = 20;

/// Reads the files of another server, before root becomes another user.
///
/// # Errors
/// Returns an error if they cannot be read, or if no user is found although the file does not say that there are none.
pub(super) fn read(args: &ImportArgs, installation: &Installation) -> Result<Imported> {
    if args.from != ImportFormat::Passwd && (args.shadow.is_some() || args.keys.is_some()) {
        Cli::command()
            .error(
                ErrorKind::ArgumentConflict,
                "--shadow and --keys are for --from passwd",
            )
            .exit()
    }
    let imported = imported(args, installation)?;
    match imported.has_users(&args.file, expected(args.from)) {
        Ok(true) => {}
        Ok(false) => output::note(&format!("there are no users in {:?}", args.file)),
        Err(error) => {
            let count = imported.left_out.len();
            let (shown, more) = imported.left_out.split_at(count.min(MOST_REASONS));
            note_left_out(shown);
            if !more.is_empty() {
                output::note(&format!("not carried over: {} more", more.len()));
            }
            return Err(error);
        }
    }
    Ok(imported)
}

/// Prints what is not carried over.
pub(super) fn note_left_out(left_out: &[String]) {
    for line in left_out {
        output::note(&format!("not carried over: {line}"));
    }
}

fn imported(args: &ImportArgs, installation: &Installation) -> Result<Imported> {
    let text = text_of(&args.file)?;
    let shadow = args.shadow.as_deref().map(text_of).transpose()?;
    match args.from {
        ImportFormat::Passwd => {
            let files = SystemFiles {
                passwd: &text,
                shadow: shadow.as_deref(),
                keys: args.keys.as_deref(),
            };
            Ok(passwd::import(files, installation))
        }
        ImportFormat::Atmoz => Ok(atmoz::import(&text, installation)),
        ImportFormat::Sftpgo => sftpgo::import(&text, installation),
    }
}

/// Returns what a file of this format contains, for messages.
fn expected(format: ImportFormat) -> &'static str {
    match format {
        ImportFormat::Passwd => passwd::EXPECTED,
        ImportFormat::Atmoz => atmoz::EXPECTED,
        ImportFormat::Sftpgo => sftpgo::EXPECTED,
    }
}

fn text_of(file: &Path) -> Result<String> {
    let bytes = regular::read_regular(file, MAX_IMPORT);
    let bytes = bytes.map_err(|e| Error::new(format!("cannot read users from {file:?}")).because(e))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
