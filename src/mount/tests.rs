//! Runs the storages of whole sessions, with accounts, beside a small model of what their users may see and change.

mod folders;
mod model;

use std::path::Path;
use std::sync::Arc;

use super::folder::mount_folder;
use super::*;
use crate::accounts::fixture::AccountsFixture;
use crate::domain::folder::Folder;
use crate::domain::user::{Quota, User};
use crate::storage::conformance::OpenedFolder;
use crate::storage::local::letter_case::ignores_case;

/// What sessions need besides a directory.
struct TestSessions {
    accounts: AccountsFixture,
    context: MountContext,
}

impl TestSessions {
    fn new() -> Self {
        let accounts = AccountsFixture::new();
        let check: HomeCheck = Box::new(|path| {
            Ok(HomeSite {
                path: path.to_owned(),
                owned: Ok(()),
                may_be_made: true,
            })
        });
        let context = MountContext {
            scheduler: IoScheduler::new(0, 0, accounts.runtime.handle().clone()).unwrap(),
            disks: Disks::default(),
            fsync: Fsync::Never,
            creation: CreationRules::default(),
            case_probe: ignores_case,
            check,
        };
        Self { accounts, context }
    }

    /// Returns the storage of a session in this home with these rules.
    fn storage(&self, home: &Path, rules: &PermissionRules) -> Arc<dyn Storage> {
        let place = StoragePlace {
            local: LocalStorage::open(home).unwrap(),
            key: home,
            account: self.account(home),
            creation: self.context.creation,
        };
        let storage = place.restricted(rules, &self.context).unwrap();
        tree(storage, rules, Vec::new()).0
    }

    /// Returns the storage of a session of this user: the home, and the folders, all of which are mounted.
    fn session(&self, user: &User) -> Arc<dyn Storage> {
        let rules = user.permissions();
        let place = StoragePlace {
            local: LocalStorage::open(&user.home).unwrap(),
            key: &user.home,
            account: self.account(&user.home),
            creation: self.context.creation,
        };
        let home = place.restricted(&rules, &self.context).unwrap();
        // A folder in which the user has no permission at all does not exist for the user.
        let granted = |(_, rules): &(Folder, PermissionRules)| rules.iter().any(|(_, set)| !set.is_none());
        let folders = user.folders().into_iter().filter(granted);
        let folders = folders.map(|(folder, rules)| {
            let account = self.account(&folder.path);
            let mounted = mount_folder(&folder, &rules, account, &Gate::default(), &self.context);
            let Ok(storage) = mounted else {
                panic!("the folder {} was not mounted", folder.name)
            };
            let mounter: Box<dyn FolderMounter> = Box::new(OpenedFolder(storage));
            (folder.name.as_str().as_bytes().to_vec(), mounter)
        });
        let (storage, folders) = tree(home, &rules, folders.collect());
        for folder in folders.iter().flat_map(|folders| folders.all()) {
            self.accounts.runtime.block_on(folder.mount());
        }
        storage
    }

    fn account(&self, place: &Path) -> Arc<Account> {
        self.accounts.unmeasured_account(place, Quota::default())
    }
}

#[test]
fn permissions_by_directory_are_refused_where_case_is_ignored() {
    let mut sessions = TestSessions::new();
    sessions.context.case_probe = |_| true;
    let home = tempfile::tempdir().unwrap();
    let account = sessions.account(home.path());
    let restricted = |rules: &[(&str, &str)]| {
        let rule = |(path, set): &(&str, &str)| (path.parse().unwrap(), set.parse().unwrap());
        let rules: PermissionRules = rules.iter().map(rule).collect();
        let place = StoragePlace {
            local: LocalStorage::open(home.path()).unwrap(),
            key: home.path(),
            account: Arc::clone(&account),
            creation: sessions.context.creation,
        };
        place.restricted(&rules, &sessions.context).map(drop)
    };
    let by_directory = &[("/", "all"), ("/In", "none")];
    assert_eq!(restricted(by_directory), Err(StorageError::IgnoresCase));
    assert_eq!(restricted(&[("/", "read-only")]), Ok(()));
    let refused = not_restricted(home.path(), StorageError::IgnoresCase);
    assert!(
        refused.sentence.contains("ignores the case"),
        "{}",
        refused.sentence
    );
    let logged = refused.error.to_string();
    assert!(
        logged.contains("cannot hold where the case of names") && logged.contains("homeportd check"),
        "{logged}"
    );
}
