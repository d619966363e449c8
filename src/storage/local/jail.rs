//! The jail: a home as a directory descriptor, and the only place that turns a client's path into a system call.
//!
//! The kernel resolves every path beneath that descriptor with `openat2(RESOLVE_IN_ROOT)`: `/` is the home, absolute
//! links and `..` stay inside, and there is no gap between a check and its use.
//!
//! Invariant: no `*at` call gets a name that is empty (except for `AT_EMPTY_PATH`-like uses on an `O_PATH`
//! descriptor), is `.` or `..`, or contains `/`. The calls in `names` get a plain last component, whose directory was
//! resolved here.

pub(super) mod names;
pub(super) mod new_file;
pub(super) mod realpath;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, Stat, fstat};
use rustix::io::Errno;

use crate::domain::path::VirtualPath;
use crate::storage::creation::CreationRules;
use crate::storage::home_lock;
use crate::storage::local::attrs::{self, AttrRules, Target, allowed_mode};
use crate::storage::{FileKind, InodeId, Links, Metadata, OpenHow, SetAttrs, Space};

type SysResult<T> = std::result::Result<T, Errno>;

/// The number of attempts to resolve a path. openat2 returns EAGAIN for `..` if anything on the system was renamed
/// meanwhile: for 6 % of calls under heavy renaming, so 128 failures in a row do not happen by chance.
const RESOLVE_ATTEMPTS: usize = 128;

/// The value of `statfs.f_type` for tmpfs.
const TMPFS_MAGIC: u32 = 0x0102_1994;

/// A home, held by its descriptor, so that renaming the home or a directory above it changes nothing for sessions
/// inside.
#[derive(Debug)]
pub struct Jail {
    home: OwnedFd,
    /// The device of the home's file system if that lives in memory, where reads never wait.
    memory_device: Option<u64>,
    /// The mode and the group of what is created here.
    pub(super) rules: CreationRules,
    /// Whether symbolic links are followed. If not, a path that leads through one fails with `ELOOP`, and a link can only
    /// be the last component of a path, where it stands for itself.
    pub(super) follows_links: bool,
    /// The home's own directory, if its attributes stay.
    fixed_root: Option<InodeId>,
}

/// The result of [`Jail::open_file`]: a descriptor and what is known about it.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) fd: OwnedFd,
    pub(super) directory: bool,
    /// Whether the file system keeps everything in memory.
    pub(super) in_memory: bool,
}

/// The result of [`Jail::open_dir`]: a descriptor and what is known about it.
#[derive(Debug)]
pub(super) struct OpenedDir {
    pub(super) fd: OwnedFd,
    /// The attributes of its `..` as seen from inside; `None` if they cannot be read.
    pub(super) parent: Option<Metadata>,
}

impl Jail {
    /// Opens a home, which is a directory of the host that the operator has configured.
    ///
    /// # Errors
    /// Fails with `ENOSYS` if the kernel (before Linux 5.6) or a sandbox does not offer `openat2`, and with `EWOULDBLOCK`
    /// while the home is being moved.
    pub fn open(home: &Path) -> std::io::Result<Jail> {
        let mut jail = Jail {
            home: open_shared(home)?,
            memory_device: None,
            rules: CreationRules::default(),
            follows_links: true,
            fixed_root: None,
        };
        let seen_from_inside = jail.locate(b".", OFlags::empty())?;
        if rustix::fs::fstatfs(&seen_from_inside)?.f_type == i64::from(TMPFS_MAGIC) {
            jail.memory_device = Some(fstat(&seen_from_inside)?.st_dev);
        }
        Ok(jail)
    }

    /// Keeps the attributes of the home's own directory as they are.
    pub(super) fn fix_root(&mut self) -> SysResult<()> {
        self.fixed_root = Some(attrs::metadata(&fstat(&self.home)?).inode);
        Ok(())
    }

    /// Returns which attributes may be given here.
    pub(super) fn attr_rules(&self) -> AttrRules {
        AttrRules {
            creation: self.rules,
            fixed: self.fixed_root,
        }
    }

