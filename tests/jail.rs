//! The jail under attack: directories are swapped for links that lead outside, in a loop, while other threads open,
//! read, write, rename, link, list and remove through them. Nothing outside may be read, made, changed or removed.
//!
//! The same attack runs against a resolver that checks a path and then uses it, and must succeed there: otherwise the
//! test would prove nothing.

mod naive;

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use homeportd::domain::path::VirtualPath;
use homeportd::storage::local::LocalStorage;
use homeportd::storage::{
    FileTimes, IfExists, Links, Metadata, OpenHow, Renaming, Result, SetAttrs, Storage, Wait,
};

const REFUSE: Renaming = Renaming {
    if_exists: IfExists::Refuse,
    only_files: false,
    wait: Wait::Allowed,
};
const REPLACE: Renaming = Renaming {
    if_exists: IfExists::Replace,
    only_files: false,
    wait: Wait::Allowed,
};
use naive::Naive;
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, Timespec, Timestamps, renameat_with};
use testkit::{PATIENCE, SetOnDrop};

/// The time of an attack. It goes on for longer on a machine on which it has not shown enough by then.
const DURATION: Duration = Duration::from_secs(8);

/// The content of the files outside, which no file inside has.
const SECRET: &[u8] = b"SECRET";
/// The modification time of everything outside, which identifies attributes from there.
const OUTSIDE_TIME: i64 = 1_234_567_890;
/// A name that exists only outside.
const OUTSIDE_NAME: &[u8] = b"canary";

/// The directory `home`, whose directories are swapped with links, and `outside` beside it with the same names.
struct Arena {
    dir: tempfile::TempDir,
    home: PathBuf,
}

impl Arena {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let base = fs::canonicalize(dir.path()).unwrap();
        let (home, outside) = (base.join("home"), base.join("outside"));
        for inside in ["door", "gate", "a/b", "a/b/deep/er", "outside", "target"] {
            fs::create_dir_all(home.join(inside).join("sub")).unwrap();
            fs::write(home.join(inside).join("f"), "inside").unwrap();
            fs::write(home.join(inside).join("sub/f"), "inside").unwrap();
        }
        symlink(&outside, home.join("absolute")).unwrap();
        symlink("../outside", home.join("climbing")).unwrap();
        symlink("../../outside", home.join("a/climbing")).unwrap();
        fs::create_dir_all(outside.join("sub")).unwrap();
        for name in ["f", "g", "victim", "sub/f", "canary"] {
            fs::write(outside.join(name), SECRET).unwrap();
        }
        for name in ["f", "g", "victim", "sub/f", "canary", "sub", "", ".."] {
            let time = Timespec {
                tv_sec: OUTSIDE_TIME,
                tv_nsec: 0,
            };
            let times = Timestamps {
                last_access: time,
                last_modification: time,
            };
            rustix::fs::utimensat(CWD, outside.join(name), &times, rustix::fs::AtFlags::empty()).unwrap();
        }
        Self { dir, home }
    }

    /// Returns the state of everything outside of the home; each change there changes a ctime.
    fn outside_state(&self) -> std::io::Result<BTreeMap<PathBuf, Facts>> {
        let mut seen = BTreeMap::new();
        let mut todo = vec![self.dir.path().to_owned()];
        while let Some(path) = todo.pop() {
            if path.file_name() == Some("home".as_ref()) {
                continue;
            }
            let meta = fs::symlink_metadata(&path)?;
            let content = match meta.is_file() {
                true => fs::read(&path)?,
                false => Vec::new(),
            };
            if meta.is_dir() {
                for entry in fs::read_dir(&path)? {
                    todo.push(entry?.path());
                }
            }
            let facts = (
                meta.ino(),
                meta.nlink(),
                meta.mode(),
                meta.mtime(),
                meta.ctime(),
                meta.ctime_nsec(),
                content,
            );
            seen.insert(path, facts);
        }
        Ok(seen)
    }
}

/// The inode, links, mode, mtime, ctime in seconds and nanoseconds, and content of a file.
type Facts = (u64, u64, u32, i64, i64, i64, Vec<u8>);

/// The number of kinds of operations.
const OPERATIONS: usize = 20;

/// The result of an attack.
#[derive(Default)]
struct Report {
    escape: Option<(Duration, String)>,
    /// For each operation, how often it succeeded and how often it was refused.
    counts: BTreeMap<&'static str, (u64, u64)>,
}

impl Report {
    /// Whether the operations met both sides of the swaps: the directory and the link.
    fn has_met_both(&self) -> bool {
        let mut counts = self.counts.values();
        self.counts.len() == OPERATIONS && counts.all(|(done, refused)| *done > 0 && *refused > 0)
    }
}

