//! Changes of names, with the events about them: the same for every protocol. Whoever calls reports what was refused.
//!
//! With anything but [`Wait::Allowed`], what takes the file system long is not begun:
//! [`WouldBlock`](crate::storage::Error::WouldBlock).

use crate::domain::event::Event;
use crate::domain::path::VirtualPath;
use crate::storage::{FileKind, IfExists, Links, Metadata, Renaming, Result, Storage, Wait};

use super::context::SessionContext;

/// Freeing more bytes than this takes the file system several milliseconds, which would delay others.
const LARGE: u64 = 64 << 20;

/// The old and the new name of a file or directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewName {
    /// The name that it has.
    pub from: VirtualPath,
    /// The name that it gets.
    pub to: VirtualPath,
    /// What to do if there is something of the new name.
    pub if_exists: IfExists,
}

/// Returns whether these are the attributes of a file that takes the file system long to remove.
pub fn is_large(meta: &Metadata) -> bool {
    meta.kind == FileKind::File && meta.size >= LARGE
}

/// Removes a file, a link or a special file, but not a directory.
///
/// # Errors
/// Returns the error of the storage.
pub fn remove(context: &SessionContext, storage: &dyn Storage, path: &VirtualPath, wait: Wait) -> Result<()> {
    let found = storage.stat(path, Links::NoFollow);
    wait.check_heavy(found.is_ok_and(|meta| is_large(&meta)))?;
    storage.remove(path, wait)?;
    let path = path.clone();
    context.emit(|who| Event::Removed { who, path });
    Ok(())
}

/// Creates a directory with these permission bits.
///
/// # Errors
/// Returns the error of the storage.
pub fn mkdir(
    context: &SessionContext,
    storage: &dyn Storage,
    path: &VirtualPath,
    mode: u32,
    wait: Wait,
) -> Result<()> {
    storage.mkdir(path, mode, wait)?;
    let path = path.clone();
    context.emit(|who| Event::DirectoryMade { who, path });
    Ok(())
}

/// Removes an empty directory.
///
/// # Errors
/// Returns the error of the storage.
pub fn rmdir(context: &SessionContext, storage: &dyn Storage, path: &VirtualPath, wait: Wait) -> Result<()> {
    storage.rmdir(path, wait)?;
    let path = path.clone();
    context.emit(|who| Event::DirectoryRemoved { who, path });
    Ok(())
}

/// Renames a file or directory. A rename that gives up the name of an incomplete file completes its upload.
///
/// # Errors
/// Returns the error of the storage.
pub fn rename(context: &SessionContext, storage: &dyn Storage, names: &NewName, wait: Wait) -> Result<()> {
    let NewName { from, to, if_exists } = names;
    let replaced = match if_exists {
        IfExists::Replace => storage.stat(to, Links::NoFollow).ok(),
        IfExists::Refuse => None,
    };
    let completes = context.events.uploads().completes(from, to);
    let source = match replaced.is_some() || completes {
        true => storage.stat(from, Links::NoFollow).ok(),
        false => None,
    };
    // A directory that is complete now is searched for files.
    let is_searched = completes && source.is_some_and(|meta| meta.kind == FileKind::Directory);
    wait.check_heavy(is_searched || replaced.as_ref().is_some_and(is_large))?;
    // A rename onto another name of the same file replaces nothing.
    let replaced = replaced.is_some_and(|old| source.is_none_or(|source| source.inode != old.inode));
    let how = Renaming {
        if_exists: *if_exists,
        only_files: false,
        wait,
    };
    storage.rename(from, to, how)?;
    context.emit(|who| Event::Renamed {
        who,
        from: from.clone(),
        to: to.clone(),
        replaced,
    });
    context.renamed(storage, from, to);
    Ok(())
}
