//! Stores the addresses from which users have signed in, so that they are known after a restart ([`super::throttle`]
//! says what they are used for).
//!
//! A separate task writes in batches, so that no sign-in waits for it or fails because of it, even on a full disk.
//! Failed writes are repeated later.

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

/// The time between two checks for sign-ins that must be written.
const EVERY: Duration = Duration::from_secs(30);
/// The time until the next check after a failed write, as on a full disk.
const AFTER_FAILURE: Duration = Duration::from_secs(600);
/// The most rows that one transaction writes.
const BATCH: usize = 500;
/// The most time that the shutdown waits for the last rows to be written.
const LAST_WRITE_TIMEOUT: Duration = Duration::from_secs(2);

/// Connects the sign-ins that the throttle remembers with those that the store keeps.
pub struct SignInHistory {
    store: Arc<dyn Store>,
    throttle: Arc<Mutex<Throttle>>,
}

impl SignInHistory {
    /// Creates the history for a throttle, kept in a store.
    pub(super) fn new(store: Arc<dyn Store>, throttle: Arc<Mutex<Throttle>>) -> Self {
        Self { store, throttle }
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock()
    }

    /// Reads the stored sign-ins. The server works without them, so a failure is only logged.
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

    /// Writes new sign-ins to the store until `quit` is cancelled.
    pub async fn keep(&self, quit: CancellationToken) {
        let mut pause = EVERY;
        loop {
            tokio::select! {
                () = quit.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
            pause = if self.write().await { EVERY } else { AFTER_FAILURE };
        }
        let _ = tokio::time::timeout(LAST_WRITE_TIMEOUT, self.write()).await;
    }

    /// Forgets the sign-ins of a name whose user was removed or renamed.
    pub fn forget(&self, name: &UserName) {
        self.throttle().places().retain(|user| user != name);
    }

    /// Writes the sign-ins that are not stored yet. Returns `false` if that failed.
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
                tracing::debug!(%error, "cannot record from where users have signed in; trying again later");
                self.throttle().places().not_written(&batch);
                return false;
            }
        }
    }
}
