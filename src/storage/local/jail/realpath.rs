//! REALPATH: resolves links one by one, as OpenSSH's own `sftp_realpath` does, but as seen from inside the home.
//!
//! To ask the kernel for the name of a descriptor (`/proc/self/fd/N`) would be shorter and wrong. The kernel returns
//! the current path on the host, under any mount, possibly with ` (deleted)` at the end. The home may be renamed or
//! mounted elsewhere meanwhile. And a last component that does not exist has no descriptor.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, fstat};
use rustix::io::Errno;

use super::{Jail, SysResult, read_link_of, resolve_in};
use crate::domain::path::{PathError, VirtualPath};
use crate::storage::FileKind;
use crate::storage::local::attrs;

/// The number of links that the kernel follows in one path.
const MAX_LINKS: usize = 40;

/// Returns the path without links, `.` and `..`. A last component that does not exist is allowed. As in OpenSSH,
/// a link that leads nowhere is replaced by its target, `..` after a file is the file's directory, and a
/// component that does not exist is an error if anything follows it, even a slash.
pub(in crate::storage::local) fn real_path(jail: &Jail, path: &VirtualPath) -> SysResult<VirtualPath> {
    let relative = path.relative();
    // Most paths have no links. If the kernel finds none, the rest is lexical.
    let no_links = ResolveFlags::NO_SYMLINKS;
    match resolve_in(jail.home.as_fd(), relative, OFlags::PATH, Mode::empty(), no_links) {
        Ok(_) => Ok(path.without_dots()),
        Err(_) if !jail.follows_links => unfollowed(jail, path),
        Err(_) => walk(jail, relative),
    }
}

/// Returns the path itself, if its directory exists and leads through no link. The last component may be a link, or
/// missing.
fn unfollowed(jail: &Jail, path: &VirtualPath) -> SysResult<VirtualPath> {
    match jail.locate(path.relative(), OFlags::NOFOLLOW) {
        Ok(_) => Ok(path.without_dots()),
        Err(Errno::NOENT) => {
            let (directory, _) = path.split().ok_or(Errno::NOENT)?;
            jail.locate(directory.relative(), OFlags::DIRECTORY)?;
            Ok(path.without_dots())
        }
        Err(errno) => Err(errno),
    }
}

fn walk(jail: &Jail, relative: &[u8]) -> SysResult<VirtualPath> {
    let mut done: Vec<Vec<u8>> = Vec::new();
    // The directory that `done` names; `None` if it has to be looked up again.
    let mut current: Option<OwnedFd> = None;
    let mut left = relative.to_vec();
    let mut links = 0;
    while !left.is_empty() {
        let cut = left.iter().position(|&b| b == b'/');
        let component: Vec<u8> = match cut {
            Some(at) => left.drain(..=at).take(at).collect(),
            None => std::mem::take(&mut left),
        };
        match component.as_slice() {
            b"" | b"." => continue,
            b".." => {
                done.pop();
                current = None;
                continue;
            }
            _ => {}
        }
        let dir = match current.take() {
            Some(fd) => fd,
            None => directory(jail, &done)?,
        };
        let found = match step(dir.as_fd(), &component) {
            Err(Errno::NOENT) if cut.is_none() => {
                done.push(component);
                break;
            }
            found => found?,
        };
        if attrs::kind(&fstat(&found)?) != FileKind::Symlink {
            done.push(component);
            current = Some(found);
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(Errno::LOOP);
        }
        let mut target = read_link_of(found.as_fd())?;
        if target.starts_with(b"/") {
            done.clear();
        } else {
            current = Some(dir);
        }
        if cut.is_some() {
            target.push(b'/');
        }
        target.append(&mut left);
        if target.len() >= 4096 {
            return Err(Errno::NAMETOOLONG);
        }
        left = target;
    }
    joined(&done)
}

fn directory(jail: &Jail, components: &[Vec<u8>]) -> SysResult<OwnedFd> {
    let path = match components {
        [] => b".".to_vec(),
        _ => components.join(&b'/'),
    };
    jail.locate(&path, OFlags::NOFOLLOW)
}

/// Opens one plain component without following it.
fn step(dir: BorrowedFd<'_>, name: &[u8]) -> SysResult<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW;
    resolve_in(dir, name, flags, Mode::empty(), ResolveFlags::empty())
}

fn joined(components: &[Vec<u8>]) -> SysResult<VirtualPath> {
    VirtualPath::parse(&components.join(&b'/')).map_err(|error| match error {
        PathError::TooLong => Errno::NAMETOOLONG,
        PathError::Nul => Errno::INVAL,
    })
}
