//! Quota accounts: what each home holds, exact to the byte, and never below the truth after a crash.
//!
//! [`account`] has the numbers and the rules of growing, [`inode`] one record for each open file, [`mod@measure`] counts
//! a home while it is used, [`measurer`] starts that, and [`keeper`] alone writes to the store. `storage/quota.rs` is the
//! decorator of the storage that charges every change to an account.

pub mod account;
pub mod disk;
pub mod inode;
pub mod keeper;
pub mod measure;
pub mod measurer;
mod settings;
mod walk;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::user::Quota;
use crate::store::{Store, UsageRecord};
use base::error::{Error, Result};

use self::account::{Account, Helpers, Usage, UsageAccuracy};
use self::measure::{Sum, Unreadable, measure};
use self::measurer::{Slots, Why};

pub use self::settings::QuotaSettings;

/// The accounts of all homes that were used since the start.
pub struct Accounts {
    store: Arc<dyn Store>,
    settings: QuotaSettings,
    accounts: Mutex<HashMap<PathBuf, Arc<Account>>>,
    /// What the operator has allowed since the start, where that was changed.
    quotas: Mutex<HashMap<PathBuf, Quota>>,
    /// Homes that nobody had any more while sessions were still in them.
    forgotten: Mutex<HashSet<PathBuf>>,
    helpers: Helpers,
    tasks: TaskTracker,
    slots: Arc<Slots>,
    /// Whether the storage of a home is this server's; not set in tests.
    ownership: OnceLock<Ownership>,
}

/// Does the storage of this home carry the server's marker? May block on its disk.
pub type Ownership = Box<dyn Fn(&Path) -> Result<()> + Send + Sync>;

impl Accounts {
    /// An empty accounts, and its keeper, which runs until `quit` is cancelled and everything is written down.
    pub fn start(store: Arc<dyn Store>, settings: QuotaSettings, quit: CancellationToken) -> Arc<Self> {
        let accounts = Arc::new(Self {
            store,
            settings,
            accounts: Mutex::default(),
            quotas: Mutex::default(),
            forgotten: Mutex::default(),
            helpers: Helpers {
                keeper: Arc::new(Notify::new()),
                measurer: Arc::new(Notify::new()),
                quit: quit.clone(),
            },
            tasks: TaskTracker::new(),
            slots: Arc::default(),
            ownership: OnceLock::new(),
        });
        accounts.tasks.spawn(measurer::serve(Arc::clone(&accounts)));
        accounts.tasks.spawn(keeper::keep(Arc::clone(&accounts), quit));
        accounts
    }

    /// From now on the marker of a home's storage is looked at after each new ceiling.
    pub fn watch_ownership(&self, ownership: Ownership) {
        // A second call changes nothing.
        let _ = self.ownership.set(ownership);
    }

    /// Looks at the markers of these accounts' storages, on a thread that only one of their disks can hold up. A look at
    /// a disk that hangs goes on while the next ceiling is written: at most one of them is under way for each account.
    fn look_at_markers(self: &Arc<Self>, accounts: Vec<Arc<Account>>) {
        for account in accounts {
            if self.ownership.get().is_none() || !account.begin_look() {
                continue;
            }
            let accounts = Arc::clone(self);
            self.tasks.spawn_blocking(move || {
                if let Some(ownership) = accounts.ownership.get() {
                    let owned = ownership(account.home());
                    if let Err(error) = &owned {
                        tracing::error!(home = ?account.home(), %error, "nothing may grow in the home any more");
                    }
                    account.set_owned(owned.is_ok());
                }
                account.end_look();
            });
        }
    }

