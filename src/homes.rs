//! Where a home may lie, and making one.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::config::{Config, join};
use crate::error::{Error, Result};
use crate::mount::Check;
use crate::user::UserName;

/// The home that is meant: `explicit` (relative to the current directory), else `homes/NAME`. Links are resolved, so
/// that the record says where the home really is.
///
/// # Errors
/// When it lies elsewhere than the configuration allows. That homes are apart or the same is the store's rule.
pub fn choose(config: &Config, name: &UserName, explicit: Option<&Path>) -> Result<PathBuf> {
    let home = match explicit {
        Some(path) if path.as_os_str().is_empty() => {
            return Err(Error::new("an empty path is no home").hint("leave --home out for homes/NAME"));
        }
        Some(path) => {
            let here =
                std::env::current_dir().map_err(|e| Error::new("cannot tell where we are").because(e))?;
            join(&here, path)
        }
        None => config.storage.homes.join(name.as_str()),
    };
    let home = resolve(&home);
    check_place(config, &home)?;
    Ok(home)
}

/// May a home lie here? `home` has no links left in it.
///
/// # Errors
/// When it lies elsewhere than beneath `[storage] homes` or a root, or holds what the server itself needs.
pub fn check_place(config: &Config, home: &Path) -> Result<()> {
    let storage = &config.storage;
    let allowed = || std::iter::once(&storage.homes).chain(&storage.roots);
    let lies_in = |root: &Path| home != root && home.starts_with(root);
    // As they are written first: a root on a disk that hangs must not hold up those whose homes lie in another.
    let beneath = allowed().any(|root| lies_in(root)) || allowed().any(|root| lies_in(&resolve(root)));
    let refused =
        |cause: String| Error::new(format!("\"{}\" cannot be a home", home.display())).because(cause);
    if !beneath {
        return Err(refused(format!(
            "it is not beneath \"{}\" or one of [storage] roots",
            storage.homes.display()
        ))
        .hint(format!(
            "add its parent to roots in \"{}\"",
            config.file.display()
        )));
    }
    let ours = [
        (&config.store.path, "the store"),
        (&config.server.host_keys, "the host keys"),
        (&config.storage.homes, "all homes"),
        (&config.file, "the configuration"),
    ];
    let audit = config.log.audit.iter().map(|audit| (audit, "the audit log"));
    for (path, what) in ours.into_iter().chain(audit) {
        if resolve(path).starts_with(home) {
            return Err(refused(format!("{what} would lie in it")));
        }
    }
    Ok(())
}

/// For the server, which asks each time that a home is opened.
pub fn checker(config: &Config) -> Check {
    let config = config.clone();
    Box::new(move |home| {
        let home = resolve(home);
        check_place(&config, &home)?;
        Ok(home)
    })
}

/// The path without links as far as it exists.
pub fn resolve(path: &Path) -> PathBuf {
    let mut missing = Vec::new();
    let mut there = path;
    loop {
        if let Ok(mut found) = there.canonicalize() {
            found.extend(missing.iter().rev());
            return found;
        }
        let (Some(parent), Some(name)) = (there.parent(), there.file_name()) else {
            return path.to_path_buf();
        };
        missing.push(name);
        there = parent;
    }
}

/// Was the home made, or was it there?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// A new, empty directory.
    New,
    /// A directory that was there, with what is in it.
    Found,
}

/// Makes a home (0700) unless it is there.
///
/// # Errors
/// When it cannot be made, or something else has its name.
pub fn make(home: &Path) -> Result<Made> {
    let cannot =
        |cause: io::Error| Error::new(format!("cannot make home \"{}\"", home.display())).because(cause);
    if let Some(parent) = home.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)
            .map_err(cannot)?;
    }
    match DirBuilder::new().mode(0o700).create(home) {
        Ok(()) => Ok(Made::New),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            let meta = home.symlink_metadata().map_err(cannot)?;
            if !meta.is_dir() {
                return Err(Error::new(format!("cannot make home \"{}\"", home.display()))
                    .because("something that is no directory has its name"));
            }
            Ok(Made::Found)
        }
        Err(e) => Err(cannot(e).hint("its parent must belong to the owner of the data directory")),
    }
}

#[cfg(test)]
mod tests;
