//! Tests that the charge equals what is on the disk.

mod beside;
mod cleanup;
mod faults;
mod folders;
mod limits;
mod model;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::accounts::fixture::{AccountsFixture, until};
use crate::accounts::id::AccountId;
use crate::accounts::measure::{Sum, measure, measure_unused};
use crate::domain::user;
use crate::storage::InodeId;
use crate::storage::conformance::{self, REPLACE, error, get, how, path, put};
use crate::storage::guard::Guard;
use crate::storage::local::LocalStorage;
use crate::storage::local::backend::LocalDisks;
use crate::storage::location::Location;

/// A home with a limit and its account.
struct Home {
    dir: tempfile::TempDir,
    account: Arc<Account>,
    storage: QuotaStorage,
}

/// Makes a home whose account is not measured before a refusal.
fn home(fixture: &AccountsFixture, bytes: Option<u64>, files: Option<u64>) -> Home {
    let home = home_beside_others(fixture, bytes, files);
    home.account.measurements.refuse_at_once();
    home
}

fn home_beside_others(fixture: &AccountsFixture, bytes: Option<u64>, files: Option<u64>) -> Home {
    let dir = tempfile::tempdir().unwrap();
    let account = fixture.account(dir.path(), bytes, files);
    // On a busy machine that measurement may have taken long, and the next would be late.
    account.measurements.forget_last();
    let local = Arc::new(LocalStorage::open(dir.path()).unwrap());
    Home {
        storage: QuotaStorage::new(local, Arc::clone(&account)),
        account,
        dir,
    }
}

impl Home {
    fn used(&self) -> (u64, u64) {
        let usage = self.account.usage();
        (usage.bytes, usage.files)
    }

    fn on_disk(&self) -> (u64, u64) {
        let Sum { bytes, files, .. } =
            measure_unused(&LocalDisks, &Location::of_directory(self.dir.path())).unwrap();
        (bytes, files)
    }
}

fn size(size: u64) -> SetAttrs {
    SetAttrs {
        size: Some(size),
        ..SetAttrs::default()
    }
}

#[test]
fn with_room_enough_it_is_not_there() {
    let fixture = AccountsFixture::new();
    for limit in [None, Some(1 << 62)] {
        conformance::run(|home| {
            let local = Arc::new(LocalStorage::open(home).unwrap());
            let quota = QuotaStorage::new(local, fixture.account(home, limit, limit));
            Arc::new(Guard::new(Arc::new(quota), user::Permissions::all()))
        });
    }
}

#[test]
fn a_name_that_must_be_new_is_charged_only_if_it_is() {
    let fixture = AccountsFixture::new();
    let home = home(&fixture, None, Some(2));
    put(&home.storage, "a", b"12");
    let make = |name: &str| {
        home.storage
            .open(&path(name), how("wcx"), Wait::Allowed)
            .map(drop)
    };
    assert_eq!(make("a"), Err(Error::AlreadyExists));
    assert_eq!(home.used(), (2, 1));
    assert_eq!(make("b"), Ok(()));
    assert_eq!(make("a"), Err(Error::AlreadyExists), "also in a full home");
    assert!(matches!(make("c"), Err(Error::OverFiles { .. })));
    assert_eq!(home.used(), home.on_disk());
}

#[test]
fn all_of_the_limit_can_be_used_and_no_more() {
    let fixture = AccountsFixture::new();
    let home = home(&fixture, Some(1000), Some(3));
    put(&home.storage, "a", &[1; 600]);
    let over = Error::OverBytes {
        used: 600,
        limit: 1000,
    };
    let file = home.storage.open(&path("b"), how("rwc"), Wait::Allowed).unwrap();
    assert_eq!(error(file.write_at(&[2; 401], 0, Wait::Allowed)), over);
    assert_eq!(error(file.write_at(&[2; 1], 400, Wait::Allowed)), over);
    assert_eq!(error(file.set_attrs(&size(401))), over);
    assert_eq!(home.used(), (600, 2));
    file.write_at(&[2; 400], 0, Wait::Allowed).unwrap();
    // Overwriting existing bytes is not growth.
    file.write_at(&[3; 400], 0, Wait::Allowed).unwrap();
    home.storage.mkdir(&path("d"), 0o755, Wait::Allowed).unwrap();
    let full = Error::OverFiles { used: 3, limit: 3 };
    assert_eq!(error(home.storage.mkdir(&path("e"), 0o755, Wait::Allowed)), full);
    assert_eq!(
        error(home.storage.open(&path("e"), how("wc"), Wait::Allowed)),
        full
    );
    assert_eq!(error(home.storage.symlink(b"a", &path("e"), Wait::Allowed)), full);
    // A name that exists is reported as such, even if there is no room.
    let taken = Error::AlreadyExists;
    assert_eq!(error(home.storage.mkdir(&path("d"), 0o755, Wait::Allowed)), taken);
    assert_eq!(
        error(home.storage.open(&path("a"), how("wcx"), Wait::Allowed)),
        taken
    );
    home.storage
        .hard_link(&path("a"), &path("e"), Wait::Allowed)
        .unwrap();
    assert_eq!(home.used(), (1000, 3));
    assert_eq!(home.on_disk(), (1000, 3));
    home.storage.remove(&path("a"), Wait::Allowed).unwrap();
    assert_eq!(home.used(), (1000, 3), "it has another name");
    home.storage.rename(&path("b"), &path("e"), REPLACE).unwrap();
    assert_eq!(home.used(), (400, 2));
    assert_eq!(get(&home.storage, "e").unwrap(), [3; 400]);
}

