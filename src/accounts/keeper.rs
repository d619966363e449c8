//! Writes accounts down: new ceilings as soon as they are wanted, exact numbers once nothing has changed for a while.
//!
//! One task for all accounts, so that a round costs one transaction, however many homes it is about; and so that no
//! two writers of one account exist. What may go wrong: the store is locked or full. Then what fits under the old
//! ceilings goes on, what does not waits for a while and fails, and the keeper tries again every second. A file system
//! hangs: it is synced by a thread of its own ([`Syncs`]), and nobody waits for that; what changes in its homes meanwhile
//! is written down as a ceiling, and what the thread comes back with is then too old to count.

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

/// How often the keeper looks for accounts that have come to rest, and tries again what has failed.
const TICK: Duration = Duration::from_secs(1);
/// So many ticks without a change make an account worth an exact number.
const REST_TICKS: u32 = 10;

/// What the keeper works with.
pub(super) struct Keeper {
    pub(super) store: Arc<dyn Store>,
    pub(super) backend: Arc<dyn Backend>,
    pub(super) table: Arc<AccountTable>,
    pub(super) measurer: Arc<Measurer>,
    pub(super) ownership: Arc<OwnershipChecks>,
}

/// How long an account has been at rest.
#[derive(Default)]
struct Rest {
    activity: u64,
    ticks: u32,
}

/// Runs the keeper until the end of the server.
pub(super) async fn keep(keeper: Arc<Keeper>, helpers: Helpers) {
    let mut resting: HashMap<AccountId, Rest> = HashMap::new();
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
                syncs.begin(keeper.rested(&mut resting));
                keeper.measurer.measure_invalidated();
            }
        }
    }
    // Nobody is signed in any more: everything is at rest.
    keeper.raise_ceilings().await;
    // A sync that is under way does not count for what has changed since it began.
    syncs.under_way.clear();
    syncs.begin(keeper.table.all());
    while let Some(synced) = syncs.next().await {
        keeper.write_exact(synced).await;
    }
}

impl Keeper {
    /// Writes the ceilings down that are wanted.
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
                    .look(wanting.into_iter().map(|(account, _)| account).collect());
            }
            Err(error) => {
                tracing::error!(%error, "cannot write down the use of homes; growth stops at what is written down");
                wanting.iter().for_each(|(account, _)| account.not_written());
            }
        }
    }

    /// Returns the accounts that have been at rest for long enough.
    fn rested(&self, resting: &mut HashMap<AccountId, Rest>) -> Vec<Arc<Account>> {
        let open: Vec<Arc<Account>> = self
            .table
            .all()
            .into_iter()
            .filter(|account| !account.is_clean())
            .collect();
        resting.retain(|id, _| open.iter().any(|account| account.id() == id));
        open.into_iter()
            .filter(|account| {
                let rest = resting.entry(account.id().clone()).or_default();
                let activity = account.activity();
                rest.ticks = if rest.activity == activity {
                    rest.ticks + 1
                } else {
                    0
                };
                rest.activity = activity;
                rest.ticks >= REST_TICKS
            })
            .collect()
    }

    /// Writes exact numbers down.
    async fn write_exact(&self, mut synced: Synced) {
        // Nobody else writes meanwhile: what is current now is so until it is written.
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
                tracing::warn!(
                    error,
                    "cannot write down the exact use of homes; trying again later"
                );
                synced.closed.iter().for_each(|one| one.account.reopen());
            }
        }
    }
}

/// An account at rest, and what is to be written down of it.
struct Closed {
    account: Arc<Account>,
    record: UsageRecord,
    /// Which of the account's closings this is.
    closing: u64,
}

impl Closed {
    fn new(account: Arc<Account>) -> Option<Self> {
        let record = account.close_for_exact()?;
        let closing = account.closings();
        Some(Self {
            account,
            record,
            closing,
        })
    }

    /// Is it closed still? If not, a ceiling was written since, and the account has changed or may have.
    fn is_current(&self) -> bool {
        self.account.is_clean() && self.account.closings() == self.closing
    }
}

/// What the thread of a volume comes back with.
struct Synced {
    volume: Volume,
    closed: Vec<Closed>,
    result: storage::Result<()>,
}

/// Brings what exact numbers count to the disks first, so that a power cut cannot take back what the number says. There
/// is one thread for each volume, so that one that hangs delays no other, and none before the last has come back.
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

    /// Waits for the next volume; `None` if there is none under way.
    async fn next(&mut self) -> Option<Synced> {
        loop {
            // A thread that has panicked leaves its accounts closed: their next change opens them again.
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

    /// Held by a file system that hangs.
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
            // The use of a home that no user has is not written down.
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
            while account.measures() == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // The test is the keeper from here on.
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
        assert!(account.is_clean() && syncs.threads.len() == 1);
        // Its file system is not synced a second time, and what changes is written down as a ceiling.
        runtime.block_on(async { syncs.begin(vec![Arc::clone(&account)]) });
        assert_eq!(syncs.threads.len(), 1);
        grow().unwrap();
        assert!(!account.is_clean());
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
        // The next one counts.
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
