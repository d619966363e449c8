//! The part of a channel's window that WRITEs have occupied, and that is given back at the rate of the user's uploads.
//!
//! WRITEs are executed and answered at once: only the client's credit for more comes later, so that nothing waits in
//! memory, and all other requests are answered as before.

use std::sync::Arc;

use crate::session::rate::{QUANTUM, UserRates};

/// The window that is withheld from a client whose user has a rate for uploads.
pub(super) struct WithheldWindow {
    rates: Arc<UserRates>,
    bytes: usize,
    /// Whether a task gives the window back.
    is_returning: bool,
}

impl WithheldWindow {
    /// Withholds nothing yet.
    pub(super) fn new(rates: Arc<UserRates>) -> Self {
        Self {
            rates,
            bytes: 0,
            is_returning: false,
        }
    }

    /// Returns whether nothing is withheld.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Takes what WRITEs have occupied, unless the user's rate allows to give it back at once; returns how much it
    /// took.
    pub(super) fn take(&mut self, by_writes: usize) -> usize {
        if by_writes == 0 || self.bytes == 0 && self.rates.up.try_pay(by_writes) {
            return 0;
        }
        self.bytes += by_writes;
        by_writes
    }

    /// Returns whether a task must be started that gives back what is withheld.
    pub(super) fn begin_return(&mut self) -> bool {
        self.bytes > 0 && !std::mem::replace(&mut self.is_returning, true)
    }

    /// Returns what is to be paid for next, and the rate; `None` if nothing is withheld any more, and the task ends.
    pub(super) fn next_part(&mut self) -> Option<(Arc<UserRates>, usize)> {
        self.is_returning = self.bytes > 0;
        self.is_returning
            .then(|| (Arc::clone(&self.rates), self.bytes.min(QUANTUM)))
    }

    /// Records that a part was paid for, and can be given back.
    pub(super) fn paid(&mut self, part: usize) {
        self.bytes = self.bytes.saturating_sub(part);
    }
}

impl Drop for WithheldWindow {
    fn drop(&mut self) {
        self.rates.up.charge(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::rate::Rates;

    #[test]
    fn without_a_rate_nothing_is_withheld() {
        let mut withheld = WithheldWindow::new(Arc::default());
        for _ in 0..1000 {
            assert_eq!(withheld.take(1 << 20), 0);
        }
        assert!(withheld.is_empty() && !withheld.begin_return());
    }

    #[test]
    fn what_exceeds_the_rate_is_withheld_and_one_task_returns_it() {
        let rates = Arc::new(UserRates::default());
        rates.set_usual(Rates {
            up: Some(1024),
            down: None,
        });
        let mut withheld = WithheldWindow::new(Arc::clone(&rates));
        assert_eq!(withheld.take(100_000), 0, "the first is paid for later");
        assert_eq!(withheld.take(50_000), 50_000);
        assert_eq!(withheld.take(10), 10);
        assert!(withheld.begin_return() && !withheld.begin_return());
        let parts: Vec<usize> = std::iter::from_fn(|| {
            let (_, part) = withheld.next_part()?;
            withheld.paid(part);
            Some(part)
        })
        .collect();
        assert_eq!(parts, [QUANTUM, 50_010 - QUANTUM]);
        assert!(!withheld.begin_return());
        assert_eq!(withheld.take(7), 7);
        assert!(withheld.begin_return(), "another task");
    }
}
