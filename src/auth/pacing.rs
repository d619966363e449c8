//! When an attempt to sign in with a password or a code is examined, and when its refusal is answered.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep_until};

use super::address::Source;
use super::denial::DenialReason;
use super::failure_floor::FailureFloor;
use super::throttle::{Throttle, ThrottleSettings};
use super::verifier::{QueueFull, QueuedAttempt, Verifier, VerifierBounds};
use crate::domain::user::{Factor, UserName};

/// An attempt that wants to be examined.
#[derive(Debug, Clone, Copy)]
pub(super) struct Applicant<'a> {
    /// Where it comes from.
    pub(super) source: Source,
    /// The name, if a user can have it.
    pub(super) name: Option<&'a UserName>,
    /// What it proves.
    pub(super) factor: Factor,
    /// When it arrived.
    pub(super) start: Instant,
}

/// The queue of attempts, the delays after failures, and the earliest answer to a failure.
pub(super) struct Pacing {
    /// Verifies passwords, a bounded number at once.
    pub(super) verifier: Verifier,
    /// The time that every examined failure takes at least.
    pub(super) floor: FailureFloor,
    throttle: Arc<Mutex<Throttle>>,
}

impl Pacing {
    /// Creates the pacing without any recorded failures.
    pub(super) fn new(settings: &ThrottleSettings, bounds: VerifierBounds) -> Self {
        Self {
            verifier: Verifier::new(bounds),
            floor: FailureFloor::default(),
            throttle: Arc::new(Mutex::new(Throttle::new(settings.clone()))),
        }
    }

    /// Returns the record of failures, locked.
    pub(super) fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock()
    }

    /// Returns the record of failures, for the history of sign-ins.
    pub(super) fn shared_throttle(&self) -> Arc<Mutex<Throttle>> {
        Arc::clone(&self.throttle)
    }

    /// Returns an attempt as it waits in a queue.
    pub(super) fn queued(&self, source: Source, name: Option<&UserName>) -> QueuedAttempt {
        QueuedAttempt {
            source,
            name: name.cloned(),
            known: self.throttle().knows(source, name, Instant::now().into_std()),
        }
    }

    /// Waits for a permit, unless there were too many failures before. After too many failures the attempt is not
    /// examined, but waits as long as a wrong password would; if enough is forgiven by then, it is examined after all.
    /// So an honest user can sign in soon after an attack from the same address.
    ///
    /// `acquire` waits for the permit: to verify a password, or to ask an outside source.
    pub(super) async fn admit<P, F>(
        &self,
        applicant: Applicant<'_>,
        acquire: impl Fn(QueuedAttempt) -> F,
    ) -> Result<P, DenialReason>
    where
        F: Future<Output = Result<P, QueueFull>>,
    {
        let Applicant {
            source,
            name,
            factor,
            start,
        } = applicant;
        for last in [false, true] {
            let permit = acquire(self.queued(source, name)).await;
            let (refused, delay) = {
                let throttle = self.throttle();
                let now = Instant::now().into_std();
                let admits = match factor {
                    Factor::Totp => throttle.admits_code(source, name, now),
                    Factor::Password | Factor::PublicKey => throttle.admits(source, name, now),
                };
                let refused = match &permit {
                    Ok(_) if admits => None,
                    Ok(_) => Some(DenialReason::Throttled),
                    Err(_) => Some(DenialReason::QueueFull),
                };
                (refused, throttle.refusal_delay(source, name, now))
            };
            match (refused, permit) {
                (None, Ok(permit)) => return Ok(permit),
                (Some(reason), _) if last => return Err(reason),
                // The permit is released, so that others do not wait for this attempt.
                (_, permit) => drop(permit),
            }
            sleep_until(start + delay).await;
        }
        Err(DenialReason::Throttled)
    }

    /// Counts a failure (of a password or code for this name, if there is one) and returns how long the answer must be
    /// held back.
    pub(super) fn count(
        &self,
        source: Source,
        password_for: Option<Option<&UserName>>,
        reason: &DenialReason,
    ) -> Duration {
        let now = Instant::now().into_std();
        let mut throttle = self.throttle();
        match (reason, password_for) {
            // Neither the peer nor the user caused this failure.
            (
                DenialReason::Store(_)
                | DenialReason::SecretsKey(_)
                | DenialReason::NotVerified
                | DenialReason::External(_)
                | DenialReason::QueueFull,
                _,
            ) => throttle.refusal_delay(source, password_for.flatten(), now),
            (_, Some(name)) => throttle.wrong_password(source, name, now),
            (_, None) => throttle.failed(source, now),
        }
    }

    /// Waits for the verdict on a password or a code. A failure is counted before the caller lets another attempt run, and
    /// comes with the time for which its answer must be held back. If the peer does not wait, it counts as wrong.
    pub(super) async fn judged<T>(
        &self,
        applicant: Applicant<'_>,
        checking: impl Future<Output = Result<T, DenialReason>>,
    ) -> Result<T, (Duration, DenialReason)> {
        let Applicant {
            source, name, start, ..
        } = applicant;
        let mut unchecked = UncheckedSecret {
            pacing: self,
            source,
            name,
            checked: false,
        };
        let checked = checking.await;
        unchecked.checked = true;
        checked.map_err(|reason| {
            let delay = self.count(source, Some(name), &reason);
            (self.floor.answer_after(start.elapsed(), delay), reason)
        })
    }
}

/// A password or a code that is being checked. If the peer does not wait for the verdict, it counts as wrong; otherwise a
/// peer could cause hashes without any cost.
struct UncheckedSecret<'a> {
    pacing: &'a Pacing,
    source: Source,
    name: Option<&'a UserName>,
    /// Whether there is a verdict, which is counted by who has asked for it.
    checked: bool,
}

impl Drop for UncheckedSecret<'_> {
    fn drop(&mut self) {
        if !self.checked {
            let now = Instant::now().into_std();
            let _ = self.pacing.throttle().wrong_password(self.source, self.name, now);
        }
    }
}
