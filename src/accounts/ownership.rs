//! Looks at the markers of storages while homes grow: a disk may have been unmounted under a session.

use std::sync::{Arc, OnceLock};

use tokio_util::task::TaskTracker;

use crate::storage::location::Location;
use base::error::Result;

use super::account::Account;

/// Returns whether the storage of a home carries the server's marker. May block on its disk.
pub type Ownership = Box<dyn Fn(&Location) -> Result<()> + Send + Sync>;

/// The checks of all accounts.
pub(super) struct OwnershipChecks {
    /// How to look; not set in tests.
    ownership: OnceLock<Ownership>,
    tasks: TaskTracker,
}

impl OwnershipChecks {
    /// Runs its checks as part of `tasks`.
    pub(super) fn new(tasks: TaskTracker) -> Self {
        Self {
            ownership: OnceLock::new(),
            tasks,
        }
    }

    /// Says how to look. A second call changes nothing.
    pub(super) fn watch(&self, ownership: Ownership) {
        let _ = self.ownership.set(ownership);
    }

    /// Looks at the markers of these accounts' storages, on a thread that only one of their disks can hold up. A look at
    /// a disk that hangs goes on while the next ceiling is written: at most one of them is under way for each account.
    pub(super) fn look(self: &Arc<Self>, accounts: Vec<Arc<Account>>) {
        for account in accounts {
            if self.ownership.get().is_none() || !account.begin_look() {
                continue;
            }
            let checks = Arc::clone(self);
            self.tasks.spawn_blocking(move || {
                if let Some(ownership) = checks.ownership.get() {
                    let owned = ownership(account.location());
                    if let Err(error) = &owned {
                        tracing::error!(home = ?account.location(), %error, "nothing may grow in the home any more");
                    }
                    account.set_owned(owned.is_ok());
                }
                account.end_look();
            });
        }
    }
}
