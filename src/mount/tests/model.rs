//! Random users, rules and operations on one tree, with links in it that lead everywhere. After each operation, what has
//! changed on the disk must be what the rules allow, and what was seen must be what they show.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::*;
use crate::domain::path::VirtualPath;
use crate::domain::permission::{Permission, Permissions};
use crate::storage::conformance::{self, how, path};
use crate::storage::{Error, IfExists, Links, Renaming, Result, Wait};

const DIRECTORIES: [&str; 5] = ["/", "/a", "/a/d", "/b", "/b/d"];
const NAMES: [&str; 14] = [
    "/x",
    "/a",
    "/a/x",
    "/a/y",
    "/a/d",
    "/a/d/x",
    "/b",
    "/b/x",
    "/b/d",
    "/b/d/x",
    "/a/l/x",
    "/a/../b/x",
    "/b/l",
    "/l/x",
];

#[derive(Debug, Clone)]
enum PathStep {
    Write(usize),
    Read(usize),
    List(usize),
    Remove(usize),
    Mkdir(usize),
    Rmdir(usize),
    Rename(usize, usize, bool),
    Link(usize, usize),
}

fn step() -> impl Strategy<Value = PathStep> {
    let name = || 0..NAMES.len();
    prop_oneof![
        6 => name().prop_map(PathStep::Write),
        3 => name().prop_map(PathStep::Read),
        2 => name().prop_map(PathStep::List),
        2 => name().prop_map(PathStep::Remove),
        2 => name().prop_map(PathStep::Mkdir),
        1 => name().prop_map(PathStep::Rmdir),
        8 => (name(), name(), any::<bool>()).prop_map(|(from, to, over)| PathStep::Rename(from, to, over)),
        3 => (name(), name()).prop_map(|(from, to)| PathStep::Link(from, to)),
    ]
}

/// Some rules: which permissions each directory has, as bits; a directory may have no rule.
fn some_rules() -> impl Strategy<Value = PermissionRules> {
    let set = prop_oneof![3 => Just(0x1ff_u16), 1 => Just(0), 6 => 0..0x200_u16];
    let rule = prop::option::weighted(0.6, set.clone());
    (set, prop::collection::vec(rule, DIRECTORIES.len() - 1)).prop_map(|(root, others)| {
        let permissions = |bits: u16| {
            let all = Permission::ALL.into_iter().enumerate();
            all.filter(|(at, _)| bits >> at & 1 == 1)
                .map(|(_, one)| one)
                .collect::<Permissions>()
        };
        let sets = std::iter::once(Some(root)).chain(others);
        let rules = DIRECTORIES.iter().zip(sets);
        rules
            .filter_map(|(path, bits)| Some((path.parse().unwrap(), permissions(bits?))))
            .collect()
    })
}

/// Something on the disk.
#[derive(PartialEq, Eq)]
struct OnDisk {
    inode: u64,
    /// `d`, `f` or `l`: a directory, a file or a link.
    kind: char,
    /// The content of a file, or the target of a link.
    content: Vec<u8>,
}

/// What is on the disk, by its path from the root.
type Snapshot = BTreeMap<String, OnDisk>;

fn snapshot(root: &Path) -> Snapshot {
    let mut seen = Snapshot::new();
    let mut todo = vec![root.to_owned()];
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let at = entry.unwrap().path();
            let meta = at.symlink_metadata().unwrap();
            let (kind, content) = match (meta.is_dir(), meta.is_file()) {
                (true, _) => {
                    todo.push(at.clone());
                    ('d', Vec::new())
                }
                (_, true) => ('f', fs::read(&at).unwrap()),
                _ => (
                    'l',
                    fs::read_link(&at).unwrap().into_os_string().into_encoded_bytes(),
                ),
            };
            let name = format!("/{}", at.strip_prefix(root).unwrap().to_str().unwrap());
            let inode = meta.ino();
            seen.insert(name, OnDisk { inode, kind, content });
        }
    }
    seen
}

/// Returns the paths that differ between two snapshots.
fn changed(before: &Snapshot, after: &Snapshot) -> BTreeSet<String> {
    let names = before.keys().chain(after.keys());
    names
        .filter(|name| before.get(*name) != after.get(*name))
        .cloned()
        .collect()
}

/// The model: what a user with these rules may do.
struct Model<'a> {
    rules: &'a PermissionRules,
    /// Whether the rules differ by directory.
    zones: bool,
}

