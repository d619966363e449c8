//! The names of control sockets: each process that serves a store has one of its own.
//!
//! The configuration knows one name, `control.sock` in the data directory; the process 123 listens at
//! `control.123.sock` beside it, so that two processes of one store can run at the same time. Commands look for all of
//! them. A socket that a dead process has left refuses connections: commands skip it, and the next server removes it. A
//! file that is not a socket is never removed.

use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// The suffix of a socket that is being created, until its mode is set.
pub(super) const UNFINISHED: &str = ".new";

/// Returns the path of a process's socket.
pub(super) fn of_process(socket: &Path, pid: u32) -> PathBuf {
    let stem = socket.file_stem().unwrap_or_default().to_string_lossy();
    let extension = socket.extension().unwrap_or_default().to_string_lossy();
    socket.with_file_name(format!("{stem}.{pid}.{extension}"))
}

/// Returns whether this is the name of a process's socket, or the plain name, which older servers use.
fn is_one(socket: &Path, name: &str) -> bool {
    let stem = socket.file_stem().unwrap_or_default().to_string_lossy();
    let extension = socket.extension().unwrap_or_default().to_string_lossy();
    let pid = name
        .strip_prefix(&*stem)
        .and_then(|rest| rest.strip_suffix(&*extension))
        .and_then(|middle| middle.strip_suffix('.'));
    match pid {
        Some("") => true,
        Some(pid) => pid
            .strip_prefix('.')
            .is_some_and(|pid| pid.parse::<u32>().is_ok()),
        None => false,
    }
}

/// Returns the names of the sockets in the directory, in use or not, in a fixed order.
fn all(socket: &Path, unfinished_too: bool) -> Result<Vec<String>> {
    let parent = socket.parent().unwrap_or(Path::new("/"));
    let mut names = Vec::new();
    for entry in parent.read_dir()? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let finished = name.strip_suffix(UNFINISHED).filter(|_| unfinished_too);
        // This does not follow links.
        if is_one(socket, finished.unwrap_or(&name)) && entry.file_type().is_ok_and(|kind| kind.is_socket()) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Connects to the first process that listens; `None` if there is none. A process that was stopped accepts no
/// connection: when its queue is full, connecting takes `limit`, and fails with `WouldBlock`.
pub(super) fn connect(socket: &Path, limit: Duration) -> Result<Option<UnixStream>> {
    let names = match all(socket, false) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        names => names?,
    };
    let (dir, _) = SocketDir::open(socket)?;
    let mut refused = None;
    for name in names {
        match connect_to(&dir.path(&name), limit) {
            Ok(stream) => return Ok(Some(stream)),
            Err(error) if is_dead(&error) => {}
            Err(error) => refused = Some(error),
        }
    }
    refused.map_or(Ok(None), Err)
}

fn connect_to(path: &Path, limit: Duration) -> Result<UnixStream> {
    let stream = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    // The limit applies to connecting, too.
    set_socket_timeout(&stream, Timeout::Send, Some(limit))?;
    rustix::net::connect(&stream, &SocketAddrUnix::new(path)?)?;
    Ok(stream.into())
}

fn is_dead(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound)
}

/// Removes the sockets that dead processes have left.
pub(super) fn remove_dead(socket: &Path) -> Result<()> {
    let (dir, _) = SocketDir::open(socket)?;
    for name in all(socket, true)? {
        let path = dir.path(&name);
        let probe = rustix::net::socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            // A server that hangs has a full queue: this is detected without waiting.
            SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
            None,
        )?;
        if let Err(error) = rustix::net::connect(&probe, &SocketAddrUnix::new(&path)?)
            && is_dead(&error.into())
        {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// A directory with a path that is always short enough for a socket's address (108 bytes).
pub(super) struct SocketDir(OwnedFd);

impl SocketDir {
    /// Opens the directory of a socket; also returns the socket's name.
    pub fn open(socket: &Path) -> Result<(Self, String)> {
        let parent = socket.parent().unwrap_or(Path::new("/"));
        let dir = rustix::fs::open(
            parent,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        // Otherwise a server that cannot be reached would look like one that is not running.
        if std::fs::symlink_metadata("/proc/self/fd").is_err() {
            return Err(Error::other("/proc is not mounted"));
        }
        let name = socket
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Ok((Self(dir), name))
    }

    /// Returns the path of a socket in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        format!("/proc/self/fd/{}/{name}", self.0.as_raw_fd()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn names_are_told_apart() {
        let socket = Path::new("/data/control.sock");
        assert_eq!(of_process(socket, 123), Path::new("/data/control.123.sock"));
        let check = |name: &str, expected: bool| assert_eq!(is_one(socket, name), expected, "{name}");
        check("control.sock", true);
        check("control.1.sock", true);
        check("control.123.sock", true);
        check("control..sock", false);
        check("control.x.sock", false);
        check("control.12x.sock", false);
        check("control.1.sock.new", false);
        check("controlsock", false);
        check("control", false);
        check("xcontrol.1.sock", false);
        check("homeport.db", false);
    }

    #[test]
    fn the_dead_are_passed_over_and_removed_and_the_living_found() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("control.sock");
        let at = |name: &str| dir.path().join(name);
        for name in ["control.sock", "control.1.sock", "control.3.sock.new"] {
            drop(UnixListener::bind(at(name)).unwrap());
        }
        std::fs::write(at("control.7.sock"), "not a socket").unwrap();
        std::os::unix::fs::symlink(at("control.1.sock"), at("control.8.sock")).unwrap();
        assert!(connect(&socket, Duration::from_secs(1)).unwrap().is_none());
        let living = UnixListener::bind(at("control.2.sock")).unwrap();
        assert!(connect(&socket, Duration::from_secs(1)).unwrap().is_some());
        remove_dead(&socket).unwrap();
        let mut left: Vec<_> = dir
            .path()
            .read_dir()
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["control.2.sock", "control.7.sock", "control.8.sock"]);
        assert!(connect(&socket, Duration::from_secs(1)).unwrap().is_some());
        drop(living);
        assert!(connect(&socket, Duration::from_secs(1)).unwrap().is_none());
        assert!(
            connect(&at("none/control.sock"), Duration::from_secs(1))
                .unwrap()
                .is_none()
        );
    }
}
