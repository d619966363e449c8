//! Verifies passwords on at most half of the processor cores, with a fair order among those who wait.
//!
//! A verification takes 19 MiB and some tens of milliseconds. Therefore it runs on separate threads ([`workers`]), at
//! most [`VerifierBounds::workers`] at a time. An attempt asks for a [`FairPermit`]. If none is free, it waits in a
//! queue whose order is fair among addresses and among names ([`attempt_queue`]): a flood from one address, or for one
//! name, delays others by a few hashes. The states of an attempt are: *waiting* (dropping the future ends it and frees
//! its place at once), *admitted* (it holds the [`FairPermit`]), *being verified* (the job holds the permit as well, so
//! that a peer that disconnects does not free a place while its hash is still being computed), and *evicted* (the queue
//! was full, and another attempt had a better claim to the place).

mod attempt_queue;
mod workers;

use parking_lot::{Mutex, MutexGuard};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::oneshot;

pub use self::attempt_queue::QueuedAttempt;
use self::attempt_queue::{AttemptQueue, QueueBounds};
use self::workers::Workers;
use super::password::{self, Verdict};
use crate::domain::user::PasswordHash;
use crate::io::cpu_slots::cores;
use base::secret::Secret;

/// The limits on verifications that run at once, and on attempts that wait.
#[derive(Debug, Clone, Copy)]
pub struct VerifierBounds {
    /// The most verifications that run at once.
    pub workers: usize,
    /// The most attempts that wait, in total. Each holds a name and a password, so this also bounds the memory (to 1
    /// MiB).
    pub waiting: usize,
    /// The most attempts of one source that wait.
    pub waiting_per_source: usize,
}

impl Default for VerifierBounds {
    fn default() -> Self {
        Self {
            // The other half of the cores serves users who are signed in.
            workers: (cores() / 2).max(1),
            // One core verifies this many with the default parameters within 15 seconds, so no attempt waits longer for
            // its answer. Slower hashes of other systems are few, and are replaced.
            waiting: 512,
            // Many honest users may share one address, but that address must not fill the whole queue.
            waiting_per_source: 384,
        }
    }
}

/// The error for an attempt that found the queue full. The password was not verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueFull;

/// Verifies passwords in a fair order.
#[derive(Debug)]
pub struct Verifier {
    shared: Arc<FairQueue>,
    workers: Workers,
    runs: Arc<AtomicU64>,
}

#[derive(Debug)]
struct FairQueue {
    bounds: VerifierBounds,
    state: Mutex<FairQueueState>,
}

#[derive(Debug, Default)]
struct FairQueueState {
    /// The number of permits that are in use.
    taken: usize,
    line: AttemptQueue<oneshot::Sender<FairPermit>>,
}