struct Attack<'a> {
    storage: &'a dyn Storage,
    started: Instant,
    stop: AtomicBool,
    report: Mutex<Report>,
}

impl Attack<'_> {
    fn over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Whether the attack has lasted for its time and has shown enough, or has lasted too long.
    fn has_lasted(&self, is_enough: fn(&Report) -> bool) -> bool {
        match self.started.elapsed() {
            elapsed if elapsed < DURATION => false,
            elapsed => elapsed > PATIENCE || is_enough(&self.report.lock().unwrap()),
        }
    }

    fn escaped(&self, how: String) {
        self.stop.store(true, Ordering::Relaxed);
        let mut report = self.report.lock().unwrap();
        report.escape.get_or_insert((self.started.elapsed(), how));
    }

    fn check_metadata(&self, what: &str, meta: Metadata) {
        if meta.mtime == OUTSIDE_TIME {
            self.escaped(format!("saw the attributes of {what}: {meta:?}"));
        }
    }

    fn read(&self, path: &VirtualPath) -> Result<()> {
        let file = self.storage.open(path, flags("r"), Wait::Allowed)?;
        self.check_metadata("an open file", file.stat()?);
        let mut buffer = [0; 64];
        let count = file.read_at(&mut buffer, 0, Wait::Allowed)?;
        if buffer[..count].starts_with(SECRET) {
            self.escaped(format!("read {path}"));
        }
        Ok(())
    }

    fn list(&self, path: &VirtualPath) -> Result<()> {
        let mut stream = self.storage.open_dir(path)?;
        while let Some(entry) = stream.next()? {
            self.check_metadata("an entry", entry.meta);
            if entry.name == OUTSIDE_NAME {
                self.escaped(format!("listed {path}"));
            }
        }
        Ok(())
    }

    fn write(&self, path: &VirtualPath, how: &str) -> Result<()> {
        let file = self.storage.open(path, flags(how), Wait::Allowed)?;
        file.write_at(b"inside", 0, Wait::Allowed)
    }

    /// Runs one operation of an attacker, chosen by a random number.
    fn operate(&self, number: u64) {
        const DIRECTORIES: [&str; 6] = ["door", "gate", "a/b", "a/../a/b", "absolute", "a/b/../climbing"];
        let pick = |n: u64, of: usize| usize::try_from(n % of as u64).unwrap();
        let door = DIRECTORIES[pick(number, DIRECTORIES.len())];
        let at = |name: &str| VirtualPath::parse(format!("{door}/{name}").as_bytes()).unwrap();
        let own = |name: &str| VirtualPath::parse(format!("target/{name}").as_bytes()).unwrap();
        let deep = VirtualPath::parse(b"a/b/deep/er/../../../../../outside/f").unwrap();
        let attrs = SetAttrs {
            permissions: Some(0o777),
            times: Some(FileTimes {
                accessed: 1,
                modified: 2,
            }),
            ..SetAttrs::default()
        };
        let cut = SetAttrs {
            size: Some(1),
            ..SetAttrs::default()
        };
        let s = self.storage;
        let (name, result) = match number / 8 % 20 {
            0 => ("read", self.read(&at("f"))),
            1 => ("read below", self.read(&at("sub/f"))),
            2 => ("read far up", self.read(&deep)),
            3 => ("write", self.write(&at("f"), "wct")),
            4 => ("create", self.write(&at("new"), "wcx")),
            5 => ("append", self.write(&at("victim"), "wac")),
            6 => ("list", self.list(&at(""))),
            7 => ("list up", self.list(&at("sub/.."))),
            8 => (
                "stat",
                s.stat(&at("f"), Links::Follow)
                    .map(|m| self.check_metadata("f", m)),
            ),
            9 => (
                "lstat",
                s.stat(&at(""), Links::NoFollow)
                    .map(|m| self.check_metadata("door", m)),
            ),
            10 => ("rename within", s.rename(&at("f"), &at("g"), REPLACE)),
            11 => ("rename in", s.rename(&own("f"), &at("f"), REFUSE)),
            12 => (
                "rename out",
                s.rename(&at("victim"), &own("stolen"), REPLACE)
                    .and_then(|()| self.read(&own("stolen"))),
            ),
            13 => {
                let _ = s.remove(&own("loot"), Wait::Allowed);
                let linked = s.hard_link(&at("f"), &own("loot"), Wait::Allowed);
                ("link", linked.and_then(|()| self.read(&own("loot"))))
            }
            14 => (
                "remove",
                s.remove(&at("victim"), Wait::Allowed)
                    .and(s.remove(&at("new"), Wait::Allowed)),
            ),
            15 => ("set attributes", s.set_attrs(&at("f"), &attrs, Links::Follow)),
            16 => (
                "set its own attributes",
                s.set_attrs(&at(""), &attrs, Links::NoFollow),
            ),
            17 => ("truncate", s.set_attrs(&at("f"), &cut, Links::Follow)),
            18 => (
                "make a directory",
                s.mkdir(&at("made"), 0o755, Wait::Allowed)
                    .and(s.rmdir(&at("made"), Wait::Allowed)),
            ),
            _ => {
                let _ = s.remove(&at("loop"), Wait::Allowed);
                let _ = s.real_path(&at("sub/.."));
                ("symlink", s.symlink(b"../outside", &at("loop"), Wait::Allowed))
            }
        };
        // The removed file is needed again.
        if matches!(name, "rename within" | "rename in") {
            let _ = self.write(&at("f"), "wc");
            let _ = self.write(&own("f"), "wc");
        }
        let mut report = self.report.lock().unwrap();
        let (done, refused) = report.counts.entry(name).or_default();
        match result {
            Ok(()) => *done += 1,
            Err(_) => *refused += 1,
        }
    }
}

