//! The directory of a row, with a file of each kind, and its state afterwards.

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
/// A time in the past, which `ls` shows with its year.
const LONG_AGO: u32 = 1_000_000_000;

/// The times that both sides share, in seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    /// The start of the run; later times are set by the rows.
    pub now: u32,
    /// The time of all files at the start, which `ls` shows as recent.
    pub recent: u32,
}

impl Stamp {
    /// Returns the times for a run that begins now.
    pub fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as u32;
        Self {
            now: now - 10,
            recent: now - 100_000,
        }
    }
}

/// Creates the files that rows only read, once for the whole table.
pub fn shared(root: &Path, stamp: Stamp) {
    chmod(root, 0o755);
    let many = root.join("shared/many");
    fs::create_dir_all(&many).unwrap();
    let pattern: Vec<u8> = (0..BIG).map(|i| (i % 251) as u8).collect();
    fs::write(root.join("shared/big"), pattern).unwrap();
    for number in 0..MANY {
        fs::write(many.join(format!("entry-{number:03}")), "x").unwrap();
    }
    set_modes_and_times(&root.join("shared"), stamp);
}

/// The regular files of a row's directory, with their contents.
const FILES: [(&str, &str); 20] = [
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

/// The modes of the files and directories whose mode is special.
const MODES: [(&str, u32); 10] = [
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

/// Creates a row's directory with a file of each kind.
pub fn create(directory: &Path, base: &str, stamp: Stamp) {
    let at = |name: &str| directory.join(name);
    for name in ["dir", "dir/sub", "emptydir", "locked", "rodir", "nox"] {
        fs::create_dir_all(at(name)).unwrap();
    }
    for (name, content) in FILES {
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
    set_modes_and_times(directory, stamp);
    touch(&at("old"), LONG_AGO);
    for (name, mode) in MODES {
        chmod(&at(name), mode);
    }
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Gives everything beneath a directory the same modes and times.
pub fn set_modes_and_times(path: &Path, stamp: Stamp) {
    let meta = fs::symlink_metadata(path).unwrap();
    if meta.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            set_modes_and_times(&entry.unwrap().path(), stamp);
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

/// What shows whether a file has changed: name, inode, mode, size, links, modification time. The files are old, so that
/// each write changes the time.
pub type Seen = (PathBuf, [u64; 5]);

/// Returns the state of a row's directory and everything beneath it.
pub fn state_of(directory: &Path) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(path) = waiting.pop() {
        let Ok(meta) = fs::symlink_metadata(&path) else {
            continue;
        };
        // A directory that cannot be read cannot be written either, unless its mode is changed first.
        let entries = meta.is_dir().then(|| fs::read_dir(&path).ok()).flatten();
        waiting.extend(entries.into_iter().flatten().map(|entry| entry.unwrap().path()));
        let (inode, mode, links) = (meta.ino(), u64::from(meta.mode()), meta.nlink());
        seen.push((path, [inode, mode, meta.size(), links, meta.mtime() as u64]));
    }
    seen.sort();
    seen
}

/// Returns a sorted line for everything beneath: `disk NAME| type mode size links content`.
pub fn snapshot(directory: &Path, stamp: Stamp) -> Vec<String> {
    let mut lines = vec![line(directory, b".", stamp)];
    walk(directory, b"", stamp, &mut lines);
    lines.sort();
    lines
}

/// It also gives permissions to closed directories, which are removed afterwards.
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
    // The content of huge sparse files is not read.
    if meta.size() > 10 * BIG as u64 {
        return "(huge)".into();
    }
    chmod(path, 0o600);
    bytes(&fs::read(path).unwrap())
}

/// Removes a row's directory in whatever state it is.
pub fn remove(directory: &Path) {
    chmod(directory, 0o700);
    fs::remove_dir_all(directory).unwrap();
}
