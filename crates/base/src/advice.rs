//! Commands that a message advises an operator to run, especially as root.
//!
//! If another user can replace the file that a message is about, or put a link in its place, `chown` run as root would
//! give away whatever is there by then. So such a command is named only for paths that only root can change. For other
//! paths, the message says which owner or mode is required, and to check the file first.

use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags, accessat};
use rustix::io::Errno;

use crate::error::Error;
use crate::mounts::{self, MountView};

/// Returns the advice for a file that must belong to user `uid`.
pub fn chown(path: &Path, uid: u32) -> String {
    match Risk::of(path) {
        Risk::None => format!("chown -h {uid} {}", quoted(path)),
        Risk::Link(owner) => link(path, owner),
        Risk::Swapped => format!(
            "it must belong to user {uid}; others can put something else in its place, so look at what it is before \
             you change it"
        ),
    }
}

/// Returns the advice for a directory that must belong to user `uid` with its contents.
pub fn chown_all(dir: &Path, uid: u32) -> String {
    match Risk::of(dir) {
        Risk::None => format!("look at what is in it, then: chown -hR {uid} {}", quoted(dir)),
        Risk::Link(_) | Risk::Swapped => chown(dir, uid),
    }
}

/// Returns the advice for a file that must have the mode `mode`.
pub fn chmod(path: &Path, mode: &str) -> String {
    match Risk::of(path) {
        Risk::None => format!("chmod {mode} {}", quoted(path)),
        Risk::Link(owner) => link(path, owner),
        Risk::Swapped => match path.symlink_metadata() {
            // Its owner can do no more harm with this command than without.
            Ok(meta) if meta.uid() != 0 => format!(
                "chmod {mode} {}, as user {} and not as root",
                quoted(path),
                meta.uid()
            ),
            _ => format!(
                "it must have the mode {mode}; others can put something else in its place, so look at it first"
            ),
        },
    }
}

