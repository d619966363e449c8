//! The store's file on the disk: its path, its presence, its mode, and which users may access it.
//!
//! The content of the file is handled by [`super::open`].

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;

use base::advice;
use base::error::{Error, Result};
use base::regular::must_be_regular;

/// Returns the absolute path, which SQLite never takes for a URI or for `:memory:`.
pub(super) fn absolute(path: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(path)
        .map_err(|error| Error::new(format!("cannot open the store {path:?}")).because(error))?;
    if absolute.to_str().is_none() {
        return Err(Error::new(format!("cannot open the store {path:?}"))
            .because("its path is not valid UTF-8".to_owned())
            .hint("keep it in a directory with a plain name"));
    }
    Ok(absolute)
}

/// Checks that the file exists.
pub(super) fn must_exist(path: &Path) -> Result<()> {
    match path.metadata() {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Error::new(format!(
            "there is no store {path:?}"
        ))
        .hint("is [store] path in the configuration right? homeportd init DIR and homeportd user add NAME make a new one")),
        Err(error) => {
            let cannot = Error::new(format!("cannot open the store {path:?}"));
            Err(advice::because(cannot, error, path, "u+rw"))
        }
    }
}

/// Checks that this process may read and write the store's files, and also its directory, in which SQLite creates and
/// removes files.
///
/// # Errors
/// Returns an error for the first path that is not accessible, with advice on how to correct it.
pub(super) fn is_accessible(path: &Path) -> Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/")).to_owned();
    let all = [
        (directory, Access::EXEC_OK, "u+rwx"),
        (path.to_owned(), Access::EXISTS, "u+rw"),
        (sidecar(path, "-wal"), Access::EXISTS, "u+rw"),
        (sidecar(path, "-shm"), Access::EXISTS, "u+rw"),
    ];
    for (file, more, mode) in all {
        let rights = Access::READ_OK | Access::WRITE_OK | more;
        match accessat(CWD, &file, rights, AtFlags::EACCESS) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => {
                let us = rustix::process::geteuid().as_raw();
                let cause = Error::new(format!("user {us} may not read and write {file:?}"));
                return Err(
                    Error::new(format!("cannot use the store {path:?}")).because(advice::because(
                        cause,
                        errno.into(),
                        &file,
                        mode,
                    )),
                );
            }
        }
    }
    Ok(())
}

/// Creates an empty file of mode 0600, whatever the umask is. SQLite gives its other files the same mode and owner.
pub(super) fn create(path: &Path) -> Result<()> {
    let failed = |error| Error::new(format!("cannot make the store {path:?}")).because(error);
    let parent = path.parent().unwrap_or(Path::new("/"));
    match DirBuilder::new().mode(0o700).create(parent) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Ok(file) => {
            file.set_permissions(Permissions::from_mode(0o600))
                .map_err(failed)?;
            // The file's name must be on the disk before any call reports that a user was stored.
            File::open(parent)
                .and_then(|directory| directory.sync_all())
                .map_err(failed)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

/// Checks that no other user may read the files, because they contain password hashes.
pub(super) fn check_mode(path: &Path) -> Result<()> {
    for file in [path.to_owned(), sidecar(path, "-wal"), sidecar(path, "-shm")] {
        let Ok(found) = file.metadata() else { continue };
        must_be_regular(&found)
            .map_err(|error| Error::new(format!("cannot open the store {file:?}")).because(error))?;
        if found.mode() & 0o077 != 0 {
            let mode = found.mode() & 0o777;
            return Err(Error::new(format!("cannot use the store {file:?}"))
                .because(format!("its mode {mode:04o} lets others read or change it"))
                .hint(advice::chmod(&file, "600")));
        }
    }
    Ok(())
}

/// Returns the path of a file that SQLite keeps beside the store.
pub(super) fn sidecar(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
