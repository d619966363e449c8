//! The directory of a row: one of everything; and what is left of it afterwards.

use std::ffi::OsStr;
use std::fs::{self, Metadata, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, mknodat, utimensat};

use testkit::replies::bytes;

/// Size of `shared/big`: more than the largest READ that is answered whole.
pub const BIG: usize = 300_000;
/// Files in `shared/many`: more than OpenSSH puts into one NAME reply.
pub const MANY: usize = 250;
/// A time that `ls` shows with its year.
const LONG_AGO: u32 = 1_000_000_000;

/// The moments that both sides agree on, in seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    /// Times from here on are made by the rows.
    pub now: u32,
    /// The time of all that was planted; recent, as `ls` sees it.
    pub recent: u32,
}

impl Stamp {
    /// Now.
    pub fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as u32;
        Self {
            now: now - 10,
            recent: now - 100_000,
        }
    }
}

/// What rows only read, once for the whole table.
pub fn shared(root: &Path, stamp: Stamp) {
    chmod(root, 0o755);
    let many = root.join("shared/many");
    fs::create_dir_all(&many).unwrap();
    let pattern: Vec<u8> = (0..BIG).map(|i| (i % 251) as u8).collect();
    fs::write(root.join("shared/big"), pattern).unwrap();
    for number in 0..MANY {
        fs::write(many.join(format!("entry-{number:03}")), "x").unwrap();
    }
    settle(&root.join("shared"), stamp);
}

/// Makes a row's directory.
pub fn plant(directory: &Path, base: &str, stamp: Stamp) {
    let at = |name: &str| directory.join(name);
    for name in ["dir", "dir/sub", "emptydir", "locked", "rodir", "nox"] {
        fs::create_dir_all(at(name)).unwrap();
    }
    let files = [
        ("file", "hello world\n"),
        ("empty", ""),
        ("old", "old\n"),
        ("dir/inner", "inner\n"),
        ("secret", "secret\n"),
        ("locked/in", "in\n"),
        ("readonly", "readonly\n"),
        ("rodir/f", "f\n"),
        ("nox/f", "f\n"),
        ("wonly", "wonly\n"),
        ("exec", "#!/bin/sh\n"),
        ("suid", "suid\n"),
        ("hard1", "hard\n"),
        ("with space", "space\n"),
        ("new\nline", "newline\n"),
        ("\u{fc}n\u{ef}", "utf-8\n"),
        ("-dash", "dash\n"),
        ("*glob?[x]", "glob\n"),
        ("back\\slash", "backslash\n"),
        ("tab\t\x1b[31mred", "control\n"),
    ];
    for (name, content) in files {
        fs::write(at(name), content).unwrap();
    }
    fs::write(directory.join(OsStr::from_bytes(b"caf\xe9")), "latin-1\n").unwrap();
    fs::write(at(&"n".repeat(255)), "longest\n").unwrap();
    fs::hard_link(at("hard1"), at("hard2")).unwrap();
    let inside = format!("/{base}/file");
    let inside_dir = format!("/{base}/dir");
    let links = [
        ("link", "file"),
        ("dlink", "dir"),
        ("dangling", "nowhere"),
        ("loop", "loop"),
        ("abs", &inside),
        ("absdir", &inside_dir),
        ("up", "../../../../../../etc/passwd"),
        ("deep", "dir/inner"),
        ("self", "."),
        ("chain", "link"),
        ("slashed", "dir/"),
        ("parent", "dir/.."),
        ("into", "locked/in"),
        ("dir/back", "../file"),
    ];
    for (name, target) in links {
        symlink(target, at(name)).unwrap();
    }
    for (name, kind) in [("fifo", FileType::Fifo), ("socket", FileType::Socket)] {
        mknodat(CWD, at(name), kind, Mode::from_raw_mode(0o644), 0).unwrap();
    }
    let modes = [
        ("secret", 0o000),
        ("readonly", 0o444),
        ("wonly", 0o200),
        ("exec", 0o755),
        ("suid", 0o4755),
        ("socket", 0o755),
        ("fifo", 0o644),
        ("locked", 0o000),
        ("rodir", 0o555),
        ("nox", 0o644),
    ];
    settle(directory, stamp);
    touch(&at("old"), LONG_AGO);
    for (name, mode) in modes {
        chmod(&at(name), mode);
    }
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Gives everything beneath the same modes and times.
pub fn settle(path: &Path, stamp: Stamp) {
    let meta = fs::symlink_metadata(path).unwrap();
    if meta.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            settle(&entry.unwrap().path(), stamp);
        }
        chmod(path, 0o755);
    } else if meta.is_file() {
        chmod(path, 0o644);
    }
    touch(path, stamp.recent);
}