/// Adds the cause to an error about a path and, if this process may not access it, the advice. `mode` is what its owner
/// needs, such as `u+rw`. The owner, the mode, a directory above or the file system may be the reason.
pub fn because(error: Error, cause: io::Error, path: &Path, mode: &str) -> Error {
    let hint = match cause.kind() {
        ErrorKind::PermissionDenied => Some(permission(path, mode)),
        ErrorKind::ReadOnlyFilesystem => Some(read_only(path)),
        _ => None,
    };
    let error = error.because(cause);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// Adds the cause to an error about a directory that cannot be made and, if there is something to do about it, the advice.
pub fn because_not_made(error: Error, cause: io::Error, dir: &Path) -> Error {
    let existing = dir
        .ancestors()
        .find_map(|above| Some((above, above.metadata().ok()?)));
    let hint = match (cause.kind(), existing) {
        (ErrorKind::PermissionDenied, Some((above, meta))) => {
            let us = rustix::process::geteuid().as_raw();
            let own_view = view(above).or_else(|| outside_of_sandbox(above));
            let is_roots = above != dir && meta.uid() == 0 && us != 0;
            own_view.or_else(|| match is_roots {
                true => Some(made_by_root(dir, above, us)),
                false => Some(permission(above, "u+rwx")),
            })
        }
        (ErrorKind::NotADirectory | ErrorKind::AlreadyExists, Some((above, meta))) if !meta.is_dir() => {
            Some(format!("{} is not a directory: name another one", quoted(above)))
        }
        (ErrorKind::StorageFull | ErrorKind::QuotaExceeded, _) => {
            Some("make room on its disk, and run the same command again".to_owned())
        }
        _ => None,
    };
    match hint {
        Some(hint) => error.because(cause).hint(hint),
        None => because(error, cause, dir, "u+rwx"),
    }
}

/// Returns the advice for a directory that user `us` cannot make, because the one above it is root's.
fn made_by_root(dir: &Path, above: &Path, us: u32) -> String {
    let above_text = quoted(above);
    match all_are_roots(above) {
        true => format!(
            "{above_text} is root's: run the command with sudo, or have the directory made for user {us}: sudo install -d \
             -o {us} {}",
            quoted(dir)
        ),
        false => format!("{above_text} is root's: run the command with sudo, or name another directory"),
    }
}

/// Returns the advice for a path on a file system that this process sees as read-only.
pub fn read_only(path: &Path) -> String {
    view(path).unwrap_or_else(|| {
        "its file system is mounted read-only: mount it read-write, or see in dmesg why it became so"
            .to_owned()
    })
}

/// Returns the advice for a path that only this process, or its unit or container, cannot write to or see; `None` for
/// every other path.
pub fn view(path: &Path) -> Option<String> {
    Some(match mounts::view_of(path)? {
        MountView::ReadOnlyHere => format!(
            "it is read-only for this process alone: in a systemd unit, ProtectSystem= does that (add \
             ReadWritePaths={}); in a container, mount it read-write",
            quoted(path)
        ),
        MountView::Hidden => format!(
            "it is hidden from this process: in a systemd unit, ProtectHome= or InaccessiblePaths= does that (set \
             ProtectHome=no, and add ReadWritePaths={})",
            quoted(path)
        ),
    })
}

/// Returns the advice for a path that this process cannot reach although its permissions would allow it; `None` for
/// every other path. A path that does not exist counts as its directory.
pub fn outside_of_sandbox(path: &Path) -> Option<String> {
    let found = path
        .ancestors()
        .find_map(|above| Some((above, above.metadata().ok()?)));
    let (found, meta) = found?;
    if !(meta.is_dir() || meta.is_file()) || accessat(CWD, found, Access::READ_OK, AtFlags::EACCESS).is_err()
    {
        return None;
    }
    let denied = rustix::fs::open(
        found,
        OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC,
        Mode::empty(),
    );
    (denied.err()? == Errno::ACCESS).then(|| {
        format!(
            "{} lies outside of the server's sandbox, which is closed at the start: restart the server if it was \
             mounted, made or named in the configuration since; otherwise SELinux or AppArmor forbids it",
            quoted(found)
        )
    })
}

/// Returns the advice for a file that this process may not access, as [`because`] adds it.
pub fn permission(path: &Path, mode: &str) -> String {
    if let Some(advice) = view(path).or_else(|| outside_of_sandbox(path)) {
        return advice;
    }
    let us = rustix::process::geteuid().as_raw();
    for above in path.ancestors() {
        match above.metadata() {
            Ok(meta) if meta.uid() == us => return chmod(above, if above == path { mode } else { "u+x" }),
            // Commands are easily run as the wrong user. What is root's is not a reason to run a server as root.
            Ok(meta) if meta.uid() != 0 && !above.is_symlink() => {
                return format!(
                    "{} belongs to user {}: run the command as that user, or, if it is to be user {us}'s: {}",
                    quoted(above),
                    meta.uid(),
                    chown(above, us)
                );
            }
            Ok(_) => return chown(above, us),
            Err(_) => {}
        }
    }
    format!("it must belong to user {us}")
}

/// Returns the advice for a symbolic link in a place where none is needed.
pub fn link(path: &Path, owner: u32) -> String {
    format!(
        "it is a symbolic link, made by user {owner}: look where it points to, and remove the link itself: rm {}",
        quoted(path)
    )
}

/// Returns the permission bits of a file as `chmod` accepts them: `0750`.
pub fn mode_text(meta: &Metadata) -> String {
    format!("{:04o}", meta.mode() & 0o7777)
}

/// Returns a path quoted for a shell.
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@:,=%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// What can happen to a path before an operator runs a command on it.
enum Risk {
    /// Only root can change which file the path names.
    None,
    /// The path is a symbolic link that belongs to this user.
    Link(u32),
    /// Another user can put another file there, or has put another name of someone's file there.
    Swapped,
}

impl Risk {
    fn of(path: &Path) -> Self {
        let Ok(meta) = path.symlink_metadata() else {
            return Risk::Swapped;
        };
        if meta.is_symlink() {
            return Risk::Link(meta.uid());
        }
        let parent = path.parent().unwrap_or(Path::new("/"));
        let really = parent.canonicalize();
        let safe = really.is_ok_and(|really| all_are_roots(parent) && all_are_roots(&really));
        if safe && (meta.is_dir() || meta.nlink() == 1) {
            Risk::None
        } else {
            Risk::Swapped
        }
    }
}

/// Returns whether only root can change which directory this path names.
fn all_are_roots(dir: &Path) -> bool {
    let mut above: Option<Metadata> = None;
    let mut path = PathBuf::new();
    for part in dir.components() {
        path.push(part);
        let Ok(meta) = path.symlink_metadata() else {
            return false;
        };
        // In a directory such as /tmp, other users can add entries, but cannot remove those of root.
        let sticky = meta.mode() & 0o1000 != 0;
        let others_write = meta.mode() & 0o022 != 0 && !meta.is_symlink();
        if meta.uid() != 0 || (others_write && !sticky) {
            return false;
        }
        above = Some(meta);
    }
    // In /tmp itself, other users can create entries.
    above.is_some_and(|last| last.mode() & 0o022 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, chown as give, symlink};

    #[test]
    fn commands_for_root_name_only_what_root_alone_can_change() {
        if !rustix::process::geteuid().is_root() {
            eprintln!(
                "*** SKIPPED: what is said depends on whose the directories are; giving them away needs root ***"
            );
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let (ours, theirs) = (root.join("ours"), root.join("theirs"));
        std::fs::create_dir(&ours).unwrap();
        std::fs::create_dir(&theirs).unwrap();
        for dir in [&ours, &theirs] {
            std::fs::write(dir.join("a file"), "").unwrap();
            symlink("/etc/shadow", dir.join("link")).unwrap();
        }
        give(&theirs, Some(65534), Some(65534)).unwrap();
        give(theirs.join("a file"), Some(65534), None).unwrap();

        let file = ours.join("a file");
        assert_eq!(chown(&file, 7), format!("chown -h 7 '{}'", file.display()));
        assert_eq!(chmod(&file, "600"), format!("chmod 600 '{}'", file.display()));
        assert!(chown_all(&ours, 7).contains(&format!("chown -hR 7 {}", ours.display())));
        for link in [ours.join("link"), theirs.join("link")] {
            for text in [chown(&link, 7), chmod(&link, "600"), chown_all(&link, 7)] {
                assert!(
                    text.starts_with("it is a symbolic link, made by user 0"),
                    "{text}"
                );
                assert!(!text.contains("chown") && !text.contains("chmod"), "{text}");
            }
        }
        assert!(!chown(&theirs.join("a file"), 7).contains("chown"));
        assert!(chmod(&theirs.join("a file"), "600").ends_with("', as user 65534 and not as root"));
        let said = permission(&theirs.join("a file"), "u+r");
        assert!(
            said.contains(
                "' belongs to user 65534: run the command as that user, or, if it is to be user 0's: "
            ),
            "{said}"
        );
        // The cases are a second name of another user's file, and a directory that all can write to.
        std::fs::hard_link(&file, ours.join("second")).unwrap();
        assert!(!chown(&file, 7).contains("chown"));
        std::fs::set_permissions(&ours, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(!chown(&ours.join("second"), 7).contains("chown"));
    }

    #[test]
    fn what_cannot_be_made_says_who_can() {
        let check = |dir: &str, above: &str, expected: &str| {
            assert_eq!(made_by_root(Path::new(dir), Path::new(above), 7), expected);
        };
        check(
            "/etc/a b/c",
            "/etc",
            "/etc is root's: run the command with sudo, or have the directory made for user 7: sudo install -d -o 7 \
             '/etc/a b/c'",
        );
        // Another user could have put a link there by then.
        check(
            "/tmp/a/b",
            "/tmp",
            "/tmp is root's: run the command with sudo, or name another directory",
        );
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let making = |path: &Path, kind: ErrorKind| {
            because_not_made(Error::new("cannot make it"), kind.into(), path).to_string()
        };
        let said = making(&file.join("x/y"), ErrorKind::NotADirectory);
        let expected = format!("(hint: {} is not a directory: name another one)", quoted(&file));
        assert!(said.ends_with(&expected), "{said}");
        let said = making(&dir.path().join("x"), ErrorKind::StorageFull);
        assert!(said.contains("(hint: make room on its disk"), "{said}");
        // This process may do it, and something else is the reason, as with the directory of another user.
        let said = making(&dir.path().join("x"), ErrorKind::PermissionDenied);
        assert!(said.contains("u+rwx"), "{said}");
    }

    #[test]
    fn a_name_cannot_become_a_command() {
        let check = |path: &str, expected: &str| assert_eq!(quoted(Path::new(path)), expected);
        check("/srv/x", "/srv/x");
        check("/srv/x; rm -rf /", "'/srv/x; rm -rf /'");
        check("/srv/it's $(id)", r"'/srv/it'\''s $(id)'");
        check("", "''");
    }
}
