//! Opens or creates files with the mode and the group of the operator's [`CreationRules`].
//!
//! open(2) does not say whether it has created the file, so this opens an existing one, or creates a new one with
//! `O_EXCL`.
//!
//! [`CreationRules`]: crate::storage::creation::CreationRules

use std::os::fd::{AsFd as _, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, fstat, unlinkat};
use rustix::io::Errno;

use super::{Jail, Opened, SysResult, open_flags, realpath, stat_name};
use crate::domain::path::VirtualPath;
use crate::storage::OpenHow;
use crate::storage::local::creation;

/// The number of attempts to open or create a file that other sessions create and remove meanwhile.
const ATTEMPTS: usize = 32;

/// Opens a file, or creates it with this mode if it is missing.
pub(in crate::storage::local) fn open_or_create(
    jail: &Jail,
    path: &VirtualPath,
    how: OpenHow,
    mode: u32,
) -> SysResult<Opened> {
    let existing = open_flags(OpenHow { create: false, ..how });
    let exclusive = true;
    let new = open_flags(OpenHow { exclusive, ..how });
    let mut path = path.clone();
    for _ in 0..ATTEMPTS {
        if !how.exclusive {
            match jail.resolve(path.relative(), existing, Mode::empty()) {
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno),
                Ok(fd) => {
                    let opened = jail.opened(fd)?;
                    // open(2) with O_CREAT returns this for a directory.
                    return if opened.directory {
                        Err(Errno::ISDIR)
                    } else {
                        Ok(opened)
                    };
                }
            }
        }
        match jail.resolve(path.relative(), new, creation::first_mode(jail.rules, mode)) {
            Ok(fd) => {
                if let Err(errno) = creation::give(jail.rules, fd.as_fd()) {
                    creation::report(jail.rules, errno);
                    let _ = take_back(jail, &path, &fd);
                    return Err(errno);
                }
                return jail.opened(fd);
            }
            // It was created in between, or it is a link that leads nowhere: then its target is created, as open(2) does.
            Err(Errno::EXIST) if !how.exclusive => path = realpath::real_path(jail, &path)?,
            Err(errno) => return Err(errno),
        }
    }
    Err(Errno::BUSY)
}

/// Removes a new file that could not be given its group or mode, unless something else has its name meanwhile. If it
/// cannot be removed either, it stays, for its owner alone.
fn take_back(jail: &Jail, path: &VirtualPath, file: &OwnedFd) -> SysResult<()> {
    let Some((parent, name)) = path.split() else {
        return Ok(());
    };
    let dir = jail.locate(parent.relative(), OFlags::DIRECTORY)?;
    match stat_name(dir.as_fd(), name)?.st_ino == fstat(file)?.st_ino {
        true => unlinkat(&dir, name, AtFlags::empty()),
        false => Ok(()),
    }
}
