//! Whose the data directory is. What root runs here becomes that owner first, so that nothing in it ends up root's.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, lchown};
use std::path::Path;

use nix::unistd::{Gid, Uid, User, geteuid, setgid, setgroups, setuid};

use crate::config::Config;
use base::advice;
use base::error::{Error, Result};

/// Makes the data directory and that of the host keys if they are missing (0700), and as root gives them to
/// `[server] user`, or to whom the data directory belongs.
///
/// # Errors
/// When one cannot be made, or when there is no such user.
pub fn make_data_dir(config: &Config) -> Result<()> {
    let data = config.data_dir();
    let user = config.server.user.as_deref();
    let user = user
        .filter(|_| geteuid().is_root() && !data.is_dir())
        .map(system_user)
        .transpose()?;
    make(data, user.map(|user| (user.uid.as_raw(), user.gid.as_raw())))?;
    make_key_dir(config)
}

/// Makes the directory of the host keys if it is missing, and as root gives it to whom the data directory belongs.
///
/// # Errors
/// When it cannot be made, or there is no data directory.
pub fn make_key_dir(config: &Config) -> Result<()> {
    let data = config.data_dir();
    // What root may have to make for the owner. Homes lie in the data directory, or where the operator made room.
    let keys = &config.server.host_keys;
    let owner = data.metadata().map_err(|cause| {
        Error::new(format!("cannot open the data directory {data:?}"))
            .because(cause)
            .hint("is [store] path in the configuration right? homeportd init DIR and homeportd user add NAME make a new store")
    })?;
    if geteuid().is_root() && owner.uid() != 0 && parent_is_roots(keys) {
        make(keys, Some((owner.uid(), owner.gid())))?;
    }
    Ok(())
}

/// Does an entry of the data directory have a name that the server gives to files of its own: the store and what SQLite
/// puts beside it, the lock, the control socket, the reserve?
pub fn is_servers_own(config: &Config, entry: &Path) -> bool {
    let name = |path: &Path| {
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    let (store, entry) = (name(&config.store.path), name(entry));
    let beside = entry.strip_prefix(&store);
    matches!(&*entry, "lock" | "reserve")
        || entry.starts_with("control.")
        || beside.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

fn cannot_make(dir: &Path, cause: io::Error) -> Error {
    Error::new(format!("cannot make directory \"{}\"", dir.display())).because(cause)
}

/// Where another may rename things, root makes nothing: it might give away something else in the end.
fn parent_is_roots(dir: &Path) -> bool {
    let parent = dir.parent().and_then(|parent| parent.metadata().ok());
    parent.is_some_and(|meta| meta.uid() == 0 && meta.mode() & 0o022 == 0)
}

/// Makes a directory unless it is there, and gives it to an owner (uid, gid).
fn make(dir: &Path, owner: Option<(u32, u32)>) -> Result<()> {
    let cannot = |cause: io::Error| cannot_make(dir, cause);
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        let mut parents = DirBuilder::new();
        parents
            .recursive(true)
            .mode(0o755)
            .create(parent)
            .map_err(cannot)?;
    }
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        made => made.map_err(cannot)?,
    }
    match owner {
        Some((uid, gid)) => lchown(dir, Some(uid), Some(gid)).map_err(cannot),
        None => Ok(()),
    }
}

/// What to say about a directory that belongs to `owner`, where the server will be `us`.
pub fn not_the_servers(dir: &Path, owner: u32, us: u32) -> Error {
    Error::new(format!(
        "the data directory \"{}\" belongs to user {owner}",
        dir.display()
    ))
    .because(format!("the server will be user {us}"))
    .hint(advice::chown_all(dir, us))
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
