//! Runs the storages of whole sessions, with accounts, beside a small model of what their users may see and change.

mod model;

use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::*;
use crate::accounts::id::AccountSpec;
use crate::accounts::{Accounts, QuotaSettings};
use crate::domain::user::Quota;
use crate::storage::local::backend::LocalDisks;
use crate::storage::local::letter_case::ignores_case;
use crate::store::sql::SqlStore;

/// What sessions need besides a directory.
struct TestSessions {
    runtime: tokio::runtime::Runtime,
    accounts: Arc<Accounts>,
    context: MountContext,
    _dir: tempfile::TempDir,
}

impl TestSessions {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let store = runtime
            .block_on(SqlStore::open(&dir.path().join("homeport.db")))
            .unwrap();
        let accounts = runtime.block_on(async {
            let (settings, quit) = (QuotaSettings::default(), CancellationToken::new());
            Accounts::start(Arc::new(store), Arc::new(LocalDisks), settings, quit)
        });
        let check: HomeCheck = Box::new(|path| {
            Ok(HomeSite {
                path: path.to_owned(),
                owned: Ok(()),
                may_be_made: true,
            })
        });
        let context = MountContext {
            scheduler: IoScheduler::new(0, 0, runtime.handle().clone()).unwrap(),
            disks: Disks::default(),
            fsync: Fsync::Never,
            creation: CreationRules::default(),
            case_probe: ignores_case,
            check,
        };
        Self {
            runtime,
            accounts,
            context,
            _dir: dir,
        }
    }

    /// Returns the storage of a session in this home with these rules.
    fn storage(&self, home: &Path, rules: &PermissionRules) -> Arc<dyn Storage> {
        let spec = AccountSpec::of_home(home, Quota::default());
        let account = self.runtime.block_on(self.accounts.account(&spec)).unwrap();
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

#[test]
fn permissions_by_directory_are_refused_where_case_is_ignored() {
    let mut sessions = TestSessions::new();
    sessions.context.case_probe = |_| true;
    let home = tempfile::tempdir().unwrap();
    let spec = AccountSpec::of_home(home.path(), Quota::default());
    let account = sessions
        .runtime
        .block_on(sessions.accounts.account(&spec))
        .unwrap();
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
