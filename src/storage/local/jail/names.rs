//! Operations on a name rather than on what it stands for: create, remove, rename, link.
//!
//! The directory is resolved in the jail, and the last component goes to an `*at` call, which never follows it. Paths
//! that end in `..` or `/` are recognised here, and get the result that Linux gives.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, ResolveFlags, fsync, linkat, mkdirat, renameat, renameat_with,
    symlinkat, unlinkat,
};
use rustix::io::Errno;

use super::{Jail, SysResult, resolve_in, stat_name};
use crate::domain::path::VirtualPath;
use crate::storage::creation::CreationRules;
use crate::storage::local::attrs::{self, allowed_mode};
use crate::storage::local::creation;
use crate::storage::{FileKind, IfExists, Renaming};

/// The size limit for the target of a link in bytes, with its final NUL.
const MAX_TARGET: usize = 4096;

/// The last component of a path.
enum LastComponent<'a> {
    /// A plain name in a directory that exists.
    Name(NameInDir<'a>),
    /// The `..` of a directory that exists.
    Up,
    /// The `.` of a directory that exists, which may be the home.
    Dot,
    /// The home itself, which has no name in the jail.
    Root,
}

impl<'a> LastComponent<'a> {
    /// Resolves the directory of a path's last component.
    fn of(jail: &'a Jail, path: &VirtualPath) -> SysResult<Self> {
        let plain = path.without_slash();
        if let Some((parent, name)) = plain.split() {
            let dir = match parent.is_root() {
                true => Dir::Home(jail.home.as_fd()),
                false => Dir::Resolved(jail.locate(parent.relative(), OFlags::DIRECTORY)?),
            };
            let name = name.to_vec();
            let slash = path.has_slash();
            return Ok(Self::Name(NameInDir { dir, name, slash }));
        }
        jail.locate(path.relative(), OFlags::empty())?;
        Ok(match path {
            _ if path.ends_in_dot() => Self::Dot,
            _ if path.is_root() => Self::Root,
            _ => Self::Up,
        })
    }
}

/// A plain name in a directory.
struct NameInDir<'a> {
    dir: Dir<'a>,
    name: Vec<u8>,
    /// Whether a slash follows the name, so that it must be a directory.
    slash: bool,
}

enum Dir<'a> {
    Home(BorrowedFd<'a>),
    Resolved(OwnedFd),
}

