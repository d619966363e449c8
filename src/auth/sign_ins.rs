//! Keeps in the store from where users have signed in, so that it is known after a restart ([`super::throttle`] says
//! what for).
//!
//! Written by a task of its own, in batches: no sign-in waits for it or fails with it, also on a full disk. What could
//! not be written is tried again later.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::Authenticator;
use super::address::Source;
use super::throttle::places::{LIFETIME, MAX_PLACES};
use crate::domain::user::UserName;
use crate::store::SignIn;

/// The time between two looks for sign-ins that are to be written down.
const EVERY: Duration = Duration::from_secs(30);
/// The same after a failure, as on a full disk.
const AFTER_FAILURE: Duration = Duration::from_secs(600);
/// Rows of one transaction.
const BATCH: usize = 500;
/// How long the end of the server waits for the last ones to be written.
const LAST_CALL: Duration = Duration::from_secs(2);

impl Authenticator {
    /// Reads what was written down. Without it everything works, so a failure is only told.
    pub async fn recall_sign_ins(&self) {
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
    pub async fn keep_sign_ins(&self, quit: CancellationToken) {
        let mut pause = EVERY;
        loop {
            tokio::select! {
                () = quit.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
            pause = if self.write_sign_ins().await {
                EVERY
            } else {
                AFTER_FAILURE
            };
        }
        let _ = tokio::time::timeout(LAST_CALL, self.write_sign_ins()).await;
    }

    /// A user was removed or renamed: what is known of the name is forgotten.
    pub fn user_gone(&self, name: &UserName) {
        self.throttle().places().retain(|user| user != name);
    }

    /// Writes down what is not. `false`: it could not be.
    pub(super) async fn write_sign_ins(&self) -> bool {
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
