//! What the kernel must be able to do.

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use crate::error::{Error, Result};

/// Homes are kept apart by openat2(2), of Linux 5.6.
///
/// # Errors
/// On an older kernel, or where a sandbox forbids the call.
pub fn require_openat2() -> Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match openat2(CWD, "/", flags, Mode::empty(), ResolveFlags::IN_ROOT) {
        Err(error @ (Errno::NOSYS | Errno::PERM)) => Err(Error::new("the kernel does not offer openat2")
            .because(error)
            .hint("Linux 5.6 or later is needed, and a sandbox must allow the call")),
        _ => Ok(()),
    }
}
