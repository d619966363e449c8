//! Runs random sequences of everything that changes a home, from several sessions, on a disk that fails: the account
//! always matches the disk. Other programs on the host also truncate, delete and move files; then the account matches
//! after the next measurement.

use std::collections::HashMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::faults::{Fault, Faults, Faulty};
use super::*;

const LIMIT: u64 = 100_000;
const FILES: u64 = 7;
const NAMES: [&str; 8] = ["a", "b", "c", "x", "x/a", "x/b", "s", "t"];
const FLAGS: [&str; 9] = ["r", "w", "wc", "wct", "wcx", "wa", "wac", "rt", "rwct"];
const SLOTS: usize = 5;

#[derive(Debug, Clone)]
enum ModelStep {
    Open(usize, usize),
    Close,
    Write(u64, usize),
    Resize(u64),
    ResizeByName(usize, u64),
    Remove(usize),
    Mkdir(usize),
    Rmdir(usize),
    Rename(usize, usize, bool),
    Symlink(usize, usize),
    HardLink(usize, usize),
    Measure,
    /// The changes that other programs make.
    HostCut(usize, u64),
    HostRemove(usize),
    HostMoveAway(usize),
    HostRename(usize, usize),
}

fn step() -> impl Strategy<Value = ModelStep> {
    let name = || 0..NAMES.len();
    let size = || prop_oneof![0..40_000_u64, Just(LIMIT), Just(LIMIT + 1), Just(i64::MAX as u64)];
    prop_oneof![
        6 => (name(), 0..FLAGS.len()).prop_map(|(n, f)| ModelStep::Open(n, f)),
        3 => Just(ModelStep::Close),
        8 => (size(), 0..30_000_usize).prop_map(|(at, length)| ModelStep::Write(at, length)),
        3 => size().prop_map(ModelStep::Resize),
        2 => (name(), size()).prop_map(|(n, s)| ModelStep::ResizeByName(n, s)),
        4 => name().prop_map(ModelStep::Remove),
        1 => name().prop_map(ModelStep::Mkdir),
        1 => name().prop_map(ModelStep::Rmdir),
        4 => (name(), name(), any::<bool>()).prop_map(|(a, b, over)| ModelStep::Rename(a, b, over)),
        1 => (name(), name()).prop_map(|(a, b)| ModelStep::Symlink(a, b)),
        2 => (name(), name()).prop_map(|(a, b)| ModelStep::HardLink(a, b)),
        1 => Just(ModelStep::Measure),
        1 => (name(), 0..40_000_u64).prop_map(|(n, s)| ModelStep::HostCut(n, s)),
        1 => name().prop_map(ModelStep::HostRemove),
        1 => name().prop_map(ModelStep::HostMoveAway),
        1 => (name(), name()).prop_map(|(a, b)| ModelStep::HostRename(a, b)),
    ]
}

fn fault() -> impl Strategy<Value = Option<Fault>> {
    prop_oneof![
        12 => Just(None),
        1 => Just(Some(Fault::Before(Error::DiskFull))),
        1 => Just(Some(Fault::After(Error::DeviceFailed))),
        1 => Just(Some(Fault::Half(Error::DiskFull))),
        1 => Just(Some(Fault::Blind)),
        1 => Just(Some(Fault::BeforeAndBlind)),
    ]
}

type Slot = Option<Arc<dyn OpenFile>>;

fn take(storage: &QuotaStorage, slot: &mut Slot, step: &ModelStep) -> Result<()> {
    let at = |name: &usize| path(NAMES[*name]);
    let file = slot.clone().ok_or(Error::BadHandle);
    let wait = Wait::Allowed;
    match step {
        ModelStep::Open(name, flags) => {
            *slot = Some(storage.open(&at(name), how(FLAGS[*flags]), wait)?);
            Ok(())
        }
        ModelStep::Close => {
            *slot = None;
            Ok(())
        }
        ModelStep::Write(offset, length) => file?.write_at(&vec![1; *length], *offset, wait),
        ModelStep::Resize(wanted) => file?.set_attrs(&size(*wanted)),
        ModelStep::ResizeByName(name, wanted) => storage.set_attrs(&at(name), &size(*wanted), Links::Follow),
        ModelStep::Remove(name) => storage.remove(&at(name), wait),
        ModelStep::Mkdir(name) => storage.mkdir(&at(name), 0o755, wait),
        ModelStep::Rmdir(name) => storage.rmdir(&at(name), wait),
        ModelStep::Rename(from, to, true) => storage.rename(&at(from), &at(to), REPLACE),
        ModelStep::Rename(from, to, false) => storage.rename(&at(from), &at(to), conformance::REFUSE),
        ModelStep::Symlink(target, name) => storage.symlink(NAMES[*target].as_bytes(), &at(name), wait),
        ModelStep::HardLink(from, to) => storage.hard_link(&at(from), &at(to), wait),
        ModelStep::Measure => {
            measure(storage.account(), &LocalDisks).unwrap();
            Ok(())
        }
        ModelStep::HostCut(..)
        | ModelStep::HostRemove(_)
        | ModelStep::HostMoveAway(_)
        | ModelStep::HostRename(..) => Ok(()),
    }
}