fn touch(path: &Path, seconds: u32) {
    let time = Timespec {
        tv_sec: i64::from(seconds),
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// What shows whether anything changed: name, inode, mode, size, links, time of modification. All that is planted is
/// old, so that whatever is written gets another time.
pub type Seen = (PathBuf, [u64; 5]);

/// A quick look at a row's directory and all beneath it.
pub fn glance(directory: &Path) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(path) = waiting.pop() {
        let Ok(meta) = fs::symlink_metadata(&path) else {
            continue;
        };
        // One that can't be read can't be written to either, unless its mode is changed first.
        let entries = meta.is_dir().then(|| fs::read_dir(&path).ok()).flatten();
        waiting.extend(entries.into_iter().flatten().map(|entry| entry.unwrap().path()));
        let (inode, mode, links) = (meta.ino(), u64::from(meta.mode()), meta.nlink());
        seen.push((path, [inode, mode, meta.size(), links, meta.mtime() as u64]));
    }
    seen.sort();
    seen
}

/// Everything beneath, a line each, sorted: `disk NAME| type mode size links content`.
pub fn snapshot(directory: &Path, stamp: Stamp) -> Vec<String> {
    let mut lines = vec![line(directory, b".", stamp)];
    walk(directory, b"", stamp, &mut lines);
    lines.sort();
    lines
}

/// Also opens up what is closed, which is removed anyway.
fn walk(directory: &Path, prefix: &[u8], stamp: Stamp, lines: &mut Vec<String>) {
    chmod(directory, 0o700);
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = [prefix, entry.file_name().as_bytes()].concat();
        lines.push(line(&entry.path(), &name, stamp));
        if entry.file_type().unwrap().is_dir() {
            walk(&entry.path(), &[&name[..], b"/"].concat(), stamp, lines);
        }
    }
}

fn line(path: &Path, name: &[u8], stamp: Stamp) -> String {
    let meta = fs::symlink_metadata(path).unwrap();
    let mtime = if meta.mtime() >= i64::from(stamp.now) {
        "now".into()
    } else if meta.mtime() == i64::from(stamp.recent) {
        "untouched".into()
    } else {
        meta.mtime().to_string()
    };
    let content = content(path, &meta);
    let (mode, size, links) = (meta.mode(), meta.size(), meta.nlink());
    format!(
        "disk {}| mode={mode:o} size={size} links={links} mtime={mtime} {content}",
        name.escape_ascii()
    )
}

fn content(path: &Path, meta: &Metadata) -> String {
    if meta.is_symlink() {
        return format!(
            "-> {}",
            bytes(fs::read_link(path).unwrap().as_os_str().as_bytes())
        );
    }
    if !meta.is_file() {
        return String::new();
    }
    // Holes of exabytes are not read.
    if meta.size() > 10 * BIG as u64 {
        return "(huge)".into();
    }
    chmod(path, 0o600);
    bytes(&fs::read(path).unwrap())
}

/// Removes a row's directory, whatever its rows did to it.
pub fn uproot(directory: &Path) {
    chmod(directory, 0o700);
    fs::remove_dir_all(directory).unwrap();
}
