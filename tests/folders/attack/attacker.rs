//! What the attacker does: one operation after the other, at random, and a look at what came of it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// The directories that mallory works in. The doors are swapped with links to what is secret.
const PLACES: [&str; 13] = [
    "/in/pub/door",
    "/in/pub/travel",
    "/in/pub/../pub/door",
    "/in/pub/door/../../secret",
    "/in/secret",
    "/in/secret/travel",
    "/in/drop",
    "/in/readonly",
    "/out/door",
    "/out/door/../../in/secret",
    "/door",
    "/door/../in/secret",
    "/hidden",
];

/// What the attacker has found, and how often each operation was done and refused.
#[derive(Default)]
pub(super) struct AttackReport {
    pub(super) stop: AtomicBool,
    pub(super) escape: Mutex<Option<String>>,
    pub(super) counts: Mutex<BTreeMap<&'static str, (u64, u64)>>,
}

impl AttackReport {
    pub(super) fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Whether each operation was done and was refused at least once.
    pub(super) fn has_met_both(&self) -> bool {
        let counts = self.counts.lock().unwrap();
        counts.len() == OPERATIONS && counts.values().all(|(done, refused)| *done > 0 && *refused > 0)
    }

    pub(super) fn escaped(&self, how: String) {
        self.stop.store(true, Ordering::Relaxed);
        self.escape.lock().unwrap().get_or_insert(how);
    }

    fn count(&self, operation: &'static str, is_done: bool) {
        let mut counts = self.counts.lock().unwrap();
        let (done, refused) = counts.entry(operation).or_default();
        match is_done {
            true => *done += 1,
            false => *refused += 1,
        }
    }
}

/// One session of mallory.
pub(super) struct Attacker<'a> {
    pub(super) sftp: RawSftp,
    pub(super) report: &'a AttackReport,
    pub(super) state: u64,
}

impl Attacker<'_> {
    fn random(&mut self, of: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from((self.state >> 16) % of as u64).unwrap()
    }

    fn done(&mut self, request: &Request) -> bool {
        code(&mut self.sftp, request) == 0
    }

    /// Reads a file, and looks at what it is.
    fn read(&mut self, path: &str) -> bool {
        match get(&mut self.sftp, path) {
            Ok(content) => {
                if content.starts_with(SECRET) {
                    self.report.escaped(format!("read {path}"));
                }
                true
            }
            Err(_) => false,
        }
    }

    fn list(&mut self, path: &str) -> bool {
        let Reply::Handle(handle) = self.sftp.ask(&opendir(path)) else {
            return false;
        };
        while let Reply::Names(batch) = self.sftp.ask(&readdir(bogus(&handle))) {
            if batch.iter().any(|entry| entry.name == CANARY.as_bytes()) {
                self.report.escaped(format!("listed {path}"));
            }
        }
        self.sftp.ask(&close(bogus(&handle)));
        true
    }

    fn look(&mut self, request: &Request) -> bool {
        let Reply::Attrs(attrs) = self.sftp.ask(request) else {
            return false;
        };
        let is_secret = attrs
            .times
            .is_some_and(|(_, modified)| i64::from(modified) == SECRET_TIME);
        if is_secret {
            self.report
                .escaped(format!("saw the attributes of something secret: {request:?}"));
        }
        true
    }

    /// Copies a file on the server, and reads the copy.
    fn copy(&mut self, from: &str, to: &str) -> bool {
        let Reply::Handle(source) = self.sftp.ask(&open(from, READ)) else {
            return false;
        };
        let mut is_done = false;
        if let Reply::Handle(target) = self.sftp.ask(&open(to, WRITE | CREAT | TRUNC)) {
            is_done = self.done(&copy_data(bogus(&source), 0, 0, bogus(&target), 0));
            self.sftp.ask(&close(bogus(&target)));
        }
        self.sftp.ask(&close(bogus(&source)));
        is_done && self.read(to)
    }

    /// Moves or links a file to where mallory may do everything, and reads it there.
    fn steal(&mut self, extension: &str, from: &str) -> bool {
        let loot = ["/in/pub/loot", "/loot"][self.random(2)];
        self.sftp.ask(&remove(loot));
        let request = extended_paths(extension, &[from.as_bytes(), loot.as_bytes()]);
        self.done(&request) && self.read(loot)
    }

    /// Moves or links an own file over one that is there.
    fn plant(&mut self, extension: &str, to: &str) -> bool {
        let own = ["/in/pub/own", "/own"][self.random(2)];
        put(&mut self.sftp, own, WRITTEN);
        self.done(&extended_paths(extension, &[own.as_bytes(), to.as_bytes()]))
    }

    pub(super) fn operate(&mut self) {
        const RENAME: &str = "posix-rename@openssh.com";
        const LINK: &str = "hardlink@openssh.com";
        let place = PLACES[self.random(PLACES.len())];
        let other = PLACES[self.random(PLACES.len())];
        let file = format!("{place}/{}", ["f", "victim"][self.random(2)]);
        let new = format!("{place}/new{}", self.random(3));
        let attrs = [Attrs::size(1), Attrs::mode(0o640), Attrs::times(1, 2)];
        let attrs = attrs[self.random(3)].clone();
        let (operation, is_done) = match self.random(17) {
            0 | 1 => ("read", self.read(&file)),
            2 => ("list", self.list(place)),
            3 => ("stat", self.look(&stat(&file))),
            4 => ("lstat", self.look(&lstat(place))),
            5 => ("write", put(&mut self.sftp, &file, WRITTEN) == 0),
            6 => ("create", put(&mut self.sftp, &new, WRITTEN) == 0),
            7 => ("remove", self.done(&remove(&file))),
            8 => ("set attributes", self.done(&setstat(&file, &attrs))),
            9 => ("move out", self.steal(RENAME, &file)),
            10 => ("link out", self.steal(LINK, &file)),
            11 => ("copy out", self.copy(&file, "/in/pub/copy")),
            12 => ("move in", self.plant(RENAME, &file)),
            13 => ("link in", self.plant(LINK, &new)),
            14 => {
                let made = format!("{place}/made");
                let is_made = self.done(&mkdir(&made, &Attrs::mode(0o755)));
                self.sftp.ask(&rmdir(&made));
                ("make a directory", is_made)
            }
            15 => {
                let link = format!("{place}/link");
                let is_made = self.done(&symlink("../secret", &link));
                self.sftp.ask(&remove(&link));
                ("make a link", is_made)
            }
            _ => {
                let aside = format!("{place}.moved");
                let to = [other, &aside][self.random(2)];
                let is_moved = self.done(&extended_paths(RENAME, &[place.as_bytes(), to.as_bytes()]));
                self.sftp
                    .ask(&extended_paths(RENAME, &[to.as_bytes(), place.as_bytes()]));
                ("move a directory", is_moved)
            }
        };
        self.report.count(operation, is_done);
    }
}