/// Returns the use of the disk, with open files that are not in any directory any more.
fn truth(home: &Path, slots: &[Slot]) -> (u64, u64) {
    let mut inodes = HashMap::new();
    add_inodes_below(home, &mut inodes);
    for file in slots.iter().flatten() {
        let meta = file.stat().unwrap();
        if meta.kind == FileKind::File {
            inodes.entry(meta.inode).or_insert(meta.size);
        }
    }
    (inodes.values().sum(), inodes.len() as u64)
}

fn links(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    path.symlink_metadata()
        .map_or(0, |meta| if meta.is_dir() { 0 } else { meta.nlink() })
}

/// Adds each inode below a directory once, with the bytes that it costs.
pub(super) fn add_inodes_below(dir: &Path, inodes: &mut HashMap<InodeId, u64>) {
    use std::os::unix::fs::MetadataExt as _;
    for entry in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap()) {
        let meta = entry.metadata().unwrap();
        let inode = InodeId {
            device: meta.dev(),
            number: meta.ino(),
        };
        inodes.insert(inode, if meta.is_file() { meta.len() } else { 0 });
        if meta.is_dir() {
            add_inodes_below(&entry.path(), inodes);
        }
    }
}

/// A step, with the number of the session that takes it, the slot of its open file, and the fault of the disk.
type SlotStep = (usize, usize, Option<Fault>, ModelStep);

type Outcome = std::result::Result<(), TestCaseError>;

struct World {
    dir: tempfile::TempDir,
    account: Arc<Account>,
    faults: Arc<Faults>,
    sessions: [QuotaStorage; 2],
    /// The directory to which other programs move files.
    elsewhere: tempfile::TempDir,
}

impl World {
    fn new(fixture: &AccountsFixture) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let account = fixture.account(dir.path(), Some(LIMIT), Some(FILES));
        account.measurements.refuse_at_once();
        let faults = Arc::new(Faults::default());
        let session = || {
            let inner = LocalStorage::open(dir.path()).unwrap();
            let faults = Arc::clone(&faults);
            QuotaStorage::new(Arc::new(Faulty { inner, faults }), Arc::clone(&account))
        };
        Self {
            sessions: [session(), session()],
            dir,
            account,
            faults,
            elsewhere: tempfile::tempdir().unwrap(),
        }
    }

    fn agrees(&self, slots: &[Slot]) -> Outcome {
        self.faults.set(None);
        self.faults.remembers.store(false, Ordering::Relaxed);
        if self.account.measurements.take_invalidation() {
            measure(&self.account, &LocalDisks).unwrap();
        }
        let usage = self.account.usage();
        prop_assert_eq!((usage.bytes, usage.files), truth(self.dir.path(), slots));
        prop_assert!(usage.bytes <= LIMIT && usage.files <= FILES);
        Ok(())
    }

    /// Makes the changes of other programs. Returns whether there was anything to do.
    fn by_others(&self, step: &ModelStep) -> bool {
        let at = |name: &usize| self.dir.path().join(NAMES[*name]);
        let done = match step {
            ModelStep::HostCut(name, size) => std::fs::OpenOptions::new()
                .write(true)
                .open(at(name))
                .and_then(|file| file.set_len(file.metadata()?.len().min(*size))),
            ModelStep::HostRemove(name) => std::fs::remove_file(at(name)),
            // If the file had several names, another one elsewhere would keep it counted.
            ModelStep::HostMoveAway(name) if links(&at(name)) == 1 => {
                let spot = tempfile::tempdir_in(self.elsewhere.path()).unwrap().keep();
                std::fs::rename(at(name), spot.join("moved"))
            }
            ModelStep::HostRename(from, to) => std::fs::rename(at(from), at(to)),
            _ => return false,
        };
        done.is_ok()
    }

    fn run(&self, remembers: bool, steps: &[SlotStep]) -> Outcome {
        // The remains of a failed case must not disturb the search for the shortest one.
        self.faults.set(None);
        self.clear(Path::new("/"));
        measure(&self.account, &LocalDisks).unwrap();
        let mut slots: Vec<Slot> = (0..SLOTS).map(|_| None).collect();
        let mut unknown = false;
        for (session, slot, fault, step) in steps {
            self.faults.set(*fault);
            self.faults.remembers.store(remembers, Ordering::Relaxed);
            unknown |= self.by_others(step);
            let _ = take(&self.sessions[*session], &mut slots[*slot], step);
            unknown &= !matches!(step, ModelStep::Measure);
            match unknown {
                true => prop_assert!(self.account.usage().bytes <= LIMIT),
                false => self.agrees(&slots)?,
            }
        }
        drop(slots);
        self.faults.set(None);
        measure(&self.account, &LocalDisks).unwrap();
        self.clear(Path::new("/"));
        let usage = self.account.usage();
        prop_assert_eq!((usage.bytes, usage.files), (0, 0));
        Ok(())
    }

    fn clear(&self, below: &Path) {
        let at = |path: &Path| VirtualPath::parse(path.as_os_str().as_encoded_bytes()).unwrap();
        for (name, kind) in conformance::list(&self.sessions[0], below.to_str().unwrap()).unwrap() {
            let inside = below.join(name);
            if kind == FileKind::Directory {
                self.clear(&inside);
                self.sessions[0].rmdir(&at(&inside), Wait::Allowed).unwrap();
            } else {
                self.sessions[0].remove(&at(&inside), Wait::Allowed).unwrap();
            }
        }
    }
}