/// The permit to do expensive work. When the last clone is dropped, the next attempt in the queue receives it.
#[derive(Debug, Clone)]
pub struct FairPermit(#[allow(dead_code, reason = "held, not read")] Arc<PermitSlot>);

#[derive(Debug)]
struct PermitSlot(Arc<FairQueue>);

/// Hands out permits alone, with the same fairness among addresses as for passwords. It serves other expensive work
/// that unauthenticated peers cause.
#[derive(Debug)]
pub struct FairSemaphore(Arc<FairQueue>);

impl Default for FairSemaphore {
    fn default() -> Self {
        // Each connection waits for one permit at a time, so the limits on connections also limit this queue.
        let bounds = VerifierBounds {
            waiting: usize::MAX,
            waiting_per_source: usize::MAX,
            ..VerifierBounds::default()
        };
        Self::bounded(bounds)
    }
}

impl FairSemaphore {
    /// Creates a semaphore with these limits.
    pub(super) fn bounded(bounds: VerifierBounds) -> Self {
        Self(Arc::new(FairQueue {
            bounds,
            state: Mutex::default(),
        }))
    }

    /// Waits for a permit for this attempt; dropping the future gives up the place in the queue.
    pub(super) async fn acquire_for(&self, attempt: QueuedAttempt) -> Result<FairPermit, QueueFull> {
        self.0.acquire(attempt).await
    }

    /// Waits for a permit; dropping the future gives up the place in the queue. A peer that is signed in (`signed_in`)
    /// goes ahead of the others, three times out of four.
    pub async fn acquire(&self, peer: IpAddr, signed_in: bool) -> Result<FairPermit, QueueFull> {
        let attempt = QueuedAttempt {
            source: peer.into(),
            name: None,
            known: signed_in,
        };
        self.0.acquire(attempt).await
    }
}

/// The place of an attempt in the queue. Dropping it gives up the place.
struct QueuePosition {
    shared: Arc<FairQueue>,
    ticket: u64,
}

impl Verifier {
    /// Creates a verifier whose queue has these bounds.
    pub fn new(bounds: VerifierBounds) -> Self {
        Self {
            workers: Workers::new(bounds.workers),
            shared: Arc::new(FairQueue {
                bounds,
                state: Mutex::default(),
            }),
            runs: Arc::default(),
        }
    }

    /// Waits for a permit. At most [`VerifierBounds::workers`] attempts hold one at a time, so no more than these can
    /// overtake what the caller checks while it holds its own.
    pub async fn acquire(&self, attempt: QueuedAttempt) -> Result<FairPermit, QueueFull> {
        self.shared.acquire(attempt).await
    }

    /// Verifies the password against the hash. Without a hash, a dummy is verified at the same cost, and the verdict is
    /// negative.
    pub async fn verify(
        &self,
        permit: &FairPermit,
        password: &Secret,
        hash: Option<&PasswordHash>,
    ) -> Verdict {
        let (permit, password, hash) = (permit.clone(), password.clone(), hash.cloned());
        let runs = Arc::clone(&self.runs);
        let (sender, verdict) = oneshot::channel();
        self.workers.submit(Box::new(move |memory| {
            runs.fetch_add(1, Ordering::Relaxed);
            let verdict = password::compare(&password, hash.as_ref(), memory);
            Box::new(move || {
                // Release the job's permit before sending the verdict, so that the receiver is its only holder.
                drop(permit);
                let _ = sender.send(verdict);
            })
        }));
        verdict.await.unwrap_or(Verdict::NotVerified)
    }

    /// Hashes a password for the store. Returns `None` if memory, threads or randomness are missing.
    pub async fn hash(&self, permit: &FairPermit, password: &Secret) -> Option<PasswordHash> {
        let (permit, password) = (permit.clone(), password.clone());
        let (sender, hash) = oneshot::channel();
        self.workers.submit(Box::new(move |memory| {
            let hash = password::hash_in(&password, memory);
            Box::new(move || {
                drop(permit);
                let _ = sender.send(hash);
            })
        }));
        hash.await.ok().flatten()
    }

    /// Keeps a worker busy until the result is dropped.
    #[cfg(test)]
    pub fn occupy(&self) -> std::sync::mpsc::Sender<()> {
        let (busy, gate) = std::sync::mpsc::channel();
        self.workers.submit(Box::new(move |_| {
            let _ = gate.recv();
            Box::new(|| ())
        }));
        busy
    }

    /// Returns how many permits are in use.
    #[cfg(test)]
    pub fn permits_in_use(&self) -> usize {
        self.shared.state().taken
    }

    /// Returns how many hashes have been computed.
    #[cfg(test)]
    pub fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }
}

impl FairQueue {
    async fn acquire(self: &Arc<Self>, attempt: QueuedAttempt) -> Result<FairPermit, QueueFull> {
        let shared = self;
        let (ticket, receiver) = {
            let mut state = shared.state();
            if state.taken < shared.bounds.workers {
                state.taken += 1;
                state.line.served(&attempt);
                return Ok(FairPermit::new(shared));
            }
            let (sender, receiver) = oneshot::channel();
            let line = QueueBounds {
                all: shared.bounds.waiting,
                per_source: shared.bounds.waiting_per_source,
            };
            // An evicted attempt learns of it when its channel closes.
            let ticket = state.line.join(attempt, sender, line).ok_or(QueueFull)?;
            (ticket, receiver)
        };
        let _place = QueuePosition {
            shared: Arc::clone(shared),
            ticket,
        };
        receiver.await.map_err(|_| QueueFull)
    }

    fn state(&self) -> MutexGuard<'_, FairQueueState> {
        self.state.lock()
    }
}

impl FairPermit {
    fn new(shared: &Arc<FairQueue>) -> Self {
        Self(Arc::new(PermitSlot(Arc::clone(shared))))
    }
}

impl Drop for PermitSlot {
    /// Gives the permit to the next attempt in the queue.
    fn drop(&mut self) {
        let next = {
            let mut state = self.0.state();
            state.taken = state.taken.saturating_sub(1);
            let next = state.line.next();
            if next.is_some() {
                state.taken += 1;
            }
            next
        };
        if let Some(next) = next {
            // If that attempt has just left, the permit is dropped here again and goes to the next one.
            let _ = next.send(FairPermit::new(&self.0));
        }
    }
}

impl Drop for QueuePosition {
    fn drop(&mut self) {
        self.shared.state().line.leave(self.ticket);
    }
}

#[cfg(test)]
mod tests;
