//! How far a connection has come in signing in, and how long an honest client takes for each step.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// How far a connection has come in signing in. The connection's handler updates it.
#[derive(Debug, Clone, Default)]
pub struct SignInProgress(Arc<AtomicU8>);

/// The steps of [`SignInProgress`]. Each step costs a client more than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The client's identification string has not arrived yet.
    Silent,
    /// Keys are being exchanged; a person may be comparing the host key.
    Greeted,
    /// Keys were exchanged; a person may be typing a password.
    Keyed,
}

impl SignInProgress {
    /// Records that the connection has reached this step.
    pub fn reach(&self, step: Step) {
        self.0.fetch_max(step as u8, Ordering::Relaxed);
    }

    pub(super) fn step(&self) -> Step {
        match self.0.load(Ordering::Relaxed) {
            0 => Step::Silent,
            1 => Step::Greeted,
            _ => Step::Keyed,
        }
    }
}

impl Step {
    /// Returns the time that an honest client needs for the step at most. A connection that has been in the step for
    /// less time is evicted after older ones.
    pub(super) fn expected_duration(self) -> Duration {
        match self {
            Step::Silent => Duration::from_secs(1),
            Step::Greeted => Duration::from_secs(5),
            Step::Keyed => Duration::from_secs(20),
        }
    }
}