impl NameInDir<'_> {
    fn dir(&self) -> BorrowedFd<'_> {
        match &self.dir {
            Dir::Home(fd) => *fd,
            Dir::Resolved(fd) => fd.as_fd(),
        }
    }

    fn name(&self) -> &[u8] {
        &self.name
    }

    fn kind(&self) -> SysResult<FileKind> {
        stat_name(self.dir(), self.name()).map(|stat| attrs::kind(&stat))
    }

    fn exists(&self) -> SysResult<bool> {
        match self.kind() {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// Checks that a new name can be made that is not a directory: `new/` cannot be made.
    fn must_be_free(&self) -> SysResult<()> {
        match self.exists()? {
            true => Err(Errno::EXIST),
            false if self.slash => Err(Errno::NOENT),
            false => Ok(()),
        }
    }
}

/// Calls fsync(2) on the directory that holds a name.
pub(in crate::storage::local) fn sync_name(jail: &Jail, path: &VirtualPath) -> SysResult<()> {
    let plain = path.without_slash();
    let parent = plain.split().map(|(parent, _)| parent);
    // A path without a name of its own is the directory itself.
    let parent = parent.as_ref().unwrap_or(path);
    let fd = jail.resolve(
        parent.relative(),
        OFlags::RDONLY | OFlags::DIRECTORY,
        Mode::empty(),
    )?;
    match attrs::retry(|| fsync(&fd)) {
        // Some file systems do not support this call for directories, and have nothing to wait for.
        Err(Errno::INVAL) => Ok(()),
        synced => synced,
    }
}

/// Creates a directory as mkdir(2) does; `new/` works like `new`.
pub(in crate::storage::local) fn mkdir(jail: &Jail, path: &VirtualPath, mode: u32) -> SysResult<()> {
    match LastComponent::of(jail, path)? {
        LastComponent::Name(place) => make_directory(jail.rules, place.dir(), place.name(), mode),
        LastComponent::Up | LastComponent::Dot | LastComponent::Root => Err(Errno::EXIST),
    }
}

/// Creates a directory by a plain name, with the mode and group of the rules.
fn make_directory(rules: CreationRules, dir: BorrowedFd<'_>, name: &[u8], wish: u32) -> SysResult<()> {
    let Some(mode) = rules.dir_mode else {
        return mkdirat(dir, name, allowed_mode(wish, FileKind::Directory));
    };
    mkdirat(dir, name, creation::first_mode(rules, mode))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    // If the user has put another directory in its place meanwhile, that one gets what all of them have.
    let made = resolve_in(dir, name, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS);
    let given = made.and_then(|made| creation::give(rules, made.as_fd()));
    given.inspect_err(|errno| {
        creation::report(rules, *errno);
        // It is empty, or it stays.
        let _ = unlinkat(dir, name, AtFlags::REMOVEDIR);
    })
}

/// Removes a directory as rmdir(2) does.
pub(in crate::storage::local) fn rmdir(jail: &Jail, path: &VirtualPath) -> SysResult<()> {
    match LastComponent::of(jail, path)? {
        LastComponent::Name(place) => unlinkat(place.dir(), place.name(), AtFlags::REMOVEDIR),
        LastComponent::Up => Err(Errno::NOTEMPTY),
        LastComponent::Dot => Err(Errno::INVAL),
        LastComponent::Root => Err(Errno::BUSY),
    }
}

/// Removes a name as unlink(2) does.
pub(in crate::storage::local) fn remove(jail: &Jail, path: &VirtualPath) -> SysResult<()> {
    match LastComponent::of(jail, path)? {
        LastComponent::Name(place) if place.slash => match place.kind()? {
            FileKind::Directory => Err(Errno::ISDIR),
            FileKind::File | FileKind::Symlink | FileKind::Special => Err(Errno::NOTDIR),
        },
        LastComponent::Name(place) => unlinkat(place.dir(), place.name(), AtFlags::empty()),
        LastComponent::Up | LastComponent::Dot | LastComponent::Root => Err(Errno::ISDIR),
    }
}

/// Creates a symbolic link as symlink(2) does.
pub(in crate::storage::local) fn symlink(jail: &Jail, target: &[u8], link: &VirtualPath) -> SysResult<()> {
    if target.is_empty() {
        return Err(Errno::NOENT);
    }
    if target.len() >= MAX_TARGET {
        return Err(Errno::NAMETOOLONG);
    }
    match LastComponent::of(jail, link)? {
        LastComponent::Name(place) => {
            if place.slash {
                place.must_be_free()?;
            }
            symlinkat(target, place.dir(), place.name())
        }
        LastComponent::Up | LastComponent::Dot | LastComponent::Root => Err(Errno::EXIST),
    }
}

/// Creates a hard link as link(2) does. The source is not followed if it is a symbolic link.
pub(in crate::storage::local) fn hard_link(
    jail: &Jail,
    from: &VirtualPath,
    to: &VirtualPath,
) -> SysResult<()> {
    let source = match LastComponent::of(jail, from)? {
        LastComponent::Name(place) if place.slash => {
            // `link/` is followed, and must lead to a directory.
            jail.locate(from.relative(), OFlags::NOFOLLOW)?;
            None
        }
        LastComponent::Name(place) => {
            place.kind()?;
            Some(place)
        }
        LastComponent::Up | LastComponent::Dot | LastComponent::Root => None,
    };
    let LastComponent::Name(to) = LastComponent::of(jail, to)? else {
        return Err(Errno::EXIST);
    };
    if to.slash || source.is_none() {
        to.must_be_free()?;
    }
    // A directory cannot have a second name.
    let from = source.ok_or(Errno::PERM)?;
    linkat(from.dir(), from.name(), to.dir(), to.name(), AtFlags::empty())
}

/// Renames as rename(2) does, or as SSH_FXP_RENAME does in OpenSSH, which never replaces a name.
pub(in crate::storage::local) fn rename(
    jail: &Jail,
    from: &VirtualPath,
    to: &VirtualPath,
    how: Renaming,
) -> SysResult<()> {
    let if_exists = how.if_exists;
    if if_exists == IfExists::Refuse && from.has_slash() {
        // OpenSSH begins with lstat(2). A path with a slash must be a directory.
        jail.locate(from.relative(), OFlags::NOFOLLOW)?;
    }
    match rename_name(jail, from, to, how) {
        Err(Errno::EXIST) if if_exists == IfExists::Refuse => Err(why_not_renamed(jail, from, to)),
        result => result,
    }
}

/// Returns the error that OpenSSH reports if the new name exists. OpenSSH looks at the new name through links. If
/// the links lead nowhere, it tries the rename, and the kernel reports ENOTDIR where a directory is required: as
/// the target of a directory, or before a slash.
fn why_not_renamed(jail: &Jail, from: &VirtualPath, to: &VirtualPath) -> Errno {
    let directory_wanted = match LastComponent::of(jail, from) {
        Ok(LastComponent::Name(source)) => match source.kind() {
            Ok(FileKind::Directory) => true,
            Ok(FileKind::Symlink | FileKind::Special) => from.has_slash() || to.has_slash(),
            Ok(FileKind::File) | Err(_) => false,
        },
        Ok(LastComponent::Up | LastComponent::Dot | LastComponent::Root) | Err(_) => false,
    };
    match directory_wanted && jail.locate(to.relative(), OFlags::empty()).is_err() {
        true => Errno::NOTDIR,
        false => Errno::EXIST,
    }
}

/// Renames a file of one jail to a name in another one, and replaces what has it, as rename(2) does.
pub(in crate::storage::local) fn rename_between(
    source: &Jail,
    from: &VirtualPath,
    target: &Jail,
    to: &VirtualPath,
) -> SysResult<()> {
    let (from, to) = (LastComponent::of(source, from)?, LastComponent::of(target, to)?);
    match (from, to) {
        (LastComponent::Name(from), LastComponent::Name(to)) if !from.slash && !to.slash => {
            renameat(from.dir(), from.name(), to.dir(), to.name())
        }
        _ => Err(Errno::BUSY),
    }
}

fn rename_name(jail: &Jail, from: &VirtualPath, to: &VirtualPath, how: Renaming) -> SysResult<()> {
    let if_exists = how.if_exists;
    let (from, to) = (LastComponent::of(jail, from)?, LastComponent::of(jail, to)?);
    let LastComponent::Name(from) = from else {
        return Err(Errno::BUSY);
    };
    let LastComponent::Name(to) = to else {
        return Err(match if_exists {
            IfExists::Refuse => Errno::EXIST,
            IfExists::Replace => Errno::BUSY,
        });
    };
    if from.slash || to.slash {
        let kind = from.kind()?;
        if to.exists()? && if_exists == IfExists::Refuse {
            return Err(Errno::EXIST);
        }
        if kind != FileKind::Directory {
            return Err(Errno::NOTDIR);
        }
    }
    if how.only_files {
        let stat = stat_name(from.dir(), from.name())?;
        match attrs::kind(&stat) {
            FileKind::File if stat.st_nlink > 1 => return Err(Errno::MLINK),
            FileKind::File => {}
            FileKind::Directory | FileKind::Symlink | FileKind::Special => return Err(Errno::NXIO),
        }
    }
    match if_exists {
        IfExists::Replace => renameat(from.dir(), from.name(), to.dir(), to.name())?,
        IfExists::Refuse => rename_new(&from, &to)?,
    }
    match how.only_files {
        true => take_back_unless_file(&from, &to),
        false => Ok(()),
    }
}

/// Moves back what was renamed if it is not a regular file. The account locks the names of a home, so no session can have
/// put something else into the file's place after its kind was read; another program on the host can.
fn take_back_unless_file(from: &NameInDir<'_>, to: &NameInDir<'_>) -> SysResult<()> {
    match to.kind() {
        Ok(FileKind::File) | Err(_) => Ok(()),
        Ok(FileKind::Directory | FileKind::Symlink | FileKind::Special) => {
            rename_new(to, from)?;
            Err(Errno::NXIO)
        }
    }
}

fn rename_new(from: &NameInDir<'_>, to: &NameInDir<'_>) -> SysResult<()> {
    let flags = RenameFlags::NOREPLACE;
    match renameat_with(from.dir(), from.name(), to.dir(), to.name(), flags) {
        // Some file systems do not support the flag: NFS, and some on FUSE. EINVAL also means that a directory would
        // be moved into itself, which the fallback detects again.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => rename_new_without_flags(from, to),
        result => result,
    }
}

/// Renames files by link and unlink, which has no gap. Directories cannot be linked, so for them a check must do: in
/// the gap after it, only an empty directory could be replaced.
fn rename_new_without_flags(from: &NameInDir<'_>, to: &NameInDir<'_>) -> SysResult<()> {
    if from.kind()? != FileKind::Directory {
        match linkat(from.dir(), from.name(), to.dir(), to.name(), AtFlags::empty()) {
            Ok(()) => {
                let moved = unlinkat(from.dir(), from.name(), AtFlags::empty());
                if moved.is_err() {
                    // The second name was made here, so remove it again. The first error is the one to report.
                    let _ = unlinkat(to.dir(), to.name(), AtFlags::empty());
                }
                return moved;
            }
            // The file system does not support hard links.
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK) => {}
            Err(errno) => return Err(errno),
        }
    }
    if to.exists()? {
        return Err(Errno::EXIST);
    }
    renameat(from.dir(), from.name(), to.dir(), to.name())
}

#[cfg(test)]
mod tests;