#[test]
fn a_removed_file_counts_until_it_is_closed() {
    let fixture = AccountsFixture::new();
    let home = home(&fixture, Some(1000), None);
    let open = |flags| home.storage.open(&path("f"), how(flags), Wait::Allowed).unwrap();
    let writer = open("wc");
    let reader = open("r");
    writer.write_at(&[1; 600], 0, Wait::Allowed).unwrap();
    home.storage.remove(&path("f"), Wait::Allowed).unwrap();
    assert_eq!((home.used(), home.on_disk()), ((600, 1), (0, 0)));
    assert!(writer.write_at(&[1; 401], 600, Wait::Allowed).is_err());
    writer.write_at(&[1; 400], 600, Wait::Allowed).unwrap();
    assert_eq!(
        measure(&home.account, &LocalDisks).unwrap(),
        Sum {
            bytes: 1000,
            files: 1,
            ..Sum::default()
        }
    );
    drop(writer);
    assert_eq!(home.used(), (1000, 1));
    drop(reader);
    assert_eq!(home.used(), (0, 0));
}

/// The ceiling in the store is raised by as much as one request needs.
#[test]
fn one_step_may_be_larger_than_the_ceiling_is_ahead() {
    let fixture = AccountsFixture::new();
    let home = home(&fixture, Some(1 << 40), None);
    let file = home.storage.open(&path("f"), how("wc"), Wait::Allowed).unwrap();
    // If the ceiling was not raised far enough, the write would wait and then be refused.
    file.set_attrs(&size(1 << 33)).unwrap();
    file.write_at(b"x", (1 << 34) - 1, Wait::Allowed).unwrap();
    assert_eq!(home.used(), (1 << 34, 1));
    file.set_attrs(&size(0)).unwrap();
}

/// A call that waits for a measurement must not hold a lock that the measurement needs.
#[test]
fn what_does_not_fit_under_a_ceiling_waits_for_the_measure_and_no_longer() {
    let fixture = AccountsFixture::new();
    let dir = tempfile::tempdir().unwrap();
    let quota = user::Quota {
        bytes: Some(1000),
        files: Some(10),
    };
    for name in ["f", "g"] {
        std::fs::write(dir.path().join(name), [0; 100]).unwrap();
    }
    // The home was never seen before, so all of the limit counts as used until it is measured.
    let account = fixture.unmeasured_account(dir.path(), quota);
    let storage = QuotaStorage::new(
        Arc::new(LocalStorage::open(dir.path()).unwrap()),
        Arc::clone(&account),
    );
    // A call that waits without success is refused.
    let file = storage.open(&path("f"), how("w"), Wait::Allowed).unwrap();
    file.write_at(&[1; 900], 0, Wait::Allowed).unwrap();
    storage.mkdir(&path("d"), 0o755, Wait::Allowed).unwrap();
    assert_eq!(account.usage().bytes, 1000);
    assert_eq!(account.usage().files, 3);
}

#[test]
fn links_that_are_not_followed_are_counted_once_as_well() {
    let fixture = AccountsFixture::new();
    let home = home(&fixture, None, Some(100));
    home.storage.symlink(b"gone", &path("l"), Wait::Allowed).unwrap();
    home.storage
        .hard_link(&path("l"), &path("m"), Wait::Allowed)
        .unwrap();
    assert_eq!((home.used(), home.on_disk()), ((0, 1), (0, 1)));
    home.storage.remove(&path("l"), Wait::Allowed).unwrap();
    assert_eq!((home.used(), home.on_disk()), ((0, 1), (0, 1)));
    home.storage.remove(&path("m"), Wait::Allowed).unwrap();
    assert_eq!((home.used(), home.on_disk()), ((0, 0), (0, 0)));
}

/// The tree is deeper than the walk keeps directories open, and deeper than any path can name.
#[test]
fn trees_of_any_depth_are_measured_with_few_descriptors() {
    use rustix::fs::{Mode, OFlags, mkdirat, openat};
    let dir = tempfile::tempdir().unwrap();
    let mut at = openat(rustix::fs::CWD, dir.path(), OFlags::DIRECTORY, Mode::empty()).unwrap();
    for _ in 0..1500 {
        for name in ["deeper", "beside"] {
            mkdirat(&at, name, Mode::RWXU).unwrap();
        }
        at = openat(&at, "deeper", OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    assert_eq!(
        measure_unused(&LocalDisks, &Location::of_directory(dir.path())).unwrap(),
        Sum {
            bytes: 0,
            files: 3000,
            ..Sum::default()
        }
    );
}
