//! Creates the directory of a new server. [`super::store`] creates the store in it.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::data_dir::cannot_make;
use super::installation::Installation;
use super::store;
use crate::ssh::hostkeys;
use base::advice;
use base::error::{Error, Result};

/// Creates the directories of a new server, its host keys, and its configuration file with this text.
///
/// # Errors
/// Returns an error if a configuration exists already, or if something cannot be written.
pub fn make_directory(installation: &Installation, config_text: &str) -> Result<()> {
    let file = &installation.config_file;
    if file.symlink_metadata().is_ok() {
        return Err(Error::new(format!("\"{}\" exists already", file.display()))
            .hint("nothing was changed; choose another directory, or edit that file"));
    }
    // The existing files may belong to another server, whose store is gone: nothing is written then.
    if !installation.store.path.exists() {
        store::must_be_new(installation)?;
    }
    let dir = file.parent().unwrap_or(Path::new("."));
    make_public(dir)?;
    for private in [&*installation.host_keys, installation.data_dir()] {
        match DirBuilder::new().mode(0o700).create(private) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(cannot_make(private, e)),
            _ => {}
        }
    }
    if hostkeys::load(&installation.host_keys)?.is_empty() {
        hostkeys::generate_new(&installation.host_keys)?;
    }
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o644).open(file);
    opened
        .and_then(|mut new| new.write_all(config_text.as_bytes()))
        .map_err(|e| {
            let error = Error::new(format!("cannot make \"{}\"", file.display()));
            advice::because(error, e, dir, "u+rwx")
        })
}

/// Creates a directory that all users may read and only its owner may change, whatever the umask allows: a user that
/// can change it can replace the configuration in it.
///
/// # Errors
/// Returns an error if it cannot be created.
pub fn make_public(dir: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o755).create(dir);
    made.map_err(|e| cannot_make(dir, e))
}
