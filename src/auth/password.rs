//! Passwords: hashing them, and verifying them without ever taking more than half of the machine.
//!
//! A verification takes 19 MiB and some tens of milliseconds. So it runs off the async threads, at most
//! [`Queue::workers`] at a time, behind two lines: first one for each source of attempts, then one for all. A source
//! has only as many in the second line as there are workers, so that a flood from one address delays another by a
//! few hashes, not by hundreds. A line that is full refuses, before any of Argon2's memory is taken.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;

use argon2::password_hash::phc;
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::address::Source;
use crate::error::{Error, Result};
use crate::secret::Secret;
use crate::user::PasswordHash;

/// Longest password in bytes: far beyond any passphrase, and nothing to hash at a peer's expense.
pub const MAX_PASSWORD: usize = 1024;

/// Argon2id with 19 MiB, two passes and one lane: OWASP's recommendation, and strong enough that the memory, not the
/// processor, bounds an attacker.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// The largest parameters that an imported hash may ask for: 256 MiB (four times the memory of RFC 9106's second
/// recommendation), and at most about a second of work. More would let one user's sign-ins starve the others.
const MOST_MEMORY_KIB: u32 = 256 * 1024;
const MOST_LANES: u32 = 16;
const MOST_KIB_PASSES: u64 = 1024 * 1024;

/// A hash that no password has, of the default parameters: verified for users without one, so that they cost the same.
const DUMMY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$aG9tZXBvcnQtZHVtbXkhIQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashes a new password with the default parameters and a fresh salt. Takes tens of milliseconds: not for an async
/// thread, nor inside a transaction.
pub fn hash(password: &Secret) -> Result<PasswordHash> {
    let bytes = password.reveal().as_bytes();
    if bytes.is_empty() {
        return Err(Error::new("the password is empty"));
    }
    if bytes.len() > MAX_PASSWORD {
        return Err(Error::new(format!(
            "the password is longer than {MAX_PASSWORD} bytes"
        )));
    }
    let failed = |error: String| Error::new("cannot hash the password").because(error);
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|e| failed(e.to_string()))?;
    let hash: phc::PasswordHash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password(bytes)
        .map_err(|e| failed(e.to_string()))?;
    Ok(PasswordHash::new(hash.to_string()))
}

/// Takes a hash from elsewhere, `$argon2id$…`; an error if it is none that could be verified here.
pub fn import(phc: &str) -> Result<PasswordHash> {
    usable(phc).map_err(|why| Error::new("cannot use this password hash").because(why))?;
    Ok(PasswordHash::new(phc.to_owned()))
}

/// Parses a PHC string and checks its parameters against the bounds, before anything of that size is allocated.
fn usable(text: &str) -> std::result::Result<phc::PasswordHash, String> {
    let hash = phc::PasswordHash::new(text).map_err(|error| error.to_string())?;
    if hash.algorithm != ARGON2ID_IDENT {
        return Err("its algorithm is not argon2id".to_owned());
    }
    if hash.salt.is_none() || hash.hash.is_none() {
        return Err("its salt or its hash is missing".to_owned());
    }
    if hash.version != Some(Version::V0x13.into()) {
        return Err("its version is not 19".to_owned());
    }
    let params = Params::try_from(&hash).map_err(|error| error.to_string())?;
    let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
    if params.m_cost() > MOST_MEMORY_KIB || params.p_cost() > MOST_LANES || work > MOST_KIB_PASSES {
        return Err(format!(
            "it asks for more than m={MOST_MEMORY_KIB}, p={MOST_LANES} or m*t={MOST_KIB_PASSES}"
        ));
    }
    Ok(hash)
}

/// How verifications line up.
#[derive(Debug, Clone, Copy)]
pub struct Queue {
    /// Verifications at once.
    pub workers: usize,
    /// Attempts that wait, in all.
    pub waiting: usize,
    /// Attempts that wait, of one source.
    pub waiting_per_source: usize,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            // The other half is for those who are signed in.
            workers: available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1)),
            // What one core works off within the login grace time; later answers would reach nobody.
            waiting: 512,
            // Many honest users come from behind one address, but it must not fill the whole line.
            waiting_per_source: 384,
        }
    }
}

/// What a verification found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the password.
    Right,
    /// It is not, or there is no password to compare with.
    Wrong,
    /// The stored hash cannot be used; for the log.
    BadHash,
}

/// Too many attempts are waiting; nothing was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueFull;