    /// Returns the directory of the home.
    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.home.as_fd()
    }

    /// Returns the `st_dev` of the file system that holds the home.
    pub(super) fn device(&self) -> SysResult<u64> {
        Ok(fstat(&self.home)?.st_dev)
    }

    /// Opens a file, or a directory for reading. FIFOs, sockets and devices are refused with ENXIO, which open(2)
    /// itself returns for a socket.
    pub(super) fn open_file(&self, path: &VirtualPath, how: OpenHow) -> SysResult<Opened> {
        let mode = match how.create {
            true => allowed_mode(how.mode.unwrap_or(0o666), FileKind::File),
            // openat2 refuses a mode if no file is created.
            false => Mode::empty(),
        };
        self.opened(self.resolve(path.relative(), open_flags(how), mode)?)
    }

    /// Returns what is known about a descriptor that was opened as a file.
    pub(super) fn opened(&self, fd: OwnedFd) -> SysResult<Opened> {
        let stat = fstat(&fd)?;
        let directory = match attrs::kind(&stat) {
            FileKind::File => false,
            FileKind::Directory => true,
            FileKind::Symlink | FileKind::Special => return Err(Errno::NXIO),
        };
        let in_memory = self.memory_device == Some(stat.st_dev);
        Ok(Opened {
            fd,
            directory,
            in_memory,
        })
    }

    /// Opens a directory for listing.
    pub(super) fn open_dir(&self, path: &VirtualPath) -> SysResult<OpenedDir> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK;
        let fd = self.resolve(path.relative(), flags, Mode::empty())?;
        // `fstatat(fd, "..")` would show the directory above the home.
        let up = [path.relative(), b"/.."].concat();
        let parent = self.locate(&up, OFlags::empty()).and_then(fstat).ok();
        Ok(OpenedDir {
            fd,
            parent: parent.as_ref().map(attrs::metadata),
        })
    }

    /// Returns attributes as stat(2) or lstat(2) does.
    pub(super) fn stat(&self, path: &VirtualPath, links: Links) -> SysResult<Metadata> {
        let stat = fstat(self.locate(path.relative(), nofollow(links))?)?;
        Ok(attrs::metadata(&stat))
    }

    /// Returns a descriptor of the inode that a path names, without opening it.
    pub(super) fn pin(&self, path: &VirtualPath, links: Links) -> SysResult<OwnedFd> {
        self.locate(path.relative(), nofollow(links))
    }

    /// Proves that a path names a directory and leads through no symbolic link.
    pub(super) fn prove_directory(&self, path: &VirtualPath) -> SysResult<()> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let no_links = ResolveFlags::NO_SYMLINKS;
        resolve_in(self.home.as_fd(), path.relative(), flags, Mode::empty(), no_links).map(drop)
    }

    /// Returns the target of a link as readlink(2) does.
    pub(super) fn read_link(&self, path: &VirtualPath) -> SysResult<Vec<u8>> {
        let link = self.locate(path.relative(), OFlags::NOFOLLOW)?;
        read_link_of(link.as_fd())
    }

    /// Returns the space of a file system as statvfs(3) does.
    pub(super) fn space(&self, path: &VirtualPath) -> SysResult<Space> {
        let fd = self.locate(path.relative(), OFlags::empty())?;
        Ok(attrs::space(&rustix::fs::fstatvfs(fd)?))
    }

    /// Changes attributes; see [`attrs::apply`]. Setting the size without following links is refused with EINVAL.
    pub(super) fn set_attrs(&self, path: &VirtualPath, attrs: &SetAttrs, links: Links) -> SysResult<()> {
        if *attrs == SetAttrs::default() {
            // There is nothing to do. As in OpenSSH, not even the name is checked.
            return Ok(());
        }
        let mut rest = *attrs;
        let mut outcome = Ok(());
        if let Some(size) = attrs.size {
            if links == Links::NoFollow {
                return Err(Errno::INVAL);
            }
            outcome = self.truncate(path, size);
            rest.size = None;
            if rest == SetAttrs::default() {
                return outcome;
            }
        }
        // Opening needs the right to read, but the owner may change modes and times without it. Sockets and links
        // cannot be opened either.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | nofollow(links);
        let changed = match self.resolve(path.relative(), flags, Mode::empty()) {
            Ok(fd) => attrs::apply(Target::Opened(fd.as_fd()), &rest, self.attr_rules()),
            Err(_) => {
                let fd = self.locate(path.relative(), nofollow(links))?;
                attrs::apply(Target::Located(fd.as_fd()), &rest, self.attr_rules())
            }
        };
        changed.and(outcome)
    }

    /// Changes the size as truncate(2) does.
    fn truncate(&self, path: &VirtualPath, size: u64) -> SysResult<()> {
        attrs::offset(size)?;
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        match self.resolve(path.relative(), flags, Mode::empty()) {
            Ok(fd) => {
                let wish = SetAttrs {
                    size: Some(size),
                    ..SetAttrs::default()
                };
                attrs::apply(Target::Opened(fd.as_fd()), &wish, self.attr_rules())
            }
            // The name is a FIFO without a reader, or a socket.
            Err(Errno::NXIO) => Err(Errno::INVAL),
            Err(errno) => Err(errno),
        }
    }

    /// Returns a descriptor that stands for an inode without opening it.
    fn locate(&self, relative: &[u8], more: OFlags) -> SysResult<OwnedFd> {
        self.resolve(relative, OFlags::PATH | more, Mode::empty())
    }

    /// Resolves a path in the home. Every path passes through this one line.
    fn resolve(&self, relative: &[u8], flags: OFlags, mode: Mode) -> SysResult<OwnedFd> {
        let more = match self.follows_links {
            true => ResolveFlags::empty(),
            false => ResolveFlags::NO_SYMLINKS,
        };
        resolve_in(self.home.as_fd(), relative, flags, mode, more)
    }
}

