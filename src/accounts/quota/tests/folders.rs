//! Runs random sequences of changes in two homes and two folders that users share: each byte is in exactly one account,
//! that of the place where it lies, whoever has written or copied it.

use std::collections::HashMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::model::add_inodes_below;
use super::*;
use crate::storage::conformance::OpenedFolder;
use crate::storage::router::Router;
use crate::storage::router::folders::{FolderLooks, FolderMounter, Folders};
use crate::storage::{OpenFile, Owner};

/// The homes of the two users, and the folders that both of them have.
const PLACES: [&str; 4] = ["home0", "home1", "in", "team"];
const FOLDERS: std::ops::Range<usize> = 2..4;
/// The limits of the accounts. The last folder has none.
const LIMITS: [Option<u64>; 4] = [Some(60_000), Some(100_000), Some(40_000), None];
const FILES: [Option<u64>; 4] = [Some(6), None, Some(5), Some(9)];
const NAMES: [&str; 6] = ["a", "b", "x", "x/a", "x/b", "s"];
const FLAGS: [&str; 7] = ["r", "rw", "rwc", "rwct", "wcx", "wac", "rt"];
const SLOTS: usize = 4;

/// A name of a user: whether it lies in the home, in the first or in the second folder, and which of [`NAMES`] it is.
type UsersName = (usize, usize);

#[derive(Debug, Clone)]
enum SharedStep {
    Open(UsersName, usize),
    Close,
    Write(u64, usize),
    Resize(u64),
    ResizeByName(UsersName, u64),
    Remove(UsersName),
    Mkdir(UsersName),
    Rmdir(UsersName),
    Rename(UsersName, UsersName, bool),
    Symlink(UsersName, UsersName),
    HardLink(UsersName, UsersName),
    /// Copies from the open file of another slot, as copy-data does: how many bytes, and to which offset.
    Copy(usize, usize, u64),
    Measure(usize),
}

fn shared_step() -> impl Strategy<Value = SharedStep> {
    let name = || (0..3_usize, 0..NAMES.len());
    let size = || prop_oneof![4 => 0..30_000_u64, 1 => Just(200_000)];
    let copied = (0..SLOTS, 0..30_000_usize, 0..20_000_u64);
    prop_oneof![
        10 => (name(), 0..FLAGS.len()).prop_map(|(name, flags)| SharedStep::Open(name, flags)),
        2 => Just(SharedStep::Close),
        8 => (size(), 1..20_000_usize).prop_map(|(at, length)| SharedStep::Write(at, length)),
        2 => size().prop_map(SharedStep::Resize),
        2 => (name(), size()).prop_map(|(name, size)| SharedStep::ResizeByName(name, size)),
        3 => name().prop_map(SharedStep::Remove),
        3 => name().prop_map(SharedStep::Mkdir),
        1 => name().prop_map(SharedStep::Rmdir),
        6 => (name(), name(), any::<bool>()).prop_map(|(from, to, over)| SharedStep::Rename(from, to, over)),
        1 => (name(), name()).prop_map(|(target, name)| SharedStep::Symlink(target, name)),
        4 => (name(), name()).prop_map(|(from, to)| SharedStep::HardLink(from, to)),
        6 => copied.prop_map(|(slot, length, to)| SharedStep::Copy(slot, length, to)),
        1 => (0..PLACES.len()).prop_map(SharedStep::Measure),
    ]
}

/// An open file, and the number of the place where it was opened.
type PlacedFile = (Arc<dyn OpenFile>, usize);

struct SharedWorld {
    dir: tempfile::TempDir,
    accounts: Vec<Arc<Account>>,
    sessions: [Router; 2],
}

