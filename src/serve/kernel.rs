//! Checks which system calls are missing, and whether the kernel or a filter is the cause.
//!
//! A system call can be missing because the kernel is old, or because a filter (seccomp) answers in its place. Both
//! look the same to the caller, so the kernel's version decides.

use std::io;

use rustix::fs::{CWD, Mode, OFlags, RenameFlags, ResolveFlags, openat2, renameat_with};
use rustix::io::Errno;

use base::error::Error;

/// A system call that the server cannot do without.
struct KernelCall {
    name: &'static str,
    /// The first version of Linux that has it.
    since: Version,
    /// What the server needs the call for.
    why: &'static str,
    /// Makes the call in a harmless way. Every answer except ENOSYS and EPERM means that it exists.
    probe: fn() -> rustix::io::Result<()>,
}

/// A version of the kernel: its first two numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    major: u32,
    minor: u32,
}

const CALLS: [KernelCall; 2] = [
    KernelCall {
        name: "openat2",
        since: Version { major: 5, minor: 6 },
        why: "it keeps each session inside its home",
        probe: || {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            openat2(CWD, "/", flags, Mode::empty(), ResolveFlags::IN_ROOT).map(drop)
        },
    },
    KernelCall {
        name: "renameat2",
        since: Version { major: 3, minor: 15 },
        why: "it keeps a new file from replacing another",
        // No file has an empty name.
        probe: || renameat_with(CWD, "", CWD, "", RenameFlags::NOREPLACE),
    },
];

/// Returns an error for everything that the server needs and cannot use.
pub fn missing() -> Vec<Error> {
    let mut errors: Vec<Error> = CALLS
        .iter()
        .filter_map(|call| match (call.probe)() {
            Err(errno @ (Errno::NOSYS | Errno::PERM)) => Some(explain(call, errno, &release())),
            _ => None,
        })
        .collect();
    errors.extend(without_proc());
    errors
}

/// Returns an error if `/proc` is missing: the control socket and changes of attributes use the names that descriptors
/// have there.
fn without_proc() -> Option<Error> {
    let cause = match std::fs::symlink_metadata("/proc/self/fd") {
        Ok(_) => return None,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            io::Error::new(error.kind(), "/proc is not mounted")
        }
        Err(error) => error,
    };
    Some(Error::new("cannot use /proc/self/fd").because(cause).hint(
        "mount -t proc proc /proc; in a chroot or container, mount it there (the server needs nothing else of it)",
    ))
}

fn release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

fn explain(call: &KernelCall, errno: Errno, release: &str) -> Error {
    let (name, Version { major, minor }) = (call.name, call.since);
    let error = Error::new(format!("cannot call {name} ({})", call.why)).because(io::Error::from(errno));
    if errno == Errno::NOSYS && version(release).is_some_and(|version| version < call.since) {
        return error.hint(format!(
            "this is Linux {release}, and Linux {major}.{minor} or later is needed"
        ));
    }
    error.hint(format!(
        "Linux {release} has it, so a sandbox forbids it: in a systemd unit, RestrictSUIDSGID=yes does that (take \
         it out), or a SystemCallFilter= without {name} (add @file-system); in a container, its seccomp profile"
    ))
}

/// Parses the version in a kernel's release, such as `6.1.0-18-amd64`.
fn version(release: &str) -> Option<Version> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some(Version {
        major: numbers.next()?.parse().ok()?,
        minor: numbers.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_all_that_is_needed() {
        assert_eq!(missing().len(), 0, "{:?}", missing());
    }

    #[test]
    fn an_old_kernel_and_a_sandbox_are_told_apart() {
        let check = |errno, release: &str, expected: &str| {
            let text = explain(&CALLS[0], errno, release).to_string();
            assert!(text.contains(expected), "{text}");
        };
        check(
            Errno::NOSYS,
            "5.4.0-150-generic",
            "this is Linux 5.4.0-150-generic, and Linux 5.6 or later",
        );
        check(
            Errno::NOSYS,
            "4.4.0",
            "function not implemented (hint: this is Linux 4.4.0",
        );
        for release in ["5.6.0", "6.1.0-18-amd64", "10.0", "unknown"] {
            check(Errno::NOSYS, release, "RestrictSUIDSGID=yes");
        }
        check(
            Errno::PERM,
            "5.4.0",
            "a sandbox forbids it: in a systemd unit, RestrictSUIDSGID=yes",
        );
    }
}