    /// Waits until the keeper has written everything down, after `quit` was cancelled.
    pub async fn stopped(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<PathBuf, Arc<Account>>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn quotas(&self) -> MutexGuard<'_, HashMap<PathBuf, Quota>> {
        self.quotas.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forgotten(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.forgotten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all(&self) -> Vec<Arc<Account>> {
        self.accounts().values().cloned().collect()
    }

    /// The account of a home, for as long as the server runs. `quota` is what its user's record said at the sign-in,
    /// which may be long ago: what [`Accounts::set_quota`] was told since counts more. The first time it is asked for, it
    /// is loaded, and measured in the background where it is not exact or was not measured for long.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn account(self: &Arc<Self>, home: &Path, quota: Quota) -> Result<Arc<Account>> {
        let known = {
            let mut accounts = self.accounts();
            let forgotten = self.forgotten().remove(home);
            if forgotten
                && accounts
                    .get(home)
                    .is_some_and(|account| Arc::strong_count(account) == 1)
            {
                accounts.remove(home);
            }
            accounts.get(home).map(|account| (Arc::clone(account), forgotten))
        };
        if let Some((account, forgotten)) = known {
            // The operator may have put other files into a home that nobody had for a while.
            if (forgotten || self.is_due(&account)) && account.may_be_measured() {
                self.measure_later(Arc::clone(&account), Why::Background);
            }
            return Ok(account);
        }
        let record = self.store.usage(home).await?;
        let account = {
            let mut accounts = self.accounts();
            if let Some(account) = accounts.get(home) {
                return Ok(Arc::clone(account));
            }
            let quota = self.quotas().get(home).copied().unwrap_or(quota);
            let account = Arc::new(Account::load(home, quota, record.as_ref(), &self.helpers));
            accounts.insert(home.to_owned(), Arc::clone(&account));
            account
        };
        if account.accuracy() != UsageAccuracy::Exact || self.is_due(&account) {
            self.measure_later(Arc::clone(&account), Why::Background);
        }
        Ok(account)
    }

    /// Is it time to look at a home again: because that was long ago, or because the operator may have put right what
    /// kept us from it?
    fn is_due(&self, account: &Account) -> bool {
        let limit = SignedDuration::from_secs(i64::try_from(self.settings.rescan_secs).unwrap_or(i64::MAX));
        let age = account
            .measured_at()
            .map(|at| Timestamp::now().duration_since(at));
        account.accuracy() == UsageAccuracy::Unmeasurable
            || account.unreadable().count > 0
            || age.is_none_or(|age| age >= limit)
    }

    /// A home was just made, whatever was known of one that stood there before.
    pub fn made(&self, home: &Path) {
        let account = self.accounts().get(home).cloned();
        if let Some(account) = account {
            self.measure_later(account, Why::Background);
        }
    }

    /// What could not be looked into in a home, as far as is known.
    pub fn unreadable(&self, home: &Path) -> Unreadable {
        let account = self.accounts().get(home).cloned();
        account.map_or_else(Unreadable::default, |account| account.unreadable())
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
        Ok(record.and_then(|record| Usage::recorded(&record, quota)))
    }

    /// The same of many homes at once, with what their records say. A question to the store for all of them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn usages(&self, homes: &[(&Path, Quota)]) -> Result<Vec<Option<Usage>>> {
        let records = self.store.usages().await?;
        let records: HashMap<&Path, &UsageRecord> = records
            .iter()
            .map(|record| (record.home.as_path(), record))
            .collect();
        let accounts = self.accounts();
        let usage = |(home, quota): &(&Path, Quota)| match accounts.get(*home) {
            Some(account) => Some(account.usage()),
            None => records
                .get(home)
                .and_then(|record| Usage::recorded(record, *quota)),
        };
        Ok(homes.iter().map(usage).collect())
    }

    /// Puts the limit of a home in force, for the account that exists or the one that will be loaded. Returns the
    /// account if its limit was another one before.
    pub fn set_quota(&self, home: &Path, quota: Quota) -> Option<Arc<Account>> {
        let accounts = self.accounts();
        self.quotas().insert(home.to_owned(), quota);
        let account = accounts.get(home)?;
        if account.usage().quota == quota {
            return None;
        }
        account.set_quota(quota);
        Some(Arc::clone(account))
    }

    /// Nobody has this home any more. What becomes of it is not counted from here on; whoever gets it later finds it
    /// measured anew. While sessions are still in it, its account stays.
    pub fn forget(&self, home: &Path) {
        let mut accounts = self.accounts();
        self.quotas().remove(home);
        if accounts
            .get(home)
            .is_some_and(|account| Arc::strong_count(account) == 1)
        {
            accounts.remove(home);
        } else if accounts.contains_key(home) {
            self.forgotten().insert(home.to_owned());
        }
    }
}
