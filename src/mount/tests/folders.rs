//! Random trees, users, groups and folders, and random operations on them. After each operation, what has changed on the
//! disk must be what the records allow, what was seen must be what they show, and what they allow must have been done.

mod disk;
mod judge;
mod rights;
mod sight;
mod steps;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use self::disk::Trees;
use self::judge::Judge;
use self::rights::{Rights, RightsByPath, UserModel};
use self::steps::{KINDS, TreeStep, any_step, take};
use super::*;
use crate::domain::folder::CreationChoice;
use crate::domain::group::Group;
use crate::domain::permission::Permission;
use crate::domain::settings::MemberSettings;

/// The storages, by their directories: two homes, two folders, and a directory that no user sees.
const STORAGES: [&str; 5] = ["home0", "home1", "in", "team", "outside"];
const FOLDERS: [(&str, usize); 2] = [("in", 2), ("team", 3)];
const OUTSIDE: usize = 4;

/// The directories that every storage has at first, and that may have rules.
const DIRECTORIES: [&str; 3] = ["/a", "/a/d", "/b"];

/// What a storage may have besides, at first. Some names are those of folders.
const PLACES: [&str; 15] = [
    "/x", "/y", "/a/x", "/a/y", "/a/d/x", "/b/x", "/b/n", "/l", "/k", "/a/up", "/b/out", "/in", "/in/x",
    "/team", "/team/x",
];

/// No case begins later than this after the first one.
const LONGEST: Duration = Duration::from_secs(6);

/// Something that lies in a storage at first.
#[derive(Debug, Clone)]
enum Initial {
    File,
    Directory,
    Link(&'static str),
    /// A link to the directory that no user sees.
    LinkToOutside,
}

/// What the record of a user or a group says.
#[derive(Debug, Clone)]
struct ModelRecord {
    permissions: RightsByPath,
    folders: BTreeMap<&'static str, RightsByPath>,
}

fn any_rights() -> impl Strategy<Value = RightsByPath> {
    let bits = prop_oneof![3 => Just(0x1ff_u16), 1 => Just(0), 6 => 0..0x200_u16];
    let rule = |weight| prop::option::weighted(weight, bits.clone());
    (rule(0.8), prop::collection::vec(rule(0.25), DIRECTORIES.len())).prop_map(|(root, others)| {
        let set = |bits: u16| -> BTreeSet<Permission> {
            let all = Permission::ALL.into_iter().enumerate();
            all.filter(|(at, _)| bits >> at & 1 == 1)
                .map(|(_, one)| one)
                .collect()
        };
        let rules = ["/"]
            .into_iter()
            .chain(DIRECTORIES)
            .zip([root].into_iter().chain(others));
        rules
            .filter_map(|(path, bits)| Some((path.to_owned(), set(bits?))))
            .collect()
    })
}

fn any_record() -> impl Strategy<Value = ModelRecord> {
    let folder = || prop::option::weighted(0.7, any_rights());
    (any_rights(), folder(), folder()).prop_map(|(permissions, first, second)| {
        let folders = FOLDERS.iter().zip([first, second]);
        ModelRecord {
            permissions,
            folders: folders
                .filter_map(|((name, _), rights)| Some((*name, rights?)))
                .collect(),
        }
    })
}

fn any_initial() -> impl Strategy<Value = (usize, usize, Initial)> {
    let what = prop_oneof![
        5 => Just(Initial::File),
        2 => Just(Initial::Directory),
        3 => prop::sample::select(vec!["a", "../b", "/a/x", "/in/x", "/", "x"]).prop_map(Initial::Link),
        1 => Just(Initial::LinkToOutside),
    ];
    (0..OUTSIDE, 0..PLACES.len(), what)
}

impl ModelRecord {
    fn settings(&self) -> MemberSettings {
        let rules = |rights: &RightsByPath| -> PermissionRules {
            let rule = |(path, set): (&String, &BTreeSet<Permission>)| {
                (path.parse().unwrap(), set.iter().copied().collect())
            };
            rights.iter().map(rule).collect()
        };
        let folders = self.folders.iter();
        MemberSettings {
            permissions: (!self.permissions.is_empty()).then(|| rules(&self.permissions)),
            folders: folders
                .map(|(name, rights)| (name.parse().unwrap(), rules(rights)))
                .collect(),
            ..MemberSettings::default()
        }
    }
}

/// Returns what the model knows of a user: the record's own words come before those of the group.
fn user_model(home: usize, group: Option<&ModelRecord>, own: &ModelRecord) -> UserModel {
    let layers: Vec<&ModelRecord> = group.into_iter().chain([own]).collect();
    let permissions: Vec<&RightsByPath> = layers.iter().map(|layer| &layer.permissions).collect();
    let folders = FOLDERS.iter().filter_map(|(name, storage)| {
        let mut rules: Vec<&RightsByPath> = layers
            .iter()
            .filter_map(|layer| layer.folders.get(name))
            .collect();
        let last = *rules.last()?;
        // `none` alone takes away whatever the group gives.
        if last.len() == 1 && last.get("/").is_some_and(BTreeSet::is_empty) {
            rules = vec![last];
        }
        let rights = Rights::merged(&rules, BTreeSet::new());
        rights.are_any().then(|| ((*name).to_owned(), (*storage, rights)))
    });
    UserModel {
        home,
        home_rights: Rights::merged(&permissions, Permission::ALL.into()),
        folders: folders.collect(),
    }
}

/// The storages of all cases.
struct FolderWorld {
    sessions: TestSessions,
    roots: Vec<PathBuf>,
    succeeded: RefCell<BTreeMap<&'static str, usize>>,
    _dir: tempfile::TempDir,
}

/// A case: the group and the users, what lies in the storages, and what the users do.
#[derive(Debug, Clone)]
struct FolderCase {
    group: ModelRecord,
    /// The users' own records, and whether they are members of the group.
    users: Vec<(ModelRecord, bool)>,
    initial: Vec<(usize, usize, Initial)>,
    steps: Vec<(usize, TreeStep)>,
}

fn any_case() -> impl Strategy<Value = FolderCase> {
    let users = prop::collection::vec((any_record(), any::<bool>()), 2);
    let initial = prop::collection::vec(any_initial(), 0..40);
    let steps = prop::collection::vec((0..2_usize, any_step()), 1..50);
    (any_record(), users, initial, steps).prop_map(|(group, users, initial, steps)| FolderCase {
        group,
        users,
        initial,
        steps,
    })
}

impl FolderWorld {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(dir.path()).unwrap();
        let roots: Vec<PathBuf> = STORAGES.iter().map(|name| root.join(name)).collect();
        for root in &roots {
            fs::create_dir(root).unwrap();
        }
        fs::write(roots[OUTSIDE].join("secret"), "secret").unwrap();
        Self {
            sessions: TestSessions::new(),
            roots,
            succeeded: RefCell::default(),
            _dir: dir,
        }
    }

