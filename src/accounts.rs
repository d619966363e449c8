//! Quota accounts: the use of each home, exact to the byte, and never below the true use after a crash.
//!
//! [`account`] has the numbers and the rules for growth, `inode` has one record for each open file, [`mod@measure`]
//! counts a home while it is in use, `measurer` starts these measurements, and only `keeper` writes to the store.
//! [`quota`] is the storage decorator that charges every change to an account. Storages measure and flush homes
//! themselves: this module does not touch disks.

pub mod account;
pub mod disk;
#[cfg(test)]
pub(crate) mod fixture;
pub mod id;
mod inode;
mod keeper;
pub mod measure;
mod measurer;
mod ownership;
pub mod quota;
pub mod settings;
mod table;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::user::Quota;
use crate::storage::backend::{Backend, Sum, Unreadable};
use crate::store::Store;
use base::error::{Error, Result};

use self::account::{Account, Helpers, Usage, UsageAccuracy};
use self::id::{AccountId, AccountSpec};
use self::keeper::Keeper;
use self::measure::measure;
use self::measurer::{MeasureReason, Measurer};
use self::ownership::{Ownership, OwnershipChecks};
use self::table::{AccountTable, CachedAccount, LoadOutcome};

pub use self::settings::QuotaSettings;

/// All accounts of the server, with the tasks that work for them.
pub struct Accounts {
    store: Arc<dyn Store>,
    settings: QuotaSettings,
    table: Arc<AccountTable>,
    ownership: Arc<OwnershipChecks>,
    measurer: Arc<Measurer>,
    #[cfg_attr(
        not(test),
        allow(dead_code, reason = "its task owns it, too; tests are the keeper themselves")
    )]
    keeper: Arc<Keeper>,
    helpers: Helpers,
    tasks: TaskTracker,
}

impl Accounts {
    /// Starts without any account, and starts the keeper. The keeper runs until `quit` is cancelled and everything is
    /// recorded.
    pub fn start(
        store: Arc<dyn Store>,
        backend: Arc<dyn Backend>,
        settings: QuotaSettings,
        quit: CancellationToken,
    ) -> Arc<Self> {
        let helpers = Helpers {
            keeper: Arc::new(Notify::new()),
            measurer: Arc::new(Notify::new()),
            quit,
        };
        let tasks = TaskTracker::new();
        let table = Arc::<AccountTable>::default();
        let measurer = Arc::new(Measurer::new(
            Arc::clone(&table),
            Arc::clone(&backend),
            tasks.clone(),
        ));
        let ownership = Arc::new(OwnershipChecks::new(tasks.clone()));
        let keeper = Arc::new(Keeper {
            store: Arc::clone(&store),
            backend,
            table: Arc::clone(&table),
            measurer: Arc::clone(&measurer),
            ownership: Arc::clone(&ownership),
        });
        tasks.spawn(measurer::serve(Arc::clone(&measurer), helpers.clone()));
        tasks.spawn(keeper::keep(Arc::clone(&keeper), helpers.clone()));
        Arc::new(Self {
            store,
            settings,
            table,
            ownership,
            measurer,
            keeper,
            helpers,
            tasks,
        })
    }

    /// Makes the server check the marker of a home's storage after each new ceiling from now on.
    pub fn watch_ownership(&self, ownership: Ownership) {
        self.ownership.watch(ownership);
    }

