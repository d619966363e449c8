//! Keeps in the store from where users have signed in, so that it is known after a restart ([`super::throttle`] says
//! what for).
//!
//! A task of its own writes, in batches: no sign-in waits for it or fails with it, also on a full disk. What could
//! not be written is tried again later.

use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::address::Source;
use super::throttle::Throttle;
use super::throttle::known_places::{LIFETIME, MAX_PLACES};
use crate::domain::user::UserName;
use crate::store::{SignIn, Store};

/// The time between two looks for sign-ins that are to be written down.
const EVERY: Duration = Duration::from_secs(30);
/// The same after a failure, as on a full disk.
const AFTER_FAILURE: Duration = Duration::from_secs(600);
/// The number of rows of one transaction.
const BATCH: usize = 500;
/// How long the end of the server waits for the last ones to be written.
const LAST_CALL: Duration = Duration::from_secs(2);

/// The way between what the throttle remembers and what the store keeps.
pub struct SignInHistory {
    store: Arc<dyn Store>,
    throttle: Arc<Mutex<Throttle>>,
}

impl SignInHistory {
    /// The history of a throttle, kept in a store.
    pub(super) fn new(store: Arc<dyn Store>, throttle: Arc<Mutex<Throttle>>) -> Self {
        Self { store, throttle }
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock()
    }

    /// Reads what was written down. Without it everything works, so a failure is only told.
    pub async fn recall(&self) {
        let (now, clock) = (Instant::now(), Timestamp::now());
        let since = clock.checked_sub(LIFETIME).unwrap_or(Timestamp::UNIX_EPOCH);
        match self.store.sign_ins(since).await {
            Ok(sign_ins) => {
                let mut throttle = self.throttle();
                for sign_in in sign_ins {
                    let age = Duration::try_from(clock.duration_since(sign_in.at)).unwrap_or_default();
                    let at = now.checked_sub(age).unwrap_or(now);
                    throttle
                        .places()
                        .restore(&sign_in.user, Source::from(sign_in.source), at, now);
                }
            }
            Err(error) => tracing::warn!(%error, "cannot read from where users have signed in before"),
        }
    }

    /// Writes down from where users sign in, until `quit` is cancelled.
    pub async fn keep(&self, quit: CancellationToken) {
        let mut pause = EVERY;
        loop {
            tokio::select! {
                () = quit.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
            pause = if self.write().await { EVERY } else { AFTER_FAILURE };
        }
        let _ = tokio::time::timeout(LAST_CALL, self.write()).await;
    }

    /// Forgets what is known of a name, whose user was removed or renamed.
    pub fn forget(&self, name: &UserName) {
        self.throttle().places().retain(|user| user != name);
    }

    /// Writes down what is not written yet. Returns `false` if that failed.
    pub(super) async fn write(&self) -> bool {
        loop {
            let batch = self.throttle().places().unwritten(BATCH);
            if batch.is_empty() {
                return true;
            }
            let (now, clock) = (Instant::now(), Timestamp::now());
            let rows: Vec<SignIn> = batch
                .iter()
                .map(|(user, source, at)| SignIn {
                    user: user.clone(),
                    source: source.address(),
                    at: clock
                        .checked_sub(now.saturating_duration_since(*at))
                        .unwrap_or(clock),
                })
                .collect();
            let forget_before = clock.checked_sub(LIFETIME).unwrap_or(Timestamp::UNIX_EPOCH);
            let written = self.store.record_sign_ins(&rows, MAX_PLACES, forget_before).await;
            if let Err(error) = written {
                tracing::debug!(%error, "cannot write down from where users have signed in; trying again later");
                self.throttle().places().not_written(&batch);
                return false;
            }
        }
    }
}