    /// Puts the first content into the storages.
    fn fill(&self, initial: &[(usize, usize, Initial)]) {
        for root in &self.roots[..OUTSIDE] {
            fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
            for entry in fs::read_dir(root).unwrap() {
                let at = entry.unwrap().path();
                match at.symlink_metadata().unwrap().is_dir() {
                    true => fs::remove_dir_all(at).unwrap(),
                    false => fs::remove_file(at).unwrap(),
                }
            }
            for directory in DIRECTORIES {
                fs::create_dir(root.join(&directory[1..])).unwrap();
            }
        }
        for (storage, place, what) in initial {
            let (root, name) = (&self.roots[*storage], PLACES[*place]);
            let at = root.join(&name[1..]);
            let is_below_directory = at
                .parent()
                .unwrap()
                .symlink_metadata()
                .is_ok_and(|above| above.is_dir());
            if !is_below_directory || at.symlink_metadata().is_ok() {
                continue;
            }
            match what {
                Initial::File => fs::write(at, format!("{storage}{name}")).unwrap(),
                Initial::Directory => fs::create_dir(at).unwrap(),
                Initial::Link(target) => symlink(target, at).unwrap(),
                Initial::LinkToOutside => symlink(&self.roots[OUTSIDE], at).unwrap(),
            }
        }
    }

    /// Returns the record that a server would have of a user.
    fn user(&self, home: usize, group: Option<&ModelRecord>, own: &ModelRecord) -> User {
        let mut user = User::blank(STORAGES[home].parse().unwrap());
        user.home = self.roots[home].clone();
        user.settings = own.settings();
        user.inherited.group = group.map(|group| Group {
            name: "group".parse().unwrap(),
            comment: String::new(),
            settings: group.settings(),
        });
        let folder = |(name, storage): &(&str, usize)| Folder {
            name: name.parse().unwrap(),
            path: self.roots[*storage].clone(),
            comment: String::new(),
            quota: Quota::default(),
            creation: CreationChoice::default(),
        };
        user.inherited.folders = FOLDERS.iter().map(folder).collect();
        user
    }

    fn run(&self, case: &FolderCase) {
        self.fill(&case.initial);
        let users: Vec<_> = case
            .users
            .iter()
            .enumerate()
            .map(|(home, (own, is_member))| {
                let group = is_member.then_some(&case.group);
                let storage = self.sessions.session(&self.user(home, group, own));
                (user_model(home, group, own), storage)
            })
            .collect();
        let mut before = Trees::read(&self.roots);
        for (user, step) in &case.steps {
            let (user, storage) = &users[*user];
            let spots = step
                .paths()
                .into_iter()
                .map(|path| user.spot(&before, path))
                .collect();
            let done = take(&**storage, step);
            let after = Trees::read(&self.roots);
            let changes = before.changes_to(&after);
            let judge = Judge {
                user,
                step,
                spots,
                before: &before,
                after: &after,
                changes: &changes,
                done: &done,
            };
            if let Err(complaint) = judge.check() {
                panic!("{complaint}: {step:?} of {user:?} gave {done:?} and {changes:?}");
            }
            if done.is_ok() {
                *self.succeeded.borrow_mut().entry(step.kind()).or_default() += 1;
            }
            before = after;
        }
    }
}

#[test]
fn what_users_of_folders_see_and_change_is_what_their_records_say() {
    let world = FolderWorld::new();
    let config = Config {
        cases: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let (begun, was_cut_short) = (Instant::now(), Cell::new(false));
    let result = runner.run(&any_case(), |case| {
        match begun.elapsed() < LONGEST {
            true => world.run(&case),
            false => was_cut_short.set(true),
        }
        Ok(())
    });
    result.unwrap();
    let succeeded = world.succeeded.borrow();
    for kind in KINDS {
        let count = succeeded.get(kind).copied().unwrap_or_default();
        // A slow machine does not come to all cases.
        assert!(
            count >= 2 || was_cut_short.get(),
            "{kind}: only {count} succeeded"
        );
    }
}