    /// Waits until the keeper has recorded everything after `quit` was cancelled.
    pub async fn stopped(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Returns an account, which lives for as long as the server runs. The limits of `spec` come from the user's
    /// record at the sign-in, which may be long ago, so limits set since by [`Accounts::set_quota`] take precedence.
    /// The first call loads the account, and measures it in the background if it is not exact or was not measured for
    /// a long time.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub async fn account(&self, spec: &AccountSpec) -> Result<Arc<Account>> {
        if let Some(CachedAccount {
            account,
            was_forgotten,
        }) = self.table.take_for_session(&spec.id)
        {
            // The operator may have put other files into a home that had no user for a while.
            if (was_forgotten || self.is_due(&account)) && account.measurements.may_begin() {
                self.measurer
                    .measure_later(Arc::clone(&account), MeasureReason::Background);
            }
            return Ok(account);
        }
        let record = self.store.usage(spec.id.store_key()).await?;
        let account = match self.table.load(spec, record.as_ref(), &self.helpers) {
            LoadOutcome::AlreadyThere(account) => return Ok(account),
            LoadOutcome::New(account) => account,
        };
        if account.accuracy() != UsageAccuracy::Exact || self.is_due(&account) {
            self.measurer
                .measure_later(Arc::clone(&account), MeasureReason::Background);
        }
        Ok(account)
    }

    /// Returns whether a home should be measured again: because the last measurement is old, or because the operator
    /// may have fixed what made it fail or remain incomplete.
    fn is_due(&self, account: &Account) -> bool {
        let limit = SignedDuration::from_secs(i64::try_from(self.settings.rescan_secs).unwrap_or(i64::MAX));
        let age = account
            .measurements
            .measured_at()
            .map(|at| Timestamp::now().duration_since(at));
        account.accuracy() == UsageAccuracy::Unmeasurable
            || account.measurements.unreadable().count > 0
            || age.is_none_or(|age| age >= limit)
    }

    /// Measures the account of a home that was just made, whatever was known of an earlier home at the same path.
    pub fn home_made(&self, id: &AccountId) {
        if let Some(account) = self.table.get(id) {
            self.measurer.measure_later(account, MeasureReason::Background);
        }
    }

    /// Returns the entries that could not be read, as far as is known.
    pub fn unreadable(&self, id: &AccountId) -> Unreadable {
        self.table
            .get(id)
            .map_or_else(Unreadable::default, |account| account.measurements.unreadable())
    }

    /// Returns the accounts that were used since the start.
    pub fn in_memory(&self) -> Vec<Arc<Account>> {
        self.table.all()
    }

    /// Measures an account's home now, and corrects the account.
    ///
    /// # Errors
    /// Fails when the home or the store cannot be read.
    pub async fn scan(&self, spec: &AccountSpec) -> Result<Sum> {
        let account = self.account(spec).await?;
        let backend = Arc::clone(self.measurer.backend());
        let scan = self.tasks.spawn_blocking(move || measure(&account, &*backend));
        scan.await
            .map_err(|error| Error::new("cannot measure the home").because(error))?
    }

    /// Returns the use of an account: the current numbers if it was used since the start, and otherwise the recorded
    /// ones. Returns `None` if nothing is known.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub async fn usage(&self, spec: &AccountSpec) -> Result<Option<Usage>> {
        if let Some(account) = self.table.get(&spec.id) {
            return Ok(Some(account.usage()));
        }
        let record = self.store.usage(spec.id.store_key()).await?;
        Ok(record.and_then(|record| Usage::recorded(&record, spec.quota)))
    }

    /// Returns the use of an account that was used since the start, without a query to the store.
    pub fn usage_in_memory(&self, id: &AccountId) -> Option<Usage> {
        self.table.get(id).map(|account| account.usage())
    }

    /// Returns the use of many accounts at once, as [`Accounts::usage`] does, with a single query to the store.
    ///
    /// # Errors
    /// Fails when the store cannot be read.
    pub async fn usages(&self, specs: &[AccountSpec]) -> Result<Vec<Option<Usage>>> {
        let records = self.store.usages().await?;
        Ok(self.table.usages(specs, &records))
    }

    /// Applies the limits of an account, also if it is loaded only later. Returns the account if it had other limits
    /// before.
    pub fn set_quota(&self, id: &AccountId, quota: Quota) -> Option<Arc<Account>> {
        self.table.set_quota(id, quota)
    }

    /// Drops an account whose home has no user any more. The home is measured again if another user gets it later.
    /// The account stays for as long as sessions use it.
    pub fn forget(&self, id: &AccountId) {
        self.table.forget(id);
    }
}
