//! The data directory and its owner. A command that root runs becomes that owner first, so that root does not own
//! anything in the directory.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, lchown};
use std::path::Path;

use nix::unistd::{Gid, Uid, User, geteuid, initgroups, setgid, setgroups, setuid};

use super::installation::Installation;
use crate::auth::secrets_key;
use base::advice;
use base::error::{Error, Result};

/// The name of the directory, in the data directory, with the records of homes that are being moved.
pub const MOVES: &str = "moves";
/// The name of the file, in the data directory, with the record of a restore that is under way.
pub const RESTORING: &str = "restoring";

/// Creates the data directory and that of the host keys if they are missing (0700), and as root gives them to `[server]
/// user`, or to the owner of the data directory.
///
/// # Errors
/// Returns an error if one cannot be created, or if there is no such user.
pub fn make_data_dir(installation: &Installation) -> Result<()> {
    let data = installation.data_dir();
    let user = installation.user.as_deref();
    let user = user
        .filter(|_| geteuid().is_root() && !data.is_dir())
        .map(system_user)
        .transpose()?;
    let owner = user.map(|user| DirectoryOwner {
        uid: user.uid.as_raw(),
        gid: user.gid.as_raw(),
    });
    make(data, owner)?;
    make_key_dir(installation)
}

/// Creates the directory of the host keys if it is missing, and as root gives it to the owner of the data directory.
///
/// # Errors
/// Returns an error if it cannot be created, or if there is no data directory.
pub fn make_key_dir(installation: &Installation) -> Result<()> {
    let data = installation.data_dir();
    // These are what root may have to create for the owner. Homes lie in the data directory, or where the operator has
    // prepared a directory.
    let keys = &installation.host_keys;
    let owner = data.metadata().map_err(|cause| {
        Error::new(format!("cannot open the data directory {data:?}"))
            .because(cause)
            .hint("is [store] path in the configuration right? homeportd init DIR and homeportd user add NAME make \
                 a new store")
    })?;
    if geteuid().is_root() && owner.uid() != 0 && parent_is_roots(keys) {
        let owner = DirectoryOwner {
            uid: owner.uid(),
            gid: owner.gid(),
        };
        make(keys, Some(owner))?;
    }
    Ok(())
}

/// The file of the queue of hooks. A backup has it: what waits goes on waiting.
const HOOK_QUEUE: &str = "hooks.queue";

/// The names of the files that a backup copies with the data directory.
const COPIED: [&str; 2] = [HOOK_QUEUE, secrets_key::FILE_NAME];

/// Returns whether an entry of the data directory has a name that the server gives to its own files: the store and
/// SQLite's files beside it, the lock, the control socket, the reserve, the queue of hooks, the records of homes that are
/// being moved and of a restore.
pub fn is_servers_own(installation: &Installation, entry: &Path) -> bool {
    entry
        .file_name()
        .is_some_and(|name| COPIED.iter().any(|copied| name == *copied))
        || is_bound_to_this_machine(installation, entry)
}

/// Returns whether an entry of the data directory means something only here and now, so that a copy of it has no use
/// elsewhere. The store counts too, since it is never copied as a file.
pub fn is_bound_to_this_machine(installation: &Installation, entry: &Path) -> bool {
    let name = |path: &Path| {
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    let (store, entry) = (name(&installation.store.path), name(entry));
    let beside = entry.strip_prefix(&store);
    matches!(&*entry, "lock" | "reserve" | "hooks.new" | MOVES | RESTORING)
        || entry.starts_with("control.")
        || beside.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// Returns the error for a directory that cannot be made, with who can make it.
pub fn cannot_make(dir: &Path, cause: io::Error) -> Error {
    let error = Error::new(format!("cannot make the directory \"{}\"", dir.display()));
    advice::because_not_made(error, cause, dir)
}

/// Returns whether only root can rename entries beside this directory. Root creates nothing elsewhere, since another
/// user could replace it before root gives it away.
pub fn parent_is_roots(dir: &Path) -> bool {
    let parent = dir.parent().and_then(|parent| parent.metadata().ok());
    parent.is_some_and(|meta| meta.uid() == 0 && meta.mode() & 0o022 == 0)
}

/// The owner of a directory that root creates.
struct DirectoryOwner {
    uid: u32,
    gid: u32,
}

/// Creates a directory unless it exists, and gives it to an owner.
fn make(dir: &Path, owner: Option<DirectoryOwner>) -> Result<()> {
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
        Some(DirectoryOwner { uid, gid }) => lchown(dir, Some(uid), Some(gid)).map_err(cannot),
        None => Ok(()),
    }
}

/// Returns the error for a data directory that belongs to user `owner`, while the server will be user `us`.
pub fn not_the_servers(dir: &Path, owner: u32, us: u32) -> Error {
    Error::new(format!(
        "the data directory \"{}\" belongs to user {owner}",
        dir.display()
    ))
    .because(format!("the server will be user {us}"))
    .hint(advice::chown_all(dir, us))
}

/// Looks up a user of the system by name.
///
/// # Errors
/// Returns an error if there is no such user.
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

/// As root, becomes the owner of the data directory, permanently. Does nothing for other users, or if root owns it.
///
/// # Errors
/// Returns an error if the directory cannot be accessed, or if the system refuses.
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
    // Change the groups first: without root's rights that is not possible any more. The owner's other groups count as
    // they do for a server that its service manager starts.
    let name = User::from_uid(uid).ok().flatten().map(|user| user.name);
    let name = name.and_then(|name| std::ffi::CString::new(name).ok());
    let groups = match &name {
        Some(name) => initgroups(name, gid),
        None => setgroups(&[gid]),
    };
    groups
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
