//! Records accounts in the store: new ceilings as soon as they are wanted, and exact numbers once nothing has changed
//! for a while.
//!
//! There is one task for all accounts, so that a round costs one transaction for any number of homes, and so that an
//! account never has two writers. If the store is locked or full, growth that fits under the old ceilings continues,
//! other growth waits for a while and fails, and the keeper tries again every second. If a file system hangs, only
//! the thread that flushes it ([`Syncs`]) waits. Changes in its homes meanwhile are recorded as a ceiling, and the
//! thread's result is then too old and is discarded.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::storage;
use crate::storage::backend::Backend;
use crate::storage::location::{Location, Volume};
use crate::store::{Store, UsageRecord};

use super::account::{Account, Helpers};
use super::id::AccountId;
use super::measurer::Measurer;
use super::ownership::OwnershipChecks;
use super::table::AccountTable;

/// How often the keeper looks for accounts at rest, and repeats writes that have failed.
const TICK: Duration = Duration::from_secs(1);
/// The number of ticks without a change after which an account's exact number is recorded.
const INACTIVE_TICKS: u32 = 10;

/// The parts that the keeper works with.
pub(super) struct Keeper {
    pub(super) store: Arc<dyn Store>,
    pub(super) backend: Arc<dyn Backend>,
    pub(super) table: Arc<AccountTable>,
    pub(super) measurer: Arc<Measurer>,
    pub(super) ownership: Arc<OwnershipChecks>,
}

/// How long an account has been at rest.
#[derive(Default)]
struct Inactivity {
    activity: u64,
    ticks: u32,
}

/// Runs the keeper until the end of the server.
pub(super) async fn keep(keeper: Arc<Keeper>, helpers: Helpers) {
    let mut inactive: HashMap<AccountId, Inactivity> = HashMap::new();
    let mut syncs = Syncs::new(Arc::clone(&keeper.backend));
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = helpers.quit.cancelled() => break,
            () = helpers.keeper.notified() => keeper.raise_ceilings().await,
            Some(synced) = syncs.next() => keeper.write_exact(synced).await,
            _ = tick.tick() => {
                keeper.raise_ceilings().await;
                syncs.begin(keeper.inactive_accounts(&mut inactive));
                keeper.measurer.measure_invalidated();
            }
        }
    }
    // All sessions have ended, so every account is at rest.
    keeper.raise_ceilings().await;
    // A flush in progress does not cover changes since it began.
    syncs.under_way.clear();
    syncs.begin(keeper.table.all());
    while let Some(synced) = syncs.next().await {
        keeper.write_exact(synced).await;
    }
}

impl Keeper {
    /// Records the ceilings that are wanted.
    async fn raise_ceilings(&self) {
        let wanting: Vec<(Arc<Account>, UsageRecord)> = self
            .table
            .all()
            .into_iter()
            .filter_map(|account| account.wanted_record().map(|record| (account, record)))
            .collect();
        if wanting.is_empty() {
            return;
        }
        let records: Vec<UsageRecord> = wanting.iter().map(|(_, record)| record.clone()).collect();
        match self.store.record_usage(&records).await {
            Ok(()) => {
                wanting
                    .iter()
                    .for_each(|(account, record)| account.ceiling_written(record));
                self.ownership
                    .check_later(wanting.into_iter().map(|(account, _)| account).collect());
            }
            Err(error) => {
                tracing::error!(%error, "cannot record the use of homes; they cannot grow beyond what is recorded");
                wanting
                    .iter()
                    .for_each(|(account, _)| account.changes.not_written());
            }
        }
    }

