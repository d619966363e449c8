//! Giving up root for good, between binding and serving.

use nix::unistd::{Uid, initgroups, setgid, setuid};

use crate::error::{Error, Result};

/// Becomes `user` if the process is root's. As root without a user it warns.
///
/// # Errors
/// When there is no such user, or the change fails: the server must not go on then.
pub fn give_up(user: Option<&str>) -> Result<()> {
    if !Uid::effective().is_root() {
        return Ok(());
    }
    let Some(name) = user else {
        tracing::warn!(
            "running as root: a fault in the server would be a fault in the whole machine \
            (set [server] user to an unprivileged user)"
        );
        return Ok(());
    };
    let cannot = |what: &str, error: nix::errno::Errno| {
        Error::new(format!("cannot {what} of user \"{name}\"")).because(error)
    };
    let account = crate::admin::owner::system_user(name)?;
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
