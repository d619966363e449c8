//! Converts attributes between the kernel and [`Metadata`], and changes them in one way only: through a descriptor.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Stat, StatVfs, StatVfsMountFlags, Timespec, Timestamps};
use rustix::io::Errno;

use crate::storage::creation::CreationRules;
use crate::storage::{FileKind, FileTimes, InodeId, Metadata, Owner, SetAttrs, Space};

/// Converts the result of stat(2) to [`Metadata`].
pub(super) fn metadata(stat: &Stat) -> Metadata {
    Metadata {
        kind: kind(stat),
        mode: stat.st_mode,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        uid: stat.st_uid,
        gid: stat.st_gid,
        // This field has 64 bits on x86-64 and 32 bits elsewhere.
        #[allow(clippy::useless_conversion)]
        links: u64::from(stat.st_nlink),
        inode: InodeId {
            device: stat.st_dev,
            number: stat.st_ino,
        },
        atime: stat.st_atime,
        mtime: stat.st_mtime,
    }
}

/// Returns the kind of the inode.
pub(super) fn kind(stat: &Stat) -> FileKind {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => FileKind::Special,
    }
}

/// Converts the result of statvfs(3) to [`Space`].
pub(super) fn space(vfs: &StatVfs) -> Space {
    Space {
        block_size: vfs.f_bsize,
        fragment_size: vfs.f_frsize,
        blocks: vfs.f_blocks,
        blocks_free: vfs.f_bfree,
        blocks_available: vfs.f_bavail,
        files: vfs.f_files,
        files_free: vfs.f_ffree,
        files_available: vfs.f_favail,
        fsid: vfs.f_fsid,
        read_only: vfs.f_flag.contains(StatVfsMountFlags::RDONLY),
        no_suid: vfs.f_flag.contains(StatVfsMountFlags::NOSUID),
        name_max: vfs.f_namemax,
    }
}

/// Returns the permission bits that are set when a user asks for `wish`.
///
/// The owner, which is the server itself, always keeps `r` on files and `r-x` on directories: the server has to read
/// a home to measure it, and only an operator could make it readable again. Set-uid, set-gid and sticky bits are
/// removed, because they would act for the server's own uid and not for the user's.
pub(super) fn allowed_mode(wish: u32, kind: FileKind) -> Mode {
    let kept = match kind {
        FileKind::Directory => 0o500,
        FileKind::File | FileKind::Symlink | FileKind::Special => 0o400,
    };
    Mode::from_raw_mode(wish & 0o777 | kept)
}

/// Checks an offset or a size. Beyond `i64::MAX` files cannot exist, and a cast would overflow.
pub(super) fn offset(value: u64) -> Result<u64, Errno> {
    i64::try_from(value).map(|_| value).map_err(|_| Errno::INVAL)
}

/// A descriptor of an inode that is to be changed.
#[derive(Clone, Copy)]
pub(super) enum Target<'a> {
    /// A descriptor that is open for reading or writing, so that the `f…` calls work.
    Opened(BorrowedFd<'a>),
    /// An `O_PATH` descriptor of a link, or of something that cannot or should not be opened.
    Located(BorrowedFd<'a>),
}

/// Which attributes may be given, and to what.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct AttrRules {
    /// The modes that the operator has chosen.
    pub(super) creation: CreationRules,
    /// The directory whose attributes stay, by whichever name or handle it is reached.
    pub(super) fixed: Option<InodeId>,
}

/// Changes attributes in OpenSSH's order: size, permissions, times, owner. All of them are tried, and the last error
/// is returned. Those of the fixed directory are refused with EPERM.
pub(super) fn apply(target: Target<'_>, attrs: &SetAttrs, rules: AttrRules) -> Result<(), Errno> {
    if let Some(fixed) = rules.fixed
        && metadata(&rustix::fs::fstat(target.fd())?).inode == fixed
    {
        return Err(Errno::PERM);
    }
    let rules = rules.creation;
    let mut outcome = Ok(());
    let mut note = |result: Result<(), Errno>| {
        if result.is_err() {
            outcome = result;
        }
    };
    if let Some(size) = attrs.size {
        note(target.resize(size));
    }
    if let Some(mode) = attrs.permissions {
        note(target.chmod(mode, rules));
    }
    if let Some(times) = attrs.times {
        note(target.touch(times));
    }
    if let Some(owner) = attrs.owner {
        note(target.confirm_owner(owner));
    }
    outcome
}