impl SharedWorld {
    fn new(fixture: &AccountsFixture) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let accounts = PLACES
            .iter()
            .zip(LIMITS)
            .zip(FILES)
            .map(|((place, bytes), files)| {
                let place = dir.path().join(place);
                std::fs::create_dir(&place).unwrap();
                let account = fixture.account(&place, bytes, files);
                account.measurements.refuse_at_once();
                account
            });
        let accounts: Vec<_> = accounts.collect();
        let opened = |place: usize| -> Arc<dyn Storage> {
            let local = LocalStorage::open(&dir.path().join(PLACES[place])).unwrap();
            Arc::new(QuotaStorage::new(Arc::new(local), Arc::clone(&accounts[place])))
        };
        let session = |home: usize| {
            let folder = |place: usize| {
                let mounter: Box<dyn FolderMounter> = Box::new(OpenedFolder(opened(place)));
                (PLACES[place].as_bytes().to_vec(), mounter)
            };
            let looks = FolderLooks {
                owner: Owner { uid: 1, gid: 1 },
                time: 0,
            };
            let folders = Arc::new(Folders::new(FOLDERS.map(folder).collect(), looks));
            for folder in folders.all() {
                fixture.runtime.block_on(folder.mount());
            }
            Router::new(opened(home), folders)
        };
        Self {
            sessions: [session(0), session(1)],
            accounts,
            dir,
        }
    }

    /// Returns the number of the place where a name of this user lies.
    fn place(user: usize, name: UsersName) -> usize {
        match name.0 {
            0 => user,
            folder => FOLDERS.start + folder - 1,
        }
    }

    fn take(
        &self,
        user: usize,
        slots: &mut [Option<PlacedFile>],
        slot: usize,
        step: &SharedStep,
    ) -> Result<()> {
        let storage = &self.sessions[user];
        let at = |name: &UsersName| match name.0 {
            0 => path(NAMES[name.1]),
            folder => path(&format!(
                "/{}/{}",
                PLACES[FOLDERS.start + folder - 1],
                NAMES[name.1]
            )),
        };
        let file = |slot: usize| {
            slots[slot]
                .as_ref()
                .map(|(file, _)| Arc::clone(file))
                .ok_or(Error::BadHandle)
        };
        let wait = Wait::Allowed;
        match step {
            SharedStep::Open(name, flags) => {
                let file = storage.open(&at(name), how(FLAGS[*flags]), wait)?;
                slots[slot] = Some((file, Self::place(user, *name)));
                Ok(())
            }
            SharedStep::Close => {
                slots[slot] = None;
                Ok(())
            }
            SharedStep::Write(offset, length) => file(slot)?.write_at(&vec![1; *length], *offset, wait),
            SharedStep::Resize(wanted) => file(slot)?.set_attrs(&size(*wanted)),
            SharedStep::ResizeByName(name, wanted) => {
                storage.set_attrs(&at(name), &size(*wanted), Links::Follow)
            }
            SharedStep::Remove(name) => storage.remove(&at(name), wait),
            SharedStep::Mkdir(name) => storage.mkdir(&at(name), 0o755, wait),
            SharedStep::Rmdir(name) => storage.rmdir(&at(name), wait),
            SharedStep::Rename(from, to, true) => storage.rename(&at(from), &at(to), REPLACE),
            SharedStep::Rename(from, to, false) => storage.rename(&at(from), &at(to), conformance::REFUSE),
            SharedStep::Symlink(target, name) => storage.symlink(&at(target).absolute(), &at(name), wait),
            SharedStep::HardLink(from, to) => storage.hard_link(&at(from), &at(to), wait),
            SharedStep::Copy(source, length, to) => {
                let mut buffer = vec![0; *length];
                let count = file(*source)?.read_at(&mut buffer, 0, wait)?;
                file(slot)?.write_at(&buffer[..count], *to, wait)
            }
            SharedStep::Measure(place) => {
                measure(&self.accounts[*place], &LocalDisks).unwrap();
                Ok(())
            }
        }
    }

    /// Checks that each account is what lies in its place, with the open files that have no name there any more.
    fn agrees(&self, slots: &[Option<PlacedFile>]) -> std::result::Result<(), TestCaseError> {
        let mut everything = HashMap::new();
        let mut sum = 0;
        for (place, account) in self.accounts.iter().enumerate() {
            if account.measurements.take_invalidation() {
                measure(account, &LocalDisks).unwrap();
            }
            let mut inodes = HashMap::new();
            add_inodes_below(&self.dir.path().join(PLACES[place]), &mut inodes);
            for (file, _) in slots.iter().flatten().filter(|(_, of)| *of == place) {
                let meta = file.stat().unwrap();
                if meta.kind == FileKind::File {
                    inodes.entry(meta.inode).or_insert(meta.size);
                }
            }
            let usage = account.usage();
            let truth = (inodes.values().sum::<u64>(), inodes.len() as u64);
            prop_assert_eq!((usage.bytes, usage.files), truth, "{}", PLACES[place]);
            prop_assert!(
                LIMITS[place].is_none_or(|limit| usage.bytes <= limit),
                "{}",
                PLACES[place]
            );
            prop_assert!(
                FILES[place].is_none_or(|limit| usage.files <= limit),
                "{}",
                PLACES[place]
            );
            sum += usage.bytes;
            everything.extend(inodes);
        }
        prop_assert_eq!(
            sum,
            everything.values().sum::<u64>(),
            "no byte is in two accounts"
        );
        Ok(())
    }

    fn run(&self, steps: &[(usize, usize, SharedStep)]) -> std::result::Result<usize, TestCaseError> {
        for (place, account) in PLACES.iter().zip(&self.accounts) {
            empty(&self.dir.path().join(place));
            measure(account, &LocalDisks).unwrap();
        }
        let mut slots: Vec<Option<PlacedFile>> = (0..SLOTS).map(|_| None).collect();
        let mut succeeded = 0;
        for (user, slot, step) in steps {
            succeeded += usize::from(self.take(*user, &mut slots, *slot, step).is_ok());
            self.agrees(&slots)?;
        }
        drop(slots);
        self.agrees(&[])?;
        Ok(succeeded)
    }
}

