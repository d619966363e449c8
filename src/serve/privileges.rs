//! Giving up root for good, between binding and serving.

use std::os::unix::fs::MetadataExt as _;

use nix::unistd::{Uid, initgroups, setgid, setuid};

use crate::config::Config;
use crate::ops::data_dir;
use base::error::{Error, Result};

/// As root, becomes `[server] user`, else the owner of the data directory.
///
/// # Errors
/// When there is no such user, the data directory belongs to another user, or the change fails: the server must not go on then.
pub fn give_up(config: &Config) -> Result<()> {
    if !Uid::effective().is_root() {
        return Ok(());
    }
    become_server(config)?;
    must_be_ours(config)
}

/// As root, becomes the user that the server is to be; does nothing for another user.
pub(super) fn become_server(config: &Config) -> Result<()> {
    match &config.server.user {
        Some(name) if Uid::effective().is_root() => become_user(name),
        Some(_) => Ok(()),
        None => data_dir::become_owner(config.data_dir()),
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
    // Root must be gone for good.
    if !account.uid.is_root() && setuid(Uid::from_raw(0)).is_ok() {
        return Err(Error::new(format!("root could not be given up for \"{name}\"")));
    }
    Ok(())
}

/// Fails here with a clear message; otherwise the first open() would report EACCES.
fn must_be_ours(config: &Config) -> Result<()> {
    let dir = config.data_dir();
    let us = Uid::effective().as_raw();
    match dir.metadata() {
        Ok(meta) if meta.uid() != us => Err(data_dir::not_the_servers(dir, meta.uid(), us)),
        // Whatever else is wrong with it shows when it is used.
        _ => Ok(()),
    }
}