impl Model<'_> {
    fn may(&self, at: &str, permission: Permission) -> bool {
        self.rules.at(&path(at)).allows(permission)
    }

    fn is_fixed(&self, at: &str) -> bool {
        let beneath = format!("{at}/");
        let mut rules = self.rules.iter().map(|(rule, _)| rule.as_str());
        self.zones && rules.any(|rule| rule == at || rule.starts_with(&beneath))
    }

    /// Checks that a rename may have done what it has.
    fn allows_rename(&self, from: &str, to: &str, before: &Snapshot) -> bool {
        let same = self.rules.at(&path(from)) == self.rules.at(&path(to));
        let replaced = before.contains_key(to);
        if self.is_fixed(from) || self.is_fixed(to) || replaced && !self.may(to, Permission::Overwrite) {
            return false;
        }
        if same {
            return self.may(from, Permission::Rename);
        }
        let Some(OnDisk { inode, kind: 'f', .. }) = before.get(from) else {
            return false;
        };
        let names = before.values().filter(|other| other.inode == *inode).count();
        names == 1
            && self.may(from, Permission::Read)
            && self.may(from, Permission::Delete)
            && self.may(to, Permission::Create)
    }

    /// Checks one change of one name.
    fn allows(&self, step: &PathStep, at: &str, before: &Snapshot, after: &Snapshot) -> bool {
        let is_new = !before.contains_key(at);
        let needed = match step {
            PathStep::Write(_) if is_new => Permission::Create,
            PathStep::Write(_) => Permission::Overwrite,
            PathStep::Remove(_) | PathStep::Rmdir(_) => Permission::Delete,
            PathStep::Mkdir(_) => Permission::Mkdir,
            PathStep::Link(..) => Permission::Link,
            PathStep::Read(_) | PathStep::List(_) => return false,
            PathStep::Rename(from, to, _) => return self.allows_rename(&plain(from), &plain(to), before),
        };
        let stays = match step {
            PathStep::Remove(_) | PathStep::Rmdir(_) => !after.contains_key(at) && !self.is_fixed(at),
            PathStep::Link(from, _) => {
                let (from, to) = (path(&plain(from)), path(at));
                !self.zones || self.rules.rule(&from).0 == self.rules.rule(&to).0
            }
            _ => true,
        };
        self.may(at, needed) && stays
    }
}

/// Returns the path of a name of a step, without `..`.
fn plain(name: &usize) -> String {
    String::from_utf8(path(NAMES[*name]).without_dots().absolute()).unwrap()
}

fn take(storage: &dyn Storage, step: &PathStep) -> Result<Vec<u8>> {
    let at = |name: &usize| path(NAMES[*name]);
    let wait = Wait::Allowed;
    match step {
        PathStep::Write(name) => {
            let file = storage.open(&at(name), how("wct"), wait)?;
            file.write_at(b"written", 0, wait)?;
        }
        PathStep::Read(name) => return conformance::get(storage, NAMES[*name]),
        PathStep::List(name) => {
            let names = conformance::list(storage, NAMES[*name])?;
            return Ok(names.into_keys().collect::<Vec<_>>().join("/").into_bytes());
        }
        PathStep::Remove(name) => storage.remove(&at(name), wait)?,
        PathStep::Mkdir(name) => storage.mkdir(&at(name), 0o755, wait)?,
        PathStep::Rmdir(name) => storage.rmdir(&at(name), wait)?,
        PathStep::Rename(from, to, over) => {
            let if_exists = if *over {
                IfExists::Replace
            } else {
                IfExists::Refuse
            };
            let how = Renaming {
                if_exists,
                only_files: false,
                wait,
            };
            storage.rename(&at(from), &at(to), how)?;
        }
        PathStep::Link(from, to) => storage.hard_link(&at(from), &at(to), wait)?,
    }
    Ok(Vec::new())
}

/// Whether a path leads through a link, or is one.
fn has_link(root: &Path, at: &str) -> bool {
    let mut place = root.to_owned();
    at.split('/').filter(|name| !name.is_empty()).any(|name| {
        place.push(name);
        place.symlink_metadata().is_ok_and(|meta| meta.is_symlink())
    })
}

/// Checks what a user has seen by a step that succeeded.
fn check_seen(model: &Model<'_>, step: &PathStep, root: &Path, disk: &Snapshot, seen: &[u8]) {
    match step {
        PathStep::Read(name) if model.zones => {
            let at = plain(name);
            assert!(
                model.may(&at, Permission::Read) && !has_link(root, &at),
                "{at} was read"
            );
            assert_eq!(disk[&at].content, seen);
        }
        PathStep::List(name) if model.zones => {
            let at = plain(name);
            assert!(
                model.may(&at, Permission::List) && !has_link(root, &at),
                "{at} was listed"
            );
            let prefix = if at == "/" { at.clone() } else { format!("{at}/") };
            let below = disk.keys().filter_map(|name| name.strip_prefix(&prefix));
            let shown = |name: &&str| {
                let child = format!("{prefix}{name}");
                let mut rules = model.rules.iter().filter(|(_, set)| !set.is_none());
                let leads = rules.any(|(rule, _)| {
                    rule.as_str() == child || rule.as_str().starts_with(&format!("{child}/"))
                });
                !name.contains('/') && (leads || !model.rules.at(&path(&child)).is_none())
            };
            let expected: Vec<&str> = below.filter(shown).collect();
            assert_eq!(String::from_utf8_lossy(seen), expected.join("/"), "{at}");
        }
        _ => {}
    }
}

