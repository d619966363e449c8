//! Stores when users have signed in last, for operators, and the addresses from which they have, so that these are known
//! after a restart ([`super::throttle`] says what they are used for).
//!
//! A separate task writes in batches, so that no sign-in waits for it or fails because of it, even on a full disk.
//! Failed writes are repeated later. A crash loses the times of the last seconds.

use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::address::Source;
use super::throttle::Throttle;
use super::throttle::known_places::{LIFETIME, MAX_PLACES};
use crate::domain::user::UserName;
use crate::store::{LastSignIn, SignIn, Store};

/// The time between two writes of the times of the last sign-ins: how old they are at most that operators see.
const EVERY: Duration = Duration::from_secs(5);
/// The time between two checks for places that must be written. The check goes through all that are known.
const PLACES_EVERY: Duration = Duration::from_secs(30);
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
        let mut places_due = Instant::now() + PLACES_EVERY;
        loop {
            tokio::select! {
                () = quit.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
            let mut is_written = self.write_latest().await;
            if is_written && Instant::now() >= places_due {
                is_written = self.write_places().await;
                places_due = Instant::now() + PLACES_EVERY;
            }
            pause = if is_written { EVERY } else { AFTER_FAILURE };
        }
        let _ = tokio::time::timeout(LAST_WRITE_TIMEOUT, self.write()).await;
    }

    /// Forgets the sign-ins of a name whose user was removed or renamed.
    pub fn forget(&self, name: &UserName) {
        let mut throttle = self.throttle();
        throttle.places().retain(|user| user != name);
        throttle.latest().forget(name);
    }

    /// Writes what is not stored yet. Returns `false` if that failed.
    pub(super) async fn write(&self) -> bool {
        self.write_latest().await && self.write_places().await
    }

    /// Writes the times of the last sign-ins that are not stored yet. Returns `false` if that failed.
    async fn write_latest(&self) -> bool {
        loop {
            let batch = self.throttle().latest().take(BATCH);
            if batch.is_empty() {
                return true;
            }
            let clock = PairedClocks::read();
            let rows: Vec<LastSignIn> = batch
                .iter()
                .map(|(user, at)| LastSignIn {
                    user: user.clone(),
                    at: clock.time_of(*at),
                })
                .collect();
            if let Err(error) = self.store.record_last_sign_ins(&rows).await {
                tracing::debug!(%error, "cannot record when users have signed in; trying again later");
                self.throttle().latest().give_back(batch);
                return false;
            }
            if rows.len() < BATCH {
                // Those that have signed in meanwhile wait for the next batch, so that it is a large one.
                return true;
            }
        }
    }

    /// Writes the places that are not stored yet. Returns `false` if that failed.
    async fn write_places(&self) -> bool {
        loop {
            let batch = self.throttle().places().unwritten(BATCH);
            if batch.is_empty() {
                return true;
            }
            let clock = PairedClocks::read();
            let rows: Vec<SignIn> = batch
                .iter()
                .map(|(user, source, at)| SignIn {
                    user: user.clone(),
                    source: source.address(),
                    at: clock.time_of(*at),
                })
                .collect();
            let forget_before = clock.time.checked_sub(LIFETIME).unwrap_or(Timestamp::UNIX_EPOCH);
            let written = self.store.record_sign_ins(&rows, MAX_PLACES, forget_before).await;
            if let Err(error) = written {
                tracing::debug!(%error, "cannot record from where users have signed in; trying again later");
                self.throttle().places().not_written(&batch);
                return false;
            }
        }
    }
}

/// One moment on both clocks, by which moments of the past become times.
#[derive(Clone, Copy)]
struct PairedClocks {
    now: Instant,
    time: Timestamp,
}

impl PairedClocks {
    fn read() -> Self {
        Self {
            now: Instant::now(),
            time: Timestamp::now(),
        }
    }

    /// Returns the time of a moment that is past.
    fn time_of(self, at: Instant) -> Timestamp {
        let age = self.now.saturating_duration_since(at);
        self.time.checked_sub(age).unwrap_or(self.time)
    }
}