/// Long sequences at random, others in each run. `PROPTEST_CASES=8000` tries more of them.
#[test]
fn the_account_always_says_what_the_disk_says() {
    let fixture = AccountsFixture::new();
    let usual = Config::default();
    let config = Config {
        failure_persistence: None,
        cases: usual.cases.max(300),
        ..usual
    };
    let world = World::new(&fixture);
    let steps = prop::collection::vec((0..2_usize, 0..SLOTS, fault(), step()), 1..40);
    let steps = (any::<bool>(), steps);
    TestRunner::new(config)
        .run(&steps, |(remembers, steps)| world.run(remembers, &steps))
        .unwrap();
}

/// All sequences of three steps, from a home with two files that are open: states that are small enough to be tried
/// completely. The names are `a` and `b`, and each file is open in a slot and a session of its own.
#[test]
fn the_account_is_right_after_every_short_sequence() {
    let fixture = AccountsFixture::new();
    let world = World::new(&fixture);
    let (a, b, wc, wct) = (0, 1, 2, 3);
    let first = [
        (0, 0, None, ModelStep::Open(a, wc)),
        (0, 0, None, ModelStep::Write(0, 100)),
        (1, 1, None, ModelStep::Open(b, wc)),
        (1, 1, None, ModelStep::Write(0, 50)),
    ];
    let steps = [
        (0, 0, None, ModelStep::Write(90, 40)),
        (0, 0, None, ModelStep::Resize(30)),
        (0, 0, None, ModelStep::Close),
        (1, 2, None, ModelStep::Open(a, wct)),
        (0, 0, None, ModelStep::Remove(a)),
        (0, 0, None, ModelStep::Rename(a, b, true)),
        (1, 1, None, ModelStep::Rename(b, a, true)),
        (0, 0, None, ModelStep::HardLink(a, b)),
        (1, 1, None, ModelStep::Remove(b)),
        (1, 1, Some(Fault::Half(Error::DiskFull)), ModelStep::Write(0, 200)),
        (1, 1, Some(Fault::Blind), ModelStep::Rename(a, b, true)),
    ];
    let replaces = |step: &SlotStep| matches!(step.3, ModelStep::Rename(_, _, true));
    for one in &steps {
        for two in &steps {
            for three in &steps {
                let last = [one, two, three].map(Clone::clone);
                let can_be_remembered = last.iter().any(replaces);
                let sequence = [&first[..], &last[..]].concat();
                for remembers in [false, true].into_iter().take(1 + usize::from(can_be_remembered)) {
                    let outcome = world.run(remembers, &sequence);
                    assert!(outcome.is_ok(), "{last:?}, remembers: {remembers}: {outcome:?}");
                }
            }
        }
    }
}

/// Four sessions run at the same time, with measurements throughout.
#[test]
fn the_account_is_exact_after_everything_at_once() {
    let fixture = AccountsFixture::new();
    let world = World::new(&fixture);
    for round in 0..20_u8 {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4_u8)
                .map(|thread| {
                    scope.spawn({
                        let world = &world;
                        move || world.wander(round * 4 + thread)
                    })
                })
                .collect();
            let scanner = scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    measure(&world.account, &LocalDisks).unwrap();
                }
            });
            let ends: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
            stop.store(true, Ordering::Relaxed);
            scanner.join().unwrap();
            ends.into_iter().for_each(|end| end.unwrap());
        });
        world.agrees(&[]).unwrap();
    }
}

impl World {
    fn wander(&self, seed: u8) {
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let mut slot = None;
        for _ in 0..300 {
            let step = step().new_tree(&mut runner).unwrap().current();
            if !matches!(step, ModelStep::Measure) {
                let _ = take(&self.sessions[usize::from(seed % 2)], &mut slot, &step);
            }
            assert!(self.account.usage().bytes <= LIMIT);
        }
    }
}
