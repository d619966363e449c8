//! Writes accounts down: new ceilings as soon as they are wanted, exact numbers once nothing has changed for a while.
//!
//! One task for all accounts, so that a round costs one transaction, however many homes it is about; and so that no
//! two writers of one account exist. What may go wrong: the store is locked or full. Then what fits under the old
//! ceilings goes on, what does not waits for a while and fails, and the keeper tries again every second. A file system
//! hangs: it is synced by a thread of its own ([`Syncs`]), and nobody waits for that; what changes in its homes meanwhile
//! is written down as a ceiling, and what the thread comes back with is then too old to count.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::store::UsageRecord;

use super::Accounts;
use super::account::Account;
use super::measurer::MountPoints;

/// How often the keeper looks for accounts that have come to rest, and tries again what has failed.
const TICK: Duration = Duration::from_secs(1);
/// So many ticks without a change make an account worth an exact number.
const REST_TICKS: u32 = 10;

/// How long an account has been at rest.
#[derive(Default)]
struct Rest {
    activity: u64,
    ticks: u32,
}

/// The keeper's task.
pub(super) async fn keep(accounts: Arc<Accounts>, quit: CancellationToken) {
    let mut resting: HashMap<PathBuf, Rest> = HashMap::new();
    let mut syncs = Syncs::new(sync_file_systems);
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = quit.cancelled() => break,
            () = accounts.helpers.keeper.notified() => raise_ceilings(&accounts).await,
            Some(synced) = syncs.next() => write_exact(&accounts, synced).await,
            _ = tick.tick() => {
                raise_ceilings(&accounts).await;
                syncs.begin(rested(&accounts, &mut resting));
                accounts.measure_invalidated();
            }
        }
    }
    // Nobody is signed in any more: everything is at rest.
    raise_ceilings(&accounts).await;
    // A sync that is under way does not count for what has changed since it began.
    syncs.under_way.clear();
    syncs.begin(accounts.all());
    while let Some(synced) = syncs.next().await {
        write_exact(&accounts, synced).await;
    }
}

async fn raise_ceilings(accounts: &Arc<Accounts>) {
    let wanting: Vec<(Arc<Account>, UsageRecord)> = accounts
        .all()
        .into_iter()
        .filter_map(|account| account.wanted_record().map(|record| (account, record)))
        .collect();
    if wanting.is_empty() {
        return;
    }
    let records: Vec<UsageRecord> = wanting.iter().map(|(_, record)| record.clone()).collect();
    match accounts.store.record_usage(&records).await {
        Ok(()) => {
            wanting
                .iter()
                .for_each(|(account, record)| account.ceiling_written(record));
            accounts.look_at_markers(wanting.into_iter().map(|(account, _)| account).collect());
        }
        Err(error) => {
            tracing::error!(%error, "cannot write down the use of homes; growth stops at what is written down");
            wanting.iter().for_each(|(account, _)| account.not_written());
        }
    }
}

