//! Starts measurements. Their number is limited for each file system, so that one that hangs, or is large and slow,
//! does not delay the others.
//!
//! Measurements that a client waits for have slots of their own, so that they are not queued behind the homes that
//! are measured after a start. A measurement that takes long (for example because another file system is mounted in
//! the home, and hangs) releases its slot and goes on. A home has one measurement at a time (`account/measurements.rs`
//! decides about the next one), so one user occupies one slot, or a twentieth of it with a full home that is measured
//! again and again.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::TaskTracker;

use crate::io::KeyedSemaphore;
use crate::io::cpu_slots::cores;
use crate::storage::backend::Backend;
use crate::storage::location::{Location, Volume};

use super::account::{Account, Helpers};
use super::measure::measure;
use super::table::AccountTable;

/// The number of homes of one file system that are measured at once because clients wait for them.
const ASKED_AT_ONCE: usize = 4;

/// How long a measurement that a client waits for keeps its slot.
const ASKED_FOR: Duration = Duration::from_secs(30);
/// How long a background measurement keeps its slot, so that a slow disk is not loaded with many of them at once.
const BACKGROUND_FOR: Duration = Duration::from_secs(5 * 60);

/// The reason why a home is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MeasureReason {
    /// No client waits for it.
    Background,
    /// A client would be refused otherwise.
    Refusal,
}

/// Starts measurements in the background.
pub(super) struct Measurer {
    table: Arc<AccountTable>,
    backend: Arc<dyn Backend>,
    /// The tasks that the end of the server waits for.
    tasks: TaskTracker,
    /// Limits how many homes of one volume are measured in the background.
    background: KeyedSemaphore<Volume>,
    /// Limits how many homes of one volume are measured because clients wait for them.
    asked: KeyedSemaphore<Volume>,
}

/// Starts the measurements that refusals ask for, until the server ends.
pub(super) async fn serve(measurer: Arc<Measurer>, helpers: Helpers) {
    loop {
        tokio::select! {
            () = helpers.quit.cancelled() => return,
            () = helpers.measurer.notified() => {}
        }
        for account in measurer.table.all() {
            if account.measurements.take_asked() {
                measurer.measure_later(account, MeasureReason::Refusal);
            }
        }
    }
}

impl Measurer {
    /// Creates a measurer for the accounts of `table`, which measures in `backend` and runs as part of `tasks`.
    pub(super) fn new(table: Arc<AccountTable>, backend: Arc<dyn Backend>, tasks: TaskTracker) -> Self {
        // Sessions need processors too.
        let half = cores().div_ceil(2);
        Self {
            table,
            backend,
            tasks,
            background: KeyedSemaphore::new(half),
            asked: KeyedSemaphore::new(ASKED_AT_ONCE),
        }
    }

    /// Returns the storage that measures.
    pub(super) fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// Measures a home later on a thread of the blocking pool.
    pub(super) fn measure_later(self: &Arc<Self>, account: Arc<Account>, why: MeasureReason) {
        if why == MeasureReason::Background && !account.measurements.queue() {
            return;
        }
        let measurer = Arc::clone(self);
        self.tasks.spawn(async move {
            let Some(volume) = measurer.volume(account.location()) else {
                return;
            };
            let (semaphore, limit) = match why {
                MeasureReason::Background => (measurer.background.of(&volume), BACKGROUND_FOR),
                MeasureReason::Refusal => (measurer.asked.of(&volume), ASKED_FOR),
            };
            let Ok(slot) = semaphore.acquire().await else {
                return;
            };
            if why == MeasureReason::Background && !account.measurements.is_queued() {
                // A client needed it sooner, so it was measured already.
                return;
            }
            let backend = Arc::clone(&measurer.backend);
            let mut measuring = tokio::task::spawn_blocking(move || measure(&account, &*backend));
            // The measurement itself logs an error, and marks the account.
            if tokio::time::timeout(limit, &mut measuring).await.is_err() {
                drop(slot);
                let _ = measuring.await;
            }
        });
    }

    fn volume(&self, home: &Location) -> Option<Volume> {
        // There is one volume for each home in the request.
        self.backend.volumes(&[home]).pop()
    }

    /// Measures the invalidated accounts again, as often as an account may be measured.
    pub(super) fn measure_invalidated(self: &Arc<Self>) {
        for account in self.table.all() {
            if account.measurements.is_invalidated() && account.measurements.may_begin() {
                self.measure_later(account, MeasureReason::Background);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::accounts::id::AccountSpec;
    use crate::accounts::{Accounts, QuotaSettings};
    use crate::domain::user::Quota;
    use crate::storage::Wait;
    use crate::storage::local::backend::LocalDisks;
    use crate::store::sql::SqlStore;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap()
    }

    /// The host frees space while a measurement is already running.
    #[test]
    fn a_refusal_is_not_content_with_a_measure_that_had_begun_before_it() {
        let runtime = runtime();
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        std::fs::create_dir(&home).unwrap();
        std::fs::write(home.join("f"), [0; 900]).unwrap();
        let quota = Quota {
            bytes: Some(1000),
            files: None,
        };
        let account = runtime.block_on(async {
            let store = SqlStore::open(&dir.path().join("homeport.db")).await.unwrap();
            let quit = tokio_util::sync::CancellationToken::new();
            let accounts = Accounts::start(
                Arc::new(store),
                Arc::new(LocalDisks),
                QuotaSettings::default(),
                quit,
            );
            accounts
                .account(&AccountSpec::of_home(&home, quota))
                .await
                .unwrap()
        });
        while account.measurements.ended() == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        account.measurements.begin();
        // The measurement has already counted the file with its old size.
        std::fs::write(home.join("f"), [0; 10]).unwrap();
        let (tell, attempts) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let account = &account;
            let growing = scope.spawn(move || {
                account.retry_until(Wait::Allowed, || {
                    let change = account.begin()?;
                    let reserved = account.reserve_bytes(&change, 900);
                    let _ = tell.send(reserved.is_ok());
                    reserved
                })
            });
            assert!(!attempts.recv().unwrap());
            // The thread should wait by now. If it does not, the test passes without proving anything.
            std::thread::sleep(Duration::from_millis(50));
            account.measure_ended(std::time::Instant::now(), false);
            growing.join().unwrap().unwrap();
        });
        assert_eq!(account.usage().bytes, 910);
    }

    #[test]
    fn a_waiting_client_does_not_queue_behind_the_background() {
        let runtime = runtime();
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        std::fs::create_dir(&home).unwrap();
        std::fs::write(home.join("f"), [0; 600]).unwrap();
        let quota = Quota {
            bytes: Some(1000),
            files: None,
        };
        let (account, _all) = runtime.block_on(async {
            let store = SqlStore::open(&dir.path().join("homeport.db")).await.unwrap();
            let quit = tokio_util::sync::CancellationToken::new();
            let accounts = Accounts::start(
                Arc::new(store),
                Arc::new(LocalDisks),
                QuotaSettings::default(),
                quit,
            );
            let volume = accounts.measurer.volume(&Location::of_directory(&home)).unwrap();
            let semaphore = accounts.measurer.background.of(&volume);
            let places = u32::try_from(semaphore.available_permits()).unwrap();
            let all = semaphore.acquire_many_owned(places).await.unwrap();
            (
                accounts
                    .account(&AccountSpec::of_home(&home, quota))
                    .await
                    .unwrap(),
                all,
            )
        });
        account
            .retry_until(Wait::Allowed, || {
                let change = account.begin()?;
                account.reserve_bytes(&change, 400)
            })
            .unwrap();
        assert_eq!(account.usage().bytes, 1000);
    }
}