fn flags(letters: &str) -> OpenHow {
    OpenHow {
        read: letters.contains('r'),
        write: letters.contains('w'),
        append: letters.contains('a'),
        create: letters.contains('c'),
        truncate: letters.contains('t'),
        exclusive: letters.contains('x'),
        mode: None,
    }
}

/// Exchanges pairs of names in the home repeatedly.
fn swap(attack: &Attack<'_>, home: &Path, pairs: &[(&str, &str)], how: RenameFlags) {
    let dir: OwnedFd = rustix::fs::open(home, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let mut swapped = 0_u64;
    // The naive resolver may fail before this thread has run for the first time.
    while !attack.over() || swapped == 0 {
        for &(one, other) in pairs {
            swapped += u64::from(renameat_with(&dir, one, &dir, other, how).is_ok());
            if how != RenameFlags::EXCHANGE {
                swapped += u64::from(renameat_with(&dir, other, &dir, one, how).is_ok());
            }
        }
        let late = attack.started.elapsed() > 2 * PATIENCE;
        assert!(!late, "nothing was ever swapped: {pairs:?}");
    }
}

/// Attacks a storage over the arena's home until something outside was reached, or time is up and the report is enough.
fn attack(arena: &Arena, storage: &dyn Storage, is_enough: fn(&Report) -> bool) -> Report {
    let before = arena.outside_state().unwrap();
    assert!(before.len() >= 8, "{before:?}");
    let untouched = || arena.outside_state().is_ok_and(|now| now == before);
    let attack = Attack {
        storage,
        started: Instant::now(),
        stop: AtomicBool::new(false),
        report: Mutex::default(),
    };
    std::thread::scope(|scope| {
        let attack = &attack;
        let _stop = SetOnDrop(&attack.stop);
        let exchange = RenameFlags::EXCHANGE;
        scope.spawn(move || {
            let pairs = [("door", "absolute"), ("gate", "climbing")];
            swap(attack, &arena.home, &pairs, exchange);
        });
        scope.spawn(move || swap(attack, &arena.home, &[("a/b", "a/climbing")], exchange));
        // This moves a directory up while another thread leaves it by `..`.
        scope.spawn(move || {
            let pairs = [("a/b/deep/er", "er"), ("a/climbing/deep/er", "er")];
            swap(attack, &arena.home, &pairs, RenameFlags::NOREPLACE);
        });
        for seed in 1..=4_u64 {
            scope.spawn(move || {
                let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
                while !attack.over() {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    attack.operate(state >> 16);
                }
            });
        }
        while !attack.over() && !attack.has_lasted(is_enough) {
            std::thread::sleep(Duration::from_millis(20));
            if !untouched() {
                attack.escaped("something outside was changed".into());
            }
        }
    });
    if !untouched() {
        attack.escaped("something outside was changed".into());
    }
    attack.report.into_inner().unwrap()
}

#[test]
fn nothing_outside_is_ever_touched() {
    let arena = Arena::new();
    let storage = LocalStorage::open(&arena.home).unwrap();
    let report = attack(&arena, &storage, Report::has_met_both);
    println!("done and refused: {:#?}", report.counts);
    assert_eq!(report.escape, None);
    assert_eq!(report.counts.len(), OPERATIONS);
    for (operation, (done, refused)) in report.counts {
        // The operations met both sides of the swaps: the directory and the link.
        assert!(
            done > 0 && refused > 0,
            "{operation}: {done} done, {refused} refused"
        );
    }
}

#[test]
fn the_same_attack_escapes_from_a_naive_resolver() {
    let arena = Arena::new();
    // It ends at the first escape.
    let report = attack(&arena, &Naive::new(&arena.home), |_| false);
    let (after, how) = report.escape.expect("the attack is too weak to prove anything");
    println!("out after {after:?}: {how}");
}
