//! Users who change a file between its check and its publication.

mod folders;

use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use super::*;
use crate::accounts::{Accounts, QuotaSettings};
use crate::domain::user::Quota;
use crate::hooks::upload_place::SETTLED;
use crate::mount;
use crate::storage::conformance::{get, how, path, put};
use crate::storage::creation::CreationRules;
use crate::storage::local::LocalStorage;
use crate::storage::local::backend::LocalDisks;
use crate::storage::{FileTimes, SetAttrs};
use crate::store::sql::SqlStore;

/// A home with the file `/in/d/a`, which a command has seen.
struct CheckedHome {
    home: ServerHome,
    checked: FileState,
    accounts: Arc<Accounts>,
    spec: AccountSpec,
    runtime: tokio::runtime::Runtime,
    dir: tempfile::TempDir,
}

/// A folder that files are published in.
struct FolderBeside {
    home: ServerHome,
    spec: AccountSpec,
    directory: PathBuf,
}

impl CheckedHome {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let directory = dir.path().join("home");
        std::fs::create_dir(&directory).unwrap();
        let spec = AccountSpec::of_home(&directory, Quota::default());
        let (accounts, account) = runtime.block_on(async {
            let store = SqlStore::open(&dir.path().join("homeport.db")).await.unwrap();
            let accounts = Accounts::start(
                Arc::new(store),
                Arc::new(LocalDisks),
                QuotaSettings::default(),
                CancellationToken::new(),
            );
            let account = accounts.account(&spec).await.unwrap();
            (accounts, account)
        });
        let local = Arc::new(LocalStorage::open(&directory).unwrap());
        let home = ServerHome {
            charged: mount::charged(&local, account),
            local,
        };
        for name in ["/in", "/in/d"] {
            home.charged.mkdir(&path(name), 0o755, Wait::Allowed).unwrap();
        }
        put(&home.charged, "/in/d/a", b"good");
        std::thread::sleep(SETTLED);
        let checked = home.local.open_for_program(&path("/in/d/a")).unwrap().state;
        Self {
            home,
            checked,
            accounts,
            spec,
            runtime,
            dir,
        }
    }

    fn publish(&self, to: &str) -> PublishOutcome {
        self.publish_at("/in/d/a", self.checked, to)
    }

    fn publish_at(&self, from: &str, checked: FileState, to: &str) -> PublishOutcome {
        let (from, to) = (path(from), path(to));
        let moved = CheckedMove {
            from: &from,
            checked,
            to: &to,
            folder: None,
        };
        move_file(&self.home, None, moved)
    }

    /// Makes a folder beside the home with this quota in bytes.
    fn folder(&self, bytes: Option<u64>) -> FolderBeside {
        let directory = self.dir.path().join("folder");
        std::fs::create_dir(&directory).unwrap();
        let spec = AccountSpec::of_home(&directory, Quota { bytes, files: None });
        let account = self.runtime.block_on(self.accounts.account(&spec)).unwrap();
        let rules = CreationRules {
            file_mode: Some(0o640),
            dir_mode: Some(0o750),
            group: None,
        };
        let local = Arc::new(LocalStorage::open(&directory).unwrap().creating(rules));
        let home = ServerHome {
            charged: mount::charged(&local, account),
            local,
        };
        FolderBeside {
            home,
            spec,
            directory,
        }
    }

    fn publish_in(&self, folder: &FolderBeside, to: &str) -> PublishOutcome {
        let (from, to, name) = (path("/in/d/a"), path(to), "clean".parse().unwrap());
        let moved = CheckedMove {
            from: &from,
            checked: self.checked,
            to: &to,
            folder: Some(&name),
        };
        move_file(&self.home, Some(&folder.home), moved)
    }

    fn rename(&self, from: &str, to: &str) {
        let how = crate::storage::Renaming {
            if_exists: crate::storage::IfExists::Replace,
            only_files: false,
            wait: Wait::Allowed,
        };
        self.home.charged.rename(&path(from), &path(to), how).unwrap();
    }

    fn link(&self, target: &str, link: &str) {
        let made = self
            .home
            .charged
            .symlink(target.as_bytes(), &path(link), Wait::Allowed);
        made.unwrap();
    }

    /// Returns the bytes and files that are charged, and those that a new measurement finds.
    fn charged_and_measured(&self) -> [(u64, u64); 2] {
        self.charged_and_measured_in(&self.spec)
    }

    fn charged_and_measured_in(&self, spec: &AccountSpec) -> [(u64, u64); 2] {
        self.runtime.block_on(async {
            let usage = self.accounts.usage(spec).await.unwrap().unwrap();
            let sum = self.accounts.scan(spec).await.unwrap();
            [(usage.bytes, usage.files), (sum.bytes, sum.files)]
        })
    }
}

#[test]
fn an_unchanged_file_is_moved_and_charged_as_before() {
    let home = CheckedHome::new();
    assert_eq!(home.publish("/clean/d/a"), PublishOutcome::Published);
    assert_eq!(get(&home.home.charged, "/clean/d/a").unwrap(), b"good");
    assert!(get(&home.home.charged, "/in/d/a").is_err());
    assert_eq!(home.charged_and_measured(), [(4, 5), (4, 5)]);
    // One that was moved before a crash is where it is to be.
    std::thread::sleep(SETTLED);
    let checked = home.home.local.file_state(&path("/clean/d/a")).unwrap();
    let again = home.publish_at("/clean/d/a", checked, "/clean/d/a");
    assert_eq!(again, PublishOutcome::Published);
    assert_eq!(home.charged_and_measured(), [(4, 5), (4, 5)]);
}