fn run(sessions: &TestSessions, users: &[PermissionRules], steps: &[(usize, PathStep)]) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(dir.path()).unwrap();
    for directory in &DIRECTORIES[1..] {
        fs::create_dir_all(root.join(&directory[1..])).unwrap();
    }
    for file in ["x", "a/x", "a/d/x", "b/x", "b/d/x"] {
        fs::write(root.join(file), file).unwrap();
    }
    for (target, link) in [("../b", "a/l"), ("/a/x", "b/l"), ("b/d", "l")] {
        symlink(target, root.join(link)).unwrap();
    }
    let storages: Vec<_> = users.iter().map(|rules| sessions.storage(&root, rules)).collect();
    let mut before = snapshot(&root);
    let mut succeeded = 0;
    for (user, step) in steps {
        let rules = &users[*user];
        let zones = rules.as_uniform().is_none();
        let model = Model { rules, zones };
        let paths_with_links = |step: &PathStep| match step {
            PathStep::Rename(from, to, _) | PathStep::Link(from, to) => {
                [*from, *to].map(|name| plain(&name)).to_vec()
            }
            PathStep::Write(name)
            | PathStep::Read(name)
            | PathStep::List(name)
            | PathStep::Remove(name)
            | PathStep::Mkdir(name)
            | PathStep::Rmdir(name) => {
                vec![plain(name)]
            }
        };
        let through_links = |root: &Path| {
            paths_with_links(step).iter().any(|at| {
                let parent = at.rsplit_once('/').map_or("", |(parent, _)| parent);
                has_link(root, parent)
            })
        };
        let is_through_links = through_links(&root);
        let done = take(&*storages[*user], step);
        let after = snapshot(&root);
        let context = format!("{step:?} of {rules} gave {done:?}");
        let differing = changed(&before, &after);
        if zones && is_through_links {
            assert!(done.is_err() && differing.is_empty(), "{context} through a link");
        }
        match &done {
            Ok(seen) => {
                succeeded += 1;
                check_seen(&model, step, &root, &before, seen);
            }
            Err(Error::Ended | Error::WouldBlock | Error::Invalid) if zones => {
                assert!(matches!(step, PathStep::Rename(..)), "{context}");
            }
            Err(_) => {}
        }
        // A user whose permissions are the same everywhere may go through links, and has a guard of long standing.
        if zones {
            for at in &differing {
                assert!(model.allows(step, at, &before, &after), "{context} changed {at}");
            }
        }
        if done.is_err() {
            assert_eq!(differing, BTreeSet::new(), "{context} has an effect");
        }
        before = after;
    }
    succeeded
}

#[test]
fn what_users_see_and_change_is_what_their_rules_say() {
    let sessions = TestSessions::new();
    let config = Config {
        cases: 300,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let succeeded = std::cell::Cell::new(0);
    let users = prop::collection::vec(some_rules(), 2);
    let steps = prop::collection::vec((0..2_usize, step()), 1..40);
    let result = runner.run(&(users, steps), |(users, steps)| {
        succeeded.set(succeeded.get() + run(&sessions, &users, &steps));
        Ok(())
    });
    result.unwrap();
    assert!(succeeded.get() > 500, "only {} steps succeeded", succeeded.get());
}

/// What `..` is taken away from is judged by what is left.
#[test]
fn two_dots_do_not_change_the_zone() {
    let sessions = TestSessions::new();
    let dir = tempfile::tempdir().unwrap();
    for directory in ["open", "closed"] {
        fs::create_dir(dir.path().join(directory)).unwrap();
        fs::write(dir.path().join(directory).join("f"), directory).unwrap();
    }
    let rules = [("/", "list,read"), ("/closed", "none")];
    let rules = rules.map(|(path, set)| (path.parse().unwrap(), set.parse().unwrap()));
    let storage = sessions.storage(dir.path(), &rules.into_iter().collect());
    let get = |at: &str| conformance::get(&*storage, at);
    assert_eq!(get("open/../open/f").unwrap(), b"open");
    for closed in [
        "open/../closed/f",
        "closed/../open/f",
        "closed/f",
        "open/../closed/../open/f",
    ] {
        assert_eq!(conformance::error(get(closed)), Error::NotFound, "{closed}");
    }
    let up = VirtualPath::parse(b"open/..").unwrap();
    assert_eq!(
        storage.stat(&up, Links::Follow).unwrap().inode,
        storage.stat(&path("/"), Links::Follow).unwrap().inode
    );
}
