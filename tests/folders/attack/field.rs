//! The storages of the attack, and what lies in them.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, symlink as link_on_disk};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};

use super::*;

/// The names, inodes, links, modes, sizes and contents of what mallory may not change.
pub(super) type Protected = BTreeMap<PathBuf, (u64, u64, u32, Vec<u8>)>;

/// The storages, and what lies in them.
pub(super) struct Battlefield {
    pub(super) server: TestServer,
    home: PathBuf,
}

impl Battlefield {
    pub(super) fn new() -> Self {
        let server = TestServer::new(&[]);
        for user in ["mallory", "eve"] {
            server.add_user(user, &[]);
        }
        for folder in ["in", "out", "hidden"] {
            add_folder(&server, folder, None);
            give(&server, "eve", folder, &[("/", "all")]);
        }
        let zones = [
            ("/", "list,read"),
            ("/pub", "all"),
            ("/drop", "create,list"),
            ("/secret", "none"),
        ];
        give(&server, "mallory", "in", &zones);
        give(&server, "mallory", "out", &[("/", "list,read")]);
        let home = server.home("mallory");
        let field = Self { home, server };
        field.fill();
        field
    }

    pub(super) fn place(&self, name: &str) -> PathBuf {
        place(&self.server, name)
    }

    fn fill(&self) {
        for directory in [
            "in/pub/travel",
            "in/drop",
            "in/readonly",
            "in/secret",
            "out",
            "hidden",
        ] {
            fs::create_dir_all(self.place(directory)).unwrap();
        }
        fs::create_dir_all(self.server.home("eve")).unwrap();
        for (file, content) in [
            ("in/readonly/f", b"fixed"),
            ("in/drop/f", b"fixed"),
            ("in/pub/travel/f", b"moved"),
        ] {
            fs::write(self.place(file), content).unwrap();
        }
        for directory in [
            self.place("in/secret"),
            self.place("hidden"),
            self.server.home("eve"),
        ] {
            for file in ["f", "victim", CANARY] {
                fs::write(directory.join(file), SECRET).unwrap();
            }
            for name in ["f", "victim", CANARY, ""] {
                let time = Timespec {
                    tv_sec: SECRET_TIME,
                    tv_nsec: 0,
                };
                let times = Timestamps {
                    last_access: time,
                    last_modification: time,
                };
                rustix::fs::utimensat(CWD, directory.join(name), &times, AtFlags::empty()).unwrap();
            }
        }
        for directory in self.doors() {
            self.repair(&directory);
        }
    }

    /// Returns the directories that have a door.
    pub(super) fn doors(&self) -> [PathBuf; 3] {
        [self.place("in/pub"), self.place("out"), self.home.clone()]
    }

    /// Makes what mallory may have removed from a directory with a door.
    pub(super) fn repair(&self, directory: &Path) {
        let door = directory.join("door");
        let _ = fs::create_dir_all(&door);
        for file in ["f", "victim"] {
            if fs::symlink_metadata(door.join(file)).is_err() && !door.is_symlink() {
                let _ = fs::write(door.join(file), b"public");
            }
        }
        let targets = [
            ("to_secret", PathBuf::from("../secret")),
            ("to_root", PathBuf::from("/secret")),
            ("to_folder", PathBuf::from("/in/secret")),
            ("to_disk", self.place("in/secret")),
            ("to_hidden", self.place("hidden")),
            ("to_eve", self.server.home("eve")),
        ];
        for (link, target) in targets {
            let link = directory.join(link);
            // A door that could not be put back, because mallory had taken the link away.
            if !link.is_symlink() {
                let _ = fs::remove_dir_all(&link);
            }
            let _ = link_on_disk(target, link);
        }
    }

    /// Returns everything that mallory may not change, except for what others move there.
    pub(super) fn protected(&self) -> Protected {
        let mut seen = Protected::new();
        let roots = [
            self.place("in/secret"),
            self.place("in/readonly"),
            self.place("hidden"),
            self.server.home("eve"),
        ];
        let mut todo: Vec<PathBuf> = roots.to_vec();
        todo.push(self.place("in/drop/f"));
        while let Some(path) = todo.pop() {
            if path.ends_with("secret/travel") {
                continue;
            }
            let meta = fs::symlink_metadata(&path).unwrap();
            let mut content = Vec::new();
            if meta.is_dir() {
                todo.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else {
                content = fs::read(&path).unwrap();
            }
            let links = if meta.is_dir() { 0 } else { meta.nlink() };
            seen.insert(path, (meta.ino(), links, meta.mode(), content));
        }
        seen
    }
}
