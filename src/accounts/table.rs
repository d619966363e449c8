//! The accounts that are in memory, and the limits that the operator has set since the start.

use parking_lot::{Mutex, MutexGuard};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::domain::user::Quota;
use crate::store::UsageRecord;

use super::account::{Account, Helpers, Usage};
use super::id::{AccountId, AccountSpec};

/// The accounts that were used since the start.
#[derive(Default)]
pub(super) struct AccountTable {
    accounts: Mutex<HashMap<AccountId, Arc<Account>>>,
    /// The limits that the operator has changed since the start.
    quotas: Mutex<HashMap<AccountId, Quota>>,
    /// The accounts whose homes lost their last user while sessions were still using them.
    forgotten: Mutex<HashSet<AccountId>>,
}

/// An account that was in memory already.
pub(super) struct CachedAccount {
    pub(super) account: Arc<Account>,
    /// Whether the home had no user for a while.
    pub(super) was_forgotten: bool,
}

/// The result of loading an account.
pub(super) enum LoadOutcome {
    /// Another task has loaded it meanwhile.
    AlreadyThere(Arc<Account>),
    /// It was loaded by this call.
    New(Arc<Account>),
}

impl AccountTable {
    fn accounts(&self) -> MutexGuard<'_, HashMap<AccountId, Arc<Account>>> {
        self.accounts.lock()
    }

    fn quotas(&self) -> MutexGuard<'_, HashMap<AccountId, Quota>> {
        self.quotas.lock()
    }

    fn forgotten(&self) -> MutexGuard<'_, HashSet<AccountId>> {
        self.forgotten.lock()
    }

    /// Returns all accounts that are in memory.
    pub(super) fn all(&self) -> Vec<Arc<Account>> {
        self.accounts().values().cloned().collect()
    }

    /// Returns an account if it is in memory.
    pub(super) fn get(&self, id: &AccountId) -> Option<Arc<Account>> {
        self.accounts().get(id).cloned()
    }

    /// Returns an account for a session. An account that was forgotten, and that no session uses, is loaded again
    /// instead.
    pub(super) fn take_for_session(&self, id: &AccountId) -> Option<CachedAccount> {
        let mut accounts = self.accounts();
        let was_forgotten = self.forgotten().remove(id);
        if was_forgotten
            && accounts
                .get(id)
                .is_some_and(|account| Arc::strong_count(account) == 1)
        {
            accounts.remove(id);
        }
        accounts.get(id).map(|account| CachedAccount {
            account: Arc::clone(account),
            was_forgotten,
        })
    }

    /// Adds an account from its record in the store, unless it is in memory already.
    pub(super) fn load(
        &self,
        spec: &AccountSpec,
        record: Option<&UsageRecord>,
        helpers: &Helpers,
    ) -> LoadOutcome {
        let mut accounts = self.accounts();
        if let Some(account) = accounts.get(&spec.id) {
            return LoadOutcome::AlreadyThere(Arc::clone(account));
        }
        let quota = self.quotas().get(&spec.id).copied().unwrap_or(spec.quota);
        let spec = AccountSpec {
            quota,
            ..spec.clone()
        };
        let account = Arc::new(Account::load(&spec, record, helpers));
        accounts.insert(spec.id, Arc::clone(&account));
        LoadOutcome::New(account)
    }

    /// Returns the use of each account: its own numbers if it is in memory, else those of its record.
    pub(super) fn usages(&self, specs: &[AccountSpec], records: &[UsageRecord]) -> Vec<Option<Usage>> {
        let records: HashMap<_, _> = records
            .iter()
            .map(|record| (record.home.as_path(), record))
            .collect();
        let accounts = self.accounts();
        let usage = |spec: &AccountSpec| match accounts.get(&spec.id) {
            Some(account) => Some(account.usage()),
            None => records
                .get(spec.id.store_key())
                .and_then(|record| Usage::recorded(record, spec.quota)),
        };
        specs.iter().map(usage).collect()
    }

    /// Applies the limits of an account, also if it is loaded only later. Returns the account if it had other limits
    /// before.
    pub(super) fn set_quota(&self, id: &AccountId, quota: Quota) -> Option<Arc<Account>> {
        let accounts = self.accounts();
        self.quotas().insert(id.clone(), quota);
        let account = accounts.get(id)?;
        if account.usage().quota == quota {
            return None;
        }
        account.set_quota(quota);
        Some(Arc::clone(account))
    }

    /// Drops an account whose home has no user any more, as soon as no session uses it.
    pub(super) fn forget(&self, id: &AccountId) {
        let mut accounts = self.accounts();
        self.quotas().remove(id);
        if accounts
            .get(id)
            .is_some_and(|account| Arc::strong_count(account) == 1)
        {
            accounts.remove(id);
        } else if accounts.contains_key(id) {
            self.forgotten().insert(id.clone());
        }
    }
}
