//! How many questions an outside source is asked at once: in all, and for one address.

use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use crate::auth::address::Source;
use crate::auth::verifier::{FairPermit, FairSemaphore, QueueFull, QueuedAttempt, VerifierBounds};
use crate::io::KeyedSemaphore;

/// The most questions at once. A source that takes 50 ms for each answers 320 in a second, and one that hangs holds no more
/// than these.
const AT_ONCE: usize = 16;
/// The most of them for one address, so that one that makes the source slow leaves the other half to others.
const OF_ONE_ADDRESS: usize = 8;
/// The most attempts that wait. Each holds a name and a password, as those that wait for a hash do.
const WAITING: usize = 512;
/// The most attempts of one address that wait.
const WAITING_OF_ONE_ADDRESS: usize = 384;

/// The right to ask, until the answer has come, whether anybody still waits for it or not.
pub(in crate::auth) struct ExternalTurn {
    _in_all: FairPermit,
    /// A pair of address and user that has signed in before needs none, so that others of its address do not keep it out.
    _of_address: Option<OwnedSemaphorePermit>,
}

/// Gives turns in an order that is fair among addresses and names.
pub(super) struct ExternalTurns {
    line: FairSemaphore,
    addresses: KeyedSemaphore<Source>,
    /// The longest time that an attempt waits for its turn.
    patience: Duration,
}

impl ExternalTurns {
    pub(super) fn new(patience: Duration) -> Self {
        let bounds = VerifierBounds {
            workers: AT_ONCE,
            waiting: WAITING,
            waiting_per_source: WAITING_OF_ONE_ADDRESS,
        };
        Self {
            line: FairSemaphore::bounded(bounds),
            addresses: KeyedSemaphore::new(OF_ONE_ADDRESS),
            patience,
        }
    }

    /// Waits for a turn; dropping the future gives up the place.
    ///
    /// # Errors
    /// Returns an error if too many wait, or if it takes too long.
    pub(super) async fn take(&self, attempt: QueuedAttempt) -> Result<ExternalTurn, QueueFull> {
        let taking = async {
            let of_address = match attempt.known {
                true => None,
                false => {
                    let permit = self.addresses.of(&attempt.source).acquire_owned().await;
                    Some(permit.map_err(|_| QueueFull)?)
                }
            };
            Ok(ExternalTurn {
                _in_all: self.line.acquire_for(attempt).await?,
                _of_address: of_address,
            })
        };
        tokio::time::timeout(self.patience, taking)
            .await
            .unwrap_or(Err(QueueFull))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(address: &str) -> QueuedAttempt {
        QueuedAttempt {
            source: address.parse::<std::net::IpAddr>().unwrap().into(),
            name: None,
            known: false,
        }
    }

    #[tokio::test]
    async fn one_address_leaves_turns_to_others_and_nobody_waits_for_ever() {
        let turns = ExternalTurns::new(Duration::from_millis(100));
        let mut held = Vec::new();
        for _ in 0..OF_ONE_ADDRESS {
            held.push(turns.take(attempt("192.0.2.1")).await.unwrap());
        }
        assert!(turns.take(attempt("192.0.2.1")).await.is_err());
        let known = QueuedAttempt {
            known: true,
            ..attempt("192.0.2.1")
        };
        drop(turns.take(known).await.unwrap());
        for _ in 0..AT_ONCE - OF_ONE_ADDRESS {
            held.push(turns.take(attempt("192.0.2.2")).await.unwrap());
        }
        assert!(turns.take(attempt("192.0.2.3")).await.is_err());
        held.clear();
        assert!(turns.take(attempt("192.0.2.1")).await.is_ok());
    }
}
