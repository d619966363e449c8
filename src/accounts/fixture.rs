//! Accounts with a store, for tests.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::account::{Account, UsageAccuracy};
use super::id::AccountSpec;
use super::{Accounts, QuotaSettings};
use crate::domain::quota::Quota;
use crate::storage::local::backend::LocalDisks;
use crate::store::sql::SqlStore;

/// The accounts of a test, with their keeper.
pub struct AccountsFixture {
    pub runtime: tokio::runtime::Runtime,
    pub accounts: Arc<Accounts>,
    _dir: tempfile::TempDir,
}

impl AccountsFixture {
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
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
        Self {
            runtime,
            accounts,
            _dir: dir,
        }
    }

    /// Returns the account of a home, which may still be measured.
    pub fn unmeasured_account(&self, home: &Path, quota: Quota) -> Arc<Account> {
        let spec = AccountSpec::of_home(home, quota);
        self.runtime.block_on(self.accounts.account(&spec)).unwrap()
    }

    /// Returns the account of a home after its measurement.
    pub fn account(&self, home: &Path, bytes: Option<u64>, files: Option<u64>) -> Arc<Account> {
        let account = self.unmeasured_account(home, Quota { bytes, files });
        // The numbers are set before the measurement has ended.
        until(|| account.usage().accuracy == UsageAccuracy::Exact && !account.measurements.is_running());
        account
    }
}

/// Waits for a condition. Only a test that fails waits for the full time.
pub fn until(mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(300);
    while !done() {
        assert!(Instant::now() < end, "waited in vain");
        std::thread::sleep(Duration::from_millis(1));
    }
}
