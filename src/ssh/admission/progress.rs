//! How far a connection has come before the sign-in, and how long an honest client takes for each step.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// How far a connection has come before the sign-in. The connection's handler moves it on.
#[derive(Debug, Clone, Default)]
pub struct SignInProgress(Arc<AtomicU8>);

/// The steps of [`SignInProgress`]: each costs a client more than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The identification line has not come yet.
    Silent,
    /// Keys are being exchanged; a person may be looking at the host key.
    Greeted,
    /// Keys were exchanged; a person may be typing a password.
    Keyed,
}

impl SignInProgress {
    /// Notes that the connection has come this far.
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
    /// A younger connection is spared before an older one of the same step: an honest client takes less than this
    /// for the step.
    pub(super) fn tenure(self) -> Duration {
        match self {
            Step::Silent => Duration::from_secs(1),
            Step::Greeted => Duration::from_secs(5),
            Step::Keyed => Duration::from_secs(20),
        }
    }
}