/// Removes everything in a directory.
fn empty(directory: &Path) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let at = entry.unwrap().path();
        match at.symlink_metadata().unwrap().is_dir() {
            true => std::fs::remove_dir_all(at).unwrap(),
            false => std::fs::remove_file(at).unwrap(),
        }
    }
}

#[test]
fn each_byte_is_in_exactly_one_account() {
    let fixture = AccountsFixture::new();
    let world = SharedWorld::new(&fixture);
    let config = Config {
        cases: 250,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let succeeded = std::cell::Cell::new(0);
    let steps = prop::collection::vec((0..2_usize, 0..SLOTS, shared_step()), 1..50);
    let result = runner.run(&steps, |steps| {
        succeeded.set(succeeded.get() + world.run(&steps)?);
        Ok(())
    });
    result.unwrap();
    assert!(succeeded.get() > 500, "only {} steps succeeded", succeeded.get());
}

/// A copy is charged where it lies, and what does not fit there is refused, whatever room the source has.
#[test]
fn a_copy_across_is_charged_where_it_lies() {
    let fixture = AccountsFixture::new();
    let world = SharedWorld::new(&fixture);
    let mut slots: Vec<Option<PlacedFile>> = (0..SLOTS).map(|_| None).collect();
    let (home, folder, other) = ((0, 0), (1, 0), (2, 0));
    let (rwc, all) = (2, 39_000);
    let used = |place: usize| world.accounts[place].usage().bytes;
    let mut step = |user: usize, slot: usize, step: SharedStep| {
        let done = world.take(user, &mut slots, slot, &step);
        world.agrees(&slots).unwrap();
        done
    };
    step(0, 0, SharedStep::Open(home, rwc)).unwrap();
    step(0, 0, SharedStep::Write(0, all)).unwrap();
    step(0, 1, SharedStep::Open(folder, rwc)).unwrap();
    step(0, 1, SharedStep::Copy(0, all, 0)).unwrap();
    assert_eq!((used(0), used(1), used(2), used(3)), (39_000, 0, 39_000, 0));
    // The folder has no room for the second copy, which another user begins.
    step(1, 2, SharedStep::Open((1, 1), rwc)).unwrap();
    let refused = step(1, 2, SharedStep::Copy(1, all, 0));
    assert!(matches!(refused, Err(Error::OverBytes { .. })), "{refused:?}");
    step(1, 3, SharedStep::Open(other, rwc)).unwrap();
    step(1, 3, SharedStep::Copy(1, all, 0)).unwrap();
    assert_eq!((used(0), used(1), used(2), used(3)), (39_000, 0, 39_000, 39_000));
    assert_eq!(
        step(0, 0, SharedStep::Rename(home, (1, 2), true)),
        Err(Error::CrossesFolders)
    );
    assert_eq!(
        step(0, 0, SharedStep::HardLink(folder, (2, 1))),
        Err(Error::CrossesFolders)
    );
    step(1, 0, SharedStep::Remove(folder)).unwrap();
    assert_eq!(used(2), 39_000, "it is still open");
    for slot in [1, 2] {
        step(0, slot, SharedStep::Close).unwrap();
    }
    assert_eq!((used(0), used(2)), (39_000, 0));
}