    /// Returns the accounts that have been at rest for long enough.
    fn inactive_accounts(&self, inactive: &mut HashMap<AccountId, Inactivity>) -> Vec<Arc<Account>> {
        let open: Vec<Arc<Account>> = self
            .table
            .all()
            .into_iter()
            .filter(|account| !account.changes.is_closed())
            .collect();
        inactive.retain(|id, _| open.iter().any(|account| account.id() == id));
        open.into_iter()
            .filter(|account| {
                let inactivity = inactive.entry(account.id().clone()).or_default();
                let activity = account.changes.activity();
                inactivity.ticks = if inactivity.activity == activity {
                    inactivity.ticks + 1
                } else {
                    0
                };
                inactivity.activity = activity;
                inactivity.ticks >= INACTIVE_TICKS
            })
            .collect()
    }

    /// Records the exact use of homes whose files were flushed.
    async fn write_exact(&self, mut synced: Synced) {
        // Nothing else writes to the store meanwhile, so what is current now stays current until it is written.
        synced.closed.retain(Closed::is_current);
        if synced.closed.is_empty() {
            return;
        }
        let written = match synced.result {
            Ok(()) => {
                let records: Vec<UsageRecord> = synced.closed.iter().map(|one| one.record.clone()).collect();
                let written = self.store.record_usage(&records).await;
                written.map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        match written {
            Ok(()) => synced
                .closed
                .iter()
                .for_each(|one| one.account.exact_written(&one.record)),
            Err(error) => {
                tracing::warn!(error, "cannot record the exact use of homes; trying again later");
                synced.closed.iter().for_each(|one| one.account.reopen());
            }
        }
    }
}

/// An account at rest with the record to write.
struct Closed {
    account: Arc<Account>,
    record: UsageRecord,
    /// The account's closing that this belongs to.
    closing: u64,
}

impl Closed {
    fn new(account: Arc<Account>) -> Option<Self> {
        let record = account.close_for_exact()?;
        let closing = account.changes.closings();
        Some(Self {
            account,
            record,
            closing,
        })
    }

    /// Returns whether the account is still closed. If it is not, a ceiling was recorded since, and the account may
    /// have changed.
    fn is_current(&self) -> bool {
        self.account.changes.is_closed() && self.account.changes.closings() == self.closing
    }
}

/// The result of the thread that flushed a volume.
struct Synced {
    volume: Volume,
    closed: Vec<Closed>,
    result: storage::Result<()>,
}

/// Flushes homes to their disks before exact numbers are recorded, so that a power cut cannot undo what a number
/// counts. There is one thread for each volume, so that one that hangs does not delay the others, and a volume gets
/// no second thread before the first has returned.
struct Syncs {
    backend: Arc<dyn Backend>,
    threads: JoinSet<Synced>,
    under_way: HashSet<Volume>,
}

impl Syncs {
    fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            backend,
            threads: JoinSet::new(),
            under_way: HashSet::new(),
        }
    }

    fn begin(&mut self, accounts: Vec<Arc<Account>>) {
        if accounts.is_empty() {
            return;
        }
        let homes: Vec<&Location> = accounts.iter().map(|account| account.location()).collect();
        let volumes = self.backend.volumes(&homes);
        let mut groups: HashMap<Volume, Vec<Closed>> = HashMap::new();
        for (account, volume) in accounts.into_iter().zip(volumes) {
            if !self.under_way.contains(&volume)
                && let Some(closed) = Closed::new(account)
            {
                groups.entry(volume).or_default().push(closed);
            }
        }
        for (volume, closed) in groups {
            self.under_way.insert(volume.clone());
            let backend = Arc::clone(&self.backend);
            self.threads.spawn_blocking(move || {
                let homes: Vec<Location> = closed.iter().map(|one| one.account.location().clone()).collect();
                let result = backend.sync_all(&homes);
                Synced {
                    volume,
                    closed,
                    result,
                }
            });
        }
    }