#[test]
fn a_file_of_the_same_name_is_replaced() {
    let home = CheckedHome::new();
    home.home
        .charged
        .mkdir(&path("/clean"), 0o755, Wait::Allowed)
        .unwrap();
    put(&home.home.charged, "/clean/a", b"older content");
    assert_eq!(home.publish("/clean/a"), PublishOutcome::Published);
    assert_eq!(get(&home.home.charged, "/clean/a").unwrap(), b"good");
    assert_eq!(home.charged_and_measured(), [(4, 4), (4, 4)]);
}

/// What a user does after the check.
type Tampering = (&'static str, fn(&CheckedHome));

#[test]
fn a_file_that_was_changed_has_to_be_checked_again() {
    let rows: &[Tampering] = &[
        ("other bytes of the same size, with the same time", |home| {
            let before = home.home.charged.stat(&path("/in/d/a"), Links::Follow).unwrap();
            let file = home
                .home
                .charged
                .open(&path("/in/d/a"), how("w"), Wait::Allowed)
                .unwrap();
            file.write_at(b"evil", 0, Wait::Allowed).unwrap();
            let times = Some(FileTimes {
                accessed: u32::try_from(before.atime).unwrap(),
                modified: u32::try_from(before.mtime).unwrap(),
            });
            file.set_attrs(&SetAttrs {
                times,
                ..SetAttrs::default()
            })
            .unwrap();
        }),
        ("a rename there and back", |home| {
            home.rename("/in/d/a", "/in/d/b");
            home.rename("/in/d/b", "/in/d/a");
        }),
        ("another file of this name", |home| {
            put(&home.home.charged, "/x", b"evil");
            home.rename("/x", "/in/d/a");
        }),
        ("a link to the file itself", |home| {
            home.rename("/in/d/a", "/in/d/b");
            home.link("/in/d/b", "/in/d/a");
        }),
        ("another directory above", |home| {
            home.rename("/in/d", "/in/e");
            home.home
                .charged
                .mkdir(&path("/in/d"), 0o755, Wait::Allowed)
                .unwrap();
            put(&home.home.charged, "/in/d/a", b"evil");
        }),
        ("a second name", |home| {
            let made = home
                .home
                .charged
                .hard_link(&path("/in/d/a"), &path("/y"), Wait::Allowed);
            made.unwrap();
        }),
        ("no file any more", |home| {
            home.home.charged.remove(&path("/in/d/a"), Wait::Allowed).unwrap();
        }),
    ];
    for (what, tamper) in rows {
        let home = CheckedHome::new();
        tamper(&home);
        assert_eq!(home.publish("/clean/a"), PublishOutcome::Changed, "{what}");
        assert!(get(&home.home.charged, "/clean/a").is_err(), "{what}");
    }
}

#[test]
fn a_file_that_a_handle_may_write_waits_until_it_is_closed() {
    for letters in ["w", "rw", "wa"] {
        let home = CheckedHome::new();
        let file = home
            .home
            .charged
            .open(&path("/in/d/a"), how(letters), Wait::Allowed)
            .unwrap();
        assert_eq!(home.publish("/clean/a"), PublishOutcome::Changed, "{letters}");
        drop(file);
        let reader = home
            .home
            .charged
            .open(&path("/in/d/a"), how("r"), Wait::Allowed)
            .unwrap();
        assert_eq!(home.publish("/clean/a"), PublishOutcome::Published, "{letters}");
        drop(reader);
    }
}

#[test]
fn nothing_is_published_where_it_does_not_belong() {
    let rows: &[Tampering] = &[
        ("the target is a link", |home| {
            home.home
                .charged
                .mkdir(&path("/elsewhere"), 0o755, Wait::Allowed)
                .unwrap();
            home.link("/elsewhere", "/clean");
        }),
        ("a directory of the target is a link", |home| {
            for name in ["/elsewhere", "/clean"] {
                home.home
                    .charged
                    .mkdir(&path(name), 0o755, Wait::Allowed)
                    .unwrap();
            }
            home.link("/elsewhere", "/clean/d");
        }),
        ("the target is a file", |home| {
            put(&home.home.charged, "/clean", b"")
        }),
        ("there is a directory of this name", |home| {
            for name in ["/clean", "/clean/d", "/clean/d/a"] {
                home.home
                    .charged
                    .mkdir(&path(name), 0o755, Wait::Allowed)
                    .unwrap();
            }
        }),
    ];
    for (what, tamper) in rows {
        let home = CheckedHome::new();
        tamper(&home);
        let outcome = home.publish("/clean/d/a");
        assert!(
            matches!(outcome, PublishOutcome::Refused(_)),
            "{what}: {outcome:?}"
        );
        assert_eq!(get(&home.home.charged, "/in/d/a").unwrap(), b"good", "{what}");
        assert!(get(&home.home.charged, "/elsewhere/a").is_err(), "{what}");
    }
    let mut home = CheckedHome::new();
    home.checked.links = 2;
    let outcome = home.publish("/clean/a");
    assert!(matches!(outcome, PublishOutcome::Refused(_)), "{outcome:?}");
}
