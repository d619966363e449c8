//! Verifies passwords without ever taking more than half of the machine, fairly among those who wait.
//!
//! A verification takes 19 MiB and some tens of milliseconds. So it runs on threads of its own ([`workers`]), at most
//! [`VerifierBounds::workers`] at a time. An attempt asks for a [`FairPermit`]; where none is free it waits in the
//! queue, whose order is fair among addresses and among names ([`waiting_line`]): a flood from one address, or for
//! one name, delays others by a few hashes. States of an attempt: *waiting* (given up by dropping the future, which
//! frees its place at once), *its turn* (while the [`FairPermit`] lives, nobody else has it), *being verified* (the
//! job holds the turn as well, so that a peer that hangs up frees no place while its hash is still being computed),
//! *put out* (the queue was full, and somebody else had more right to the place).

mod waiting_line;
mod workers;

use parking_lot::{Mutex, MutexGuard};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::available_parallelism;

use tokio::sync::oneshot;

pub use self::waiting_line::Applicant;
use self::waiting_line::{LineBounds, WaitingLine};
use self::workers::Workers;
use super::password::{self, Verdict};
use crate::domain::user::PasswordHash;
use base::secret::Secret;

/// How many verifications there may be at once, and how many may wait.
#[derive(Debug, Clone, Copy)]
pub struct VerifierBounds {
    /// The number of verifications at once.
    pub workers: usize,
    /// The number of attempts that wait, in all. Each holds a name and a password, so this bounds the bytes as well
    /// (to 1 MiB).
    pub waiting: usize,
    /// The number of attempts that wait, of one source.
    pub waiting_per_source: usize,
}

impl Default for VerifierBounds {
    fn default() -> Self {
        Self {
            // The other half is for those who are signed in.
            workers: available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1)),
            // What one core works off within a quarter of a minute: nobody waits longer for an answer.
            waiting: 512,
            // Many honest users come from behind one address, but it must not fill the whole queue.
            waiting_per_source: 384,
        }
    }
}

/// The error for an attempt that found too many others waiting. Nothing was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueFull;

/// Verifies passwords, in turn.
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
    /// The number of permits that are taken.
    taken: usize,
    line: WaitingLine<oneshot::Sender<FairPermit>>,
}

/// The permit to do what takes long. It is given to the next in line when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct FairPermit(#[allow(dead_code, reason = "held, not read")] Arc<PermitSlot>);

#[derive(Debug)]
struct PermitSlot(Arc<FairQueue>);

/// Permits alone, as fair among addresses as those for passwords: for other work that strangers cause and that takes
/// long.
#[derive(Debug)]
pub struct FairSemaphore(Arc<FairQueue>);

impl Default for FairSemaphore {
    fn default() -> Self {
        // Each connection waits for one turn at a time, so that the limits on connections are limits here.
        let bounds = VerifierBounds {
            waiting: usize::MAX,
            waiting_per_source: usize::MAX,
            ..VerifierBounds::default()
        };
        Self(Arc::new(FairQueue {
            bounds,
            state: Mutex::default(),
        }))
    }
}

impl FairSemaphore {
    /// Waits for a turn; dropping the future gives the place up. A peer that has `signed_in` comes before strangers,
    /// three times of four.
    pub async fn turn(&self, peer: IpAddr, signed_in: bool) -> Result<FairPermit, QueueFull> {
        let applicant = Applicant {
            source: peer.into(),
            name: None,
            known: signed_in,
        };
        self.0.turn(applicant).await
    }
}

/// The place of an attempt in the queue. Dropping it gives the place up.
struct WaitingPlace {
    shared: Arc<FairQueue>,
    ticket: u64,
}

impl Verifier {
    /// A verifier whose queue has these bounds.
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

    /// Waits for a turn. What the caller checks while it holds the turn cannot be overtaken by more than
    /// [`VerifierBounds::workers`] attempts.
    pub async fn turn(&self, applicant: Applicant) -> Result<FairPermit, QueueFull> {
        self.shared.turn(applicant).await
    }

    /// Whether this is the password of the hash. Without a hash, a dummy is verified: the answer is no, at the same
    /// cost.
    pub async fn verify(&self, turn: &FairPermit, password: &Secret, hash: Option<&PasswordHash>) -> Verdict {
        let (turn, password, hash) = (turn.clone(), password.clone(), hash.cloned());
        let runs = Arc::clone(&self.runs);
        let (tell, told) = oneshot::channel();
        self.workers.submit(Box::new(move |memory| {
            runs.fetch_add(1, Ordering::Relaxed);
            let verdict = password::compare(&password, hash.as_ref(), memory);
            // Before the answer: whoever counts it must find the turn taken by nobody but itself.
            drop(turn);
            let _ = tell.send(verdict);
        }));
        told.await.unwrap_or(Verdict::NotVerified)
    }

    /// Keeps a worker busy until the result is dropped.
    #[cfg(test)]
    pub fn occupy(&self) -> std::sync::mpsc::Sender<()> {
        let (busy, gate) = std::sync::mpsc::channel();
        self.workers.submit(Box::new(move |_| {
            let _ = gate.recv();
        }));
        busy
    }

    /// How many turns are taken now.
    #[cfg(test)]
    pub fn turns_taken(&self) -> usize {
        self.shared.state().taken
    }

    /// How many hashes have been computed.
    #[cfg(test)]
    pub fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }
}

impl FairQueue {
    async fn turn(self: &Arc<Self>, applicant: Applicant) -> Result<FairPermit, QueueFull> {
        let shared = self;
        let (ticket, turn) = {
            let mut state = shared.state();
            if state.taken < shared.bounds.workers {
                state.taken += 1;
                state.line.served(&applicant);
                return Ok(FairPermit::new(shared));
            }
            let (sender, turn) = oneshot::channel();
            let line = LineBounds {
                all: shared.bounds.waiting,
                per_source: shared.bounds.waiting_per_source,
            };
            // Whoever is put out hears of it by the end of the channel.
            let ticket = state.line.join(applicant, sender, line).ok_or(QueueFull)?;
            (ticket, turn)
        };
        let _place = WaitingPlace {
            shared: Arc::clone(shared),
            ticket,
        };
        turn.await.map_err(|_| QueueFull)
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
    /// Gives the turn to the next in line.
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
            // If it has just left, the turn comes back here and goes to the one behind.
            let _ = next.send(FairPermit::new(&self.0));
        }
    }
}

impl Drop for WaitingPlace {
    fn drop(&mut self) {
        self.shared.state().line.leave(self.ticket);
    }
}

#[cfg(test)]
mod tests;