    /// Waits for the next volume; `None` if no thread is running.
    async fn next(&mut self) -> Option<Synced> {
        loop {
            // A thread that has panicked leaves its accounts closed. Their next change opens them again.
            if let Ok(synced) = self.threads.join_next().await? {
                self.under_way.remove(&synced.volume);
                return Some(synced);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;
    use std::path::PathBuf;

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::accounts::id::AccountSpec;
    use crate::accounts::{Accounts, QuotaSettings};
    use crate::domain::user::{Quota, User};
    use crate::storage::Wait;
    use crate::storage::backend::{MeasureError, Measurement, OpenFiles};
    use crate::storage::local::backend::LocalDisks;
    use crate::store::sql::SqlStore;

    fn calvin(home: PathBuf) -> User {
        User {
            home,
            ..User::blank("calvin".parse().unwrap())
        }
    }

    /// A lock that the test holds while the file system hangs.
    static DISK: Mutex<()> = Mutex::new(());

    struct HangingDisk;

    impl Backend for HangingDisk {
        fn measure(
            &self,
            home: &Location,
            open_files: &dyn OpenFiles,
        ) -> std::result::Result<Measurement, MeasureError> {
            LocalDisks.measure(home, open_files)
        }

        fn sync_all(&self, _homes: &[Location]) -> storage::Result<()> {
            drop(DISK.lock());
            Ok(())
        }

        fn volumes(&self, homes: &[&Location]) -> Vec<Volume> {
            LocalDisks.volumes(homes)
        }
    }

    #[test]
    fn a_file_system_that_hangs_is_not_waited_for_and_its_old_number_does_not_count() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        std::fs::create_dir(&home).unwrap();
        let hung = DISK.lock();
        let (accounts, account) = runtime.block_on(async {
            let store = SqlStore::open(&dir.path().join("homeport.db")).await.unwrap();
            // The use of a home is recorded only if a user has the home.
            store.add_user(&calvin(home.clone())).await.unwrap();
            let quit = CancellationToken::new();
            let accounts = Accounts::start(
                Arc::new(store),
                Arc::new(LocalDisks),
                QuotaSettings::default(),
                quit.clone(),
            );
            let account = accounts
                .account(&AccountSpec::of_home(&home, Quota::default()))
                .await
                .unwrap();
            while account.measurements.ended() == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // From here on the test acts as the keeper.
            quit.cancel();
            accounts.stopped().await;
            (accounts, account)
        });
        let grow = || {
            std::thread::scope(|scope| {
                let growing = scope.spawn(|| {
                    account.retry_until(Wait::Allowed, || {
                        let change = account.begin()?;
                        account.reserve_bytes(&change, 100)
                    })
                });
                while !growing.is_finished() {
                    runtime.block_on(accounts.keeper.raise_ceilings());
                    std::thread::sleep(Duration::from_millis(1));
                }
                growing.join().unwrap()
            })
        };
        grow().unwrap();
        let mut syncs = Syncs::new(Arc::new(HangingDisk));
        runtime.block_on(async { syncs.begin(vec![Arc::clone(&account)]) });
        assert!(account.changes.is_closed() && syncs.threads.len() == 1);
        // The file system is not flushed a second time, and changes are recorded as a ceiling.
        runtime.block_on(async { syncs.begin(vec![Arc::clone(&account)]) });
        assert_eq!(syncs.threads.len(), 1);
        grow().unwrap();
        assert!(!account.changes.is_closed());
        drop(hung);
        runtime.block_on(async {
            let synced = syncs.next().await.unwrap();
            accounts.keeper.write_exact(synced).await;
        });
        let written = runtime
            .block_on(accounts.keeper.store.usage(&home))
            .unwrap()
            .unwrap();
        assert!(!written.exact && written.bytes >= 200, "{written:?}");
        // The next flush counts.
        runtime.block_on(async {
            syncs.begin(vec![Arc::clone(&account)]);
            let synced = syncs.next().await.unwrap();
            accounts.keeper.write_exact(synced).await;
        });
        let written = runtime
            .block_on(accounts.keeper.store.usage(&home))
            .unwrap()
            .unwrap();
        assert!(written.exact && written.bytes == 200, "{written:?}");
    }
}