fn rested(accounts: &Accounts, resting: &mut HashMap<PathBuf, Rest>) -> Vec<Arc<Account>> {
    let open: Vec<Arc<Account>> = accounts
        .all()
        .into_iter()
        .filter(|account| !account.is_clean())
        .collect();
    resting.retain(|home, _| open.iter().any(|account| account.home() == home));
    open.into_iter()
        .filter(|account| {
            let rest = resting.entry(account.home().to_owned()).or_default();
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

/// What a file system's thread comes back with.
struct Synced {
    mount: PathBuf,
    closed: Vec<Closed>,
    result: std::io::Result<()>,
}

/// Brings what exact numbers count to the disks first, so that a power cut cannot take back what the number says. There
/// is one thread for each file system, so that one that hangs delays no other, and none before the last has come back.
struct Syncs {
    sync: fn(&[PathBuf]) -> std::io::Result<()>,
    threads: JoinSet<Synced>,
    under_way: HashSet<PathBuf>,
}

impl Syncs {
    fn new(sync: fn(&[PathBuf]) -> std::io::Result<()>) -> Self {
        Self {
            sync,
            threads: JoinSet::new(),
            under_way: HashSet::new(),
        }
    }

    fn begin(&mut self, accounts: Vec<Arc<Account>>) {
        if accounts.is_empty() {
            return;
        }
        let mounts = MountPoints::now();
        let mut groups: HashMap<PathBuf, Vec<Closed>> = HashMap::new();
        for account in accounts {
            let mount: &Path = mounts.above(account.home());
            if !self.under_way.contains(mount)
                && let Some(closed) = Closed::new(account)
            {
                groups.entry(mount.to_owned()).or_default().push(closed);
            }
        }
        let sync = self.sync;
        for (mount, closed) in groups {
            self.under_way.insert(mount.clone());
            self.threads.spawn_blocking(move || {
                let homes: Vec<PathBuf> = closed.iter().map(|one| one.record.home.clone()).collect();
                let result = sync(&homes);
                Synced {
                    mount,
                    closed,
                    result,
                }
            });
        }
    }

    /// Waits for the next file system; `None` if there is none under way.
    async fn next(&mut self) -> Option<Synced> {
        loop {
            // A thread that has panicked leaves its accounts closed: their next change opens them again.
            if let Ok(synced) = self.threads.join_next().await? {
                self.under_way.remove(&synced.mount);
                return Some(synced);
            }
        }
    }
}

/// Writes exact numbers down.
async fn write_exact(accounts: &Accounts, mut synced: Synced) {
    // Nobody else writes meanwhile: what is current now is so until it is written.
    synced.closed.retain(Closed::is_current);
    if synced.closed.is_empty() {
        return;
    }
    let written = match synced.result {
        Ok(()) => {
            let records: Vec<UsageRecord> = synced.closed.iter().map(|one| one.record.clone()).collect();
            let written = accounts.store.record_usage(&records).await;
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

/// syncfs(2), once for each file system.
fn sync_file_systems(homes: &[PathBuf]) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let mut done = Vec::new();
    for home in homes {
        let directory = match std::fs::File::open(home) {
            Ok(directory) => directory,
            // A home that is gone has nothing that could be lost.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let device = directory.metadata()?.dev();
        if !done.contains(&device) {
            rustix::fs::syncfs(&directory)?;
            done.push(device);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::accounts::QuotaSettings;
    use crate::domain::user::{Quota, User};
    use crate::storage::Wait;
    use crate::store::Store as _;
    use crate::store::sql::SqlStore;

    fn calvin(home: PathBuf) -> User {
        User {
            home,
            ..User::blank("calvin".parse().unwrap())
        }
    }

    /// Held by a file system that hangs.
    static DISK: Mutex<()> = Mutex::new(());

    fn hangs(_homes: &[PathBuf]) -> std::io::Result<()> {
        drop(DISK.lock());
        Ok(())
    }

    #[test]
    fn a_file_system_that_hangs_is_not_waited_for_and_its_old_number_does_not_count() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        std::fs::create_dir(&home).unwrap();
        let hung = DISK.lock().unwrap();
        let (accounts, account) = runtime.block_on(async {
            let store = SqlStore::open(&dir.path().join("homeport.db")).await.unwrap();
            // The use of a home that no user has is not written down.
            store.add_user(&calvin(home.clone())).await.unwrap();
            let quit = CancellationToken::new();
            let accounts = Accounts::start(Arc::new(store), QuotaSettings::default(), quit.clone());
            let account = accounts.account(&home, Quota::default()).await.unwrap();
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
                    runtime.block_on(raise_ceilings(&accounts));
                    std::thread::sleep(Duration::from_millis(1));
                }
                growing.join().unwrap()
            })
        };
        grow().unwrap();
        let mut syncs = Syncs::new(hangs);
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
            write_exact(&accounts, synced).await;
        });
        let written = runtime.block_on(accounts.store.usage(&home)).unwrap().unwrap();
        assert!(!written.exact && written.bytes >= 200, "{written:?}");
        // The next one counts.
        runtime.block_on(async {
            syncs.begin(vec![Arc::clone(&account)]);
            let synced = syncs.next().await.unwrap();
            write_exact(&accounts, synced).await;
        });
        let written = runtime.block_on(accounts.store.usage(&home)).unwrap().unwrap();
        assert!(written.exact && written.bytes == 200, "{written:?}");
    }
}