/// Resolves a path beneath `root`, and nowhere else.
fn resolve_in(
    root: BorrowedFd<'_>,
    relative: &[u8],
    flags: OFlags,
    mode: Mode,
    more: ResolveFlags,
) -> SysResult<OwnedFd> {
    let rules = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | more;
    let mut attempts = RESOLVE_ATTEMPTS;
    loop {
        attempts -= 1;
        match rustix::fs::openat2(root, relative, flags | OFlags::CLOEXEC, mode, rules) {
            Err(Errno::AGAIN) if attempts > 0 => {}
            Err(Errno::INTR) => attempts += 1,
            result => return result,
        }
    }
}

/// Returns the target of the link that an `O_PATH | O_NOFOLLOW` descriptor stands for.
fn read_link_of(link: BorrowedFd<'_>) -> SysResult<Vec<u8>> {
    match rustix::fs::readlinkat(link, c"", Vec::new()) {
        Ok(target) => Ok(target.into_bytes()),
        // The kernel returns ENOENT for an empty name; readlink(2) returns EINVAL if the inode is not a link.
        Err(Errno::NOENT) => Err(Errno::INVAL),
        Err(errno) => Err(errno),
    }
}

/// Opens the directory of a home, with the lock that sessions share.
fn open_shared(home: &Path) -> SysResult<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = |flags| rustix::fs::openat(CWD, home, flags, Mode::empty());
    match open(flags | OFlags::RDONLY | OFlags::NONBLOCK) {
        // Locks need a directory that can be listed. Another one can be used all the same; moving it fails, too.
        Err(Errno::ACCESS) => open(flags | OFlags::PATH),
        opened => {
            let home = opened?;
            home_lock::share(&home)?;
            Ok(home)
        }
    }
}

fn nofollow(links: Links) -> OFlags {
    match links {
        Links::Follow => OFlags::empty(),
        Links::NoFollow => OFlags::NOFOLLOW,
    }
}

/// Translates flags as OpenSSH's flags_from_portable does. `O_RDONLY | O_TRUNC` truncates on Linux, and so it does
/// here.
fn open_flags(how: OpenHow) -> OFlags {
    let access = match (how.read, how.write) {
        (true, true) => OFlags::RDWR,
        (false, true) => OFlags::WRONLY,
        (_, false) => OFlags::RDONLY,
    };
    // Opening must not wait for the other end of a FIFO, and must not make a terminal the controlling one.
    let mut flags = access | OFlags::NONBLOCK | OFlags::NOCTTY;
    flags.set(OFlags::APPEND, how.append);
    flags.set(OFlags::CREATE, how.create);
    flags.set(OFlags::TRUNC, how.truncate);
    flags.set(OFlags::EXCL, how.exclusive);
    flags
}

/// Calls lstat(2) on a plain name in a directory that was resolved already.
fn stat_name(dir: BorrowedFd<'_>, name: &[u8]) -> SysResult<Stat> {
    use rustix::fs::AtFlags;
    rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT)
}

#[cfg(test)]
mod tests;
