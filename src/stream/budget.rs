//! What one connection may have waiting in memory, in all its channels together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::sessions::share::Share;

/// paramiko asks for a whole 10 GiB file in 32 KiB pieces at once.
const MAX_READS: usize = 400_000;
/// asyncssh has 128 blocks of 255 KiB outstanding; a little more than that.
const MAX_PAYLOAD: usize = 40 << 20;
/// What a packet that waits costs besides its bytes.
const PACKET_COST: usize = 64;

/// Why a client is disconnected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Overflow {
    /// Too many READs wait.
    #[error("more than {MAX_READS} read requests wait for answers")]
    Reads,
    /// Too much else waits.
    #[error("more than {} MiB of requests wait for answers", MAX_PAYLOAD >> 20)]
    Payload,
    /// Too much waits in all sessions of the user, or of all users.
    #[error("the sessions of this user have too many requests waiting for answers")]
    Share,
}

/// What all channels of one connection may have waiting.
#[derive(Debug)]
pub struct Budget {
    reads: AtomicUsize,
    payload: AtomicUsize,
    share: Arc<Share>,
}

impl Budget {
    /// Of a connection whose user has this share.
    pub fn of(share: Arc<Share>) -> Arc<Self> {
        Arc::new(Self {
            reads: AtomicUsize::new(0),
            payload: AtomicUsize::new(0),
            share,
        })
    }

    /// One READ waits.
    pub fn charge_read(&self) -> Result<(), Overflow> {
        charge(&self.reads, 1, MAX_READS)
            .then_some(())
            .ok_or(Overflow::Reads)
    }

    /// It waits no longer.
    pub fn release_read(&self) {
        self.reads.fetch_sub(1, Ordering::Relaxed);
    }

    /// A packet of so many bytes waits.
    pub fn charge_payload(&self, bytes: usize) -> Result<(), Overflow> {
        let bytes = bytes + PACKET_COST;
        if !charge(&self.payload, bytes, MAX_PAYLOAD) {
            return Err(Overflow::Payload);
        }
        if !self.share.charge_payload(bytes) {
            self.payload.fetch_sub(bytes, Ordering::Relaxed);
            return Err(Overflow::Share);
        }
        Ok(())
    }

    /// It waits no longer.
    pub fn release_payload(&self, bytes: usize) {
        let bytes = bytes + PACKET_COST;
        self.payload.fetch_sub(bytes, Ordering::Relaxed);
        self.share.release_payload(bytes);
    }
}

fn charge(counter: &AtomicUsize, amount: usize, limit: usize) -> bool {
    let before = counter.fetch_add(amount, Ordering::Relaxed);
    let fits = before.saturating_add(amount) <= limit;
    if !fits {
        counter.fetch_sub(amount, Ordering::Relaxed);
    }
    fits
}

#[cfg(test)]
impl Budget {
    /// With room for whatever a test does.
    pub fn roomy() -> Arc<Self> {
        Self::of(Share::of(&Arc::default()))
    }
}
