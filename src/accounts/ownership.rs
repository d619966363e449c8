//! Checks the markers of storages while homes grow: a disk may have been unmounted during a session.

use std::sync::{Arc, OnceLock};

use tokio_util::task::TaskTracker;

use crate::storage::location::Location;
use base::error::Result;

use super::account::Account;

/// Checks that the storage of a home has the server's marker. May block on its disk.
pub type Ownership = Box<dyn Fn(&Location) -> Result<()> + Send + Sync>;

/// The marker checks of all accounts.
pub(super) struct OwnershipChecks {
    /// The function that checks a marker; not set in tests.
    ownership: OnceLock<Ownership>,
    tasks: TaskTracker,
}

impl OwnershipChecks {
    /// Creates the checks, which run as part of `tasks`.
    pub(super) fn new(tasks: TaskTracker) -> Self {
        Self {
            ownership: OnceLock::new(),
            tasks,
        }
    }

    /// Sets the function that checks a marker. A second call changes nothing.
    pub(super) fn watch(&self, ownership: Ownership) {
        let _ = self.ownership.set(ownership);
    }

    /// Checks the markers of these accounts' storages, each on a thread of its own, so that only its disk can block
    /// it. A check on a disk that hangs continues while the next ceiling is recorded; each account has at most one
    /// check in progress.
    pub(super) fn check_later(self: &Arc<Self>, accounts: Vec<Arc<Account>>) {
        for account in accounts {
            if self.ownership.get().is_none() || !account.storage.begin_marker_check() {
                continue;
            }
            let checks = Arc::clone(self);
            self.tasks.spawn_blocking(move || {
                if let Some(ownership) = checks.ownership.get() {
                    let owned = ownership(account.location());
                    if let Err(error) = &owned {
                        let (home, kind) = (account.location(), account.location().kind());
                        tracing::error!(?home, %error, "nothing may grow in the {kind} any more");
                    }
                    account.set_owned(owned.is_ok());
                }
                account.storage.end_marker_check();
            });
        }
    }
}
