//! Whose the data directory is. What root runs here becomes that owner first, so that nothing in it ends up root's.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, chown};
use std::path::Path;

use nix::unistd::{Gid, Uid, User, geteuid, setgid, setgroups, setuid};

use crate::config::Config;
use crate::error::{Error, Result};

/// Makes the data directory if it is missing (0700), and as root gives it to `[server] user`.
///
/// # Errors
/// When it cannot be made, or when there is no such user.
pub fn make_data_dir(config: &Config) -> Result<()> {
    let dir = config.data_dir();
    let cannot = |cause: io::Error| {
        Error::new(format!("cannot make data directory \"{}\"", dir.display())).because(cause)
    };
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        std::fs::create_dir_all(parent).map_err(cannot)?;
    }
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        made => made.map_err(cannot)?,
    }
    if geteuid().is_root()
        && let Some(name) = &config.server.user
    {
        let user = system_user(name)?;
        chown(dir, Some(user.uid.as_raw()), Some(user.gid.as_raw())).map_err(cannot)?;
    }
    Ok(())
}

/// A user of the system, by name.
///
/// # Errors
/// When there is none.
pub fn system_user(name: &str) -> Result<User> {
    let cannot = || {
        Error::new(format!(
            "\"user\" in [server]: there is no system user \"{}\"",
            name.escape_debug()
        ))
    };
    User::from_name(name)
        .map_err(|e| cannot().because(io::Error::from(e)))?
        .ok_or_else(|| {
            cannot().hint(format!(
                "useradd --system --no-create-home {}",
                name.escape_debug()
            ))
        })
}

/// As root, becomes the owner of the data directory, for good. Does nothing for anybody else, or if root owns it.
///
/// # Errors
/// When the directory cannot be looked at, or the system refuses.
pub fn become_owner(dir: &Path) -> Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let meta = dir
        .metadata()
        .map_err(|e| Error::new(format!("cannot open data directory \"{}\"", dir.display())).because(e))?;
    if meta.uid() == 0 {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(meta.uid()), Gid::from_raw(meta.gid()));
    // Groups first: without root's rights they cannot be given up any more.
    setgroups(&[gid])
        .and_then(|()| setgid(gid))
        .and_then(|()| setuid(uid))
        .map_err(|e| {
            Error::new(format!(
                "cannot become user {uid}, the owner of \"{}\"",
                dir.display()
            ))
            .because(io::Error::from(e))
        })
}