/// Verifies passwords.
#[derive(Debug)]
pub struct Verifier {
    queue: Queue,
    waiting: Arc<Semaphore>,
    workers: Arc<Semaphore>,
    lanes: Mutex<HashMap<Source, Arc<Lane>>>,
    runs: Arc<AtomicU64>,
}

/// The line of one source.
#[derive(Debug)]
struct Lane {
    waiting: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

/// It is this attempt's turn among those of its source. Holds its places in the lines until the last clone is
/// dropped.
#[derive(Debug, Clone)]
pub struct Turn(#[allow(dead_code, reason = "held, not read")] Arc<Places>);

type Places = (
    OwnedSemaphorePermit,
    OwnedSemaphorePermit,
    OwnedSemaphorePermit,
    Arc<Lane>,
);

impl Verifier {
    /// A verifier with lines of these lengths.
    pub fn new(queue: Queue) -> Self {
        Self {
            waiting: Arc::new(Semaphore::new(queue.workers + queue.waiting)),
            workers: Arc::new(Semaphore::new(queue.workers)),
            lanes: Mutex::default(),
            runs: Arc::default(),
            queue,
        }
    }

    /// Waits until it is this source's turn. What the caller checks while it holds the turn cannot be overtaken by
    /// more than [`Queue::workers`] attempts of the same source.
    pub async fn turn(&self, source: Source) -> std::result::Result<Turn, QueueFull> {
        let lane = self.lane(source);
        let own = Arc::clone(&lane.waiting)
            .try_acquire_owned()
            .map_err(|_| QueueFull)?;
        let all = Arc::clone(&self.waiting)
            .try_acquire_owned()
            .map_err(|_| QueueFull)?;
        // The semaphores are never closed.
        let turn = Arc::clone(&lane.turns)
            .acquire_owned()
            .await
            .map_err(|_| QueueFull)?;
        Ok(Turn(Arc::new((turn, own, all, lane))))
    }

    /// Is this the password of the hash? Without a hash, a dummy is verified: the answer is no, at the same cost.
    pub async fn verify(&self, turn: &Turn, password: &Secret, hash: Option<&PasswordHash>) -> Verdict {
        let Ok(worker) = Arc::clone(&self.workers).acquire_owned().await else {
            return Verdict::Wrong;
        };
        let (turn, password, hash) = (turn.clone(), password.clone(), hash.cloned());
        let runs = Arc::clone(&self.runs);
        let job = move || {
            // Held by the job itself: a peer that hangs up frees no place while its hash is still being computed.
            let _held = (turn, worker);
            compare(&password, hash.as_ref(), &runs)
        };
        tokio::task::spawn_blocking(job).await.unwrap_or(Verdict::Wrong)
    }

    /// How many hashes have been computed.
    pub fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    fn lane(&self, source: Source) -> Arc<Lane> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if lanes.len() > self.queue.workers + self.queue.waiting {
            // Only attempts that are waiting or running hold a lane, and those are limited.
            lanes.retain(|_, lane| Arc::strong_count(lane) > 1);
        }
        let lane = lanes.entry(source).or_insert_with(|| {
            Arc::new(Lane {
                waiting: Arc::new(Semaphore::new(self.queue.workers + self.queue.waiting_per_source)),
                turns: Arc::new(Semaphore::new(self.queue.workers)),
            })
        });
        Arc::clone(lane)
    }
}

fn compare(password: &Secret, hash: Option<&PasswordHash>, runs: &AtomicU64) -> Verdict {
    let (parsed, otherwise) = match hash.map(|hash| usable(hash.as_phc())) {
        Some(Ok(parsed)) => (Some(parsed), Verdict::Wrong),
        Some(Err(_)) => (phc::PasswordHash::new(DUMMY).ok(), Verdict::BadHash),
        None => (phc::PasswordHash::new(DUMMY).ok(), Verdict::Wrong),
    };
    let Some(parsed) = parsed else {
        return Verdict::BadHash;
    };
    runs.fetch_add(1, Ordering::Relaxed);
    // The crate compares in constant time, with the parameters that stand in the hash.
    let same = Argon2::default()
        .verify_password(password.reveal().as_bytes(), &parsed)
        .is_ok();
    match otherwise {
        Verdict::Wrong if same && hash.is_some() => Verdict::Right,
        _ => otherwise,
    }
}

#[cfg(test)]
pub(super) use self::tests::cheap;

#[cfg(test)]
mod tests;