impl<'a> Target<'a> {
    fn fd(self) -> BorrowedFd<'a> {
        match self {
            Target::Opened(fd) | Target::Located(fd) => fd,
        }
    }

    /// Returns a path that names exactly the inode of the descriptor. The kernel follows this link without resolving
    /// a path, so the target cannot be swapped. It is needed because `fchmod` on an `O_PATH` descriptor fails with
    /// EBADF, and `fchmodat2` is newer than the oldest kernel that this server supports.
    fn proc_name(self) -> String {
        format!("/proc/self/fd/{}", self.fd().as_fd().as_raw_fd())
    }

    fn resize(self, size: u64) -> Result<(), Errno> {
        let size = offset(size)?;
        match self {
            Target::Opened(fd) => retry(|| rustix::fs::ftruncate(fd, size)),
            // This is what truncate(2) returns for a FIFO or a link.
            Target::Located(_) => Err(Errno::INVAL),
        }
    }

    fn chmod(self, wish: u32, rules: CreationRules) -> Result<(), Errno> {
        let stat = rustix::fs::fstat(self.fd())?;
        let kind = kind(&stat);
        if kind == FileKind::Symlink {
            // Some file systems would allow it; this is what fchmodat(AT_SYMLINK_NOFOLLOW) returns, which OpenSSH
            // calls.
            return Err(Errno::OPNOTSUPP);
        }
        let allowed = allowed_mode(wish, kind).as_raw_mode();
        let mode = Mode::from_raw_mode(rules.mode_of_changed(kind, allowed, stat.st_mode));
        match self {
            Target::Opened(fd) => rustix::fs::fchmod(fd, mode),
            Target::Located(_) => rustix::fs::chmodat(CWD, self.proc_name(), mode, AtFlags::empty()),
        }
    }

    fn touch(self, times: FileTimes) -> Result<(), Errno> {
        let second = |secs: u32| Timespec {
            tv_sec: secs.into(),
            tv_nsec: 0,
        };
        let stamps = Timestamps {
            last_access: second(times.accessed),
            last_modification: second(times.modified),
        };
        match self {
            Target::Opened(fd) => rustix::fs::futimens(fd, &stamps),
            Target::Located(_) => rustix::fs::utimensat(CWD, self.proc_name(), &stamps, AtFlags::empty()),
        }
    }

    /// Accepts only the current owner: users are virtual, and everything belongs to the server.
    fn confirm_owner(self, owner: Owner) -> Result<(), Errno> {
        /// The id that chown(2) leaves unchanged.
        const UNCHANGED: u32 = u32::MAX;
        let stat = rustix::fs::fstat(self.fd())?;
        let same = |asked: u32, is: u32| asked == is || asked == UNCHANGED;
        if same(owner.uid, stat.st_uid) && same(owner.gid, stat.st_gid) {
            Ok(())
        } else {
            Err(Errno::PERM)
        }
    }
}

/// Repeats the call for as long as a signal interrupts it.
pub(super) fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_can_always_read_and_nothing_acts_for_the_server() {
        let check = |wish, kind, expected| {
            assert_eq!(
                allowed_mode(wish, kind).as_raw_mode(),
                expected,
                "{wish:o} {kind:?}"
            );
        };
        check(0o000, FileKind::File, 0o400);
        check(0o222, FileKind::File, 0o622);
        check(0o7777, FileKind::File, 0o777);
        check(0o000, FileKind::Directory, 0o500);
        check(0o555, FileKind::Directory, 0o555);
        check(0o222, FileKind::Directory, 0o722);
        check(0o1755, FileKind::Directory, 0o755);
        check(0o6000, FileKind::Special, 0o400);
        check(0o100_644, FileKind::File, 0o644);
    }

    #[test]
    fn offsets_never_wrap() {
        assert_eq!(offset(0), Ok(0));
        assert_eq!(offset(i64::MAX as u64), Ok(i64::MAX as u64));
        assert_eq!(offset(1 << 63), Err(Errno::INVAL));
        assert_eq!(offset(u64::MAX), Err(Errno::INVAL));
    }
}
