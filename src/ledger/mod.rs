//! The quota ledger: what each home holds, exact to the byte, and never below the truth after a crash.
//!
//! [`account`] has the numbers and the rules of growing, [`inode`] one record for each open file, [`measure`] counts
//! a home while it is used, and [`keeper`] alone writes to the store. `vfs/quota.rs` is the decorator of the storage
//! that charges every change to an account.

pub mod account;
pub mod inode;
pub mod keeper;
pub mod measure;
mod settings;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::{Error, Result};
use crate::store::Store;
use crate::user::{Quota, User};

use self::account::{Account, Standing, Usage};
use self::measure::{Sum, measure};

pub use self::settings::QuotaSettings;

/// The accounts of all homes that were used since the start.
pub struct Ledger {
    store: Arc<dyn Store>,
    settings: QuotaSettings,
    accounts: Mutex<HashMap<PathBuf, Arc<Account>>>,
    /// An account was made, with a quota that may have been changed since it was read.
    new_accounts: AtomicBool,
    wanted: Arc<Notify>,
    tasks: TaskTracker,
}

impl Ledger {
    /// An empty ledger, and its keeper, which runs until `quit` is cancelled and everything is written down.
    pub fn start(store: Arc<dyn Store>, settings: QuotaSettings, quit: CancellationToken) -> Arc<Self> {
        let ledger = Arc::new(Self {
            store,
            settings,
            accounts: Mutex::default(),
            new_accounts: AtomicBool::new(false),
            wanted: Arc::new(Notify::new()),
            tasks: TaskTracker::new(),
        });
        ledger.tasks.spawn(keeper::keep(Arc::clone(&ledger), quit));
        ledger
    }

    /// Waits until the keeper has written everything down, after `quit` was cancelled.
    pub async fn stopped(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<PathBuf, Arc<Account>>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all(&self) -> Vec<Arc<Account>> {
        self.accounts().values().cloned().collect()
    }

    /// The account of a home, for as long as the server runs. The first time it is asked for, it is loaded, and
    /// measured in the background where it is not exact or was not measured for long.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn account(self: &Arc<Self>, home: &Path, quota: Quota) -> Result<Arc<Account>> {
        if let Some(account) = self.accounts().get(home) {
            return Ok(Arc::clone(account));
        }
        let record = self.store.usage(home).await?;
        let age = record
            .as_ref()
            .and_then(|record| record.measured_at)
            .map(|at| Timestamp::now().duration_since(at));
        let limit = SignedDuration::from_secs(i64::try_from(self.settings.rescan_secs).unwrap_or(i64::MAX));
        let account = {
            let mut accounts = self.accounts();
            if let Some(account) = accounts.get(home) {
                return Ok(Arc::clone(account));
            }
            let account = Arc::new(Account::load(
                home,
                quota,
                record.as_ref(),
                Arc::clone(&self.wanted),
            ));
            accounts.insert(home.to_owned(), Arc::clone(&account));
            self.new_accounts.store(true, Ordering::Relaxed);
            account
        };
        if account.standing() != Standing::Exact || age.is_none_or(|age| age >= limit) {
            self.measure_later(Arc::clone(&account));
        }
        Ok(account)
    }

    /// Owned by the ledger: the end of the server waits for it.
    fn measure_later(&self, account: Arc<Account>) {
        self.tasks.spawn_blocking(move || {
            // The error is logged, and the account knows.
            let _ = measure(&account);
        });
    }

    /// Measures a home now, and corrects its account.
    ///
    /// # Errors
    /// When the home cannot be walked, or the store cannot be read.
    pub async fn scan(self: &Arc<Self>, home: &Path, quota: Quota) -> Result<Sum> {
        let account = self.account(home, quota).await?;
        let scan = self.tasks.spawn_blocking(move || measure(&account));
        scan.await
            .map_err(|error| Error::new("cannot measure the home").because(error))?
    }

    /// What a home holds: from its account if it was used since the start, else as it is written down; `None` if
    /// nothing is known.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn usage(&self, home: &Path, quota: Quota) -> Result<Option<Usage>> {
        if let Some(account) = self.accounts().get(home) {
            return Ok(Some(account.usage()));
        }
        let record = self.store.usage(home).await?;
        Ok(record.map(|record| Usage {
            bytes: record.bytes,
            files: record.files,
            quota,
            standing: if record.exact {
                Standing::Exact
            } else {
                Standing::AtCeiling
            },
        }))
    }

    /// Were accounts made since this was last asked? Their quotas are those of a moment ago: see [`Ledger::refresh`].
    pub fn has_new_accounts(&self) -> bool {
        self.new_accounts.swap(false, Ordering::Relaxed)
    }

    /// Puts the limits of these users in force, which the operator may have changed.
    pub fn refresh(&self, users: &[User]) {
        let accounts = self.accounts();
        for user in users {
            if let Some(account) = accounts.get(&user.home)
                && account.usage().quota != user.quota
            {
                account.set_quota(user.quota);
            }
        }
    }
}
