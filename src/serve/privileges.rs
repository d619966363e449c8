//! Gives up root permanently, between binding and serving.

use std::os::unix::fs::MetadataExt as _;

use nix::unistd::{Uid, initgroups, setgid, setuid};

use crate::config::Config;
use crate::ops::data_dir;
use base::error::{Error, Result};

/// As root, becomes the user of `[server] user`, or else the owner of the data directory.
///
/// # Errors
/// Returns an error if there is no such user, if the data directory belongs to another user, or if the change fails.
/// The server must not continue then.
pub fn drop_root(config: &Config) -> Result<()> {
    if !Uid::effective().is_root() {
        return Ok(());
    }
    become_server(config)?;
    check_data_dir_owner(config)
}

/// As root, becomes the user that the server is to run as; does nothing for another user.
pub(super) fn become_server(config: &Config) -> Result<()> {
    match &config.server.user {
        Some(name) => become_named(name),
        None => data_dir::become_owner(config.data_dir()),
    }
}

/// As root, becomes this user; does nothing for another user.
pub(super) fn become_named(name: &str) -> Result<()> {
    match Uid::effective().is_root() {
        true => become_user(name),
        false => Ok(()),
    }
}

fn become_user(name: &str) -> Result<()> {
    let cannot = |what: &str, error: nix::errno::Errno| {
        Error::new(format!("cannot {what} of user \"{name}\"")).because(error)
    };
    let account = data_dir::system_user(name)?;
    let c_name = std::ffi::CString::new(name).map_err(|error| Error::new("bad user name").because(error))?;
    initgroups(&c_name, account.gid).map_err(|error| cannot("take the groups", error))?;
    setgid(account.gid).map_err(|error| cannot("take the group id", error))?;
    setuid(account.uid).map_err(|error| cannot("take the user id", error))?;
    // Check that root cannot be regained.
    if !account.uid.is_root() && setuid(Uid::from_raw(0)).is_ok() {
        return Err(Error::new(format!("root could not be given up for \"{name}\"")));
    }
    Ok(())
}

/// Fails here with a clear message; otherwise the first open() would report EACCES.
fn check_data_dir_owner(config: &Config) -> Result<()> {
    let dir = config.data_dir();
    let us = Uid::effective().as_raw();
    match dir.metadata() {
        Ok(meta) if meta.uid() != us => Err(data_dir::not_the_servers(dir, meta.uid(), us)),
        // Other faults of the directory are reported when it is used.
        _ => Ok(()),
    }
}
