//! Runs the storages of whole sessions, with accounts, beside a small model of what their users may see and change.

mod model;

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::accounts::fixture::AccountsFixture;
use crate::domain::user::Quota;

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
            check,
        };
        Self { accounts, context }
    }

    /// Returns the storage of a session in this home with these rules.
    fn storage(&self, home: &Path, rules: &PermissionRules) -> Arc<dyn Storage> {
        let account = self.accounts.unmeasured_account(home, Quota::default());
        let place = StoragePlace {
            local: LocalStorage::open(home).unwrap(),
            key: home,
            account,
            creation: self.context.creation,
        };
        let storage = place.restricted(rules, &self.context).unwrap();
        tree(storage, rules, Vec::new()).0
    }
}
